//! The whole way of one case, a scenario on a kernel: build, run, judge,
//! compare, and keep what is needed to understand a failure.

mod judgement;
mod machine;
mod reason;
pub mod unstable;

use anyhow::{Result, bail};

use crate::case::{Case, Setting, lacks, lacks_built};
use crate::compile::{self, Artifacts};
use crate::excerpt::bounded;
use crate::kernel::Kernel;
use crate::outcome::{End, Judged, Outcome, Unbuilt};
use crate::record::{self, Record};
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use crate::{detector, interrupt, kit, milestone, progress};

pub use judgement::conclude;
pub use machine::{Ran, execute, machine};
pub use reason::{reports, told, verifier_logs};

/// Runs a scenario on a kernel. Whatever goes wrong is an outcome.
///
/// # Errors
/// Only an interruption by the user.
pub fn run(setting: &Setting, kernel: &Kernel, scenario: &Scenario) -> Result<Outcome> {
    let ready = match Ready::make(setting, kernel, scenario)? {
        Ok(ready) => ready,
        Err(outcome) => return Ok(*outcome),
    };
    let outcome = ready.run(setting);
    interrupt::check()?;
    Ok(outcome.unwrap_or_else(|error| failed(setting, kernel, scenario, &error)))
}

/// The outcome of a case that this error keeps from being run.
fn failed(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    error: &anyhow::Error,
) -> Outcome {
    Outcome {
        release: kernel.release.clone(),
        ..unbuilt(setting, &kernel.name, scenario, format!("{error:#}"))
    }
}

/// A case of which all is built, to be run as often as one likes.
pub struct Ready<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// What was built.
    pub artifacts: Artifacts,
    record: Record,
    /// The digest of all that shapes the verdict.
    inputs: String,
}

impl<'a> Ready<'a> {
    /// Builds a case, if it is one of this kernel; else there is its outcome. Until [`Ready::keep`],
    /// it has not passed.
    ///
    /// # Errors
    /// Only an interruption by the user.
    pub fn make(
        setting: &Setting,
        kernel: &'a Kernel,
        scenario: &'a Scenario,
    ) -> Result<Result<Ready<'a>, Box<Outcome>>> {
        let made = make(setting, kernel, scenario);
        interrupt::check()?;
        Ok(made.unwrap_or_else(|error| Err(Box::new(failed(setting, kernel, scenario, &error)))))
    }

    /// Takes note that the case passes as it is.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn keep(&self, setting: &Setting) -> Result<()> {
        self.record.keep(&setting.cache, &self.inputs)
    }

    /// Runs it, if it is not as it was when it passed.
    fn run(&self, setting: &Setting) -> Result<Outcome> {
        let Ready {
            kernel, scenario, ..
        } = self;
        // Nobody knows what programs of the host's root are made of, and a mark has a date.
        let is_marked = unstable::mark(scenario, kernel).is_some();
        let may_stay = setting.changed && !scenario.host_root && !is_marked;
        if may_stay && self.record.has_passed(&self.inputs) {
            self.keep(setting)?;
            return Ok(Outcome {
                release: kernel.release.clone(),
                ..outcome_of(setting, &kernel.name, scenario, End::Unchanged)
            });
        }
        let outcome = built(setting, &Case::of(kernel, scenario, &self.artifacts))?;
        if outcome.verdict() == Verdict::Pass {
            self.keep(setting)?;
        }
        Ok(outcome)
    }
}

fn make<'a>(
    setting: &Setting,
    kernel: &'a Kernel,
    scenario: &'a Scenario,
) -> Result<Result<Ready<'a>, Box<Outcome>>> {
    let ended = |end: End| {
        Ok(Err(Box::new(Outcome {
            release: kernel.release.clone(),
            ..outcome_of(setting, &kernel.name, scenario, end)
        })))
    };
    if let Some(reason) = lacks(&setting.cache, kernel, scenario)? {
        return ended(End::Skipped(bounded(&reason)));
    }
    let missing = setting.strict.then(|| detector::missing(kernel));
    if let Some(reason) = missing.transpose()?.flatten() {
        bail!(reason);
    }
    let accelerator = setting.accelerator_for(kernel.arch)?;
    let record = Record::take(&setting.cache, kernel, scenario, accelerator)?;
    let artifacts = compile::build(&setting.cache, kernel, scenario)?;
    if let Some(reason) = lacks_built(kernel, scenario, &artifacts)? {
        return ended(End::Skipped(bounded(&reason)));
    }
    let inputs = record::inputs(kernel, scenario, &artifacts)?;
    milestone::reached("host: all is built");
    Ok(Ok(Ready {
        kernel,
        scenario,
        artifacts,
        record,
        inputs,
    }))
}

/// The outcome of a case that something could not be had or built for.
pub fn unbuilt(setting: &Setting, kernel: &str, scenario: &Scenario, reason: String) -> Outcome {
    let mut unbuilt = Unbuilt::new(&reason);
    match kit::keep_reason(kernel, scenario, &unbuilt.reason) {
        Ok(folder) => unbuilt.artifacts = Some(folder),
        Err(error) => progress::note(format!("{error:#}")),
    }
    outcome_of(setting, kernel, scenario, End::Unbuilt(unbuilt))
}

fn outcome_of(setting: &Setting, kernel: &str, scenario: &Scenario, end: End) -> Outcome {
    Outcome::new(kernel, setting.accelerator_of(kernel), scenario, end)
}

/// Runs a case of which all is built.
///
/// # Errors
/// Only an interruption by the user.
pub fn built(setting: &Setting, case: &Case) -> Result<Outcome> {
    let judge = |ran: &Ran| conclude(setting, case, ran);
    let is_pass = |judged: &Judged| judged.verdict == Verdict::Pass;
    let judged = decide(setting, case, judge, is_pass).map(|(_, judged)| judged);
    interrupt::check()?;
    let judged = judged.unwrap_or_else(|error| {
        let mut judged = Judged::infra(&format!("{error:#}"));
        judgement::keep(setting, case, &mut judged, None);
        judged
    });
    let end = End::Ran(Box::new(judged));
    Ok(Outcome {
        release: case.kernel.release.clone(),
        ..outcome_of(setting, &case.kernel.name, case.scenario, end)
    })
}

/// Runs the machine and judges what comes of it. Where that is not good, and the saved state that
/// it went on from is damaged, nothing but a machine that boots decides.
///
/// # Errors
/// As [`execute`] and `judge`.
pub fn decide<T>(
    setting: &Setting,
    case: &Case,
    judge: impl Fn(&Ran) -> Result<T>,
    is_good: impl Fn(&T) -> bool,
) -> Result<(Ran, T)> {
    let ran = execute(setting, case)?;
    let judged = judge(&ran)?;
    if is_good(&judged) || !ran.is_of_damage(&setting.cache)? {
        return Ok((ran, judged));
    }
    let name = &case.kernel.name;
    progress::note(format!(
        "the warm state of {name} is damaged; booting instead"
    ));
    let cold = Setting {
        cold: true,
        ..setting.clone()
    };
    let ran = execute(&cold, case)?;
    let judged = judge(&ran)?;
    Ok((ran, judged))
}
