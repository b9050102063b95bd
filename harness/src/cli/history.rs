//! `kassay history`: how cases have done, and how long they take.

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use indicatif::HumanDuration;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{Error, Result};
use super::session::Store;
use super::{is_left, print};
use crate::history::{History, Last, Past};
use crate::normalise::visible;
use crate::project::Project;
use crate::rate::percent;
use crate::report::Format;
use crate::report::table::aligned;

/// The arguments of `kassay history`.
#[derive(Args)]
pub struct HistoryArgs {
    /// Show only cases whose KERNEL::SCENARIO contains one of these
    filter: Vec<String>,
    /// Show those first that take longest
    #[arg(long)]
    slowest: bool,
    /// Show the cases of all projects
    #[arg(long)]
    all: bool,
    /// How the list is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints what is known of the chosen cases.
///
/// # Errors
/// The project's file says nothing that makes sense; there is no history, or none of these cases.
pub fn run(args: &HistoryArgs) -> Result<()> {
    let store = Store::as_it_is()?;
    let project = Project::or_here().map_err(Error::slip)?;
    let history = History::open(&store.cache, &project, false);
    if !history.is_on() {
        return Err(anyhow!("there is no history to show").into());
    }
    let mut cases = history.cases(args.all);
    cases.retain(|past| is_left(&args.filter, &format!("{}::{}", past.kernel, past.scenario)));
    if args.slowest {
        cases.sort_by_key(|past| std::cmp::Reverse(past.median));
    }
    match args.format {
        Format::Json => cases.iter().try_for_each(|past| print(&line(past)))?,
        Format::Pretty if cases.is_empty() => print("no run of these cases is known")?,
        Format::Pretty => list(&cases, args.all)?,
    }
    Ok(())
}

/// A table with a line for each case, and below it when cases last failed.
fn list(cases: &[Past], of_all: bool) -> anyhow::Result<()> {
    let head = ["case", "median", "no pass", "last"].map(str::to_owned);
    let rows = cases.iter().map(|past| row(past, of_all));
    let rows: Vec<Vec<String>> = [head.to_vec()].into_iter().chain(rows).collect();
    let failures = cases.iter().map(|past| past.last_failure.as_ref());
    let lines = aligned(&rows);
    print(&lines[0])?;
    for (line, failure) in lines[1..].iter().zip(failures) {
        print(line)?;
        if let Some(failure) = failure {
            print(&format!("    last failure {}", told(failure)))?;
        }
    }
    Ok(())
}

fn row(past: &Past, of_all: bool) -> Vec<String> {
    let folder = match of_all {
        true => format!("{}: ", past.project.display()),
        false => String::new(),
    };
    let median = past
        .median
        .map(|took| format!("{:.2} s", took.as_secs_f64()));
    let failed = past.failed;
    let share = failed.share().filter(|_| failed.hits > 0).map(percent);
    let share = share.map(|share| format!(" ({share})")).unwrap_or_default();
    let last = match past.last.is_pass() {
        true => told(&past.last),
        false => past.last.verdict.clone(),
    };
    vec![
        format!("{folder}{}::{}", past.kernel, past.scenario),
        median.unwrap_or_default(),
        format!("{} of {}{share}", failed.hits, failed.of),
        last,
    ]
}

/// A run in words: what it came to, and how long ago.
fn told(run: &Last) -> String {
    let ago = Timestamp::now().duration_since(run.at).try_into();
    let ago: Duration = ago.unwrap_or_default();
    let title = match run.title.is_empty() {
        true => String::new(),
        false => format!(": {}", visible(&run.title)),
    };
    format!("{} ago: {}{title}", HumanDuration(ago), run.verdict)
}

/// The line for programs. `failed`, `of` and the shares of 1 are of the last runs, at most 100;
/// `median_ms` is of those of them that passed, null where none did.
fn line(past: &Past) -> String {
    let bounds = past.failed.bounds();
    json!({
        "project": past.project,
        "kernel": past.kernel,
        "scenario": past.scenario,
        "runs": past.failed.of,
        "failed": past.failed.hits,
        "rate": past.failed.share(),
        "low": bounds.map(|(low, _)| low),
        "high": bounds.map(|(_, high)| high),
        "median_ms": past.median.map(|took| took.as_millis() as u64),
        "last": object(&past.last),
        "last_pass": past.last_pass.as_ref().map(object),
        "last_failure": past.last_failure.as_ref().map(object),
    })
    .to_string()
}

fn object(run: &Last) -> Value {
    json!({
        "at": run.at.to_string(),
        "release": run.release,
        "verdict": run.verdict,
        "title": run.title,
    })
}
