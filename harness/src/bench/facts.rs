//! What drivers measure: the facts of theirs that are numbers, over several runs of a scenario.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::{median, pass, sorted};
use crate::case::Setting;
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::scenario::Scenario;

/// A fact, by its name and value.
type Fact = (String, String);

/// What was measured of one thing.
pub struct Row {
    /// The fact's name.
    pub name: String,
    /// All its values, sorted. One run may have told several.
    values: Vec<f64>,
    /// How many runs told any.
    pub runs: usize,
}

impl Row {
    /// The median of its values.
    pub fn median(&self) -> f64 {
        median(&self.values)
    }

    /// The least of them.
    pub fn least(&self) -> f64 {
        self.values.first().copied().unwrap_or(f64::NAN)
    }

    /// The greatest of them.
    pub fn most(&self) -> f64 {
        self.values.last().copied().unwrap_or(f64::NAN)
    }
}

/// Runs a scenario so many times, each in a machine of its own.
///
/// # Errors
/// A run that does not pass, or in which no driver reports a number.
pub fn measure(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    runs: usize,
) -> Result<Vec<Row>> {
    let name = &scenario.name;
    let progress = Progress::steps(format!("measure `{name}`"), Some(runs as u64));
    let mut told = Vec::new();
    for _ in 0..runs {
        let judged = pass(setting, kernel, scenario)?;
        if !judged.facts.iter().any(|fact| number(fact).is_some()) {
            bail!(
                "measure `{name}`: its drivers report no numbers; a driver reports one by a line \
                 `fact NAME NUMBER` (see the book's section on drivers)"
            );
        }
        told.push(judged.facts);
        progress.inc(1);
    }
    progress.finish();
    Ok(rows(&told))
}

/// A row for each fact that is a number, in the order in which they were first told.
fn rows(runs: &[Vec<Fact>]) -> Vec<Row> {
    let mut places = BTreeMap::new();
    let mut rows: Vec<Row> = Vec::new();
    for run in runs {
        let mut seen = BTreeSet::new();
        for (name, value) in run.iter().filter_map(number) {
            let place = *places.entry(name).or_insert(rows.len());
            if place == rows.len() {
                rows.push(Row {
                    name: name.to_owned(),
                    values: Vec::new(),
                    runs: 0,
                });
            }
            rows[place].values.push(value);
            rows[place].runs += usize::from(seen.insert(name));
        }
    }
    for row in &mut rows {
        row.values = sorted(std::mem::take(&mut row.values));
    }
    rows
}

/// The number that a fact tells, if it is one that can be compared.
fn number((name, value): &Fact) -> Option<(&str, f64)> {
    let value: f64 = value.trim().parse().ok()?;
    value.is_finite().then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of runs whose facts are told like `a 1, b 2`.
    fn told(runs: &[&str]) -> Vec<(String, Vec<f64>, usize)> {
        let facts = |run: &&str| {
            let facts = run.split(", ").filter_map(|fact| fact.split_once(' '));
            facts
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let runs: Vec<Vec<Fact>> = runs.iter().map(facts).collect();
        let rows = rows(&runs).into_iter();
        rows.map(|row| (row.name, row.values, row.runs)).collect()
    }

    #[test]
    fn numbers_of_all_runs_are_in_a_row_by_the_order_of_their_names() {
        let b = ("b".to_owned(), vec![1.5, 2.0, 30.0], 3);
        let a = ("a".to_owned(), vec![-4.0, 4.0, 4.0], 3);
        assert_eq!(told(&["b 2, a 4", "a 4, b 30", "b 1.5, a -4"]), [b, a]);
    }

    #[test]
    fn a_fact_that_a_run_tells_twice_has_two_values_of_one_run() {
        let a = ("a".to_owned(), vec![1.0, 2.0, 3.0], 2);
        assert_eq!(told(&["a 3, a 1", "b x", "a 2"]), [a]);
    }

    #[test]
    fn what_is_no_number_has_no_row() {
        assert!(told(&["a x, b 0a0b, c NaN, d inf, e 1e999, f ", ""]).is_empty());
    }
}
