//! `kassay run`: scenarios on kernels.

use std::time::Duration;

use clap::Args;

use super::accepted::Accepted;
use super::chosen::{Obtained, kernels, obtain};
use super::coverage::{Counted, CoverageArgs};
use super::error::{Error, Result};
use super::how::How;
use super::remember::{self, Wanted};
use super::repeat::{self as repeats, RepeatArgs};
use super::reports::ReportArgs;
use super::session::{Session, Store};
use super::shard::{self, ShardArgs};
use super::{is_left, print};
use crate::case::Setting;
use crate::detector;
use crate::history::{self, History};
use crate::interrupt;
use crate::outcome::{Name, Outcome};
use crate::pool;
use crate::progress;
use crate::repeat;
use crate::report::test_run::Foot;
use crate::report::{self, REGRESSION, pretty};
use crate::run::{self};
use crate::scenario::Scenario;
use crate::snapshot::Snapshot;
use crate::step;

/// The arguments of `kassay run`.
#[derive(Args)]
#[command(after_help = steps())]
pub struct RunArgs {
    #[command(flatten)]
    choice: Choice,
    /// Leave out cases that passed when they were last run and have not changed since
    #[arg(long, conflicts_with_all = ["seed", "accept", "cold", "gdb"])]
    changed: bool,
    /// Run only cases that were no pass when they were last run
    #[arg(long, conflicts_with = "no_history")]
    failed: bool,
    #[command(flatten)]
    shard: ShardArgs,
    #[command(flatten)]
    repeat: RepeatArgs,
    /// Keep no results for `kassay history`
    #[arg(long)]
    no_history: bool,
    #[command(flatten)]
    coverage: CoverageArgs,
    #[command(flatten)]
    reports: ReportArgs,
    /// Make the transcripts of this run the reviewed ones; every virtual machine boots, so that
    /// what differs between boots shows in the next run
    #[arg(long, conflicts_with = "gdb")]
    accept: bool,
    /// Let nothing pass on a kernel without KASAN, lockdep and kmemleak
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    aids: Aids,
}

/// The steps of scenarios, for the end of the help.
fn steps() -> String {
    let steps = step::forms().map(|(form, _)| format!("  {form}\n"));
    format!(
        "Steps of a scenario (see the book's chapter on scenarios):\n{}",
        steps.collect::<String>()
    )
}

/// What helps to understand a failure.
#[derive(Args)]
pub struct Aids {
    /// Keep the folder of everything of a case that passes, too
    #[arg(long)]
    pub keep: bool,
    /// Leave a dump of the guest's memory with each failure, for gdb and crash
    #[arg(long)]
    pub keep_dump: bool,
    /// Start the virtual machine stopped, and say how gdb attaches; only one case can be run, and
    /// without --timeout it has no limit
    #[arg(long)]
    pub gdb: bool,
}

/// Which cases to run, and how.
#[derive(Args)]
pub struct Choice {
    /// Run only cases whose KERNEL::SCENARIO contains one of these
    pub filter: Vec<String>,
    /// A kernel: a name of the catalog (see `kassay list`), as it is or as `NAME+FRAGMENT` or
    /// `NAME/arm64`; a path; or `all` of the catalog
    /// [default: what KASSAY_KERNELS says]
    #[arg(long, value_name = "SPEC", value_delimiter = ',')]
    pub kernel: Vec<String>,
    /// How to run them.
    #[command(flatten)]
    pub how: How,
}

/// A scenario on a kernel.
pub struct Case<'a> {
    kernel: &'a Named,
    /// The scenario.
    pub scenario: &'a Scenario,
}

impl Case<'_> {
    /// Its name.
    pub fn name(&self) -> String {
        format!("{}::{}", self.kernel.0, self.scenario.name)
    }

    /// Its kernel, or why that could not be had.
    pub fn kernel(&self) -> &Obtained {
        &self.kernel.1
    }

    /// What is to be repeated of it.
    pub fn asked(&self) -> repeat::Asked<'_> {
        repeat::Asked {
            name: &self.kernel.0,
            kernel: self.kernel.1.as_ref().map_err(String::as_str),
            scenario: self.scenario,
        }
    }

    /// Sees whether the snapshot can be read.
    fn check(&self) -> anyhow::Result<()> {
        match &self.kernel.1 {
            Ok(kernel) => Snapshot::of(self.scenario, kernel).check(),
            Err(_) => Ok(()),
        }
    }
}

/// A kernel, or why it could not be had, with its name.
pub type Named = (String, Obtained);

