//! How many virtual machines run at once, over all kassays of a cache: nextest
//! starts a process for every test, and each of them asks here.

use std::fs::{self, File};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use crate::cache::Cache;
use crate::interrupt;
use crate::size::MEMORY_MIB;

/// What QEMU needs beside the guest's memory, in MiB: its own code, and the
/// translated guest code.
const OVERHEAD_MIB: u64 = 200;

/// How often a wait looks again.
const TICK: Duration = Duration::from_millis(10);

/// The right to run one machine, until it is dropped.
pub struct Slot {
    _lock: File,
}

impl Slot {
    /// Takes one of `slots` for a machine of so much memory, waiting for one to be free,
    /// and for memory. The first slot does not wait for memory: something has to go on.
    ///
    /// # Errors
    /// The cache cannot be written, or an interrupt while waiting.
    pub fn take(cache: &Cache, slots: usize, memory_mib: u32) -> Result<Slot> {
        loop {
            let allowed = if free_memory_mib() >= needed_mib(memory_mib) {
                slots
            } else {
                1
            };
            for slot in 0..allowed {
                let path = cache.dir("locks").join(format!("vm-{slot}"));
                let lock =
                    File::create(&path).with_context(|| format!("make `{}`", path.display()))?;
                if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                    return Ok(Slot { _lock: lock });
                }
            }
            interrupt::check()?;
            thread::sleep(TICK);
        }
    }
}

/// How many machines the host feeds: one for each CPU, since an emulated one
/// keeps a CPU busy, as far as memory goes.
pub fn default_jobs() -> usize {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let by_memory = (free_memory_mib() / needed_mib(MEMORY_MIB)).max(1) as usize;
    cpus.min(by_memory)
}

/// What a machine needs of the host, in MiB, all of its memory in use.
pub fn needed_mib(memory_mib: u32) -> u64 {
    u64::from(memory_mib) + OVERHEAD_MIB
}

/// What the host can give without swapping, in MiB: `MemAvailable` of /proc/meminfo.
pub fn free_memory_mib() -> u64 {
    available_mib(&fs::read_to_string("/proc/meminfo").unwrap_or_default()).unwrap_or(u64::MAX)
}

fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        assert_eq!(
            available_mib("MemTotal: 9 kB\nMemAvailable:   2097152 kB\n"),
            Some(2048)
        );
        assert_eq!(available_mib(""), None);
    }

    #[test]
    fn a_slot_is_free_again_once_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path()).unwrap();
        drop(Slot::take(&cache, 1, MEMORY_MIB).unwrap());
        Slot::take(&cache, 1, MEMORY_MIB).unwrap();
    }
}
