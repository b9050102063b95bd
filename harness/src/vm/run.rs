//! The directory of one run, and QEMU's process.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use serde_json::json;

use super::directory::{self, ORDERS};
use super::held::kib;
use super::qmp::Qmp;
use super::{claim, vmtest};
use crate::arch::Arch;
use crate::cache::Cache;

/// How long QEMU may take to end once it was told to.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How many times as long as it may take a machine may wait for a CPU besides.
const BUSY: u32 = 4;

/// The directory of one run. It is removed when it is dropped.
pub struct Run {
    directory: tempfile::TempDir,
    /// Says to others that the directory is ours.
    _owner: fs::File,
    /// When QEMU was first seen to have ended.
    ended: Cell<Option<Instant>>,
}

impl Run {
    /// Makes the directory in the cache, with QEMU's stand-in in it.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn new(cache: &Cache) -> Result<Run> {
        let (directory, _owner) = claim::directory(&cache.dir("runs"))?;
        let link = directory.path().join(directory::QEMU);
        std::os::unix::fs::symlink(vmtest::stand_in(cache)?, &link)
            .with_context(|| format!("link `{}`", link.display()))?;
        fs::create_dir(directory.path().join("share")).context("make the share")?;
        let owner = format!("{}\n", std::process::id());
        fs::write(directory.path().join("owner"), owner).context("write whose the run is")?;
        let ended = Cell::default();
        Ok(Run {
            directory,
            _owner,
            ended,
        })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// What is started in QEMU's place.
    pub fn qemu(&self) -> PathBuf {
        self.path().join(directory::QEMU)
    }

    /// Has the stand-in start the emulator of a processor.
    pub(super) fn emulate(&self, arch: Arch) -> Result<()> {
        let file = self.path().join("emulator");
        fs::write(&file, format!("{}\n", arch.qemu()))
            .with_context(|| format!("write `{}`", file.display()))
    }

    /// What the guest sees of the host.
    pub fn share(&self) -> PathBuf {
        self.path().join("share")
    }

    /// Kills a QEMU that has not ended some time after it was told to. Whether
    /// even that does not help: a process that the kernel cannot end is left.
    pub(super) fn has_outlived(&self, told: Instant) -> bool {
        if told.elapsed() >= GRACE {
            self.kill();
        }
        told.elapsed() >= GRACE * 3 / 2
    }

    /// Whether QEMU ended a while ago, by its zombie or the lack of one. vmtest
    /// hears of it within that while, unless it still waits for the sockets of
    /// a QEMU that could not start.
    pub(super) fn has_ended(&self) -> bool {
        let Some(pid) = self.pid("pid") else {
            return false;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if matches!(waitid(WaitId::Pid(pid), options), Ok(None)) {
            return false;
        }
        let since = self.ended.get().unwrap_or_else(Instant::now);
        self.ended.set(Some(since));
        since.elapsed() >= GRACE
    }

    /// A monitor connection, whose answers may take as long as QEMU may take
    /// to end.
    pub(super) fn qmp(&self) -> Result<Qmp> {
        Qmp::connect(&self.path().join(ORDERS), Some(GRACE / 2))
    }

    /// Has QEMU end.
    pub(super) fn quit(&self) {
        if self
            .qmp()
            .and_then(|mut qmp| qmp.execute("quit", json!({})))
            .is_err()
        {
            self.kill();
        }
    }

    /// Kills this run's QEMU, which is known by the process id that its
    /// stand-in wrote down; a process that has ended in between is told apart
    /// by its command line.
    fn kill(&self) {
        let Some(pid) = self.pid("pid") else { return };
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        let command = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
        let command = fs::read(command).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&self.share().display().to_string()) {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    /// The most memory that QEMU has held so far (`VmHWM` of proc_pid_status(5)).
    pub(super) fn peak_kib(&self) -> Option<u64> {
        let status = format!("/proc/{}/status", self.pid("pid")?.as_raw_nonzero());
        kib(&fs::read_to_string(status).ok()?, "VmHWM")
    }

    /// Whether a machine that has been there for `spent` has had the time that it is allowed. What
    /// it waited for a CPU of a busy host does not count: a build beside it makes no hang.
    pub(super) fn is_late(&self, spent: Duration, allowed: Duration) -> bool {
        spent >= allowed && spent >= allowed + self.waited().min(allowed * BUSY)
    }

    /// How long the thread of QEMU that waited longest was ready to run and had no CPU
    /// (Documentation/scheduler/sched-stats.rst); nothing where the host does not count it.
    fn waited(&self) -> Duration {
        let Some(pid) = self.pid("pid") else {
            return Duration::ZERO;
        };
        let threads = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
        let waited = threads
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|thread| {
                let counted = fs::read_to_string(thread.path().join("schedstat")).ok()?;
                counted.split_whitespace().nth(1)?.parse().ok()
            });
        Duration::from_nanos(waited.max().unwrap_or(0))
    }

    /// Waits for the process that vmtest leaves as a zombie.
    pub(super) fn reap(&self) {
        vmtest::reap(self.pid("asked"));
    }

    /// A process id that the stand-in wrote down.
    fn pid(&self, name: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.path().join(name)).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_waited_for_a_cpu_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let run = Run::new(&Cache::at(directory.path()).unwrap()).unwrap();
        let hour = Duration::from_secs(3600);
        assert!(run.is_late(hour, hour));
        fs::write(run.path().join("pid"), std::process::id().to_string()).unwrap();
        let waited = run.waited();
        assert!(waited > Duration::ZERO);
        assert!(!run.is_late(hour, hour - waited / 2));
        assert!(run.is_late(waited * 6, waited));
    }
}