/// Runs the cases and prints each as it ends.
///
/// # Errors
/// A slip, such as a scenario that makes no sense, or a choice that leaves no case; a snapshot that
/// cannot be read; an interrupt.
pub fn run(args: &RunArgs) -> Result<u8> {
    let (session, choice) = (Session::open()?, &args.choice);
    let mut scenarios = choice.how.scenarios(&session.project)?;
    let setting = args.setting(&session.store)?;
    let told = args.reports.begin(&[])?;
    let terms = args.repeat.terms()?;
    let is_off = args.no_history || history::is_off();
    let history = History::open(&session.store.cache, &session.project, is_off);
    let wanted = Wanted::of(&history, args.failed)?;
    let plan = args.shard.plan()?;
    let names = shard::kernels(&session, plan.as_ref(), &choice.kernel)?;
    let all = choice.names(&names, &scenarios);
    let part = args.shard.part(plan.as_ref(), &all, &scenarios)?;
    let wanted = wanted.in_part(part.as_ref());
    let kernels = choice.kernels_of(&session, names, &scenarios, &wanted)?;
    args.coverage.begin(&mut scenarios, &kernels)?;
    let mut cases = choice.cases(&kernels, &scenarios);
    cases.retain(|case| wanted.has(&case.kernel.0, case.scenario));
    if all.is_empty() || (cases.is_empty() && part.is_none()) {
        return wanted.tell_of_none().ok_or_else(|| choice.no_case());
    }
    if setting.gdb && cases.len() > 1 {
        let why = format!("`--gdb` takes one case, and {} were chosen", cases.len());
        return Err(Error::Slip(why));
    }
    let checked = cases.iter().try_for_each(Case::check);
    checked.map_err(Error::slip)?;
    let foot = Foot {
        detectors: detectors(&kernels)?,
        ..Foot::default()
    };
    // Nothing is never over.
    if let Some(terms) = terms.filter(|_| !cases.is_empty()) {
        let format = args.reports.by_run()?;
        return repeats::run(&setting, &cases, terms, format, &history, &foot.end());
    }
    let show = |outcome: &Outcome| told.case(outcome);
    let ran = each(&setting, &cases, args.accept, &history, show).map_err(Error::from);
    let covered = match &ran {
        Ok(outcomes) => args.coverage.conclude(outcomes, &session.project),
        Err(_) => Ok(Counted::default()),
    };
    let lines = covered.as_ref().map(|covered| covered.lines.clone());
    let foot = Foot {
        coverage: lines.unwrap_or_default(),
        ..foot
    };
    let stopped = ran.as_ref().err().map(|error| format!("{error:#}"));
    let written = told.end(cases.len(), foot, stopped.as_deref(), part.as_ref());
    let code = exit_code(ran, &covered?, written)?;
    // Only a shard gets here without a case: the others have them.
    Ok(if cases.is_empty() { 0 } else { code })
}

/// The exit code of a run, of which reports were written or not.
///
/// # Errors
/// Why it was stopped; a report was not written.
pub fn exit_code(
    ran: Result<Vec<Outcome>>,
    covered: &Counted,
    written: anyhow::Result<()>,
) -> Result<u8> {
    let code = ran.map(|outcomes| match covered.is_under {
        true => REGRESSION,
        false => report::exit_code(&outcomes),
    });
    match code {
        // That it was stopped, or what is broken, counts more than that one report does not say so.
        Err(_) | Ok(REGRESSION) => tell_unwritten(written),
        Ok(_) => written?,
    }
    code
}

/// Says on stderr what was not written.
pub fn tell_unwritten(written: anyhow::Result<()>) {
    if let Err(error) = written {
        progress::note(format!("{error:#}"));
    }
}

impl RunArgs {
    fn setting(&self, store: &Store) -> Result<Setting> {
        let how = &self.choice.how;
        let setting = self
            .aids
            .add_to(how.setting(store, self.changed)?, how.machines.timeout);
        Ok(Setting {
            // Machines of one saved state have the same pointers, hashed or not, and the same ids.
            cold: setting.cold || self.accept,
            strict: self.strict,
            accept: self.accept,
            ..setting
        })
    }
}

/// Prints an outcome for people, unless all of it has been told.
pub fn show(told: &pretty::Told, outcome: &Outcome) -> anyhow::Result<()> {
    told.case(outcome)
        .map_or(Ok(()), |text| print(&pretty::painted(&text)))
}

/// The end of the last line: what of each kernel sees faults that leave no trace.
pub fn detectors(kernels: &[Named]) -> anyhow::Result<Vec<String>> {
    let had = kernels
        .iter()
        .filter_map(|(_, kernel)| kernel.as_ref().ok());
    had.map(detector::told).collect()
}

