//! A case's machine, from its start to what it leaves.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::cache::Cache;
use crate::case::{Case, Setting, TIMEOUT, share};
use crate::facts::Facts;
use crate::kernel::Kernel;
use crate::size::Size;
use crate::state::State;
use crate::vm::{Accelerator, Machine, Run, Slot, Start, Terms, tsc};
use crate::{debugger, interrupt, milestone, progress, vm};

/// What is there once the machine has ended.
pub struct Ran {
    /// The plan, as the guest found it.
    pub plan: String,
    /// What the machine left.
    pub facts: Facts,
    /// The run, whose directory has some of the evidence.
    pub run: Run,
    /// The saved state that the machine went on from.
    pub state: Option<State>,
}

impl Ran {
    /// Whether the machine went on from a saved state that is not what was saved. It is thrown
    /// away then.
    ///
    /// # Errors
    /// It cannot be removed; an interrupt.
    pub fn is_of_damage(&self, cache: &Cache) -> Result<bool> {
        match &self.state {
            Some(state) if !state.is_as_saved()? => state.discard(cache).map(|()| true),
            _ => Ok(false),
        }
    }
}

/// Runs the machine: restored where that works, else booted. A state that the
/// guest does not answer from is made anew, once.
///
/// # Errors
/// The machine cannot be set up; an interruption by the user.
pub fn execute(setting: &Setting, case: &Case) -> Result<Ran> {
    let size = case.scenario.size(setting.size);
    let machine = machine(setting, case.kernel, case.initramfs, size)?;
    if machine.arch.is_foreign() && setting.keep_dump {
        bail!(
            "dump the memory of a machine for {}: `--keep-dump` knows the page tables of this \
             machine's processor alone; with `--gdb` a debugger looks at it as it runs",
            machine.arch
        );
    }
    vm::require_programs(machine.arch)?;
    let restored = match setting.cold {
        true => None,
        false => restored(setting, case, &machine)?,
    };
    restored.map_or_else(|| go(setting, case, &machine, None), Ok)
}

/// Runs the machine from a saved state, if there is one from which the guest answers.
fn restored(setting: &Setting, case: &Case, machine: &Machine) -> Result<Option<Ran>> {
    for _ in 0..2 {
        let state = match State::obtain(&setting.cache, case.kernel, machine) {
            Ok(state) => state,
            Err(error) => {
                interrupt::check()?;
                progress::note(format!("{error:#}; booting instead"));
                return Ok(None);
            }
        };
        milestone::reached("host: the state is found");
        let ran = go(setting, case, machine, Some(state))?;
        if ran.facts.evidence.answered {
            return Ok(Some(ran));
        }
        let name = &case.kernel.name;
        progress::note(format!(
            "the warm state of {name} does not restore; making it anew"
        ));
        if let Some(state) = ran.state {
            state.discard(&setting.cache)?;
        }
    }
    Ok(None)
}

/// Runs the machine once, from a state or from its boot on.
fn go(setting: &Setting, case: &Case, machine: &Machine, state: Option<State>) -> Result<Ran> {
    let start = state.as_ref().map_or(Start::Boot, Start::Restore);
    let run = Run::new(&setting.cache)?;
    (case.fill)(&run.share())?;
    let plan = fs::read_to_string(run.share().join("plan.json")).context("read the plan")?;
    let debugger = || debugger::invite(run.path(), case.kernel, case.modules);
    let terms = Terms {
        timeout: setting.timeout.or(case.scenario.timeout).unwrap_or(TIMEOUT),
        host_root: case.scenario.host_root,
        streams: case.streams.clone(),
        dump: setting.keep_dump,
        debugger: setting.gdb.then(debugger).transpose()?,
    };
    let slot = || Slot::take(&setting.cache, setting.jobs, machine.size.memory_mib);
    let _slot = (!case.is_idle).then(slot).transpose()?;
    milestone::reached("host: the share is filled");
    let mut evidence = run.go(machine, start, &terms)?;
    milestone::reached("qemu: it has ended");
    evidence.mark = share::mark_of(&plan)?;
    Ok(Ran {
        plan,
        facts: Facts::read(evidence, case.modules),
        run,
        state,
    })
}

/// The machine that a guest program runs in.
///
/// # Errors
/// Those of [`Setting::accelerator_for`].
pub fn machine(
    setting: &Setting,
    kernel: &Kernel,
    initramfs: &Path,
    size: Size,
) -> Result<Machine> {
    let accelerator = setting.accelerator_for(kernel.arch)?;
    Ok(Machine {
        arch: kernel.arch,
        image: kernel.image.clone(),
        initramfs: initramfs.to_owned(),
        accelerator,
        size,
        tsc_khz: match (accelerator, kernel.arch) {
            (Accelerator::Tcg, Arch::X86) => Some(tsc::khz(&setting.cache)),
            // The hypervisor tells, or the processor has a counter of a frequency that is known.
            _ => None,
        },
    })
}
