//! The BPF objects that the kernel holds, and what is left of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use libbpf_rs::query::{LinkInfoIter, MapInfoIter, ProgInfoIter};

use crate::module::RELEASE_DEADLINE;

/// Where BPF objects are pinned.
const PINS: &str = "/sys/fs/bpf";

/// The BPF objects that the kernel holds, by id.
#[derive(Default)]
pub struct Holdings {
    programs: BTreeMap<u32, String>,
    maps: BTreeMap<u32, String>,
    links: Vec<u32>,
}

/// What is held over and above earlier [`Holdings`].
pub struct Left {
    pub programs: Vec<String>,
    pub maps: Vec<String>,
    pub links: usize,
}

impl Left {
    /// Whether nothing is.
    fn is_none(&self) -> bool {
        self.programs.is_empty() && self.maps.is_empty() && self.links == 0
    }

    /// Where some of it is pinned; what is pinned at any other time is nobody's trouble.
    pub fn pins(&self) -> Result<Vec<String>> {
        let mut pins = Vec::new();
        if !self.is_none() {
            add_files(Path::new(PINS), &mut pins)?;
        }
        Ok(pins)
    }
}

/// Adds every file below a folder, sorted.
fn add_files(folder: &Path, files: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("list `{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    for path in paths {
        match path.is_dir() {
            true => add_files(&path, files)?,
            false => files.push(path.to_string_lossy().into_owned()),
        }
    }
    Ok(())
}

impl Holdings {
    /// What the kernel holds now.
    pub fn now() -> Holdings {
        let name = |name: &std::ffi::OsString| name.to_string_lossy().into_owned();
        Holdings {
            programs: ProgInfoIter::default()
                .map(|info| (info.id, name(&info.name)))
                .collect(),
            maps: MapInfoIter::default()
                .map(|info| (info.id, name(&info.name)))
                .collect(),
            links: LinkInfoIter::default().map(|info| info.id).collect(),
        }
    }

    fn beyond(self, before: &Holdings) -> Left {
        let new = |now: BTreeMap<u32, String>, then: &BTreeMap<u32, String>| {
            now.into_iter()
                .filter(|(id, _)| !then.contains_key(id))
                .map(|(_, name)| name)
                .collect()
        };
        Left {
            programs: new(self.programs, &before.programs),
            maps: new(self.maps, &before.maps),
            links: self
                .links
                .iter()
                .filter(|id| !before.links.contains(id))
                .count(),
        }
    }
}

/// Waits until the kernel holds nothing over and above `before`, up to a deadline: it
/// frees programs and maps in the background. Returns what stayed.
pub fn wait_until_only(before: &Holdings) -> Left {
    let end = Instant::now() + RELEASE_DEADLINE;
    loop {
        let left = Holdings::now().beyond(before);
        if left.is_none() || Instant::now() >= end {
            return left;
        }
        std::thread::yield_now();
    }
}
