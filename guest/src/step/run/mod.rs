//! `run`: a child process runs a program that is attached nowhere, or reads an iterator; or a
//! command runs on the host's root.

pub mod command;

use std::io::{PipeReader, Read, Write, pipe};

use anyhow::{Context, Result, bail};
use kassay_guest::{Done, Ran, Run};

use super::Around;
use crate::bpf::{self, Attached};
use crate::process;

/// How much of an iterator is read, in bytes.
const MOST: u64 = 1 << 20;

/// Runs what is asked for.
pub fn run(step: &Run, around: &mut Around) -> Result<Ran> {
    match step {
        Run::Program { program } => run_program(program, around.attached),
        Run::Command {
            line,
            ready,
            directory,
        } => {
            let place = around.place;
            let command = around
                .commands
                .run(place, line, ready.as_deref(), directory);
            command.map(Ran::Command)
        }
    }
}

/// Has a child run the program, and takes what it returned, or why it was not run. Of an iterator
/// it takes what it wrote.
fn run_program(program: &str, attached: &[Attached]) -> Result<Ran> {
    let (answer, mut child) = pipe().context("make a pipe")?;
    let iterator = bpf::iterator(attached, program)?;
    let is_iterator = iterator.is_some();
    let pid = process::spawn("run", || {
        let done = match iterator {
            Some(iterator) => {
                let read = std::io::copy(&mut iterator.take(MOST), &mut child);
                read.map(drop).context("read the iterator")
            }
            None => bpf::run(attached, program).and_then(|returned| {
                let written = child.write_all(&returned.to_ne_bytes());
                written.context("answer")
            }),
        };
        match done {
            Ok(()) => 0,
            Err(error) => write!(child, "{error:#}").map_or(2, |()| 1),
        }
    })?;
    drop(child);
    let answer = read(answer)?;
    let status = process::exit_code(process::wait(pid)?);
    let pid = pid.as_raw_nonzero().get();
    match (status, <[u8; 4]>::try_from(answer.as_slice())) {
        (0, _) if is_iterator => Ok(Ran::Read(Done {
            pid,
            text: lines(&answer),
        })),
        (0, Ok(returned)) => Ok(Ran::Returned {
            pid,
            returned: u32::from_ne_bytes(returned),
        }),
        (1, _) => bail!("{}", String::from_utf8_lossy(&answer)),
        (code, _) => bail!("the child process ended with status {code}"),
    }
}

/// What an iterator wrote, each line after a line break.
fn lines(written: &[u8]) -> String {
    let written = String::from_utf8_lossy(written);
    let lines = written.lines().map(|line| format!("\n  {line}"));
    format!("read to its end{}", lines.collect::<String>())
}

fn read(mut from: PipeReader) -> Result<Vec<u8>> {
    let mut answer = Vec::new();
    from.read_to_end(&mut answer)
        .context("read the child's answer")?;
    Ok(answer)
}
