//! What several kernels came to, side by side.

use anyhow::Result;

use crate::outcome::Outcome;
use crate::verdict::Verdict;

/// A table, a row for each scenario and a column for each kernel, in the order of the
/// outcomes, and below it how the transcripts differ from the common ones where a kernel has
/// a snapshot of its own.
///
/// # Errors
/// A snapshot cannot be read.
pub fn table(outcomes: &[Outcome]) -> Result<String> {
    let kernels = unique(outcomes, |outcome| &outcome.case.kernel);
    let scenarios = unique(outcomes, |outcome| &outcome.case.scenario);
    let first = width(scenarios.iter().copied());
    let mut text = " ".repeat(first);
    for kernel in &kernels {
        text.push_str(&format!("  {kernel:<9}"));
    }
    for scenario in &scenarios {
        text = text.trim_end().to_owned();
        text.push_str(&format!("\n{scenario:first$}"));
        for kernel in &kernels {
            let width = kernel.len().max(9);
            let cell = find(outcomes, kernel, scenario).map_or("", mark);
            text.push_str(&format!("  {cell:width$}"));
        }
    }
    text = text.trim_end().to_owned();
    for scenario in scenarios {
        for (diff, kernels) in differences(outcomes, scenario)? {
            text.push_str(&format!("\n{scenario} on {} differs:", kernels.join(", ")));
            diff.lines()
                .for_each(|line| text.push_str(&format!("\n    {line}")));
        }
    }
    Ok(text)
}

/// How a scenario's transcripts differ from the common snapshot where they are as reviewed,
/// and on which kernels.
fn differences<'a>(outcomes: &'a [Outcome], scenario: &str) -> Result<Vec<(String, Vec<&'a str>)>> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    let passed = outcomes
        .iter()
        .filter(|outcome| outcome.case.scenario == scenario && outcome.verdict() == Verdict::Pass);
    for outcome in passed {
        let Some((snapshot, transcript)) = outcome.transcript() else {
            continue;
        };
        let Some(diff) = snapshot.differs_from_common(transcript)? else {
            continue;
        };
        match found.iter_mut().find(|(known, _)| *known == diff) {
            Some((_, kernels)) => kernels.push(&outcome.case.kernel),
            None => found.push((diff, vec![&outcome.case.kernel])),
        }
    }
    Ok(found)
}

/// A verdict, with `*` where the kernel has a snapshot of its own.
fn mark(outcome: &Outcome) -> &'static str {
    let own = outcome
        .transcript()
        .is_some_and(|(snapshot, _)| !snapshot.is_common());
    match outcome.verdict() {
        Verdict::Pass if own => "pass*",
        verdict => verdict.name(),
    }
}

fn find<'a>(outcomes: &'a [Outcome], kernel: &str, scenario: &str) -> Option<&'a Outcome> {
    outcomes
        .iter()
        .find(|outcome| (&*outcome.case.kernel, &*outcome.case.scenario) == (kernel, scenario))
}

fn unique<'a>(outcomes: &'a [Outcome], of: impl Fn(&'a Outcome) -> &'a String) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in outcomes.iter().map(of) {
        if !found.contains(&name.as_str()) {
            found.push(name);
        }
    }
    found
}

fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{outcome, ran};
    use super::*;
    use crate::snapshot::Snapshot;

    #[test]
    fn a_row_for_each_scenario_and_a_column_for_each_kernel() {
        let outcomes = [
            outcome("6.1", "sum", Verdict::Skipped),
            outcome("6.1", "drop", Verdict::Pass),
            outcome("linux-of-mine", "sum", Verdict::Mismatch),
        ];
        let expected = "      6.1        linux-of-mine\n\
                        sum   skipped    mismatch\n\
                        drop  pass";
        assert_eq!(table(&outcomes).unwrap(), expected);
    }

    #[test]
    fn a_snapshot_of_its_own_is_marked_and_shown_as_a_difference() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = |name: &str| Snapshot {
            name: name.to_owned(),
            directory: directory.path().to_owned(),
        };
        snapshot("sum").accept("it", "trace\n  10\n").unwrap();
        let mut outcomes = ["6.1", "6.2"].map(|kernel| outcome(kernel, "sum", Verdict::Pass));
        let own = |outcome: &mut Outcome, name: &str, text: &str| {
            ran(outcome).transcript = Some((snapshot(name), text.to_owned()));
        };
        own(&mut outcomes[0], "sum", "trace\n  10\n");
        own(&mut outcomes[1], "sum@6.2", "trace\n  11\n");
        let expected = "     6.1        6.2\n\
                        sum  pass       pass*\n\
                        sum on 6.2 differs:\n     trace\n    -  10\n    +  11";
        assert_eq!(table(&outcomes).unwrap(), expected);
    }
}
