//! `kassay report`: reports of runs that are over.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::coverage::Counted;
use super::error::{Error, Result};
use super::reports::ReportArgs;
use super::run::{exit_code, tell_unwritten};
use crate::interrupt;
use crate::progress;
use crate::report::{UNJUDGED, merge};

/// The arguments of `kassay report`.
#[derive(Args)]
pub struct ReportCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make one report of those of all shards of a run, and exit as the whole run would have
    Merge(MergeArgs),
}

#[derive(Args)]
struct MergeArgs {
    /// The JSON report of each shard, which `kassay run --shard K/N --report json=FILE` wrote
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportArgs,
}

/// Merges, tells what all shards came to, and returns the exit code.
///
/// # Errors
/// A slip where the files are not the reports of all shards of one run; a report cannot be written.
pub fn run(args: &ReportCommand) -> Result<u8> {
    let Action::Merge(args) = &args.action;
    let merged = merge::read(&args.files).map_err(Error::slip)?;
    let told = args.reports.begin(&args.files)?;
    merged.differing.iter().for_each(progress::note);
    for outcome in &merged.outcomes {
        told.case(outcome)?;
    }
    let stopped = merged.stopped.as_deref();
    let written = told.end(merged.chosen, merged.foot, stopped, None);
    let Some(why) = stopped else {
        return exit_code(Ok(merged.outcomes), &Counted::default(), written);
    };
    let (ended, chosen) = (merged.outcomes.len(), merged.chosen);
    progress::note(format!("{why}: {ended} of {chosen} cases had ended"));
    tell_unwritten(written);
    Ok(match merged.is_interrupted {
        true => interrupt::EXIT_CODE as u8,
        false => UNJUDGED,
    })
}
