//! Warm states: the memory and devices of a machine that has booted and waits
//! at the gate, saved once and restored for every run of its kind.
//!
//! The state is saved by migration while the machine runs (one that was saved
//! stopped would be restored stopped), before anything of vmtest's has reached
//! the guest and before the share is mounted, which would forbid it. A state
//! that does not restore is thrown away and made again; it is never trusted.
//!
//! The guest's memory is a file beside the stream (`x-ignore-shared`), which
//! each machine maps for itself: what none of them reads nobody has to load,
//! and what none changes they share.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Terms;
use super::machine::{GATE_OUT, MEMORY, Machine, Size, Start};
use super::session::{self, BOOT_PATIENCE, Run, Started};
use crate::cache::{self, Cache, Key};
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::tool;
use crate::{interrupt, kernel_report};

/// The cache's kind of states.
pub const KIND: &str = "state";

/// The files of a state: the stream of the devices, and the guest's memory.
pub(super) const FILES: [&str; 2] = ["state", MEMORY];

/// The pages of a guest's memory.
const PAGE: usize = 4096;

/// How long QEMU may take to save a machine, on a disk that is busy.
const SAVE_DEADLINE: Duration = Duration::from_secs(120);

/// How often a wait looks again.
const TICK: Duration = Duration::from_millis(10);

/// A saved state.
#[derive(Debug)]
pub struct State {
    /// Where its files are.
    pub(super) folder: PathBuf,
    /// How QEMU is told to read it.
    pub(super) incoming: String,
    key: String,
}

/// What lies beside a state and tells whether it is whole and the right one.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Label {
    key: String,
    kernel: String,
    accelerator: String,
    size: Size,
    /// The lengths of the files.
    bytes: [u64; 2],
    /// SHA-256 of the files. Taking them again takes a third of a restored run, so that only a run
    /// that is no pass is worth it.
    digests: [String; 2],
    incoming: String,
}

/// The kernel's name, the accelerator and the size that a state in the cache is for. Of the states
/// for the same, only the newest is of use.
pub fn owner(cache: &Cache, key: &str) -> Option<(String, String, Size)> {
    let label = label(&cache.get(KIND, key)?, key)?;
    Some((label.kernel, label.accelerator, label.size))
}

impl State {
    /// The state of a machine, made if it is not there or not whole.
    ///
    /// # Errors
    /// The kernel does not come up to the gate, or QEMU does not save it.
    pub fn obtain(cache: &Cache, kernel: &Kernel, machine: &Machine) -> Result<State> {
        let key = key(kernel, machine)?;
        if let Some(entry) = cache.get(KIND, &key)
            && label(&entry, &key).is_none()
        {
            cache.remove(KIND, &key)?;
        }
        let what = format!("the warm state of {}", kernel.name);
        let entry = cache.get_or_make(KIND, &key, &what, |directory| {
            let progress =
                Progress::steps(format!("boot {} and save its state", kernel.name), None);
            let qemu = save(cache, machine, directory).with_context(|| format!("save {what}"))?;
            let label = Label {
                incoming: incoming(qemu).to_owned(),
                key: key.clone(),
                kernel: kernel.name.clone(),
                accelerator: machine.accelerator.to_string(),
                size: machine.size,
                bytes: lengths(directory)?,
                digests: digests(directory)?,
            };
            fs::write(directory.join("label.json"), serde_json::to_vec(&label)?)?;
            progress.finish();
            Ok(())
        })?;
        let label = label(&entry, &key).context("read the label of a state that was just made")?;
        Ok(State {
            folder: entry,
            incoming: label.incoming,
            key,
        })
    }

    /// Whether the files are, byte for byte, what was saved, by now perhaps by another kassay.
    pub fn is_as_saved(&self) -> bool {
        label(&self.folder, &self.key).is_some_and(|label| {
            digests(&self.folder).is_ok_and(|digests| digests == label.digests)
        })
    }

