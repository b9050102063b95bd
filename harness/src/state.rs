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
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::arch::Arch;
use crate::cache::{self, Cache, Key};
use crate::interrupt;
use crate::size::Size;

/// What of `/proc/cpuinfo` tells one kind of CPU from another.
const CPU: [&str; 6] = [
    "vendor_id",
    "cpu family",
    "model",
    "stepping",
    "microcode",
    "flags",
];

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
    /// The kernel's name, and its key in the cache.
    pub kernel: String,
    pub kernel_key: String,
    /// The [`host`].
    pub host: String,
    pub accelerator: String,
    pub size: Size,
    /// The lengths of the files.
    pub bytes: [u64; 2],
    /// SHA-256 of the files. Taking them again takes a third of a restored run, so that only a run
    /// that is no pass is worth it.
    pub digests: [String; 2],
    pub incoming: String,
}

impl Label {
    /// Whether it is of a kernel's key and a host.
    pub fn is_of(&self, kernel: &str, host: &str) -> bool {
        self.kernel_key == kernel && self.host == host
    }
}

/// The kernel's name, the accelerator and the size that a state in the cache is for. Of the states
/// for the same, only those that are in use are worth their place.
pub fn owner(cache: &Cache, key: &str) -> Option<(String, String, Size)> {
    let label = label(&cache.get(KIND, key)?, key)?;
    Some((label.kernel, label.accelerator, label.size))
}

/// The states of a kernel's key that a host has saved: of each accelerator and size the one that was
/// used last.
pub fn of(cache: &Cache, kernel: &str, host: &str) -> Vec<String> {
    let used = |key: &String| cache.dir(KIND).join(key).metadata()?.modified();
    let mut keys = cache.keys(KIND);
    keys.sort_by_key(|key| Reverse(used(key).ok()));
    let mut seen = BTreeSet::new();
    keys.retain(|key| {
        let label = label(&cache.dir(KIND).join(key), key);
        let label = label.filter(|label| label.is_of(kernel, host));
        label.is_some_and(|label| seen.insert((label.accelerator, label.size)))
    });
    keys
}

/// What a state of a kernel is called in lists and messages.
pub fn called(kernel: &str) -> String {
    format!("the warm state of {kernel}")
}

/// Whether a folder has the state of a key, as it was saved.
///
/// # Errors
/// An interrupt.
pub fn verify(folder: &Path, key: &str) -> Result<bool> {
    let Some(label) = label(folder, key) else {
        return Ok(false);
    };
    let found = digests(folder);
    interrupt::check()?;
    Ok(found.is_ok_and(|found| found == label.digests))
}

/// What a host is to states: its QEMU and its CPU. QEMU is known by its file, since asking it for its
/// version takes longer than restoring a machine; a package's file has the package's time. Of two CPUs
/// of one name, one may lack what a kernel that KVM has restored goes on to use.
///
/// # Errors
/// There is no QEMU for the processor.
pub fn host(arch: Arch) -> Result<String> {
    let qemu = arch.require(arch.qemu())?;
    let file = qemu
        .metadata()
        .with_context(|| format!("look at `{}`", qemu.display()))?;
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let modified = file.modified().ok().and_then(since).unwrap_or_default();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Ok(format!(
        "{} of {} s, {} bytes; {}",
        qemu.display(),
        modified.as_secs(),
        file.len(),
        cpu_of(&cpu)
    ))
}

/// The name of the first CPU in `/proc/cpuinfo`, and a digest of what else tells it from others
/// (`show_cpuinfo` in arch/x86/kernel/cpu/proc.c, 6.12).
fn cpu_of(cpuinfo: &str) -> String {
    let lines = cpuinfo.lines().take_while(|line| !line.is_empty());
    let fields: BTreeMap<&str, &str> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let field = |name: &&str| fields.get(name).copied().unwrap_or_default();
    let kind = CPU
        .iter()
        .fold(Key::new("cpu"), |key, name| key.text(name, field(name)));
    format!("{}, {:.12}", field(&"model name"), kind.finish())
}

impl State {
    /// Whether the files are, byte for byte, what was saved, by now perhaps by another kassay.
    ///
    /// # Errors
    /// An interrupt.
    pub fn is_as_saved(&self) -> Result<bool> {
        verify(&self.folder, &self.key)
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
    let memory = u64::from(label.size.memory_mib) << 20;
    let is_whole = label.bytes == lengths(entry).ok()? && label.bytes[1] == memory;
    (is_read && is_whole && label.key == key).then_some(label)
}

pub fn lengths(folder: &Path) -> Result<[u64; 2]> {
    let [stream, memory] = FILES.map(|file| folder.join(file));
    Ok([stream.metadata()?.len(), memory.metadata()?.len()])
}

pub fn digests(folder: &Path) -> Result<[String; 2]> {
    let [stream, memory] = FILES.map(|file| cache::digest(&folder.join(file)));
    Ok([stream?, memory?])
}

/// Copies into a file, which is empty, with holes where there are pages of zeros: most of a guest's
/// memory is free.
///
/// # Errors
/// The disk is full; an interrupt.
pub fn copy_sparse(mut from: impl Read, to: &File) -> io::Result<()> {
    let (mut page, mut place) = (Vec::with_capacity(PAGE), 0);
    loop {
        interrupt::check().map_err(io::Error::other)?;
        page.clear();
        from.by_ref().take(PAGE as u64).read_to_end(&mut page)?;
        if page.is_empty() {
            return to.set_len(place);
        }
        if page.iter().any(|byte| *byte != 0) {
            to.write_all_at(&page, place)?;
        }
        place += page.len() as u64;
    }
}

/// QEMU's arguments of `migrate-set-capabilities`: what is in a file that machines share is not in
/// the stream.
pub fn capabilities() -> Value {
    json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] })
}
