//! The Test Anything Protocol, version 13: a test for each case, with what JSON says of it in YAML.

use serde_json::Value;

use super::test_run::{Class, TestRun};
use super::{first_line, json, printable, title};
use crate::outcome::Outcome;

/// The whole run.
pub fn text(run: &TestRun) -> String {
    let mut lines = vec!["TAP version 13".to_owned()];
    lines.push(format!("1..{}", run.chosen));
    for (number, outcome) in (1..).zip(run.outcomes) {
        lines.extend(case(number, outcome));
    }
    lines.extend(
        run.cut()
            .map(|cut| format!("Bail out! {}", printable(&cut))),
    );
    lines.join("\n")
}

fn case(number: usize, outcome: &Outcome) -> Vec<String> {
    let class = Class::of(outcome);
    let result = match class.is_good() {
        true => "ok",
        false => "not ok",
    };
    let mut line = format!("{result} {number} - {}", escaped(&outcome.case.to_string()));
    if class == Class::Skip {
        line += &format!(" # SKIP {}", escaped(&first_line(&title(outcome))));
    }
    let mut lines = vec![line, "  ---".to_owned()];
    // What is JSON is YAML, but for characters that YAML has no room for.
    // A transcript is as long as a report of its own.
    let said = json::object(outcome).into_iter();
    for (key, value) in said.filter(|(key, _)| key != "transcript") {
        let value = match value {
            Value::String(text) => Value::String(printable(&text)),
            other => other,
        };
        lines.push(format!("  {key}: {value}"));
    }
    lines.push("  ...".to_owned());
    lines
}

/// A text in which nothing is a directive.
fn escaped(text: &str) -> String {
    let text = printable(text).replace('\\', "\\\\").replace('\n', " ");
    text.replace('#', "\\#")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{three, whole};

    #[test]
    fn a_test_for_each_case_and_all_of_it_below() {
        let outcomes = three();
        let text = text(&whole(&outcomes));
        let is_result = |line: &&str| line.starts_with("ok") || line.starts_with("not ok");
        let results: Vec<&str> = text.lines().filter(is_result).collect();
        let expected = [
            "ok 1 - 6.12::sum",
            "ok 2 - 6.12::drop # SKIP needs `X` & <Y>",
            "not ok 3 - ./a\\#b::sum",
        ];
        assert_eq!(results, expected);
        assert!(text.starts_with("TAP version 13\n1..3\n"), "{text}");
        assert!(text.contains("  verdict: \"mismatch\"\n"), "{text}");
    }

    #[test]
    fn a_run_that_was_interrupted_bails_out() {
        let outcomes = three();
        let run = TestRun {
            chosen: 5,
            stopped: Some("interrupted".to_owned()),
            ..whole(&outcomes)
        };
        let last = "\nBail out! interrupted: 3 of 5 cases had ended";
        assert!(text(&run).ends_with(last));
    }
}
