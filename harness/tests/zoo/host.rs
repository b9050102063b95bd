//! What goes wrong outside of the guest, one test each: `KERNEL::NAME`. kassay
//! runs as a program of its own, on a scenario that expects nothing.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use kassay::cache::Cache;
use libtest_mimic::{Completion, Trial};
use rustix::process::Signal;

use crate::checkout::{Checkout, Ended, Machine};
use crate::chosen::Chosen;
use crate::{PATIENCE, needs, note};

/// How long a kassay may take to come to where it is interfered with.
const START: Duration = Duration::from_secs(300);

/// Mounts a small file system where kassay keeps its runs, and goes on as kassay.
const ON_SMALL_DISK: &str = "mount -t tmpfs -o size=8m kassay \"$0\" && exec \"$@\"";

/// One thing that goes wrong.
struct Case {
    name: &'static str,
    /// What the guest does meanwhile.
    fault: &'static str,
    /// The scenario's, in seconds.
    timeout: u64,
    verdict: &'static str,
    title: &'static str,
    /// Runs this kassay while it goes wrong.
    run: fn(&Checkout, Command) -> Result<Ended>,
}

const CASES: &[Case] = &[
    Case {
        name: "qemu_killed",
        fault: "silent",
        timeout: 60,
        verdict: "lost",
        title: "QEMU ended without a word",
        run: |_, kassay| signalled(kassay, in_plan, Signal::KILL),
    },
    Case {
        name: "qemu_terminated",
        fault: "silent",
        timeout: 60,
        verdict: "lost",
        title: "the machine was shut down: host-signal",
        run: |_, kassay| signalled(kassay, in_plan, Signal::TERM),
    },
    Case {
        name: "qemu_stopped",
        fault: "silent",
        timeout: 10,
        verdict: "hang",
        title: "deadline passed",
        run: |_, kassay| signalled(kassay, in_plan, Signal::STOP),
    },
    Case {
        name: "qemu_stopped_at_once",
        fault: "silent",
        timeout: 4,
        verdict: "infra",
        title: "the kernel does not boot: deadline passed before the guest answered",
        run: |_, mut kassay| {
            kassay.arg("--cold");
            signalled(kassay, |_| true, Signal::STOP)
        },
    },
    Case {
        name: "qemu_without_sockets",
        fault: "silent",
        timeout: 60,
        verdict: "infra",
        title: "QEMU did not start",
        run: |checkout, kassay| with_qemu(checkout, kassay, "exec sleep 600"),
    },
    Case {
        name: "qemu_lingers",
        fault: "half_line",
        timeout: 30,
        // What the guest told decides, and not that QEMU's process does not end. What is killed is
        // known by its command line, and this has another.
        verdict: "lost",
        title: "the guest wrote garbage",
        run: |checkout, kassay| {
            let path = std::env::var("PATH")?;
            let script = format!("PATH='{path}' qemu-system-x86_64 \"$@\"\nexec sleep 600");
            with_qemu(checkout, kassay, &script)
        },
    },
    Case {
        name: "share_full",
        fault: "fill",
        timeout: 60,
        verdict: "lost",
        title: "the guest program gave up: write the facts to the share: No space left on device (os error 28)",
        run: |_, kassay| on_small_disk(&kassay),
    },
];

/// The tests.
pub fn trials(on: &Arc<Chosen>) -> Vec<Trial> {
    let trial = |case: &'static Case| {
        let on = on.clone();
        let title = format!("{}::{}", on.name, case.name);
        needs::qemu(title, move || {
            test(&on, case).map_err(|error| format!("{error:#}").into())
        })
    };
    CASES.iter().map(trial).collect()
}

