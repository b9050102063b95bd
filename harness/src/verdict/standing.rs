//! What became of programs: each is where its section says until the end, and has run.

use kassay_guest::{Fact, Standing, Why};

use super::{Fault, Verdict};
use crate::attachment;
use crate::scenario::Scenario;

/// Faults of programs that are attached nowhere, or elsewhere, or that never ran.
pub fn check(scenario: &Scenario, facts: &[Fact]) -> Vec<Fault> {
    let hooks = facts.iter().filter_map(|fact| hook(scenario, facts, fact));
    let standing = facts.iter().flat_map(|fact| match fact {
        Fact::Standing { programs } => programs.as_slice(),
        _ => &[],
    });
    let idle = standing.filter(|standing| is_idle(scenario, facts, standing));
    hooks.chain(idle.map(never_ran)).collect()
}

/// What is wrong with where a program is attached.
fn hook(scenario: &Scenario, facts: &[Fact], fact: &Fact) -> Option<Fault> {
    match fact {
        Fact::Attached {
            object,
            program,
            section,
            error: None,
            ..
        } => {
            let standing = attachment::standing(facts, object, program)?;
            let why = attachment::elsewhere(section, standing)?;
            let title = format!("{program} is not attached to {section}");
            Some(Fault::new(Verdict::Mismatch, title).because(why))
        }
        Fact::Unattached {
            program,
            section,
            why: Why::NoHook,
            ..
        } => {
            let is_asked = scenario
                .steps
                .iter()
                .any(|asked| asked.step.program() == Some(program));
            if is_asked || scenario.attaches || scenario.may_not_run.contains(program) {
                return None;
            }
            let title = format!("{program} was not attached to {section}");
            let reason = format!(
                "kassay has no hook for `{section}`: run the program by a `test_run`, where the \
                 kernel has that for its type, or say that it is only loaded, \
                 `may_not_run = [\"{program}\"]`"
            );
            Some(Fault::new(Verdict::Mismatch, title).because(reason))
        }
        _ => None,
    }
}

/// Whether a program is one that should have run and did not. Where nothing is triggered, none
/// should have.
fn is_idle(scenario: &Scenario, facts: &[Fact], standing: &Standing) -> bool {
    let is_left = facts.iter().any(|fact| match fact {
        Fact::Attached {
            object,
            program,
            error: Some(_),
            ..
        }
        | Fact::Unattached {
            object,
            program,
            why: Why::Optional | Why::NoHook | Why::Called(_),
            ..
        } => *object == standing.object && *program == standing.program,
        _ => false,
    });
    standing.runs == Some(0)
        && !is_left
        && !scenario.steps.is_empty()
        && !scenario.may_not_run.contains(&standing.program)
}

fn never_ran(standing: &Standing) -> Fault {
    let program = &standing.program;
    let reason = format!(
        "the kernel counts its runs, and there was none; a scenario in which it may not run says \
         `may_not_run = [\"{program}\"]`"
    );
    Fault::new(Verdict::Mismatch, format!("program {program} never ran")).because(reason)
}