    /// Throws the state away.
    pub fn discard(&self, cache: &Cache) -> Result<()> {
        cache.remove(KIND, &self.key).map(drop)
    }
}

/// Everything that shapes a state. QEMU is known by its file, since asking it
/// for its version takes longer than restoring a machine.
fn key(kernel: &Kernel, machine: &Machine) -> Result<String> {
    let qemu = tool::require("qemu-system-x86_64")?;
    let file = qemu
        .metadata()
        .with_context(|| format!("look at `{}`", qemu.display()))?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .filter(|line| line.starts_with("model name") || line.starts_with("microcode"));
    Ok(Key::new(KIND)
        .text("kernel", &kernel.key)
        .text("machine", &machine.identity())
        .text(
            "qemu",
            &format!(
                "{} {:?} {}",
                qemu.display(),
                file.modified().ok(),
                file.len()
            ),
        )
        .text("cpu", model.take(2).collect::<Vec<_>>().join("\n").as_str())
        .finish())
}

/// The label of a state that is whole and of this key.
fn label(entry: &Path, key: &str) -> Option<Label> {
    let label: Label = serde_json::from_slice(&fs::read(entry.join("label.json")).ok()?).ok()?;
    (label.key == key && label.bytes == lengths(entry).ok()?).then_some(label)
}

fn lengths(folder: &Path) -> Result<[u64; 2]> {
    let [stream, memory] = FILES.map(|file| folder.join(file));
    Ok([stream.metadata()?.len(), memory.metadata()?.len()])
}

fn digests(folder: &Path) -> Result<[String; 2]> {
    let [stream, memory] = FILES.map(|file| cache::digest(&folder.join(file)));
    Ok([stream?, memory?])
}

/// QEMU's arguments of `migrate-set-capabilities`: what is in a file that machines share is not in
/// the stream.
pub(super) fn capabilities() -> Value {
    json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] })
}

/// How a QEMU of some version reads a state from a file, without a program in
/// between. Newer ones want a file to be called one; older ones take the
/// descriptor that the stand-in opens.
fn incoming(qemu: (u64, u64)) -> &'static str {
    if qemu >= (8, 2) { "file:state" } else { "fd:8" }
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
    copy_sparse(&run.path().join(MEMORY), &folder.join(MEMORY)).context("copy the memory")?;
    Ok(qemu)
}

/// Copies a file, with holes where there are pages of zeros: most of a guest's memory is free.
fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (File::open(from)?, File::create(to)?);
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut page = [0; PAGE];
    for place in (0..length).step_by(PAGE) {
        interrupt::check()?;
        from.read_exact_at(&mut page, place)?;
        if page != [0; PAGE] {
            to.write_all_at(&page, place)?;
        }
    }
    Ok(())
}

/// Waits for the byte with which the guest says that it is at the gate.
fn wait_for_gate(run: &Run, started: &Started) -> Result<()> {
    let gate = run.path().join(GATE_OUT);
    let gate = rustix::fs::open(&gate, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
        .with_context(|| format!("open `{}`", gate.display()))?;
    let deadline = Instant::now() + BOOT_PATIENCE;
    let mut byte = [0u8];
    loop {
        let up = rustix::io::read(&gate, &mut byte).is_ok_and(|read| read == 1);
        let gone = match started.updates.recv_timeout(TICK) {
            Err(RecvTimeoutError::Disconnected) => true,
            Ok(_) | Err(RecvTimeoutError::Timeout) => run.has_ended(),
        };
        let read = |name: &str| {
            let text = session::text(&run.path().join(name));
            text.map_or(String::new(), |(text, _)| text)
        };
        if up {
            return match kernel_report::find(&read("console")).first() {
                Some(report) => bail!("the kernel reports while it boots: {}", report.title),
                None => Ok(()),
            };
        }
        if gone || Instant::now() >= deadline {
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
