//! JUnit's XML, as the schema `junit-10.xsd` of Jenkins has it: a test suite for each kernel.

use std::io::{Result, Write};
use std::time::Duration;

use anyhow::Context;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::test_run::{Class, TestRun};
use super::{accelerators, first_line, left, printable, seeds, title};
use crate::outcome::Outcome;

// The library of JUnit reports, quick-junit, writes attributes that the schema does not have.
type Xml = Writer<Vec<u8>>;

/// The whole run.
///
/// # Errors
/// None that is known.
pub fn text(run: &TestRun) -> anyhow::Result<String> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut xml, run).context("write XML")?;
    String::from_utf8(xml.into_inner()).context("write XML")
}

fn write(xml: &mut Xml, run: &TestRun) -> Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<&Outcome> = run.outcomes.iter().collect();
    let cut = run.cut();
    let counts = Counts::of(&all, cut.is_some());
    let root = xml.create_element("testsuites");
    let root = root.with_attributes([
        ("name", "kassay"),
        ("tests", &counts.tests),
        ("failures", &counts.failures),
        ("errors", &counts.errors),
        ("time", &counts.time),
    ]);
    root.write_inner_content(|xml| {
        for (kernel, outcomes) in run.kernels() {
            suite(xml, kernel, &outcomes)?;
        }
        cut.map_or(Ok(()), |cut| interrupted(xml, &cut))
    })?;
    xml.get_mut().write_all(b"\n")
}

/// What suites say of themselves.
struct Counts {
    tests: String,
    failures: String,
    errors: String,
    skipped: String,
    time: String,
}

impl Counts {
    /// Of these outcomes, and perhaps the error that a run was interrupted.
    fn of(outcomes: &[&Outcome], is_cut: bool) -> Counts {
        let classes = outcomes.iter().map(|outcome| Class::of(outcome));
        let classes: Vec<Class> = classes.chain(is_cut.then_some(Class::Error)).collect();
        let count = |class| {
            classes
                .iter()
                .filter(|it| **it == class)
                .count()
                .to_string()
        };
        Counts {
            tests: classes.len().to_string(),
            failures: count(Class::Failure),
            errors: count(Class::Error),
            skipped: count(Class::Skip),
            time: seconds(outcomes.iter().map(|outcome| outcome.duration()).sum()),
        }
    }

    fn suite(
        &self,
        xml: &mut Xml,
        name: &str,
        inner: impl FnOnce(&mut Xml) -> Result<()>,
    ) -> Result<()> {
        let suite = xml.create_element("testsuite");
        let suite = suite.with_attributes([
            ("name", printable(name).as_str()),
            ("tests", &self.tests),
            ("failures", &self.failures),
            ("errors", &self.errors),
            ("skipped", &self.skipped),
            ("time", &self.time),
        ]);
        suite.write_inner_content(inner).map(drop)
    }
}

/// The suite of a kernel.
fn suite(xml: &mut Xml, kernel: &str, outcomes: &[&Outcome]) -> Result<()> {
    Counts::of(outcomes, false).suite(xml, kernel, |xml| {
        let properties = xml.create_element("properties");
        properties.write_inner_content(|xml| {
            let properties = properties_of(outcomes);
            properties.iter().try_for_each(|(name, value)| {
                let property = xml.create_element("property");
                let pair = [("name", name.as_str()), ("value", value.as_str())];
                property.with_attributes(pair).write_empty().map(drop)
            })
        })?;
        outcomes.iter().try_for_each(|outcome| case(xml, outcome))
    })
}

/// What the cases of a kernel were run by. The schema has no properties of cases.
fn properties_of(outcomes: &[&Outcome]) -> Vec<(String, String)> {
    let mut releases = outcomes.iter().map(|outcome| &outcome.release);
    let release = releases.find(|release| !release.is_empty());
    let accelerator = accelerators(outcomes).join(", ");
    let seed = |outcome: &&Outcome| {
        let seeds = seeds(outcome).trim_start_matches("seed ").to_owned();
        (!seeds.is_empty()).then(|| (format!("seed.{}", outcome.case.scenario), seeds))
    };
    let release = release.map(|release| ("release".to_owned(), printable(release)));
    let fixed = release
        .into_iter()
        .chain([("accelerator".to_owned(), accelerator)]);
    fixed.chain(outcomes.iter().filter_map(seed)).collect()
}

fn case(xml: &mut Xml, outcome: &Outcome) -> Result<()> {
    let class = Class::of(outcome);
    let case = xml.create_element("testcase").with_attributes([
        // Jenkins takes what stands before the last dot for a package.
        (
            "classname",
            printable(&outcome.case.kernel).replace('.', "_").as_str(),
        ),
        ("name", printable(&outcome.case.scenario).as_str()),
        ("time", seconds(outcome.duration()).as_str()),
    ]);
    let element = match class {
        Class::Pass => return case.write_empty().map(drop),
        Class::Skip => "skipped",
        Class::Failure => "failure",
        Class::Error => "error",
    };
    let written = case.write_inner_content(|xml| {
        let status = xml.create_element(element).with_attributes([
            ("type", outcome.verdict().name()),
            ("message", first_line(&title(outcome)).as_str()),
        ]);
        status.write_text_content(BytesText::new(&printable(outcome.reason())))?;
        match left(outcome) {
            left if class.is_good() || left.is_empty() => Ok(()),
            left => {
                let out = xml.create_element("system-out");
                out.write_text_content(BytesText::new(&left)).map(drop)
            }
        }
    });
    written.map(drop)
}

