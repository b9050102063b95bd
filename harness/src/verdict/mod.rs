//! From evidence to a verdict. What is missing is never taken for good: every
//! kind of gap has a verdict of its own.

mod budget;
mod context;
mod contract;
mod expectation;
mod failing;
mod fault;
mod leftover;
mod machine;
mod omission;
mod plan;
mod reports;
mod standing;

use std::collections::BTreeMap;
use std::fmt;

use kassay_guest::Fact;
use serde::{Deserialize, Serialize};

use crate::compile::module::Module;
use crate::facts::{Facts, Gap, codes};
use crate::flaw::Flaw;
use crate::scenario::{Expect, Scenario};
use crate::step::Doubt;
use crate::transcript::{self, Offered};

pub use expectation::expected;
pub use fault::Fault;
pub use plan::LOG_OVERFLOW;

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Facts complete, transcript as reviewed, console clean, orderly end.
    Pass,
    /// Facts complete, transcript differs.
    Mismatch,
    /// The kernel reported trouble.
    Report,
    /// The kernel panicked or oopsed.
    Panic,
    /// A deadline passed.
    Hang,
    /// The guest ran out of memory.
    Oom,
    /// Something stayed behind in the kernel.
    Leak,
    /// QEMU or the guest program ended without a closing record.
    Lost,
    /// Something could not be built or started; nothing was tested.
    Infra,
    /// The kernel lacks what the scenario needs.
    Skipped,
    /// A regression of a case that is marked unstable.
    Unstable,
}

impl Verdict {
    /// Whether this says that something is broken, rather than that nothing
    /// can be said.
    pub fn is_regression(self) -> bool {
        !matches!(
            self,
            Verdict::Pass | Verdict::Skipped | Verdict::Infra | Verdict::Lost | Verdict::Unstable
        )
    }

    /// Its name, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Mismatch => "mismatch",
            Verdict::Report => "report",
            Verdict::Panic => "panic",
            Verdict::Hang => "hang",
            Verdict::Oom => "oom",
            Verdict::Leak => "leak",
            Verdict::Lost => "lost",
            Verdict::Infra => "infra",
            Verdict::Skipped => "skipped",
            Verdict::Unstable => "unstable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is known of the case beside the evidence.
pub struct Case<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// The modules that were inserted.
    pub modules: &'a [Module],
    /// The release of the kernel that was asked for.
    pub release: &'a str,
    /// The strings of the kernel's own BTF.
    pub base_strings: Vec<u8>,
    /// What is wrong with modules, by their names.
    pub flaws: BTreeMap<String, Vec<Flaw>>,
    /// Whether nobody but the guest program has to do with the trace buffer that it reads: nothing
    /// that somebody looks on at. Commands have the kernel's, and the guest program then its own.
    pub is_traced_alone: bool,
    /// Whether the kernel looks for memory that nothing points to.
    pub has_kmemleak: bool,
}

