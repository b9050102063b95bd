//! A case in the page.

use anyhow::Result;
use maud::{Markup, html};

use super::{Links, class, id, seconds};
use crate::outcome::Outcome;
use crate::report::test_run::{Class, TestRun};
use crate::report::{first_line, left, printable, seeds};
use crate::snapshot::side_by_side;

/// All that there is to say of a case.
///
/// # Errors
/// Its snapshot cannot be read.
pub fn section(run: &TestRun, outcome: &Outcome, links: &Links) -> Result<Markup> {
    let is_good = Class::of(outcome).is_good();
    let title = match is_good {
        true => outcome.judged().and_then(|judged| judged.expected.clone()),
        false => Some(outcome.title().to_owned()),
    };
    Ok(html! {
        details.case id=(id(run, outcome)) data-bad[!is_good] {
            summary {
                span class=(class(outcome)) { (outcome.verdict().name()) } " "
                b { (printable(&outcome.case.to_string())) }
                @if let Some(title) = title { " " span.title { (first_line(&title)) } }
            }
            (facts(outcome))
            @if !outcome.reason().is_empty() {
                h3 { "Reason" }
                pre { (printable(outcome.reason())) }
            }
            (transcripts(outcome)?)
            @for (name, text) in left::texts(outcome) {
                details {
                    summary { (heading(name)) }
                    pre { (text) }
                }
            }
            (files(outcome, links))
        }
    })
}

/// What a page calls the case of this name, or else the first whose name contains it.
pub fn find(page: &str, wanted: &str) -> Option<String> {
    let wanted = html! { (printable(wanted)) }.into_string();
    // Nothing that was sent is markup, so this begins a section.
    let sections = page.split("<details class=\"case\" id=\"").skip(1);
    let named = sections.filter_map(|section| {
        let (id, rest) = section.split_once('"')?;
        let (name, _) = rest.split_once("<b>")?.1.split_once("</b>")?;
        Some((id, name))
    });
    let named: Vec<(&str, &str)> = named.collect();
    let by = |is_it: &dyn Fn(&str) -> bool| named.iter().find(|(_, name)| is_it(name));
    let found = by(&|name| name == wanted).or_else(|| by(&|name| name.contains(&wanted)));
    found.map(|(id, _)| (*id).to_owned())
}

/// What it was run on, and how long it took.
fn facts(outcome: &Outcome) -> Markup {
    let accelerator = outcome.accelerator.to_string();
    let judged = outcome.judged();
    let restored = judged.is_some_and(|judged| judged.restored);
    let time = match (outcome.duration().is_zero(), restored) {
        (true, _) => String::new(),
        (false, true) => format!("{}, from a saved state", seconds(outcome)),
        (false, false) => format!("{}, with the boot", seconds(outcome)),
    };
    let peak = judged.and_then(|judged| judged.peak_kib);
    let rows = [
        ("kernel", outcome.case.kernel.clone()),
        ("release", outcome.release.clone()),
        ("accelerator", accelerator),
        ("scenario", outcome.file.display().to_string()),
        (
            "seeds",
            seeds(outcome).trim_start_matches("seed ").to_owned(),
        ),
        ("time", time),
        (
            "memory",
            peak.map_or(String::new(), |kib| format!("{} MiB at most", kib / 1024)),
        ),
    ];
    html! {
        dl {
            @for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
                div { dt { (name) } dd { (printable(value)) } }
            }
        }
    }
}

/// The transcript beside its snapshot.
fn transcripts(outcome: &Outcome) -> Result<Markup> {
    let Some((snapshot, seen)) = outcome.transcript() else {
        return Ok(html! {});
    };
    let (reviewed, seen) = (snapshot.reviewed()?, printable(seen));
    let name = match reviewed {
        Some(_) => format!("snapshot {}", snapshot.name),
        None => format!("there is no snapshot {}", snapshot.name),
    };
    let reviewed = printable(&reviewed.unwrap_or_default());
    let rows = side_by_side(&reviewed, &seen);
    Ok(html! {
        h3 { "Transcript" }
        table.sides {
            thead { tr { th scope="col" { (printable(&name)) } th scope="col" { "this run" } } }
            tbody { @for (old, new) in rows { (row(old, new)) } }
        }
    })
}

fn row(old: Option<&str>, new: Option<&str>) -> Markup {
    if old == new {
        let line = old.unwrap_or_default();
        return html! { tr { td { (line) } td { (line) } } };
    }
    html! {
        tr {
            @match old { Some(line) => td.gone { del { (line) } }, None => td.none {} }
            @match new { Some(line) => td.new { ins { (line) } }, None => td.none {} }
        }
    }
}

fn heading(name: &str) -> &str {
    match name {
        "report" => "What the kernel reported",
        "verifier" => "What libbpf and the verifier said",
        "console" => "Console",
        other => other,
    }
}

/// Links to the files that are kept, or the folder where they lie.
fn files(outcome: &Outcome, links: &Links) -> Markup {
    html! {
        @if !links.is_empty() {
            h3 { "Files" }
            ul.files { @for (name, href) in links { li { a href=(href) { (printable(name)) } } } }
        }
        @if let Some(folder) = outcome.artifacts() {
            p { "everything of this run: " code { (printable(&folder.display().to_string())) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::page;
    use crate::report::tests::{outcome, whole};
    use crate::verdict::Verdict;

    #[test]
    fn a_case_is_found_by_its_name_or_a_part_of_it() {
        let outcomes = [
            outcome("6.1", "sums", Verdict::Pass),
            outcome("6.1", "sum", Verdict::Pass),
            outcome("a<b>&", "drop", Verdict::Panic),
        ];
        let page = page(&whole(&outcomes), &[]).unwrap();
        let find = |name| find(&page, name);
        assert_eq!(find("6.1::sum").as_deref(), Some("case-2"));
        assert_eq!(find("sum").as_deref(), Some("case-1"));
        assert_eq!(find("a<b>&::").as_deref(), Some("case-3"));
        // Failures come first.
        assert_eq!(find("::").as_deref(), Some("case-3"));
        assert_eq!(find("none"), None);
    }
}
