//! What `test_progs` says, and what that makes of a case.

use std::collections::BTreeSet;

use crate::excerpt::bounded;
use crate::outcome::{End, Outcome};
use crate::verdict::Verdict;

/// How many tests that failed a title names.
const NAMED: usize = 5;

/// What `test_progs` says of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// How many tests did not fail, those that were skipped among them, and how many subtests passed.
    pub passed: (u32, u32),
    /// How many tests and subtests were skipped.
    pub skipped: u32,
    /// The tests and subtests that failed, by their names.
    pub failing: BTreeSet<String>,
}

impl Said {
    /// What a transcript has of it: nothing where there is no summary.
    pub fn of(transcript: &str) -> Option<Said> {
        let mut said = None;
        let mut failing = BTreeSet::new();
        for line in transcript.lines().map(str::trim) {
            if let Some(numbers) = line.strip_prefix("Summary: ") {
                said = Said::summary(numbers);
            } else if line.starts_with('#')
                && let Some((name, "FAIL")) = line.rsplit_once(':')
                && let Some((_, name)) = name.split_once(char::is_whitespace)
            {
                // A subtest of the verifier is called by a sentence.
                failing.insert(name.trim_start().to_owned());
            }
        }
        // A test with subtests that failed fails because of them.
        let is_of = |name: &str| failing.iter().any(|it| it.starts_with(&format!("{name}/")));
        let failing = failing.iter().filter(|name| !is_of(name)).cloned();
        Some(Said {
            failing: failing.collect(),
            ..said?
        })
    }

    /// `1/22 PASSED, 0 SKIPPED, 0 FAILED`.
    fn summary(text: &str) -> Option<Said> {
        let mut counts = text.split(", ").map(|part| part.split_once(' '));
        let mut count = |word: &str| match counts.next()?? {
            (number, said) if said == word => Some(number),
            _ => None,
        };
        let (tests, subtests) = count("PASSED")?.split_once('/')?;
        let skipped = count("SKIPPED")?.parse().ok()?;
        count("FAILED")?;
        Some(Said {
            passed: (tests.parse().ok()?, subtests.parse().ok()?),
            skipped,
            failing: BTreeSet::new(),
        })
    }
}

/// Has the outcome of a test say what `test_progs` said: that it ended well is no pass of what it
/// skipped, or did not run. Returns how many subtests passed and were skipped in a pass.
pub fn settle(outcome: &mut Outcome) -> (u32, u32) {
    let End::Ran(judged) = &mut outcome.end else {
        return (0, 0);
    };
    let text = judged.transcript.as_ref().map_or("", |(_, text)| text);
    match (judged.verdict, Said::of(text)) {
        // `test_progs` counts a test that skips itself, or all of its subtests, as one that passed.
        (Verdict::Pass, Some(said)) if said.skipped > 0 && said.passed.1 == 0 => {
            outcome.end = End::Skipped(format!("test_progs skips it\n{}", bounded(text)));
        }
        (Verdict::Pass, Some(said)) if said.passed.0 > 0 => {
            let (passed, skipped) = (said.passed.1, said.skipped);
            judged.reason = format!("{passed} subtests passed, {skipped} skipped");
            return (passed, skipped);
        }
        (Verdict::Pass, _) => {
            judged.verdict = Verdict::Mismatch;
            judged.title = "test_progs ran no test".to_owned();
            judged.reason = bounded(text);
        }
        (Verdict::Mismatch, Some(said)) if !said.failing.is_empty() => {
            judged.title = title(&said.failing);
            judged.reason = bounded(&of_failures(text));
        }
        // It crashed, or said more than there is room for.
        (Verdict::Mismatch, _) => {
            if let Some(fate) = fate(text) {
                judged.title = format!("test_progs {fate}");
                judged.reason = bounded(&of_failures(text));
            }
        }
        _ => {}
    }
    (0, 0)
}

/// How `test_progs` ended, where that was not well.
fn fate(text: &str) -> Option<&str> {
    let mut lines = text.lines().map(str::trim_start);
    let line = lines.find_map(|line| line.strip_prefix("run ./test_progs "))?;
    line.split_once(": ").map(|(_, fate)| fate)
}

/// Which failed, as far as a line has room.
fn title(failing: &BTreeSet<String>) -> String {
    let named: Vec<&str> = failing.iter().take(NAMED).map(String::as_str).collect();
    let named = named.join(", ");
    match failing.len().saturating_sub(NAMED) {
        0 => format!("{named} failed"),
        more => format!("{named} and {more} more failed"),
    }
}

/// What `test_progs` printed, but for what passed and what it says twice.
fn of_failures(text: &str) -> String {
    let lines = text.lines();
    let once = lines.take_while(|line| line.trim() != "All error logs:");
    let is_good = |line: &&str| line.contains(":PASS:") || line.ends_with(":OK");
    let lines: Vec<&str> = once.filter(|line| !is_good(line)).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: &str = "run ./test_progs -a iters: ended with status 1\n  \
                          #1/1     iters/one:OK\n  #1/2     iters/two:FAIL\n  #1       iters:FAIL\n  \
                          Summary: 0/1 PASSED, 0 SKIPPED, 1 FAILED\n";

    #[test]
    fn what_passed_is_no_reason() {
        let text = format!("{FAILED}  \n  All error logs:\n  #1/2     iters/two:FAIL\n");
        let told = of_failures(&text);
        assert_eq!(told.matches("iters/two:FAIL").count(), 1, "{told}");
        assert!(!told.contains("iters/one"), "{told}");
    }

    #[test]
    fn a_title_has_whole_names_and_not_all_of_many() {
        let line = |n: u32| format!("#1/{n}     v/a use of {n}: bad:FAIL\n");
        let told = |most: u32| {
            let lines: String = (1..=most).map(line).collect();
            title(&Said::of(&format!("{lines}{FAILED}")).unwrap().failing)
        };
        assert_eq!(told(1), "iters/two, v/a use of 1: bad failed");
        assert!(told(4).ends_with(", v/a use of 4: bad failed"));
        assert!(told(9).ends_with(", v/a use of 4: bad and 5 more failed"));
    }

    #[test]
    fn a_summary_and_what_failed_are_read() {
        let said = Said::of(FAILED).unwrap();
        assert_eq!((said.passed, said.skipped), ((0, 1), 0));
        assert_eq!(Vec::from_iter(said.failing), ["iters/two"]);
        // A test may say anything before that.
        let forged = format!("Summary: 1/1 PASSED, 0 SKIPPED, 0 FAILED\n{FAILED}");
        assert_eq!(Said::of(&forged).unwrap().passed, (0, 1));
        for text in [
            "",
            "Summary: 1 PASSED",
            "Summary: x/1 PASSED, 0 SKIPPED, 0 FAILED",
        ] {
            assert_eq!(Said::of(text), None, "{text}");
        }
    }
}
