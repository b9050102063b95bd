//! Whether the facts are those of a plan that was followed to its end.

use kassay_guest::{Command, Fact, Outcome, Ran, Show, State};

use super::{Case, Fault, Verdict};
use crate::excerpt::bounded;
use crate::facts::Facts;
use crate::scenario::{self, Scenario};

/// The facts are those of a plan that was followed to its end.
pub fn check(case: &Case, facts: &Facts) -> Result<(), Fault> {
    let told = &facts.told;
    told.iter().try_for_each(|fact| check_capture(case, fact))?;
    check_complete(case, told)?;
    for fact in told {
        if let Fact::Trace { lines, read, .. } = fact
            && case.is_traced_alone
        {
            check_trace(facts, lines, *read)?;
        }
    }
    Ok(())
}

/// Nothing of the trace was kept from the guest program, whose own lines are marked.
fn check_trace(facts: &Facts, lines: &[String], read: u64) -> Result<(), Fault> {
    let is_there = |mark: &String| lines.iter().any(|line| line.ends_with(mark));
    let [begins, ends] = facts.marks.each_ref().map(is_there);
    // An event has a line at least.
    let ours = facts.trace().count() as u64 + u64::from(begins) + u64::from(ends);
    let title = match (begins, ends) {
        (false, _) => "the trace buffer was cleared, or read by something else",
        (_, false) => TRACE_OFF,
        _ if read > ours => "the trace buffer was read by something else",
        _ => return Ok(()),
    };
    let lines: Vec<&str> = facts.trace().map(String::as_str).collect();
    let reason = bounded(&lines.join("\n"));
    Err(Fault::new(Verdict::Lost, title).because(reason))
}

/// Every part of the plan has its fact, once and in its place, and they are of
/// the kernel that was asked for.
fn check_complete(case: &Case, facts: &[Fact]) -> Result<(), Fault> {
    let due = due(case, facts);
    let seen: Vec<String> = facts.iter().filter_map(part).collect();
    if seen == due {
        return Ok(());
    }
    let (verdict, title) = match seen.first() == due.first() {
        true => (Verdict::Lost, "the facts are not those of the plan"),
        false => (Verdict::Infra, "another kernel was started"),
    };
    let reason = format!("due:  {}\nseen: {}", due.join(", "), seen.join(", "));
    Err(Fault::new(verdict, title).because(bounded(&reason)))
}

/// The parts of the plan in their order. What was inserted is removed, and what goes on is ended.
fn due(case: &Case, facts: &[Fact]) -> Vec<String> {
    let names = |kind: &'static str, names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("{kind} {name}")).collect()
    };
    let modules = case.modules.iter().map(|module| module.name.clone());
    let steps = (0..case.scenario.steps.len()).map(|step| step.to_string());
    let mut inserted: Vec<String> = facts.iter().filter_map(inserted).cloned().collect();
    inserted.reverse();
    let mut running: Vec<String> = facts.iter().filter_map(running).collect();
    running.reverse();
    [
        vec![format!("start {}", case.release)],
        names("insert", &modules.collect::<Vec<_>>()),
        names("load", &scenario::names(&case.scenario.bpf)),
        names("step", &steps.collect::<Vec<_>>()),
        shown(&case.scenario.show),
        names("end of step", &running),
        ["standing", "trace"].map(str::to_owned).to_vec(),
        names("remove", &inserted),
        vec!["left".to_owned()],
        names("allocations", &counted(case.scenario)),
        names("coverage", &covered(case.scenario)),
        ["log", "leaks", "end"].map(str::to_owned).to_vec(),
    ]
    .concat()
}

/// How far the plan had come by these facts: which part was over, and which was next.
pub fn place(case: &Case, facts: &[Fact]) -> Option<String> {
    let due = due(case, facts);
    let seen: Vec<String> = facts.iter().filter_map(part).collect();
    let next = due.get(seen.len()).filter(|_| due.starts_with(&seen))?;
    let words = |part: &String| {
        let step = part.strip_prefix("step ")?.parse::<usize>().ok()?;
        let title = case.scenario.steps.get(step)?.title();
        Some(format!("step {} ({title})", step + 1))
    };
    let words = |part: &String| words(part).unwrap_or_else(|| part.clone());
    let last = seen.last().map_or("nothing".to_owned(), words);
    Some(format!(
        "the plan was past {last}, and not past {}",
        words(next)
    ))
}

