//! `run`: a child process runs a program that is attached nowhere, or reads an iterator; or a
//! command runs on the host's root.

pub mod command;

use std::io::Read;

use anyhow::{Context, Result};
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
    let Some(iterator) = bpf::iterator(attached, program)? else {
        let asked = process::ask("run", || bpf::run(attached, program))?;
        let (pid, returned) = asked.hear()?;
        return Ok(Ran::Returned { pid, returned });
    };
    let asked = process::ask("run", || {
        let mut written = Vec::new();
        let read = iterator.take(MOST).read_to_end(&mut written);
        read.context("read the iterator")?;
        Ok(lines(&written))
    })?;
    let (pid, text) = asked.hear()?;
    Ok(Ran::Read(Done { pid, text }))
}

/// What an iterator wrote, each line after a line break.
fn lines(written: &[u8]) -> String {
    let written = String::from_utf8_lossy(written);
    let lines = written.lines().map(|line| format!("\n  {line}"));
    format!("read to its end{}", lines.collect::<String>())
}
