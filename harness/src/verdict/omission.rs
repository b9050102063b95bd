//! What would pass by accident: a scenario that triggers nothing, or has nothing to trigger, a
//! module that registers nothing, and a step that could not be done. Each is no fault where the
//! scenario says that it is meant.

use crate::step;
use kassay_guest::{Fact, Step, section};

use super::expectation::expected;
use super::{Case, Fault, Verdict};
use crate::excerpt::bounded;
use crate::facts::refused;
use crate::flaw::{self, Flaw};
use crate::kernel;
use crate::kernel_report;
use crate::refusal;
use crate::scenario::{Allow, Scenario};

/// What the scenario lacks and what could not be done, but for what it allows. A verdict that
/// it expects is a word of its own, and needs neither steps nor programs.
pub fn check(case: &Case, facts: &[Fact]) -> Vec<Fault> {
    let scenario = case.scenario;
    let lacks = |allow: Allow, is_lacking: bool, title: &str| {
        let expect = scenario.expect.as_ref().map(expected);
        let is_word = expect.is_some_and(|(_, titles)| !titles.has(title));
        (is_lacking && !is_word).then(|| (allow, title.to_owned(), String::new()))
    };
    let missing = [
        // What each program is told when it is loaded is all that such a scenario asks.
        lacks(
            Allow::NoSteps,
            scenario.steps.is_empty() && !scenario.each,
            "the scenario has no steps",
        ),
        lacks(
            Allow::NoPrograms,
            scenario.bpf.is_empty() && !runs_commands(scenario),
            "the scenario has no programs",
        ),
    ];
    let failed = facts
        .iter()
        .filter_map(|fact| failed(scenario, facts, fact));
    let failed = failed.map(|(title, reason)| (Allow::FailedStep, title, reason));
    let silent = facts.iter().filter_map(|fact| unregistered(case, fact));
    let silent = silent.filter_map(|title| {
        let (allow, title, _) = lacks(Allow::NoKfuncs, true, &title)?;
        Some((allow, title, Flaw::Unregistered.to_string()))
    });
    let refused = facts.iter().filter_map(|fact| refused_kfuncs(case, fact));
    let found = missing.into_iter().flatten().chain(silent);
    let found = found.chain(refused).chain(failed);
    let found = found.filter(|(allow, ..)| !scenario.allow.contains(allow));
    let found = found.map(|(allow, title, reason)| {
        let word = format!("if that is meant, the scenario says `allow = [\"{allow}\"]`");
        let reason = bounded(&format!("{reason}\n{word}"));
        Fault::new(Verdict::Mismatch, title).because(reason.trim_start())
    });
    let unattached = facts.iter().filter_map(|fact| unattached(case, fact));
    unattached.chain(found).collect()
}

/// The title of a module that is in and registers nothing. One that another module needs is there
/// for that one.
fn unregistered(case: &Case, fact: &Fact) -> Option<String> {
    let Fact::Inserted {
        module,
        error: None,
        ..
    } = fact
    else {
        return None;
    };
    let is_needed = case
        .modules
        .iter()
        .any(|other| other.needs.contains(module));
    let flaw = Flaw::Unregistered;
    let counts = case.flaws_of(module).contains(&flaw) && !is_needed;
    counts.then(|| flaw.title(module))
}

/// A module that is in although the kernel did not register its kfuncs.
fn refused_kfuncs(case: &Case, fact: &Fact) -> Option<(Allow, String, String)> {
    let Fact::Inserted {
        module,
        error: None,
        unregistered: Some(error),
        ..
    } = fact
    else {
        return None;
    };
    let title = format!("kfuncs of {module} were not registered: {error}");
    let known = case.modules.iter().find(|known| known.name == *module)?;
    let why = flaw::why(known, case.flaws_of(module), error);
    Some((Allow::NoKfuncs, title, why.unwrap_or_default()))
}

/// A program that could not be attached, which only an expectation makes right.
pub fn unattached(case: &Case, fact: &Fact) -> Option<Fault> {
    let reason = refusal::of_attach(fact).filter(|_| !case.scenario.attaches)?;
    let title = kernel_report::stable(&refused(fact)?);
    let age = too_old(case.release, fact).unwrap_or_default();
    Some(Fault::new(Verdict::Mismatch, title).because(bounded(&format!("{reason}{age}"))))
}

/// That this kernel is older than the hooks of a section.
fn too_old(release: &str, fact: &Fact) -> Option<String> {
    let Fact::Attached { section, .. } = fact else {
        return None;
    };
    let (major, minor, _) = kernel::numbers(release);
    let since = section::since(section).filter(|since| (major, minor) < *since)?;
    let kind = section.split('/').next().unwrap_or(section);
    Some(format!(
        "; the kernel has `{kind}` from {}.{} on, and this is {release}",
        since.0, since.1
    ))
}

/// Whether it runs commands, which may load programs of their own.
fn runs_commands(scenario: &Scenario) -> bool {
    scenario.steps.iter().any(|asked| asked.step.is_command())
}

/// The title and the reason of a step that could not be done, or a command that failed. One
/// that is ended after the last step has the status of the signal that ended it, or its own. Where
/// a program was refused, a step that runs or detaches one is only what follows.
fn failed(scenario: &Scenario, facts: &[Fact], fact: &Fact) -> Option<(String, String)> {
    let Fact::Stepped { step, outcome } = fact else {
        return None;
    };
    let has_failed = match outcome {
        Err(_) => true,
        Ok(came) => step::has_failed(came),
    };
    let asked = scenario.steps.get(*step).filter(|_| has_failed)?;
    let is_loaded = |fact: &&Fact| matches!(fact, Fact::Loaded { .. });
    let refusal = facts.iter().filter(is_loaded).find_map(refused);
    let is_of_program = asked.step.program().is_some() || matches!(asked.step, Step::Detach(_));
    let refusal = refusal.filter(|_| is_of_program);
    let title = refusal.unwrap_or_else(|| format!("step {} failed", step + 1));
    Some((title, asked.tell(outcome)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_came_later_says_since_when() {
        let refused = |section: &str| Fact::Attached {
            object: "o".to_owned(),
            program: "p".to_owned(),
            section: section.to_owned(),
            end: None,
            error: Some("Invalid argument".to_owned()),
            log: String::new(),
        };
        let words = "; the kernel has `tcx` from 6.6 on, and this is 6.1.192";
        let tcx = refused("tcx/ingress");
        assert_eq!(too_old("6.1.192", &tcx).as_deref(), Some(words));
        assert_eq!(too_old("6.6.0", &tcx), None);
        assert_eq!(too_old("6.1.192", &refused("tc")), None);
    }
}
