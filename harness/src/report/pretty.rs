//! Lines for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use anstyle::AnsiColor;
use anyhow::Result;

use super::matrix;
use super::test_run::TestRun;
use crate::normalise::visible;
use crate::outcome::{End, Outcome};
use crate::verdict::Verdict;

/// What one case came to: one line, and below it what there is to say of a
/// verdict that is not a pass. What comes of a guest may have control characters,
/// which are shown.
pub fn case(outcome: &Outcome) -> String {
    let verdict = match outcome.end {
        End::Unchanged => "unchanged",
        _ => outcome.verdict().name(),
    };
    let mut text = format!("{verdict:<9} {}", outcome.case);
    if !outcome.duration().is_zero() {
        let _ = write!(
            text,
            " ({:.2} s, {}",
            outcome.duration().as_secs_f64(),
            outcome.accelerator
        );
        let seeds = super::seeds(outcome);
        let _ = match seeds.is_empty() {
            true => write!(text, ")"),
            false => write!(text, ", {seeds})"),
        };
    }
    if outcome.verdict() != Verdict::Pass {
        let _ = match outcome.marked() {
            Some(marked) if outcome.verdict() == Verdict::Unstable => {
                write!(text, ": {}: {}", marked.verdict, visible(outcome.title()))
            }
            _ => write!(text, ": {}", visible(outcome.title())),
        };
        for line in beyond(outcome.title(), outcome.reason()).lines() {
            let _ = write!(text, "\n    {}", visible(line));
        }
    } else if let Some(title) = outcome.judged().and_then(|judged| judged.expected.as_ref()) {
        let _ = write!(text, ": as expected, {title}");
    } else if let Some(marked) = outcome.marked() {
        let _ = write!(text, ": {}", visible(&marked.mark.to_string()));
    }
    if let Some(artifacts) = outcome.artifacts() {
        let _ = write!(
            text,
            "\n    everything of this run: {}",
            artifacts.display()
        );
    }
    text
}

/// The text of a case with colours: of the verdict, and of what a transcript has lost and gained.
pub fn painted(text: &str) -> String {
    let paint = |text: &str, colour: AnsiColor| {
        let style = colour.on_default();
        format!("{style}{text}{style:#}")
    };
    let line = |(at, line): (usize, &str)| match (at, line.split_once(' ')) {
        (0, Some((verdict, rest))) => {
            let colour = match verdict {
                "pass" => AnsiColor::Green,
                "skipped" | "unchanged" | "unstable" => AnsiColor::Yellow,
                _ => AnsiColor::Red,
            };
            format!("{} {rest}", paint(verdict, colour))
        }
        _ if line.starts_with("    -") => paint(line, AnsiColor::Red),
        _ if line.starts_with("    +") => paint(line, AnsiColor::Green),
        _ => line.to_owned(),
    };
    let lines: Vec<String> = text.lines().enumerate().map(line).collect();
    lines.join("\n")
}

/// Why cases could not be run, as far as it was told.
#[derive(Default)]
pub struct Told(Mutex<BTreeSet<String>>);

impl Told {
    /// What [`case`] says, unless the case was stopped by what was told of another already.
    pub fn case(&self, outcome: &Outcome) -> Option<String> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !outcome.is_unbuilt() || told.insert(outcome.reason().to_owned());
        is_new.then(|| case(outcome))
    }
}

/// A line for each thing that could not be had or built for several cases.
fn stopped(outcomes: &[Outcome]) -> String {
    let mut counts: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.is_unbuilt()) {
        counts
            .entry(outcome.reason())
            .or_insert((outcome.title(), 0))
            .1 += 1;
    }
    let several = counts.into_values().filter(|(_, count)| *count > 1);
    several
        .map(|(title, count)| format!("stopped {count} cases: {}\n", visible(title)))
        .collect()
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

