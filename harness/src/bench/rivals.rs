//! What kassay is compared with: the bare machine, and vmtest's own guest.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kassay_guest::{FOLLOW, Fact, Line, POWER_OFF, SHARE, SWITCH_ROOT};
use vmtest::output::Output;
use vmtest::{Config, Target, VMConfig};

use crate::cache::Cache;
use crate::case::{Setting, share};
use crate::compile::Artifacts;
use crate::kernel::Kernel;
use crate::scenario::Scenario;
use crate::tool::{self, Tool};
use crate::vm::{Machine, Run};

/// How long one of these may take, where the host is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Boots the machine to an init that powers it off at once, with the same
/// kernel, kernel arguments, memory and CPU as a scenario's, but without
/// vmtest's devices.
pub fn bare(cache: &Cache, machine: &Machine) -> Result<Duration> {
    Run::new(cache)?.bare(machine, POWER_OFF, PATIENCE)
}

/// Runs the scenario by the command of a kassay.
pub fn command(
    kassay: &Path,
    kernel: &Kernel,
    scenario: &Scenario,
    cold: bool,
) -> Result<Duration> {
    let began = Instant::now();
    let run = Tool::new(kassay).args(["run", &scenario.name, "--kernel", &kernel.name]);
    let said = run.args(cold.then_some("--cold")).output()?;
    if !said.contains("1 of 1 passed") {
        let last = tool::last_lines(&said);
        bail!(
            "run the scenario by `{}`: it did not pass:{last}",
            kassay.display()
        );
    }
    Ok(began.elapsed())
}

/// Runs the scenario in the guest that vmtest makes by itself: the host's root
/// over 9p, bash as init, and QEMU's guest agent.
pub fn vmtest(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
    machine: &Machine,
) -> Result<Duration> {
    if machine.arch.is_foreign() {
        bail!(
            "vmtest's own guest has the host's root, and the kernel is for {}",
            machine.arch
        );
    }
    tool::find("qemu-ga").context(
        "find `qemu-ga`, the agent of vmtest's own guest; `kassay setup --bench` installs it",
    )?;
    let run = Run::new(&setting.cache)?;
    share::fill(&run.share(), scenario, artifacts)?;
    fs::copy(&artifacts.guest, run.share().join("guest")).context("copy the guest program")?;
    let config = Config {
        target: vec![target(kernel, machine, &run)],
    };
    let began = Instant::now();
    let told = run.of_vmtest(config, PATIENCE)?;
    let took = began.elapsed();
    let ended = |output: &Output| matches!(output, Output::Command(line) if is_end(line));
    if told.iter().any(ended) {
        return Ok(took);
    }
    let errors = told.iter().filter_map(error).collect::<Vec<_>>().join("; ");
    bail!("run the scenario in vmtest's own guest: {errors}")
}

fn target(kernel: &Kernel, machine: &Machine, run: &Run) -> Target {
    let accelerator = machine.accelerator.arguments(machine.arch).iter();
    let mut extra_args: Vec<String> = accelerator.map(|a| (*a).to_owned()).collect();
    // A kernel without CONFIG_BLOCK takes a 9p root only under this name; and
    // nothing in there is to write to the host's root.
    let mut kernel_args = "root=/dev/root ro".to_owned();
    // A distribution's kernel has 9p as a module, for which it has an initramfs.
    if !kernel.modules.is_empty() {
        extra_args.extend([
            "-initrd".to_owned(),
            machine.initramfs.display().to_string(),
        ]);
        kernel_args.push_str(&format!(" -- {SWITCH_ROOT}"));
    }
    Target {
        name: "vmtest".to_owned(),
        kernel: Some(machine.image.clone()),
        kernel_args: Some(kernel_args),
        // Not vmtest's, which takes KVM wherever /dev/kvm exists.
        arch: "kassay".to_owned(),
        qemu_command: Some(run.qemu().display().to_string()),
        command: format!("{SHARE}/guest {FOLLOW}"),
        vm: VMConfig {
            extra_args,
            ..VMConfig::default()
        },
        ..Target::default()
    }
}

fn is_end(line: &str) -> bool {
    serde_json::from_str(line).is_ok_and(|line: Line| matches!(line.fact, Fact::End { .. }))
}

fn error(output: &Output) -> Option<String> {
    match output {
        Output::BootEnd(Err(error))
        | Output::SetupEnd(Err(error))
        | Output::CommandEnd(Err(error)) => Some(format!("{error:#}")),
        Output::Boot(line) | Output::Setup(line) | Output::Command(line) => Some(line.clone()),
        _ => None,
    }
}
