//! Machines that kassay's own are compared with. They have a run's directory and a deadline like
//! all others.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Machine;
use super::run::Run;
use super::session::TICK;
use super::vmtest::{self, Config, Output};
use super::written;
use crate::arch::Arch;
use crate::{interrupt, tool};

impl Run {
    /// Boots the machine without vmtest and its devices, and tells its init this word. Returns how
    /// long it took until QEMU had ended.
    ///
    /// # Errors
    /// It does not end in time or in order; an interruption by the user.
    pub fn bare(&self, machine: &Machine, word: &str, timeout: Duration) -> Result<Duration> {
        self.emulate(machine.arch)?;
        let mut qemu = Command::new(self.qemu());
        qemu.args(machine.bare_arguments(&format!("-- {word}")))
            .args(["-serial", "stdio"])
            .stdin(Stdio::null());
        let began = Instant::now();
        let mut qemu = qemu.spawn().context("run QEMU")?;
        let ended = wait(&mut qemu, began + timeout)?;
        let took = began.elapsed();
        let (said, _) = written::text(&self.path().join("console"))?;
        let why = match ended {
            None => format!("it did not end within {} s", timeout.as_secs()),
            Some(status) if !status.success() => status.to_string(),
            Some(_) if said.contains("Kernel panic") => "the kernel panicked".to_owned(),
            Some(_) => return Ok(took),
        };
        let stderr = fs::read_to_string(self.path().join("stderr")).unwrap_or_default();
        let said = tool::last_lines(&format!("{said}\n{stderr}"));
        bail!("boot the bare machine: {why}{said}")
    }

    /// Runs a machine of vmtest's own making to its end, and returns what vmtest tells of it.
    ///
    /// # Errors
    /// It does not end in time; an interruption by the user.
    pub fn of_vmtest(&self, config: Config, timeout: Duration) -> Result<Vec<Output>> {
        self.emulate(Arch::default())?;
        let started = vmtest::launch(self.share(), config)?;
        let deadline = Instant::now() + timeout;
        let mut told = Vec::new();
        let is_late = loop {
            match started.updates.recv_timeout(TICK) {
                Ok(update) => told.push(update),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break false,
            }
            let is_late = Instant::now() >= deadline;
            if is_late || interrupt::requested() {
                self.end(&started.updates);
                break is_late;
            }
        };
        let _ = started.join();
        self.reap();
        interrupt::check()?;
        if is_late {
            bail!("the machine did not end within {} s", timeout.as_secs());
        }
        Ok(told)
    }
}

/// Waits for QEMU to end, and ends it when it is too late; then there is no status.
fn wait(qemu: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    let process = pidfd_open(Pid::from_child(qemu), PidfdFlags::empty()).context("watch QEMU")?;
    let tick = Timespec {
        tv_sec: 0,
        tv_nsec: TICK.subsec_nanos().into(),
    };
    loop {
        let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&tick));
        if let Some(status) = qemu.try_wait().context("wait for QEMU")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline || interrupt::requested() {
            qemu.kill().and_then(|()| qemu.wait()).context("end QEMU")?;
            interrupt::check()?;
            return Ok(None);
        }
    }
}