/// What is counted where an allocation is to fail.
fn counted(scenario: &Scenario) -> Vec<String> {
    let of_modules = scenario.fail_allocation.map(|_| "of modules".to_owned());
    of_modules.into_iter().collect()
}

/// What modules are to tell of their lines.
fn covered(scenario: &Scenario) -> Vec<String> {
    let of_modules = scenario.covers.then(|| "of modules".to_owned());
    of_modules.into_iter().collect()
}

/// What a scenario has looked up.
fn shown(show: &Show) -> Vec<String> {
    let lists = [(show.modules, "modules"), (show.programs, "programs")];
    let lists = lists.into_iter().filter(|(is_shown, _)| *is_shown);
    let maps = show.maps.iter().map(|map| format!("map {map}"));
    lists.map(|(_, list)| list.to_owned()).chain(maps).collect()
}

/// The module that a fact says was inserted.
fn inserted(fact: &Fact) -> Option<&String> {
    match fact {
        Fact::Inserted {
            module,
            error: None,
            ..
        } => Some(module),
        _ => None,
    }
}

/// The step whose command goes on behind this fact.
fn running(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Stepped {
            step,
            outcome:
                Ok(Outcome::Run(Ran::Command(Command {
                    state: State::Ready,
                    ..
                }))),
        } => Some(step.to_string()),
        _ => None,
    }
}

/// The part of the plan that a fact is of. How many programs an object has, only
/// the object knows; the transcript names them.
pub fn part(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::Start { release, .. } => format!("start {release}"),
        Fact::Inserted { module, .. } => format!("insert {module}"),
        Fact::Loaded {
            object,
            program: None,
            ..
        } => format!("load {object}"),
        Fact::Loaded { .. }
        | Fact::Attached { .. }
        | Fact::Unattached { .. }
        | Fact::Structure { .. }
        | Fact::Exited { .. } => return None,
        Fact::Stepped { step, .. } => format!("step {step}"),
        Fact::Ended { step, .. } => format!("end of step {step}"),
        Fact::Modules { .. } => "modules".to_owned(),
        Fact::Programs { .. } => "programs".to_owned(),
        Fact::Map { map, .. } => format!("map {map}"),
        Fact::Standing { .. } => "standing".to_owned(),
        Fact::Trace { .. } => "trace".to_owned(),
        Fact::Removed { module, .. } => format!("remove {module}"),
        Fact::Left { .. } => "left".to_owned(),
        Fact::Allocations { .. } => "allocations of modules".to_owned(),
        Fact::Coverage { .. } => "coverage of modules".to_owned(),
        Fact::Log { .. } => "log".to_owned(),
        Fact::Leaks { .. } => "leaks".to_owned(),
        Fact::Failed { .. } => "failed".to_owned(),
        Fact::End { .. } => "end".to_owned(),
    })
}

/// The title of a run of which the trace lacks what programs printed.
const TRACE_OFF: &str = "tracing was switched off";

/// The title of a run of which the kernel log is not whole.
pub const LOG_OVERFLOW: &str = "the kernel log overflowed";

/// What was captured is whole.
fn check_capture(case: &Case, fact: &Fact) -> Result<(), Fault> {
    match fact {
        Fact::Failed { error } => {
            Err(Fault::new(Verdict::Infra, "the plan could not be followed")
                .because(bounded(error)))
        }
        Fact::Trace { lost: 1.., .. } => {
            Err(Fault::new(Verdict::Lost, "the trace buffer overflowed"))
        }
        Fact::Trace { unseen: 1.., .. } => Err(Fault::new(Verdict::Lost, TRACE_OFF)),
        Fact::Log { lost: 1.., .. } => Err(Fault::new(Verdict::Lost, LOG_OVERFLOW)),
        Fact::Leaks { objects: None, .. } if case.has_kmemleak => Err(Fault::new(
            Verdict::Lost,
            "the kernel did not look for leaks",
        )),
        _ => Ok(()),
    }
}
