//! What `kassay fuzz` has to find.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use kassay::fuzz::{self, Finding, Subject, Terms};
use kassay::normalise::visible;
use kassay::scenario::{self, Part};
use libtest_mimic::{Completion, Trial};

use crate::chosen::Chosen;
use crate::needs;
use crate::repository::{project, repository};

/// A planted bug.
struct Plant {
    /// The module.
    name: &'static str,
    /// What the title of its finding has: the function, or what it leaks.
    title: &'static str,
    /// The options of which a kernel must have one to notice it.
    config: &'static [&'static str],
}

const PLANTS: [Plant; 18] = [
    plant("size_zero", "bpf_plant_size_zero", &[]),
    plant("size_large", "bpf_plant_size_large", &[]),
    plant("odd_size", "bpf_plant_odd_size", &[]),
    plant("signed_length", "bpf_plant_signed_length", &[]),
    plant("null_missing", "bpf_plant_null_missing", &[]),
    plant("leaked", "leaked", &["SLUB_DEBUG", "SLUB"]),
    plant("freed_twice", "bpf_plant_freed_twice", &["KASAN"]),
    plant("unset", "bpf_plant_unset_read", &[]),
    plant("iterated", "bpf_iter_plant_items_next", &[]),
    plant(
        "sleep_atomic",
        "bpf_plant_sleep_atomic",
        &["DEBUG_ATOMIC_SLEEP"],
    ),
    plant("locked", "bpf_plant_locked", &["DETECT_HUNG_TASK"]),
    plant(
        "deep",
        "stack guard page was hit in plant_deep",
        &["VMAP_STACK"],
    ),
    plant("divided", "bpf_plant_divided", &[]),
    plant("endless", "bpf_plant_endless", &["SOFTLOCKUP_DETECTOR"]),
    plant(
        "overflown",
        "bpf_plant_overflown",
        &["STACKPROTECTOR", "KASAN"],
    ),
    plant("raced", "bpf_plant_raced", &[]),
    plant("packet_length", "bpf_plant_packet_length", &[]),
    // Nobody gets there who is not guided.
    plant("guarded", "bpf_plant_guarded", &["KCOV"]),
];

/// The same without the bug.
const TWINS: [&str; 6] = [
    "size_zero_clean",
    "odd_size_clean",
    "leaked_clean",
    "locked_clean",
    "divided_clean",
    "packet_length_clean",
];

/// What all programs follow from.
const SEED: u64 = 1;

/// How many machines may run programs until a bug is found, and how many find nothing in a twin.
const MACHINES: u32 = 24;
const OF_TWIN: u32 = 6;

/// How many calls a finding has at most.
const CALLS: usize = 3;

const fn plant(name: &'static str, title: &'static str, config: &'static [&'static str]) -> Plant {
    Plant {
        name,
        title,
        config,
    }
}

/// What a test does on a kernel.
type Test = Box<dyn FnOnce(&Chosen) -> Result<Completion> + Send>;

pub fn trials(on: &Arc<Chosen>) -> Result<Vec<Trial>> {
    let trial = |name: &str, test: Test| {
        let on = on.clone();
        needs::qemu(format!("{}::fuzz::{name}", on.name), move || {
            test(&on).map_err(|error| visible(&format!("{error:#}")).into())
        })
    };
    let plants = PLANTS
        .iter()
        .map(|it| trial(it.name, Box::new(|on| finds(on, it))));
    let twins = TWINS
        .iter()
        .map(|it| trial(it, Box::new(|on| finds_nothing(on, it))));
    Ok(plants.chain(twins).collect())
}

/// The hunt finds the bug, and makes it small.
fn finds(on: &Chosen, plant: &Plant) -> Result<Completion> {
    let kernel = on.kernel().as_ref().map_err(|why| anyhow!("{why}"))?;
    let mut has = plant.config.is_empty();
    for option in plant.config {
        has |= kernel.config_has(option)?;
    }
    if !has {
        let without = format!("the kernel has no {}", plant.config.join(" or "));
        return Ok(Completion::ignored_with(without));
    }
    if plant.name == "endless" && fuzz::is_guided(kernel)? {
        // Interrupted in KCOV's own function, the kernel's stack lacks the one that called it.
        let why = "where the loop calls KCOV, the kernel names the program and not the function";
        return Ok(Completion::ignored_with(why));
    }
    for option in ["PREEMPT", "PREEMPT_LAZY", "PREEMPT_RT"] {
        if plant.name == "endless" && kernel.config_has(option)? {
            // The watchdog is a thread, too (kernel/watchdog.c).
            let why =
                format!("with {option} others run beside the loop, and no lockup is reported");
            return Ok(Completion::ignored_with(why));
        }
    }
    let mut titles = Vec::new();
    let mut calls = None;
    hunt(on, plant.name, MACHINES, |finding| {
        titles.push(finding.line());
        let is_it = finding.title.contains(plant.title) && finding.smallest.is_again;
        match is_it {
            true => {
                calls = Some((finding.calls(), finding.after, finding.smallest.machines));
                ControlFlow::Break(())
            }
            false => ControlFlow::Continue(()),
        }
    })?;
    let Some((calls, after, smaller)) = calls else {
        bail!("it was not found in {MACHINES} machines, only {titles:?}");
    };
    kassay::progress::note(format!(
        "{}: {} on machine {after}, and {smaller} machines made it smaller",
        plant.name,
        titles.last().map_or("", String::as_str)
    ));
    ensure!(calls <= CALLS, "it has {calls} calls: {titles:?}");
    Ok(Completion::Completed)
}

/// The hunt finds nothing.
fn finds_nothing(on: &Chosen, name: &str) -> Result<Completion> {
    let mut titles = Vec::new();
    hunt(on, name, OF_TWIN, |finding| {
        titles.push(finding.line());
        ControlFlow::Continue(())
    })?;
    ensure!(
        titles.is_empty(),
        "there is nothing to be found: {titles:?}"
    );
    Ok(Completion::Completed)
}

fn hunt(
    on: &Chosen,
    name: &str,
    machines: u32,
    tell: impl FnMut(&Finding) -> ControlFlow<()>,
) -> Result<()> {
    let kernel = on.kernel().as_ref().map_err(|why| anyhow!("{why}"))?;
    let project = project();
    let path = repository().join("harness/tests/planted/fuzz").join(name);
    let parts: [Part; 1] = [scenario::module(&path.display().to_string(), &project)?];
    let subject = Subject {
        setting: &on.setting,
        kernel,
        parts: &parts,
        project: &project,
        corpus: None,
    };
    let terms = Terms {
        seed: SEED,
        machines: Some(machines),
        ..Terms::default()
    };
    let summary = fuzz::run(&subject, terms, tell)?;
    match summary.trouble {
        Some(trouble) => Err(trouble),
        None => {
            ensure!(summary.programs.1 > 0, "no program was accepted");
            Ok(())
        }
    }
}
