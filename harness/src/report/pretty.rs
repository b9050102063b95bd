//! Lines for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::normalise::visible;
use crate::run::{Outcome, Setting};
use crate::verdict::Verdict;

/// What one case came to: one line, and below it what there is to say of a
/// verdict that is not a pass. What comes of a guest may have control characters,
/// which are shown.
pub fn case(setting: &Setting, outcome: &Outcome) -> String {
    let verdict = match outcome.unchanged {
        true => "unchanged",
        false => outcome.verdict.name(),
    };
    let mut text = format!("{verdict:<9} {}::{}", outcome.kernel, outcome.scenario);
    if !outcome.duration.is_zero() {
        let _ = write!(
            text,
            " ({:.2} s, {}",
            outcome.duration.as_secs_f64(),
            setting.accelerator
        );
        let seeds = super::seeds(outcome);
        let _ = match seeds.is_empty() {
            true => write!(text, ")"),
            false => write!(text, ", {seeds})"),
        };
    }
    if outcome.verdict != Verdict::Pass {
        let _ = write!(text, ": {}", visible(&outcome.title));
        for line in beyond(&outcome.title, &outcome.reason).lines() {
            let _ = write!(text, "\n    {}", visible(line));
        }
    } else if let Some(title) = &outcome.expected {
        let _ = write!(text, ": as expected, {title}");
    }
    if let Some(artifacts) = &outcome.artifacts {
        let _ = write!(
            text,
            "\n    everything of this run: {}",
            artifacts.display()
        );
    }
    text
}

/// A reason without its title, with which it may begin.
fn beyond<'a>(title: &str, reason: &'a str) -> &'a str {
    match reason.strip_prefix(title) {
        Some(rest) if rest.is_empty() => rest,
        Some(rest) => rest
            .strip_prefix(": ")
            .or_else(|| rest.strip_prefix('\n'))
            .unwrap_or(reason),
        None => reason,
    }
}

/// The last line: how many cases came to which verdict.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let unchanged = outcomes.iter().filter(|outcome| outcome.unchanged).count();
    let run = outcomes.len() - unchanged;
    for outcome in outcomes.iter().filter(|outcome| !outcome.unchanged) {
        *counts.entry(outcome.verdict.to_string()).or_default() += 1;
    }
    let passed = counts.remove("pass").unwrap_or(0);
    let others = counts
        .iter()
        .map(|(verdict, count)| format!(", {count} {verdict}"));
    let mut line = format!("{passed} of {run} passed{}", others.collect::<String>());
    if unchanged > 0 {
        let _ = write!(line, ", {unchanged} unchanged since they passed");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::report::tests::outcome;
    use crate::vm::Accelerator;

    #[test]
    fn a_title_is_not_said_twice() {
        assert_eq!(
            beyond("build m", "build m: make failed\nm.c"),
            "make failed\nm.c"
        );
        assert_eq!(beyond("needs a", "needs a"), "");
        assert_eq!(beyond("BUG: a", "BUG: a\nb"), "b");
        assert_eq!(beyond("BUG: a", "BUG: abc"), "BUG: abc");
    }

    #[test]
    fn what_a_guest_says_does_nothing_to_a_terminal() {
        let directory = tempfile::tempdir().unwrap();
        let setting = Setting::new(Cache::at(directory.path()).unwrap(), Accelerator::Tcg);
        let outcome = Outcome {
            title: "a\x1b[2Jb".to_owned(),
            reason: "c\rd\x07\n\te".to_owned(),
            ..outcome("distro", "case", Verdict::Report)
        };
        assert_eq!(
            case(&setting, &outcome),
            "report    distro::case: a\\u{1b}[2Jb\n    c\\rd\\u{7}\n    \te"
        );
    }
}
