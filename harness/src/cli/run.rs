//! `kassay run`: scenarios on kernels.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::{Usage, print};
use crate::cache::Cache;
use crate::kernel::{self, Catalog, Kernel};
use crate::pool;
use crate::progress;
use crate::report::{self, Format, json, pretty};
use crate::run::{self, Outcome, Setting};
use crate::scenario::{self, Scenario};
use crate::verdict::Verdict;
use crate::vm::accelerator::{self, Probe, Wish};
use crate::vm::slot;

/// The arguments of `kassay run`.
#[derive(Args)]
pub struct RunArgs {
    /// Run only cases whose KERNEL::SCENARIO contains one of these
    filter: Vec<String>,
    /// A kernel: a name of the catalog (see `kassay list`) or a path
    #[arg(
        long,
        value_name = "SPEC",
        value_delimiter = ',',
        env = "KASSAY_KERNELS"
    )]
    kernel: Vec<String>,
    /// A scenario file, instead of those of this repository
    #[arg(long, value_name = "FILE")]
    scenario: Vec<PathBuf>,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
    /// How long one virtual machine may take, in seconds
    #[arg(long, value_name = "SECS", default_value_t = TIMEOUT, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// How many virtual machines run at once [default: by CPUs and free memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Boot every virtual machine instead of restoring a saved state
    #[arg(long)]
    cold: bool,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Make the transcripts of this run the reviewed ones
    #[arg(long)]
    accept: bool,
}

/// Default of `--timeout`, in seconds.
pub const TIMEOUT: u64 = 60;

/// Runs the cases and prints each as it ends.
pub fn run(args: &RunArgs) -> Result<u8> {
    let catalog = Catalog::load()?;
    let scenarios = scenarios(&args.scenario).map_err(|error| Usage(format!("{error:#}")))?;
    let (accelerator, _) = accelerator::choose(args.accel, Probe::here)?;
    let setting = Setting {
        cache: Cache::open()?,
        accelerator,
        timeout: Duration::from_secs(args.timeout),
        cold: args.cold,
        jobs: args.jobs.map_or_else(slot::default_jobs, usize::from),
    };
    let kernels = kernels(&setting.cache, &catalog, &args.kernel)?;
    let mut cases = Vec::new();
    for name in &kernels {
        let chosen = scenarios
            .iter()
            .filter(|scenario| matches(&args.filter, name, scenario));
        let chosen: Vec<&Scenario> = chosen.collect();
        if !chosen.is_empty() {
            let kernel = Arc::new(obtain(&setting.cache, &catalog, name)?);
            cases.extend(
                chosen
                    .into_iter()
                    .map(|scenario| (kernel.clone(), name, scenario)),
            );
        }
    }
    let mut outcomes = Vec::new();
    let work = |(kernel, name, scenario): &(Arc<Obtained>, &String, &Scenario)| {
        let _line = progress::Live::new(format!("{name}::{}", scenario.name));
        let mut outcome = one(&setting, kernel, name, scenario)?;
        if args.accept {
            accept(&mut outcome, scenario)?;
        }
        Ok(outcome)
    };
    pool::each(&cases, setting.jobs, work, |outcome| {
        print(&match args.format {
            Format::Pretty => pretty::case(&setting, &outcome),
            Format::Json => json::line(&setting, &outcome),
        })?;
        outcomes.push(outcome);
        Ok(())
    })?;
    if outcomes.is_empty() {
        let filter = args.filter.join("`, `");
        return Err(Usage(format!(
            "no case matches `{filter}`; `kassay list` shows what there is"
        ))
        .into());
    }
    if args.format == Format::Pretty {
        print(&pretty::summary(&outcomes))?;
    }
    Ok(report::exit_code(&outcomes))
}

/// The scenarios of these files, or of this repository when there are none.
pub fn scenarios(files: &[PathBuf]) -> Result<Vec<Scenario>> {
    let root = crate::repository();
    if files.is_empty() {
        return scenario::read_all(&root.join("harness/tests/scenarios"), &root);
    }
    files
        .iter()
        .map(|file| Scenario::read(file, &root))
        .collect()
}

/// The kernels that were asked for by name, or the default one, of which the
/// first line on stderr says why it was chosen.
pub fn kernels(cache: &Cache, catalog: &Catalog, asked: &[String]) -> Result<Vec<String>> {
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let chosen = kernel::default(cache, catalog)?;
    progress::note(format!("kernel {}: {}", chosen.name, chosen.why));
    Ok(vec![chosen.name])
}

/// A kernel, or why it could not be had.
pub type Obtained = Result<Kernel, String>;

/// Gets a kernel. That it cannot be had is an outcome of each of its cases, but
/// for a name that nobody knows, which is wrong usage.
pub fn obtain(cache: &Cache, catalog: &Catalog, name: &str) -> Result<Obtained> {
    match kernel::obtain(cache, catalog, name) {
        Ok(kernel) => Ok(Ok(kernel)),
        Err(error) => {
            crate::interrupt::check()?;
            if !kernel::is_known(catalog, name) {
                return Err(Usage(format!("{error:#}")).into());
            }
            Ok(Err(format!("{error:#}")))
        }
    }
}

/// Runs one case, on a kernel that may not have been had.
pub fn one(
    setting: &Setting,
    kernel: &Obtained,
    name: &str,
    scenario: &Scenario,
) -> Result<Outcome> {
    match kernel {
        Ok(kernel) => run::run(setting, kernel, scenario),
        Err(why) => Ok(Outcome::without_machine(
            name,
            scenario,
            Verdict::Infra,
            why.clone(),
        )),
    }
}

fn matches(filter: &[String], kernel: &str, scenario: &Scenario) -> bool {
    let name = format!("{kernel}::{}", scenario.name);
    filter.is_empty() || filter.iter().any(|part| name.contains(part))
}

/// Accepts what can be accepted: a transcript that differs or is new. No other
/// fault becomes right by being seen.
fn accept(outcome: &mut Outcome, scenario: &Scenario) -> Result<()> {
    let Some((snapshot, transcript)) = &outcome.transcript else {
        return Ok(());
    };
    if !outcome.is_comparison {
        return Ok(());
    }
    snapshot.accept(&scenario.about, transcript)?;
    progress::note(format!("accepted `{}`", snapshot.path().display()));
    outcome.verdict = Verdict::Pass;
    outcome.title.clear();
    outcome.reason.clear();
    Ok(())
}
