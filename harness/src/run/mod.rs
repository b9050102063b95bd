//! The whole way of one case, a scenario on a kernel: build, run, judge,
//! compare, and keep what is needed to understand a failure.

mod judgement;
mod machine;
mod reason;

use anyhow::Result;

use crate::case::{Case, Setting, lacks, lacks_built};
use crate::compile;
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
    let outcome = attempt(setting, kernel, scenario);
    interrupt::check()?;
    let mut outcome =
        outcome.unwrap_or_else(|error| unbuilt(&kernel.name, scenario, format!("{error:#}")));
    outcome.release.clone_from(&kernel.release);
    Ok(outcome)
}

/// Builds and runs a case, if it is one of this kernel and not as it was when it passed.
fn attempt(setting: &Setting, kernel: &Kernel, scenario: &Scenario) -> Result<Outcome> {
    let ended = |end: End| Ok(Outcome::new(&kernel.name, scenario, end));
    if let Some(reason) = lacks(&setting.cache, kernel, scenario)? {
        return ended(End::Skipped(bounded(&reason)));
    }
    let missing = setting.strict.then(|| detector::missing(kernel));
    if let Some(reason) = missing.transpose()?.flatten() {
        return Ok(unbuilt(&kernel.name, scenario, reason));
    }
    let accelerator = setting.accelerator_for(kernel.arch)?;
    let record = Record::take(&setting.cache, kernel, scenario, accelerator)?;
    let artifacts = compile::build(&setting.cache, kernel, scenario)?;
    if let Some(reason) = lacks_built(kernel, scenario, &artifacts)? {
        return ended(End::Skipped(bounded(&reason)));
    }
    let inputs = record::inputs(kernel, scenario, &artifacts)?;
    milestone::reached("host: all is built");
    // Nobody knows what programs of the host's root are made of.
    if setting.changed && !scenario.host_root && record.has_passed(&inputs) {
        record.keep(&setting.cache, &inputs)?;
        return ended(End::Unchanged);
    }
    let case = Case::of(kernel, scenario, &artifacts);
    let outcome = built(setting, &case)?;
    if outcome.verdict() == Verdict::Pass {
        record.keep(&setting.cache, &inputs)?;
    }
    Ok(outcome)
}

/// The outcome of a case that something could not be had or built for.
pub fn unbuilt(kernel: &str, scenario: &Scenario, reason: String) -> Outcome {
    let mut unbuilt = Unbuilt::new(&reason);
    match kit::keep_reason(kernel, scenario, &unbuilt.reason) {
        Ok(folder) => unbuilt.artifacts = Some(folder),
        Err(error) => progress::note(format!("{error:#}")),
    }
    Outcome::new(kernel, scenario, End::Unbuilt(unbuilt))
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
        ..Outcome::new(&case.kernel.name, case.scenario, end)
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
