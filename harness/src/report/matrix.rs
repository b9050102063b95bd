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
    let rows = rows(outcomes);
    let first = rows.iter().map(|row| row[0].len()).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let mut line = format!("{:first$}", row[0]);
        for (cell, kernel) in row.iter().zip(&rows[0]).skip(1) {
            line.push_str(&format!("  {cell:0$}", kernel.len().max(9)));
        }
        line.trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    for (scenario, kernels, diff) in differences(outcomes)? {
        lines.push(format!("{scenario} on {} differs:", kernels.join(", ")));
        lines.extend(diff.lines().map(|line| format!("    {line}")));
    }
    Ok(lines.join("\n"))
}

/// The rows of such a table, all with as many cells. The first names the kernels.
pub(super) fn rows(outcomes: &[Outcome]) -> Vec<Vec<String>> {
    let kernels = unique(outcomes, |outcome| &outcome.case.kernel);
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(kernels.iter().map(|kernel| (*kernel).to_owned()));
    for scenario in unique(outcomes, |outcome| &outcome.case.scenario) {
        let cell = |kernel: &&str| find(outcomes, kernel, scenario).map_or("", mark).to_owned();
        let cells = kernels.iter().map(cell);
        rows.push(std::iter::once(scenario.to_owned()).chain(cells).collect());
    }
    rows
}

/// A scenario, kernels, and how the transcripts there differ from the common snapshot although they
/// are as reviewed.
pub(super) type Difference<'a> = (&'a str, Vec<&'a str>, String);

/// All such differences.
///
/// # Errors
/// A snapshot cannot be read.
pub(super) fn differences(outcomes: &[Outcome]) -> Result<Vec<Difference<'_>>> {
    let mut found: Vec<Difference> = Vec::new();
    for scenario in unique(outcomes, |outcome| &outcome.case.scenario) {
        for (diff, kernels) in differences_of(outcomes, scenario)? {
            found.push((scenario, kernels, diff));
        }
    }
    Ok(found)
}

/// How a scenario's transcripts differ from the common snapshot where they are as reviewed,
/// and on which kernels.
fn differences_of<'a>(
    outcomes: &'a [Outcome],
    scenario: &str,
) -> Result<Vec<(String, Vec<&'a str>)>> {
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
pub(super) fn mark(outcome: &Outcome) -> &'static str {
    let own = outcome
        .transcript()
        .is_some_and(|(snapshot, _)| !snapshot.is_common());
    match outcome.verdict() {
        Verdict::Pass if own => "pass*",
        verdict => verdict.name(),
    }
}

/// What a scenario came to on a kernel.
pub(super) fn find<'a>(
    outcomes: &'a [Outcome],
    kernel: &str,
    scenario: &str,
) -> Option<&'a Outcome> {
    outcomes
        .iter()
        .find(|outcome| (&*outcome.case.kernel, &*outcome.case.scenario) == (kernel, scenario))
}

/// The names of outcomes, each once, in their order.
pub(super) fn unique<'a>(
    outcomes: &'a [Outcome],
    of: impl Fn(&'a Outcome) -> &'a String,
) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for name in outcomes.iter().map(of) {
        if !found.contains(&name.as_str()) {
            found.push(name);
        }
    }
    found
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
