//! `exec`: a child process executes a program, which is this one by another
//! name and only ends.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use kassay_guest::{Done, EXEC, Exec};

use super::Around;
use crate::process;

/// What a shell gives as the status of a child that could not execute.
const NOT_EXECUTED: i32 = 127;

/// Has a child execute [`EXEC`] with these arguments. The child is called as the
/// program's file is, so that its name is the same before and after.
pub fn run(step: &Exec, _: &mut Around) -> Result<Done> {
    if !fs::exists(EXEC).unwrap_or(false) {
        symlink("/proc/self/exe", EXEC).with_context(|| format!("link `{EXEC}`"))?;
    }
    let name = EXEC.rsplit('/').next().unwrap_or(EXEC);
    let pid = process::spawn(name, || {
        // It returns only where it fails.
        let _ = Command::new(EXEC).args(&step.args).exec();
        NOT_EXECUTED
    })?;
    let text = match process::exit_code(process::wait(pid)?) {
        NOT_EXECUTED => format!("{EXEC} was not executed"),
        code => format!("{EXEC} ended with status {code}"),
    };
    Ok(Done {
        pid: pid.as_raw_nonzero().get(),
        text,
    })
}
