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
//! and what none changes they share. A stream with the memory in it would be read
//! whole each time.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arch::Arch;
use crate::cache::{self, Cache};
use crate::interrupt;
use crate::size::Size;

/// The pages of a guest's memory.
const PAGE: usize = 4096;

/// The cache's kind of states.
pub const KIND: &str = "state";

/// The files of a state: the stream of the devices, and the guest's memory.
pub const FILES: [&str; 2] = ["state", MEMORY];

/// The file that tells what a state is of.
pub const LABEL: &str = "label.json";

/// The guest's memory, in the run's directory, where it is a file.
pub const MEMORY: &str = "ram";

/// How QEMU is told to read a state: newer ones a file, older ones the descriptor that the stand-in
/// opens.
pub const FROM_FILE: &str = "file:state";
pub const FROM_DESCRIPTOR: &str = "fd:8";

/// A saved state.
#[derive(Debug)]
pub struct State {
    /// Where its files are.
    pub folder: PathBuf,
    /// How QEMU is told to read it.
    pub incoming: String,
    pub key: String,
}

/// What lies beside a state and tells whether it is whole and the right one.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub struct Label {
    pub key: String,
    pub kernel: String,
    pub accelerator: String,
    pub size: Size,
    /// The lengths of the files.
    pub bytes: [u64; 2],
    /// SHA-256 of the files. Taking them again takes a third of a restored run, so that only a run
    /// that is no pass is worth it.
    pub digests: [String; 2],
    pub incoming: String,
}

/// The kernel's name, the accelerator and the size that a state in the cache is for. Of the states
/// for the same, only those that are in use are worth their place.
pub fn owner(cache: &Cache, key: &str) -> Option<(String, String, Size)> {
    let label = label(&cache.get(KIND, key)?, key)?;
    Some((label.kernel, label.accelerator, label.size))
}

/// The states of a kernel: of each accelerator and size the one that was used last.
pub fn of(cache: &Cache, kernel: &str) -> Vec<String> {
    let used = |key: &String| cache.dir(KIND).join(key).metadata()?.modified();
    let mut keys = cache.keys(KIND);
    keys.sort_by_key(|key| Reverse(used(key).ok()));
    let mut seen = BTreeSet::new();
    keys.retain(|key| {
        let owner = owner(cache, key);
        owner.is_some_and(|(of, how, size)| of == kernel && seen.insert((how, size)))
    });
    keys
}

/// Sees that a folder has the state of a key, as it was saved.
///
/// # Errors
/// It does not.
pub fn verify(folder: &Path, key: &str) -> Result<()> {
    let is_as_saved = |label: Label| digests(folder).is_ok_and(|found| found == label.digests);
    if !label(folder, key).is_some_and(is_as_saved) {
        bail!("the saved state `{key}` is missing, or not what was saved");
    }
    Ok(())
}

/// Fills the folder of a state with what another cache had.
///
/// # Errors
/// It cannot be read; the disk is full.
pub fn adopt(from: &Path, to: &Path) -> Result<()> {
    let [stream, memory] = FILES;
    for file in [stream, LABEL] {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("copy `{file}`"))?;
    }
    copy_sparse(&from.join(memory), &to.join(memory)).context("copy the memory")
}

/// What a host is to states: its QEMU and its CPU. QEMU is known by its file, since asking it for its
/// version takes longer than restoring a machine; a package's file has the package's time.
///
/// # Errors
/// There is no QEMU for the processor.
pub fn host(arch: Arch) -> Result<String> {
    let qemu = arch.require(arch.qemu())?;
    let file = qemu
        .metadata()
        .with_context(|| format!("look at `{}`", qemu.display()))?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .filter(|line| line.starts_with("model name") || line.starts_with("microcode"));
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let modified = file.modified().ok().and_then(since).unwrap_or_default();
    Ok(format!(
        "{} of {} s, {} bytes; {}",
        qemu.display(),
        modified.as_secs(),
        file.len(),
        model.take(2).collect::<Vec<_>>().join("; ")
    ))
}

impl State {
    /// Whether the files are, byte for byte, what was saved, by now perhaps by another kassay.
    pub fn is_as_saved(&self) -> bool {
        verify(&self.folder, &self.key).is_ok()
    }

    /// Throws the state away.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn discard(&self, cache: &Cache) -> Result<()> {
        cache.remove(KIND, &self.key).map(drop)
    }
}

/// The label of a state that is whole and of this key.
pub fn label(entry: &Path, key: &str) -> Option<Label> {
    let label: Label = serde_json::from_slice(&fs::read(entry.join(LABEL)).ok()?).ok()?;
    // It may be of another machine, and QEMU does more than read where it is told to.
    let is_read = [FROM_FILE, FROM_DESCRIPTOR].contains(&&*label.incoming);
    let is_it = is_read && label.key == key && label.bytes == lengths(entry).ok()?;
    is_it.then_some(label)
}

pub fn lengths(folder: &Path) -> Result<[u64; 2]> {
    let [stream, memory] = FILES.map(|file| folder.join(file));
    Ok([stream.metadata()?.len(), memory.metadata()?.len()])
}

pub fn digests(folder: &Path) -> Result<[String; 2]> {
    let [stream, memory] = FILES.map(|file| cache::digest(&folder.join(file)));
    Ok([stream?, memory?])
}

/// Copies a file, with holes where there are pages of zeros: most of a guest's memory is free.
///
/// # Errors
/// The disk is full; an interrupt.
pub fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
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

/// QEMU's arguments of `migrate-set-capabilities`: what is in a file that machines share is not in
/// the stream.
pub fn capabilities() -> Value {
    json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] })
}
