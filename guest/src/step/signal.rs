//! `signal`: a child process sends itself a signal that it ignores.

use std::io;

use anyhow::{Context, Result};
use kassay_guest::{Signal, Signalled};

use super::Around;
use crate::process;

/// Has a child ignore the signal and send it.
pub fn run(step: &Signal, _: &mut Around) -> Result<Signalled> {
    let number = step.number;
    let asked = process::ask("signal", || {
        // SAFETY: no handler is set, and this process, a child of its own, waits for no signal.
        if unsafe { libc::signal(number, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error()).context("ignore the signal");
        }
        // SAFETY: the call touches no memory, and the signal is ignored.
        let sent = match unsafe { libc::kill(libc::getpid(), number) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error().to_string()),
        };
        Ok(sent)
    })?;
    let (pid, sent) = asked.hear()?;
    Ok(Signalled { pid, sent })
}
