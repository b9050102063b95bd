//! `unlink`: a child process unlinks files on a tmpfs.

use std::fs::{self, File};

use anyhow::{Context, Result, bail};
use kassay_guest::{Unlink, Unlinked};
use rustix::fs::{AtFlags, CWD};

use super::Around;
use crate::process;

/// Makes the files, and has a child unlink them. What is left, which nobody else touches, tells
/// how many calls succeeded.
pub fn run(step: &Unlink, _: &mut Around) -> Result<Unlinked> {
    let times = step.times;
    let directory = "/tmp/unlink";
    fs::create_dir_all(directory).with_context(|| format!("make directory `{directory}`"))?;
    let path = |number: u32| format!("{directory}/{number}");
    for number in 0..times {
        File::create(path(number)).with_context(|| format!("create `{}`", path(number)))?;
    }
    let pid = process::spawn("unlink", || {
        for number in 0..times {
            // The same system call on all processors: `unlink` of the C library is another on some.
            let _ = rustix::fs::unlinkat(CWD, path(number), AtFlags::empty());
        }
        0
    })?;
    let code = process::exit_code(process::wait(pid)?);
    if code >= 128 {
        bail!("the child process was killed by signal {}", code - 128);
    }
    let gone = |number: &u32| !fs::exists(path(*number)).unwrap_or(true);
    Ok(Unlinked {
        pid: pid.as_raw_nonzero().get(),
        unlinked: (0..times).filter(gone).count() as u32,
    })
}
