//! Has a machine boot to the gate, and saves its state.

use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags};
use serde_json::json;

use super::directory::GATE_OUT;
use super::machine::Machine;
use super::run::Run;
use super::session::BOOT_PATIENCE;
use super::vmtest::Started;
use super::{Start, Terms, written};
use crate::cache::{Cache, Key};
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::state::{self, KIND, LABEL, Label, MEMORY, State, capabilities};
use crate::tool;
use crate::{interrupt, kernel_report};

/// How long QEMU may take to save a machine, on a disk that is busy.
const SAVE_DEADLINE: Duration = Duration::from_secs(120);

/// How often a wait looks again.
const TICK: Duration = Duration::from_millis(10);

impl State {
    /// The state of a machine, made if it is not there or not whole.
    ///
    /// # Errors
    /// The kernel does not come up to the gate, or QEMU does not save it.
    pub fn obtain(cache: &Cache, kernel: &Kernel, machine: &Machine) -> Result<State> {
        let host = state::host(machine.arch)?;
        let key = key(cache, kernel, machine, &host);
        if let Some(entry) = cache.get(KIND, &key)
            && state::label(&entry, &key).is_none()
        {
            cache.remove(KIND, &key)?;
        }
        let what = state::called(&kernel.name);
        let entry = cache.get_or_make(KIND, &key, &what, |directory| {
            let progress =
                Progress::steps(format!("boot {} and save its state", kernel.name), None);
            let qemu = save(cache, machine, directory).with_context(|| format!("save {what}"))?;
            let label = Label {
                incoming: incoming(qemu).to_owned(),
                key: key.clone(),
                kernel: kernel.name.clone(),
                kernel_key: kernel.key.clone(),
                host,
                accelerator: machine.accelerator.to_string(),
                size: machine.size,
                bytes: state::lengths(directory)?,
                digests: state::digests(directory)?,
            };
            fs::write(directory.join(LABEL), serde_json::to_vec(&label)?)?;
            progress.finish();
            Ok(())
        })?;
        let label =
            state::label(&entry, &key).context("read the label of a state that was just made")?;
        Ok(State {
            folder: entry,
            incoming: label.incoming,
            key,
        })
    }
}

/// Everything that shapes a state.
fn key(cache: &Cache, kernel: &Kernel, machine: &Machine, host: &str) -> String {
    Key::new(KIND)
        .text("kernel", &kernel.key)
        .text("machine", &machine.identity(cache))
        .text("host", host)
        .finish()
}

/// How a QEMU of some version reads a state from a file, without a program in
/// between. Newer ones want a file to be called one; older ones take the
/// descriptor that the stand-in opens.
fn incoming(qemu: (u64, u64)) -> &'static str {
    match qemu >= (8, 2) {
        true => state::FROM_FILE,
        false => state::FROM_DESCRIPTOR,
    }
}

/// Boots a machine to the gate and saves it into a folder. Returns QEMU's version.
fn save(cache: &Cache, machine: &Machine, folder: &Path) -> Result<(u64, u64)> {
    let run = Run::new(cache)?;
    let terms = Terms {
        timeout: BOOT_PATIENCE,
        host_root: false,
        streams: None,
        dump: false,
        debugger: None,
    };
    let started = run.start(machine, Start::Wait, &terms)?;
    let saved = wait_for_gate(&run, &started).and_then(|()| migrate(&run, &folder.join("state")));
    run.end(&started.updates);
    let _ = started.join();
    run.reap();
    interrupt::check()?;
    let qemu = saved?;
    let copied = File::open(run.path().join(MEMORY))
        .and_then(|from| state::copy_sparse(from, &File::create(folder.join(MEMORY))?));
    copied.context("copy the memory")?;
    Ok(qemu)
}

/// Waits for the byte with which the guest says that it is at the gate.
fn wait_for_gate(run: &Run, started: &Started) -> Result<()> {
    let gate = run.path().join(GATE_OUT);
    let gate = rustix::fs::open(&gate, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
        .with_context(|| format!("open `{}`", gate.display()))?;
    let began = Instant::now();
    let mut byte = [0u8];
    loop {
        let up = rustix::io::read(&gate, &mut byte).is_ok_and(|read| read == 1);
        let gone = match started.updates.recv_timeout(TICK) {
            Err(RecvTimeoutError::Disconnected) => true,
            Ok(_) | Err(RecvTimeoutError::Timeout) => run.has_ended(),
        };
        let read = |name: &str| {
            let text = written::text(&run.path().join(name));
            text.map_or(String::new(), |(text, _)| text)
        };
        if up {
            return match kernel_report::find(&read("console")).first() {
                Some(report) => bail!("the kernel reports while it boots: {}", report.title),
                None => Ok(()),
            };
        }
        if gone || run.is_late(began.elapsed(), BOOT_PATIENCE) {
            let said = format!("{}\n{}", read("console"), read("stderr"));
            bail!("the guest did not come up:{}", tool::last_lines(&said));
        }
        interrupt::check()?;
    }
}

fn migrate(run: &Run, file: &Path) -> Result<(u64, u64)> {
    let mut qmp = run.qmp()?;
    // QEMU holds itself back by default, for the sake of a network.
    qmp.execute(
        "migrate-set-parameters",
        json!({ "max-bandwidth": 8u64 << 30 }),
    )?;
    qmp.execute("migrate-set-capabilities", capabilities())?;
    let target = run.path().join("saved");
    qmp.execute("migrate", json!({ "uri": "exec:exec cat >saved" }))?;
    let deadline = Instant::now() + SAVE_DEADLINE;
    loop {
        let status = qmp.execute("query-migrate", json!({}))?;
        match status["status"].as_str().unwrap_or_default() {
            "completed" => break,
            "failed" | "cancelled" => bail!("QEMU does not save the machine: {status}"),
            _ if Instant::now() >= deadline => bail!("QEMU does not come to an end: {status}"),
            _ => thread::sleep(TICK),
        }
        interrupt::check()?;
    }
    fs::rename(&target, file).with_context(|| format!("move the state to `{}`", file.display()))?;
    Ok(qmp.version)
}
