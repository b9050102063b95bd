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

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::size::Size;
use crate::cache::{self, Cache};

/// The cache's kind of states.
pub const KIND: &str = "state";

/// The files of a state: the stream of the devices, and the guest's memory.
pub(super) const FILES: [&str; 2] = ["state", MEMORY];

/// The guest's memory, in the run's directory, where it is a file.
pub(super) const MEMORY: &str = "ram";

/// How a machine comes up.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// It boots.
    Boot,
    /// It boots and then waits at the gate, for its state to be saved.
    Wait,
    /// It goes on from a saved state.
    Restore(&'a State),
}

/// A saved state.
#[derive(Debug)]
pub struct State {
    /// Where its files are.
    pub(super) folder: PathBuf,
    /// How QEMU is told to read it.
    pub(super) incoming: String,
    pub(super) key: String,
}

/// What lies beside a state and tells whether it is whole and the right one.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Label {
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

impl State {
    /// Whether the files are, byte for byte, what was saved, by now perhaps by another kassay.
    pub fn is_as_saved(&self) -> bool {
        label(&self.folder, &self.key).is_some_and(|label| {
            digests(&self.folder).is_ok_and(|digests| digests == label.digests)
        })
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
pub(super) fn label(entry: &Path, key: &str) -> Option<Label> {
    let label: Label = serde_json::from_slice(&fs::read(entry.join("label.json")).ok()?).ok()?;
    (label.key == key && label.bytes == lengths(entry).ok()?).then_some(label)
}

pub(super) fn lengths(folder: &Path) -> Result<[u64; 2]> {
    let [stream, memory] = FILES.map(|file| folder.join(file));
    Ok([stream.metadata()?.len(), memory.metadata()?.len()])
}

pub(super) fn digests(folder: &Path) -> Result<[String; 2]> {
    let [stream, memory] = FILES.map(|file| cache::digest(&folder.join(file)));
    Ok([stream?, memory?])
}

/// QEMU's arguments of `migrate-set-capabilities`: what is in a file that machines share is not in
/// the stream.
pub(super) fn capabilities() -> Value {
    json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] })
}
