//! Programs that a kernel is asked about, without a scenario of the user's that uses them.

pub mod costs;
pub mod takes;
pub mod types;

use anyhow::{Result, bail};
use kassay_guest::Fact;

use crate::case::{Case, Setting};
use crate::compile::Artifacts;
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::run::{self, Ran};
use crate::scenario::Scenario;
use crate::verdict::{self, Fault, Verdict};

/// What the guest reports of a run that came to its end in order.
fn facts(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
) -> Result<Vec<Fact>> {
    let (facts, fault) = faulted(setting, kernel, scenario, artifacts)?;
    let Some(Fault { verdict, title, .. }) = fault else {
        return Ok(facts);
    };
    let told = match title.starts_with(verdict.name()) {
        true => title,
        false => format!("{verdict}: {title}"),
    };
    let longer = match verdict {
        Verdict::Hang => "; `--timeout SECS` gives a program longer",
        _ => "",
    };
    bail!("try programs on {}: {told}{longer}", kernel.name)
}

/// What the guest reports, and what was wrong with the run if anything was.
fn faulted(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
) -> Result<(Vec<Fact>, Option<Fault>)> {
    let case = Case::of(kernel, scenario, artifacts);
    let progress = Progress::steps(format!("try programs on {}", kernel.name), None);
    let known = case.known()?;
    let judge = |ran: &Ran| Ok(verdict::judge(&known, &ran.facts).0);
    let (ran, judged) = run::decide(setting, &case, judge, Result::is_ok)?;
    progress.finish();
    Ok((ran.facts.told, judged.err()))
}