/// The last lines: what stopped several cases, and how many came to which verdict.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let is_unchanged = |outcome: &&Outcome| matches!(outcome.end, End::Unchanged);
    let unchanged = outcomes.iter().filter(is_unchanged).count();
    let run = outcomes.len() - unchanged;
    for outcome in outcomes.iter().filter(|outcome| !is_unchanged(outcome)) {
        *counts.entry(outcome.verdict().to_string()).or_default() += 1;
    }
    let passed = counts.remove("pass").unwrap_or(0);
    let others = counts
        .iter()
        .map(|(verdict, count)| format!(", {count} {verdict}"));
    let mut line = stopped(outcomes);
    let _ = write!(
        line,
        "{passed} of {run} passed{}",
        others.collect::<String>()
    );
    if unchanged > 0 {
        let _ = write!(line, ", {unchanged} unchanged since they passed");
    }
    line
}

/// What stands below the cases: the table of several kernels, the last line, and how far a run came
/// that was broken off.
///
/// # Errors
/// A snapshot cannot be read.
pub fn conclusion(run: &TestRun) -> Result<String> {
    let mut text: String = run
        .foot
        .coverage
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    text += &match matrix::unique(run.outcomes, |outcome| &outcome.case.kernel)[..] {
        [] | [_] => String::new(),
        _ => format!("\n{}\n\n", matrix::table(run.outcomes)?),
    };
    let is_good = |verdict| matches!(verdict, Verdict::Pass | Verdict::Skipped);
    let mut verdicts = run.outcomes.iter().map(Outcome::verdict);
    if let Some(bad) = verdicts.find(|verdict| !is_good(*verdict)) {
        let _ = writeln!(text, "`kassay explain {bad}` says what to look at");
    }
    let _ = write!(text, "{}{}", summary(run.outcomes), run.foot.end());
    if let Some(cut) = run.cut() {
        let _ = write!(text, "\n{cut}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Marked, Unbuilt};
    use crate::report::tests::{outcome, ran};

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
    fn colours_say_what_is_good_lost_and_gained() {
        assert_eq!(painted("pass      a::b"), "\x1b[32mpass\x1b[0m      a::b");
        let text = "mismatch  a::b: differs\n     trace\n    -  1\n    +  2";
        let coloured = "\x1b[31mmismatch\x1b[0m  a::b: differs\n     trace\n\
                        \x1b[31m    -  1\x1b[0m\n\x1b[32m    +  2\x1b[0m";
        assert_eq!(painted(text), coloured);
    }

    #[test]
    fn what_stops_several_cases_is_told_once() {
        let stopped = |case| Outcome {
            end: End::Unbuilt(Unbuilt::new("build the guest program: no")),
            ..outcome("distro", case, Verdict::Infra)
        };
        let (told, one, other) = (Told::default(), stopped("one"), stopped("other"));
        assert!(told.case(&one).is_some());
        assert_eq!(told.case(&other), None);
        assert_eq!(
            summary(&[one, other]),
            "stopped 2 cases: build the guest program\n0 of 2 passed, 2 infra"
        );
    }

    #[test]
    fn what_is_unstable_says_what_it_is_and_a_pass_that_it_is_marked() {
        let mark = toml::from_str("reason = 'a race'\nuntil = '2027-03-01'").unwrap();
        let told = |verdict, was| {
            let mut outcome = outcome("distro", "case", verdict);
            let mark = Clone::clone(&mark);
            ran(&mut outcome).marked = Some(Marked { mark, verdict: was });
            case(&outcome)
        };
        assert_eq!(
            told(Verdict::Pass, Verdict::Pass),
            "pass      distro::case: marked unstable until 2027-03-01: a race"
        );
        let unstable = told(Verdict::Unstable, Verdict::Leak);
        assert_eq!(unstable, "unstable  distro::case: leak: ");
    }

    #[test]
    fn what_a_guest_says_does_nothing_to_a_terminal() {
        let mut outcome = outcome("distro", "case", Verdict::Report);
        ran(&mut outcome).title = "a\x1b[2Jb".to_owned();
        ran(&mut outcome).reason = "c\rd\x07\n\te".to_owned();
        assert_eq!(
            case(&outcome),
            "report    distro::case: a\\u{1b}[2Jb\n    c\\rd\\u{7}\n    \te"
        );
    }
}