fn test(on: &Chosen, case: &Case) -> Result<Completion> {
    on.kernel().as_ref().map_err(|why| anyhow!("{why}"))?;
    if case.name == "share_full" && !mounts_are_allowed()? {
        let why = "needs a mount namespace of its own, which is refused here";
        return Ok(Completion::ignored_with(why));
    }
    let checkout = Checkout::new();
    let file = format!("harness/tests/scenarios/{}.toml", case.name);
    // What is full has room for the facts of some steps still, in its last block.
    let steps = "\n[[step]]\nunlink = {}".repeat(100);
    let text = format!(
        "timeout = {}\n[[step]]\nfault = '{}'{steps}",
        case.timeout, case.fault
    );
    checkout.scenario(case.name, &text);
    let args = ["run", "--kernel", &on.name, "--format", "json"];
    let kassay = checkout.command(&[&args[..], &["--scenario", &file]].concat());
    let ended = (case.run)(&checkout, kassay)?;
    let objects = ended.objects();
    let [seen] = objects.as_slice() else {
        bail!("no result: {ended:?}");
    };
    let text = |field: &str| seen[field].as_str().unwrap_or_default();
    let took = Duration::from_millis(seen["duration_ms"].as_u64().context("no duration")?);
    let allowed = Duration::from_secs(case.timeout) + PATIENCE;
    let row = [&on.name, case.name, text("verdict"), text("title")];
    note(row, took, allowed);
    ensure!(
        (text("verdict"), text("title")) == (case.verdict, case.title),
        "{}: {}\n{}",
        text("verdict"),
        text("title"),
        text("reason")
    );
    ensure!(took <= allowed, "it took {took:?} of {allowed:?}");
    Ok(Completion::Completed)
}

/// Whether a machine follows its plan: its first fact has arrived. Newer kernels, 7.2 for one, keep
/// what is written to the share for a while, so that only the file tells.
fn in_plan(machine: &Machine) -> bool {
    machine.directory.join("share/facts.jsonl").exists()
}

/// Sends QEMU a signal as soon as it is as far as this. It must not outlive kassay.
fn signalled(mut kassay: Command, is_there: fn(&Machine) -> bool, signal: Signal) -> Result<Ended> {
    let mut kassay = kassay
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let deadline = Instant::now() + START;
    let machine = loop {
        if let Some(machine) = Machine::of(&kassay).filter(is_there) {
            break machine;
        }
        let is_over = kassay.try_wait()?.is_some() || Instant::now() >= deadline;
        ensure!(!is_over, "kassay does not come so far");
        thread::sleep(Duration::from_millis(5));
    };
    machine.signal(signal);
    let ended = Ended::of(kassay.wait_with_output()?);
    machine.ends();
    ensure!(!machine.directory.exists(), "the run's directory is left");
    Ok(ended)
}

/// A QEMU that is this shell script.
fn with_qemu(checkout: &Checkout, mut kassay: Command, script: &str) -> Result<Ended> {
    checkout.hide("qemu-system-x86_64");
    checkout.program("qemu-system-x86_64", script);
    let path = checkout.path("bin");
    Ok(Ended::of(kassay.arg("--cold").env("PATH", path).output()?))
}

fn mounts_are_allowed() -> Result<bool> {
    let directory = tempfile::tempdir()?;
    let output = small_disk(directory.path().as_os_str())
        .arg("true")
        .output();
    Ok(output.is_ok_and(|output| output.status.success()))
}

fn small_disk(place: &OsStr) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", ON_SMALL_DISK])
        .arg(place);
    command
}

/// A kassay that has little room for its runs.
fn on_small_disk(kassay: &Command) -> Result<Ended> {
    let runs = Cache::open()?.dir("runs");
    fs::create_dir_all(&runs)?;
    let mut command = small_disk(runs.as_os_str());
    command.arg(kassay.get_program()).args(kassay.get_args());
    // There is no room to save a state.
    command.arg("--cold");
    for (name, value) in kassay.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = kassay.get_current_dir() {
        command.current_dir(directory);
    }
    Ok(Ended::of(command.output()?))
}
