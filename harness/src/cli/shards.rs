//! `kassay shards`: splits a run over machines, so that they take equally long.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::chosen::kernels;
use super::error::{Error, Result};
use super::scenarios::scenarios;
use super::session::Session;
use super::{is_left, print};
use crate::history::History;
use crate::kernel;
use crate::outcome::Name;
use crate::progress;
use crate::report::table::aligned;
use crate::shard::{MOST, Plan, Weighed, median};
use crate::size::Size;

const HELP: &str = "\
`kassay run --shard K/N --plan FILE` runs a shard of what `--format github` prints, and `kassay
report merge` makes one report of those of all shards. Times are those of the history in the cache
(see `kassay history`). A kernel costs each shard that has it 6 s more, and so does another size of
guest.";

/// The arguments of `kassay shards`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct ShardsArgs {
    /// How many shards there are to be
    #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST as i64))]
    count: u16,
    /// Only cases whose KERNEL::SCENARIO contains one of these
    filter: Vec<String>,
    /// A kernel, as for `kassay run` [default: what KASSAY_KERNELS says]
    #[arg(long, value_name = "SPEC", value_delimiter = ',')]
    kernel: Vec<String>,
    /// A scenario file, or a directory of such, instead of those of the project
    #[arg(long, value_name = "FILE|DIR")]
    scenario: Vec<PathBuf>,
    /// How the plan is written
    #[arg(long, value_enum, default_value_t)]
    format: PlanFormat,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    /// For people.
    #[default]
    Pretty,
    /// JSON on one line, which is a matrix of GitHub Actions, and a plan for `run`.
    #[value(alias = "json")]
    Github,
}

/// Prints which cases belong to which shard. Nothing is obtained or built.
///
/// # Errors
/// A slip where a kernel is not known, or no case is left; a scenario cannot be read.
pub fn run(args: &ShardsArgs) -> Result<()> {
    let session = Session::as_it_is()?;
    let scenarios = scenarios(&args.scenario, &session.project)?;
    let history = History::open(&session.store.cache, &session.project, false);
    let mut cases = Vec::new();
    for kernel in kernels(&session, &args.kernel)? {
        if !kernel::is_known(&session.catalog, &kernel) {
            return Err(Error::Slip(format!(
                "there is no kernel `{kernel}`; `kassay list` shows what there is"
            )));
        }
        for scenario in &scenarios {
            let name = Name {
                kernel: kernel.clone(),
                scenario: scenario.name.clone(),
            };
            if is_left(&args.filter, &name.to_string()) {
                cases.push(Weighed {
                    name,
                    size: scenario.size(Size::default()),
                    took: history.usual(&kernel, scenario),
                });
            }
        }
    }
    if cases.is_empty() {
        let filter = args.filter.join("`, `");
        return Err(Error::Slip(format!(
            "no case matches `{filter}`; `kassay list` shows what there is"
        )));
    }
    tell_of_unknown(&cases);
    let plan = Plan::make(&cases, args.count.into());
    match args.format {
        PlanFormat::Github => print(&plan.json()?)?,
        PlanFormat::Pretty => aligned(&rows(&plan))
            .iter()
            .try_for_each(|row| print(row))?,
    }
    Ok(())
}

/// Says on stderr which cases count for something that was not measured.
fn tell_of_unknown(cases: &[Weighed]) {
    let took: Vec<Option<Duration>> = cases.iter().map(|case| case.took).collect();
    let unknown = took.iter().filter(|took| took.is_none()).count();
    match median(&took) {
        None => progress::note("no case has a time in the history: all count alike"),
        Some(_) if unknown == 0 => {}
        Some(usual) => progress::note(format!(
            "{unknown} of {} cases have no time in the history: each counts as the median, {:.2} s",
            took.len(),
            usual.as_secs_f64()
        )),
    }
}

fn rows(plan: &Plan) -> Vec<Vec<String>> {
    let head = ["shard", "cases", "time", "kernels"].map(str::to_owned);
    let rows = plan.include.iter().map(|entry| {
        vec![
            entry.shard.clone(),
            entry.cases.len().to_string(),
            format!("{:.0} s", entry.seconds),
            entry.kernels.clone(),
        ]
    });
    [head.to_vec()].into_iter().chain(rows).collect()
}