/// A suite with an error that says how far the run came: nothing else would show it.
fn interrupted(xml: &mut Xml, cut: &str) -> Result<()> {
    Counts::of(&[], true).suite(xml, "kassay", |xml| {
        let case = [("classname", "kassay"), ("name", "interrupted")];
        let case = xml.create_element("testcase").with_attributes(case);
        let written = case.write_inner_content(|xml| {
            let error = [("type", "interrupted"), ("message", &printable(cut))];
            let error = xml.create_element("error").with_attributes(error);
            error.write_empty().map(drop)
        });
        written.map(drop)
    })
}

/// What a failure left.
fn left(outcome: &Outcome) -> String {
    let folder = outcome.artifacts();
    let folder = folder.map(|folder| format!("everything of this run: {}\n", folder.display()));
    let texts = left::texts(outcome).into_iter();
    let texts = texts.map(|(name, text)| format!("\n{name}:\n{text}\n"));
    let parts: Vec<String> = folder.into_iter().chain(texts).collect();
    printable(&parts.concat())
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{leave, outcome, three, unstable, whole};
    use crate::verdict::Verdict;

    /// The text of the element of this name in the case of a scenario, and one of its attributes.
    fn said(xml: &str, case: (&str, &str), element: &str, attribute: &str) -> (String, String) {
        let document = roxmltree::Document::parse(xml).unwrap();
        let is_it = |node: &roxmltree::Node| {
            let names = (node.attribute("classname"), node.attribute("name"));
            names == (Some(case.0), Some(case.1))
        };
        let case = document.descendants().find(is_it).unwrap();
        let element = case.children().find(|node| node.has_tag_name(element));
        let element = element.unwrap();
        (
            element.text().unwrap_or_default().to_owned(),
            element.attribute(attribute).unwrap().to_owned(),
        )
    }

    #[test]
    fn a_skip_has_its_reason_and_a_failure_all_that_was_said() {
        let outcomes = three();
        let xml = text(&whole(&outcomes)).unwrap();
        let skip = said(&xml, ("6_12", "drop"), "skipped", "message");
        assert_eq!(skip.1, "needs `X` & <Y>");
        let (reason, title) = said(&xml, ("_/a#b", "sum"), "failure", "message");
        assert_eq!(title, "differs: <b> % ]]> # SKIP, \\u{1b}[31m");
        assert!(reason.contains("-a\\u{0}\\u{8}\\u{fffe}\\u{ffff}\\u{85}\n"));
        assert!(reason.ends_with("&amp; ]]> \"'"), "{reason}");
    }

    #[test]
    fn what_is_unstable_says_what_it_would_be() {
        let outcomes = [unstable()];
        let xml = text(&whole(&outcomes)).unwrap();
        let said = |attribute| said(&xml, ("6_1", "flaky"), "skipped", attribute).1;
        assert_eq!(said("message"), "leak: timer t stayed");
        assert_eq!(said("type"), "unstable");
    }

    #[test]
    fn suites_say_what_they_were_run_by() {
        let mut outcomes = three();
        outcomes[2].release = "6.12.1".to_owned();
        let xml = text(&whole(&outcomes)).unwrap();
        for (name, value) in [
            ("release", "6.12.1"),
            ("accelerator", "tcg"),
            ("seed.sum", "7"),
        ] {
            let property = format!(r#"<property name="{name}" value="{value}"/>"#);
            assert!(xml.contains(&property), "{xml}");
        }
    }

    #[test]
    fn what_could_not_be_judged_is_an_error_that_says_what_it_left() {
        let folder = tempfile::tempdir().unwrap();
        let mut outcomes = vec![outcome("6.1", "a", Verdict::Lost)];
        let files = [("console", "a\u{1}b"), ("verifier", "R1 !read_ok")];
        leave(&mut outcomes[0], folder.path(), &files);
        let xml = text(&whole(&outcomes)).unwrap();
        assert_eq!(said(&xml, ("6_1", "a"), "error", "type").1, "lost");
        let left = "\nverifier:\nR1 !read_ok\n\nconsole:\na\\u{1}b\n";
        assert!(xml.contains(left), "{xml}");
    }

    #[test]
    fn a_run_that_was_interrupted_has_an_error_that_says_so() {
        let outcomes = three();
        let run = TestRun {
            chosen: 9,
            stopped: Some("interrupted".to_owned()),
            ..whole(&outcomes)
        };
        let xml = text(&run).unwrap();
        let cut = r#"<error type="interrupted" message="interrupted: 3 of 9 cases had ended"/>"#;
        assert!(xml.contains(cut), "{xml}");
        assert!(
            xml.contains(r#"tests="4" failures="1" errors="1""#),
            "{xml}"
        );
    }
}