impl Aids {
    /// The setting with these aids. Without a `timeout` that the user gave, there is none as long
    /// as a debugger may hold the machine up.
    pub fn add_to(&self, setting: Setting, timeout: Option<u64>) -> Setting {
        let endless = self.gdb && timeout.is_none();
        Setting {
            timeout: match endless {
                true => Some(Duration::MAX),
                false => setting.timeout,
            },
            keep: self.keep,
            keep_dump: self.keep_dump,
            gdb: self.gdb,
            ..setting
        }
    }
}

impl Choice {
    /// The chosen kernels that a chosen scenario is to be run on.
    ///
    /// # Errors
    /// Those of [`kernels`] and [`obtain`].
    pub fn kernels(&self, session: &Session, scenarios: &[Scenario]) -> Result<Vec<Named>> {
        let names = kernels(session, &self.kernel)?;
        self.kernels_of(session, names, scenarios, &Wanted::any())
    }

    /// Those of these kernels that a chosen scenario is to be run on, as far as it is wanted.
    fn kernels_of(
        &self,
        session: &Session,
        mut names: Vec<String>,
        scenarios: &[Scenario],
        wanted: &Wanted,
    ) -> Result<Vec<Named>> {
        names.retain(|name| {
            let is_one = |it: &Scenario| self.has(name, it) && wanted.has(name, it);
            scenarios.iter().any(is_one)
        });
        let (cache, catalog) = (&session.store.cache, &session.catalog);
        names
            .into_iter()
            .map(|name| Ok((name.clone(), obtain(cache, catalog, &name)?)))
            .collect()
    }

    /// The chosen cases, kernel by kernel.
    pub fn cases<'a>(&self, kernels: &'a [Named], scenarios: &'a [Scenario]) -> Vec<Case<'a>> {
        let all = kernels.iter().flat_map(|kernel| {
            scenarios
                .iter()
                .map(move |scenario| Case { kernel, scenario })
        });
        all.filter(|case| self.has(&case.kernel.0, case.scenario))
            .collect()
    }

    /// The names of the chosen cases, kernel by kernel.
    fn names(&self, kernels: &[String], scenarios: &[Scenario]) -> Vec<Name> {
        let all = kernels.iter().flat_map(|kernel| {
            let own = scenarios.iter().filter(|it| self.has(kernel, it));
            own.map(|scenario| Name {
                kernel: kernel.clone(),
                scenario: scenario.name.clone(),
            })
        });
        all.collect()
    }

    /// The slip of a user whose filter leaves nothing.
    pub fn no_case(&self) -> Error {
        let filter = self.filter.join("`, `");
        Error::Slip(format!(
            "no case matches `{filter}`; `kassay list` shows what there is"
        ))
    }

    fn has(&self, kernel: &str, scenario: &Scenario) -> bool {
        is_left(&self.filter, &format!("{kernel}::{}", scenario.name))
    }
}

/// Runs cases side by side, and shows each as soon as all before it have ended.
pub fn each<'a>(
    setting: &Setting,
    cases: &[Case<'a>],
    accepting: bool,
    history: &History,
    show: impl Fn(&Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Outcome>> {
    let run = |case: &Case<'a>| {
        interrupt::check()?;
        let (name, kernel) = case.kernel;
        let _line = progress::Live::new(format!("{name}::{}", case.scenario.name));
        one(setting, kernel, name, case.scenario)
    };
    // An interrupt takes no case with it that has ended by then.
    let work = |case| Ok((run(case), case));
    let mut outcomes = Vec::new();
    let mut accepted = Accepted::default();
    let mut stopped = Ok(());
    pool::each(cases, setting.jobs, work, |(outcome, case)| {
        let mut outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                stopped = Err(error);
                return Ok(());
            }
        };
        // What comes after a gap may belong to another kernel than the first.
        if accepting && stopped.is_ok() {
            accepted.accept(&mut outcome, case.scenario)?;
        }
        remember::settle(history, case.kernel(), case.scenario, &mut outcome);
        show(&outcome)?;
        remember::note(history, setting, case.scenario, &outcome);
        outcomes.push(outcome);
        Ok(())
    })?;
    stopped.map(|()| outcomes)
}

/// Runs one case, on a kernel that may not have been had.
pub fn one(
    setting: &Setting,
    kernel: &Obtained,
    name: &str,
    scenario: &Scenario,
) -> anyhow::Result<Outcome> {
    match kernel {
        Ok(kernel) => run::run(setting, kernel, scenario),
        Err(why) => Ok(run::unbuilt(setting, name, scenario, why.clone())),
    }
}
