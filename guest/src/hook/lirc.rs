//! Receivers of infrared signals (lirc), which run programs for each pulse and each space.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use kassay_guest::Attach;
use libbpf_rs::{ProgramAttachType, ProgramMut, libbpf_sys};

use super::tcx;

/// The first receiver of a machine.
const FIRST: &str = "/dev/lirc0";

const HOOK: ProgramAttachType = ProgramAttachType::LircMode2;

/// A program of a receiver, which has it until it is told otherwise.
pub struct Lirc {
    device: File,
    path: String,
    program: OwnedFd,
}

/// Attaches a program to a receiver, after those that are there.
pub fn attach(program: &ProgramMut<'_>, how: &Attach) -> Result<Lirc> {
    let path = how.path.as_deref().unwrap_or(FIRST);
    let device = File::options().read(true).write(true).open(path);
    let device = device.with_context(|| {
        format!(
            "open `{path}`, which a driver of a receiver makes: the kernel's own, for tests, is \
             `kernel_modules = [\"rc-loopback\"]`"
        )
    })?;
    let kept = program.as_fd().try_clone_to_owned();
    let kept = kept.context("keep the program")?;
    let (fd, target) = (kept.as_raw_fd(), device.as_raw_fd());
    // SAFETY: it takes no pointer.
    let status = unsafe { libbpf_sys::bpf_prog_attach(fd, target, HOOK as u32, 0) };
    match status {
        0 => Ok(Lirc {
            device,
            path: path.to_owned(),
            program: kept,
        }),
        error => Err(std::io::Error::from_raw_os_error(-error))
            .with_context(|| format!("attach to `{path}`")),
    }
}

impl Lirc {
    /// The program of this id where the receiver has it, else the first that it has, or 0.
    pub fn program(&self, id: u32) -> Result<u32> {
        let there = tcx::programs(self.device.as_raw_fd(), HOOK)?;
        let found = there.iter().find(|there| **there == id);
        Ok(found.or(there.first()).copied().unwrap_or(0))
    }

    /// Where that is, in words.
    pub fn place(&self) -> String {
        format!("lirc_mode2 of {}", self.path)
    }
}

impl Drop for Lirc {
    fn drop(&mut self) {
        let (fd, target) = (self.program.as_raw_fd(), self.device.as_raw_fd());
        // What is still there then is told as what was left.
        // SAFETY: it takes no pointer.
        let _ = unsafe { libbpf_sys::bpf_prog_detach2(fd, target, HOOK as u32) };
    }
}