impl Case<'_> {
    /// What is wrong with a module.
    fn flaws_of(&self, module: &str) -> &[Flaw] {
        self.flaws
            .get(module)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

/// Judges what a machine left: whether it may be compared with the snapshot, or what is
/// wrong before any comparison. Complete facts have a transcript, whatever else
/// is wrong; a fault that is expected may leave none, and then nothing is to be
/// compared.
pub fn judge(case: &Case, facts: &Facts) -> (Result<(), Fault>, Option<String>) {
    let (faults, transcript) = faults(case, facts);
    if let [fault, ..] = &faults[..]
        && fault.verdict == Verdict::Infra
    {
        // Nothing was tested, whatever is expected.
        return (Err(fault.clone()), None);
    }
    let judged = match &case.scenario.expect {
        None => faults.into_iter().next().map_or(Ok(()), Err),
        Some(expect) => expectation::meet(expect, &faults),
    };
    (judged, transcript)
}

/// Every fault, the one that decides first, and the transcript of complete facts.
pub fn faults(case: &Case, facts: &Facts) -> (Vec<Fault>, Option<String>) {
    let evidence = &facts.evidence;
    let mut faults: Vec<Fault> = facts.reports.iter().map(reports::fault).collect();
    // The gravest report decides, and among equals the first.
    faults.sort_by_key(|fault| match fault.verdict {
        Verdict::Oom => 0,
        Verdict::Panic => 1,
        Verdict::Report => 2,
        _ => 3,
    });
    let ended = machine::check(case, facts);
    // A kernel that stopped after it told what had stayed stopped because of that.
    let has_stopped = ended.is_err() || faults.first().is_some_and(|fault| fault.stops);
    if has_stopped && let Some(stayed) = leftover::first_stayed(&facts.told, case.modules) {
        let stops = true;
        faults.insert(0, Fault { stops, ..stayed });
    }
    if let Err(fault) = ended {
        if !evidence.answered {
            return (vec![machine::not_booted(faults, fault, evidence)], None);
        }
        faults.push(fault);
        return (faults, None);
    }
    if let Err(fault) = check_whole(case, facts) {
        faults.push(fault);
        return (faults, None);
    }
    let offered = contract::offered(case, &facts.told);
    let transcript = transcript::write(case.scenario, facts, &offered);
    faults.extend(check_facts(case, facts, &offered, !faults.is_empty()));
    if let (Some(Expect::Mismatch(titles)), Some(refusal)) =
        (&case.scenario.expect, facts.refusal())
        && titles.has(&refusal)
        && !faults.iter().any(|fault| fault.title == refusal)
    {
        faults.push(Fault::new(Verdict::Mismatch, refusal));
    }
    (faults, Some(transcript))
}

/// The facts are all of a plan that was followed to its end, and the console shows the guest.
fn check_whole(case: &Case, facts: &Facts) -> Result<(), Fault> {
    let lost = |gap: &Gap| Fault::new(Verdict::Lost, &*gap.title).because(&*gap.reason);
    facts.whole.as_ref().map_err(lost)?;
    plan::check(case, facts)?;
    machine::check_console(&facts.evidence)
}

/// What complete facts say by themselves, whatever the snapshot.
fn check_facts(case: &Case, facts: &Facts, offered: &Offered, is_reported: bool) -> Vec<Fault> {
    let told = &facts.told;
    let contracts = case
        .modules
        .iter()
        .map(|module| contract::check(case, module, told, offered))
        .chain([contract::twins(offered)]);
    let is_held = |fact: &Fact| matches!(fact, Fact::Removed { error: Some(_), .. });
    let is_held = told.iter().any(is_held);
    let codes = codes(told, case.modules);
    // What a module's users left behind is why it could not be removed.
    let mut order: Vec<&Fact> = told.iter().collect();
    order.sort_by_key(|fact| matches!(fact, Fact::Removed { .. }));
    // What a program that is not attached does not do is no wonder.
    let is_attached = !told
        .iter()
        .any(|fact| omission::unattached(case, fact).is_some());
    let others = order.into_iter().flat_map(|fact| {
        [
            leftover::check(fact, case.modules, is_reported, is_held, &codes),
            match is_attached {
                true => check_step(case.scenario, told, fact),
                false => Ok(()),
            },
        ]
    });
    let faults = contracts.chain(others).filter_map(Result::err);
    let omissions = omission::check(case, told);
    let of_programs = standing::check(case.scenario, told);
    let of_budget = budget::check(case.scenario, told);
    let of_context = context::check(facts).filter(|_| !context::is_switched(case.scenario));
    let found = faults
        .chain(omissions)
        .chain(of_programs)
        .chain(of_budget)
        .chain(of_context)
        .chain(failing::check(case.scenario, told));
    let mut found: Vec<Fault> = found.collect();
    if case.scenario.fail_allocation.is_some() {
        // What is refused for want of memory is as it should be, and hides nothing else.
        found.sort_by_key(|fault| fault.verdict == Verdict::Mismatch);
    }
    found
}

/// The outcome of a step can be believed.
fn check_step(scenario: &Scenario, facts: &[Fact], fact: &Fact) -> Result<(), Fault> {
    let Fact::Stepped {
        step,
        outcome: Ok(came),
    } = fact
    else {
        return Ok(());
    };
    let asked = scenario.steps.get(*step);
    let checked = asked.map_or(Ok(()), |asked| asked.check(came, facts));
    let fault = |doubt: Doubt| Fault::new(Verdict::Mismatch, doubt.title).because(doubt.reason);
    checked.map_err(fault)
}

#[cfg(test)]
mod tests;
