//! Child processes. The guest program has one thread, so a plain fork is safe
//! and far cheaper than an exec in an emulated machine.

use std::io::{PipeReader, Read, Write, pipe};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs `work` in a child process and returns its PID. The child's name, as
/// `ps` and the trace show it, is `name`; its exit status is `work`'s.
pub fn spawn(name: &str, work: impl FnOnce() -> i32) -> Result<Pid> {
    // SAFETY: this process has a single thread, so the child may use every
    // lock and allocation that it inherits.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("fork"),
        0 => {
            let name = std::ffi::CString::new(name).unwrap_or_default();
            let _ = rustix::thread::set_name(&name);
            let status = work();
            // A task that is still in a section of RCU, or with preemption off, is reported here.
            rustix::thread::sched_yield();
            end(status)
        }
        pid => Pid::from_raw(pid).ok_or_else(|| anyhow!("fork returned no PID")),
    }
}

/// Has the signals end this process and its children that Rust's runtime handles to tell an overflow
/// of the stack: one that a program sends would leave no mark. A child that asked for this itself
/// would have programs see its system calls.
pub fn heed_signals() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: no handler is set.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// A child process that is asked for something.
pub struct Asked {
    pid: Pid,
    /// Readable once it answers, or has ended.
    pub answer: PipeReader,
}

/// Has a child process do something, and answer with what came of it.
pub fn ask<T: Serialize>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<Asked> {
    let (answer, mut child) = pipe().context("make a pipe")?;
    let pid = spawn(name, || {
        let done = work().map_err(|error| format!("{error:#}"));
        let told = serde_json::to_vec(&done).map(|done| child.write_all(&done));
        i32::from(!matches!(told, Ok(Ok(()))))
    })?;
    Ok(Asked { pid, answer })
}

impl Asked {
    /// The child, and what came of it.
    ///
    /// # Errors
    /// What the child could not do; it ended without an answer.
    pub fn hear<T: DeserializeOwned>(mut self) -> Result<(i32, T)> {
        let mut said = Vec::new();
        self.answer
            .read_to_end(&mut said)
            .context("read the child's answer")?;
        let code = exit_code(wait(self.pid)?);
        if code != 0 {
            bail!("the child process ended with status {code}");
        }
        let done: Result<T, String> =
            serde_json::from_slice(&said).context("read the child's answer")?;
        let done = done.map_err(anyhow::Error::msg)?;
        Ok((self.pid.as_raw_nonzero().get(), done))
    }
}

/// Ends this process, which is a child of [`spawn`].
pub fn end(status: i32) -> ! {
    // SAFETY: `_exit` ends the child without running the parent's exit handlers
    // a second time.
    unsafe { libc::_exit(status) }
}

/// The guest program's own processes: the one that follows the plan, and PID 1.
pub fn own() -> [i32; 2] {
    [1, std::process::id() as i32]
}

/// Waits for a child to end.
pub fn wait(pid: Pid) -> Result<WaitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for a child process"),
        }
    }
}

/// Waits for a child to end and collects, as PID 1 has to, what orphans leave behind.
pub fn wait_as_init(pid: Pid) -> Result<WaitStatus> {
    loop {
        match waitpid(None, WaitOptions::empty()) {
            Ok(Some((child, status))) if child == pid => return Ok(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for a child process"),
        }
    }
}

/// The exit code that a shell would show: 128 plus the signal's number for a
/// child that was killed.
pub fn exit_code(status: WaitStatus) -> i32 {
    status
        .exit_status()
        .unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0))
}
