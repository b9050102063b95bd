//! Programs that a kernel is asked about, without a scenario of the user's that uses them.

pub mod costs;
pub mod types;

use anyhow::{Result, bail};
use kassay_guest::Fact;

use crate::case::{Case, Setting};
use crate::compile::Artifacts;
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::run::{self, Ran};
use crate::scenario::Scenario;
use crate::verdict;

/// What the guest reports of a run that came to its end in order.
fn facts(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
) -> Result<Vec<Fact>> {
    let case = Case::of(kernel, scenario, artifacts);
    let progress = Progress::steps(format!("try programs on {}", kernel.name), None);
    let known = case.known()?;
    let judge = |ran: &Ran| Ok(verdict::judge(&known, &ran.facts).0);
    let (ran, judged) = run::decide(setting, &case, judge, Result::is_ok)?;
    progress.finish();
    if let Err(fault) = judged {
        let (verdict, title) = (fault.verdict, fault.title);
        bail!("try programs on {}: {verdict}: {title}", kernel.name);
    }
    Ok(ran.facts.told)
}
