//! Modules that do not get along without memory.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use kassay::faults::{self, Came, Hunted, Try};
use kassay::normalise::visible;
use kassay::outcome::Outcome;
use kassay::scenario::{self, Scenario};
use libtest_mimic::{Completion, Trial};

use crate::chosen::Chosen;
use crate::needs;
use crate::repository::{project, repository};

/// What each comes to, and what is in its title. The others are clean.
const PLANTED: [(&str, &str, &str); 11] = [
    ("init_unchecked", "panic", "planted_init"),
    ("init_proc_left", "leak", "proc entry planted stayed"),
    ("init_frees_twice", "report", "planted_init"),
    (
        "init_timer_armed",
        "report",
        "ODEBUG: free active in free_module",
    ),
    ("init_memory_lost", "leak", "planted_init"),
    ("init_notifier_left", "leak", "planted_notified"),
    ("init_thread_left", "leak", "planted"),
    ("exit_unchecked", "panic", "planted_exit"),
    ("call_unchecked", "panic", "bpf_planted_call"),
    ("call_keeps_reference", "leak", "call_keeps_reference"),
    ("call_keeps_lock", "report", "bpf_planted_call"),
];

pub fn trials(on: &Arc<Chosen>) -> Result<Vec<Trial>> {
    let trial = |scenario: Scenario| {
        let on = on.clone();
        needs::qemu(
            format!("{}::faults::{}", on.name, scenario.name),
            move || test(&on, &scenario).map_err(|error| visible(&format!("{error:#}")).into()),
        )
    };
    let folder = repository().join("harness/tests/planted/faults");
    let scenarios = scenario::read_all(&folder, &project())?;
    Ok(scenarios.into_iter().map(trial).collect())
}

fn test(on: &Chosen, scenario: &Scenario) -> Result<Completion> {
    let kernel = on.kernel().as_ref().map_err(|why| anyhow!("{why}"))?;
    let tries = match faults::run(&on.setting, kernel, scenario)? {
        Hunted::Skipped(why) => return Ok(Completion::ignored_with(why)),
        Hunted::Before(outcome) => bail!("before anything fails: {}", told(&outcome)),
        Hunted::Tried { tries, .. } => tries,
    };
    ensure!(!tries.is_empty(), "its modules cause no allocation");
    let planted = PLANTED.iter().find(|(name, ..)| *name == scenario.name);
    let found: Vec<&Outcome> = tries.iter().filter_map(unhandled).collect();
    let told = found.iter().map(|outcome| told(outcome));
    let told = told.collect::<Vec<_>>().join("\n");
    let Some((_, verdict, title)) = planted else {
        ensure!(found.is_empty(), "it is clean, and there was: {told}");
        return Ok(Completion::Completed);
    };
    let is_it = |it: &&Outcome| it.verdict().name() == *verdict && it.title().contains(title);
    ensure!(!found.is_empty(), "nothing was found");
    ensure!(
        found.iter().all(is_it),
        "not only {verdict} with `{title}`, but {told}"
    );
    Ok(Completion::Completed)
}

fn unhandled(tried: &Try) -> Option<&Outcome> {
    match &tried.end {
        Came::Unhandled(outcome, _) => Some(outcome),
        _ => None,
    }
}

fn told(outcome: &Outcome) -> String {
    format!(
        "{}: {}: {}",
        outcome.case,
        outcome.verdict(),
        outcome.title()
    )
}
