//! Programs that a kernel is asked about, without a scenario of the user's that uses them.

pub mod costs;
pub mod takes;
pub mod types;

use anyhow::{Result, anyhow};
use kassay_guest::Fact;

use crate::case::{Case, Setting};
use crate::compile::Artifacts;
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::run::{self, Ran};
use crate::scenario::Scenario;
use crate::verdict::{self, Fault};

/// What the guest reports of a run that came to its end in order.
fn facts(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
) -> Result<Vec<Fact>> {
    let facts = faulted(setting, kernel, scenario, artifacts)?;
    facts.map_err(|fault| {
        let (verdict, title) = (fault.verdict, fault.title);
        anyhow!("try programs on {}: {verdict}: {title}", kernel.name)
    })
}

/// The same, or what was wrong with the run.
fn faulted(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
) -> Result<Result<Vec<Fact>, Fault>> {
    let case = Case::of(kernel, scenario, artifacts);
    let progress = Progress::steps(format!("try programs on {}", kernel.name), None);
    let known = case.known()?;
    let judge = |ran: &Ran| Ok(verdict::judge(&known, &ran.facts).0);
    let (ran, judged) = run::decide(setting, &case, judge, Result::is_ok)?;
    progress.finish();
    Ok(judged.map(|()| ran.facts.told))
}
