//! `kassay run --repeat` and `--until-fail`: each case many times.

use std::time::Duration;

use clap::Args;

use super::error::{Error, Result};
use super::print;
use super::run::{Case, show};
use super::time::time;
use crate::case::Setting;
use crate::history::History;
use crate::interrupt;
use crate::outcome::Outcome;
use crate::repeat::{self, Asked, Tally, Terms};
use crate::report::{self, Format, json, pretty, tally};
use crate::verdict::Verdict;

/// How often to run each case.
#[derive(Args)]
pub struct RepeatArgs {
    /// Run each case N times, and tell how many runs were no pass, with the bounds of that rate
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with_all = ["accept", "gdb", "changed", "coverage", "report"])]
    repeat: Option<u32>,
    /// Run the cases in turn until a run of one is no pass, at most as often as --repeat says
    #[arg(long, conflicts_with_all = ["accept", "gdb", "changed", "coverage", "report"])]
    until_fail: bool,
    /// How long --repeat and --until-fail go on: a number of seconds, or such as 90s, 10m, 2h
    #[arg(long, value_name = "T", value_parser = time)]
    time: Option<Duration>,
}

impl RepeatArgs {
    /// When it ends, where cases are to be run more than once.
    ///
    /// # Errors
    /// A slip where there is a time and nothing that goes on.
    pub fn terms(&self) -> Result<Option<Terms>> {
        let is_asked = self.repeat.is_some() || self.until_fail;
        if self.time.is_some() && !is_asked {
            let why =
                "`--time` goes with `--repeat N` or `--until-fail`; `--timeout` is for one run";
            return Err(Error::Slip(why.to_owned()));
        }
        Ok(is_asked.then_some(Terms {
            runs: self.repeat,
            until_fail: self.until_fail,
            time: self.time,
        }))
    }
}

/// Runs the cases until they are to end, and prints what they came to. `last` is what the last line
/// for people ends with.
///
/// # Errors
/// An outcome cannot be printed; the interrupt, when what there is has been told.
pub fn run(
    setting: &Setting,
    cases: &[Case],
    terms: Terms,
    format: Format,
    history: &History,
    last: &str,
) -> Result<u8> {
    let asked: Vec<Asked> = cases.iter().map(Case::asked).collect();
    let told = pretty::Told::default();
    let tell = |place: usize, outcome: &Outcome| {
        let case: &Case = &cases[place];
        history.note(setting, case.scenario, outcome);
        let is_told = outcome.artifacts().is_some() || outcome.verdict() == Verdict::Skipped;
        match format {
            Format::Json => print(&json::line(outcome)),
            Format::Pretty if is_told => show(&told, outcome),
            Format::Pretty => Ok(()),
        }
    };
    let (tallies, ended) = repeat::run(setting, &asked, terms, tell);
    conclude(setting, &tallies, format, last)?;
    ended?;
    if interrupt::requested() {
        return Err(Error::Interrupted);
    }
    let verdicts: Vec<Verdict> = tallies.iter().flat_map(Tally::verdicts).collect();
    Ok(report::exit_code_of(&verdicts))
}

fn conclude(setting: &Setting, tallies: &[Tally], format: Format, last: &str) -> Result<()> {
    for tally in tallies {
        print(&match format {
            Format::Json => tally::line(setting, tally),
            Format::Pretty => tally::text(tally),
        })?;
    }
    if format == Format::Pretty {
        print(&format!("{}{last}", tally::summary(tallies)))?;
    }
    Ok(())
}
