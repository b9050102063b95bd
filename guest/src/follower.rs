//! The process that follows the plan. It is there before the gate with all that can be had without
//! a plan, so that a saved state has it: no restored machine forks it again.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};

use anyhow::{Context, Result};
use rustix::process::Pid;

use crate::plan::{self, Ready};
use crate::{process, system};

/// The process, which waits for its word.
pub struct Follower {
    pid: Pid,
    go: PipeWriter,
}

impl Follower {
    /// Starts it, and waits until it has what `get_ready` gets.
    pub fn start(get_ready: impl FnOnce() -> Result<Ready>) -> Result<Follower> {
        let (its_go, go) = pipe().context("make a pipe")?;
        let (mut is_ready, its_ready) = pipe().context("make a pipe")?;
        let pid = process::spawn("kassay-plan", || match wait(get_ready, its_go, its_ready) {
            Ok(ready) => plan::run(ready),
            Err(error) => {
                system::log(&format!("kassay-guest: {error:#}"));
                1
            }
        })?;
        is_ready
            .read_exact(&mut [0])
            .context("wait for the process that follows the plan, whose reason stands above")?;
        Ok(Follower { pid, go })
    }

    /// Has it begin.
    pub fn begin(mut self) -> Result<Pid> {
        self.go.write_all(&[0]).context("have the plan followed")?;
        Ok(self.pid)
    }
}

fn wait(
    get_ready: impl FnOnce() -> Result<Ready>,
    mut go: PipeReader,
    mut is_ready: PipeWriter,
) -> Result<Ready> {
    let ready = get_ready()?;
    is_ready.write_all(&[0]).context("say that it is ready")?;
    go.read_exact(&mut [0]).context("wait for the plan")?;
    Ok(ready)
}
