//! `run`: a child process runs a program that is attached nowhere.

use std::io::{PipeReader, Read, Write, pipe};

use anyhow::{Context, Result, bail};
use kassay_guest::Outcome;

use crate::bpf::{self, Attached};
use crate::process;

/// Has a child run the program, and takes what it returned, or why it was not run.
pub fn run(program: &str, attached: &[Attached]) -> Result<Outcome> {
    let (answer, mut child) = pipe().context("make a pipe")?;
    let pid = process::spawn("run", || {
        let said = match bpf::run(attached, program) {
            Ok(returned) => child.write_all(&returned.to_ne_bytes()).map(|()| 0),
            Err(error) => write!(child, "{error:#}").map(|()| 1),
        };
        said.unwrap_or(2)
    })?;
    drop(child);
    let answer = read(answer)?;
    match (process::exit_code(process::wait(pid)?), answer.try_into()) {
        (0, Ok(returned)) => Ok(Outcome::Run {
            pid: pid.as_raw_nonzero().get(),
            returned: u32::from_ne_bytes(returned),
        }),
        (1, Err(error)) => bail!("{}", String::from_utf8_lossy(&error)),
        (code, _) => bail!("the child process ended with status {code}"),
    }
}

fn read(mut from: PipeReader) -> Result<Vec<u8>> {
    let mut answer = Vec::new();
    from.read_to_end(&mut answer)
        .context("read the child's answer")?;
    Ok(answer)
}
