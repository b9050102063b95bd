//! `run`: a BPF program is run, or a command on the host's root.

use anyhow::{Context, Result, bail};
use kassay_guest::{Command, Ran, Run, State};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "`run` is a command, or `{ program = NAME }` of a BPF program"
)]
pub enum File {
    Command(String),
    Program { program: String },
}

impl Kind for Run {
    type File = File;
    type Outcome = Ran;
    const FORMS: &'static [(&'static str, &'static str)] = &[
        (
            "run = { program = \"NAME\" }",
            "a child process runs a program that is attached nowhere, such as one of the section \
             `syscall`, and shows what it returns. An iterator is read to its end, and what it \
             writes is shown",
        ),
        (
            "run = \"COMMAND\"",
            "`/bin/sh` runs a command [on the host's root](#commands), in the directory of the \
             scenario's file. Its output is part of the transcript",
        ),
        (
            "ready = \"TEXT\"",
            "beside `run` with a command: the plan goes on as soon as the command has printed a \
             line with this text. The command is ended after the last step",
        ),
    ];

    fn asked(file: File, beside: Beside) -> Result<Asked> {
        Ok(match file {
            File::Program { program } => Run::Program { program }.into(),
            File::Command(line) => command(line, beside)?.into(),
        })
    }

    fn title(&self, name: &str) -> String {
        match self {
            Run::Program { program } => format!("{name} {program}"),
            Run::Command { line, .. } => format!("{name} {}", first(line)),
        }
    }

    fn tell(&self, came: &Ran, _: &[String]) -> String {
        match came {
            // Programs return negative numbers for errors, as kfuncs do.
            Ran::Returned { returned, .. } => format!(": returned {}", *returned as i32),
            Ran::Read(done) => format!(": {}", done.text),
            Ran::Command(command) => {
                let is_waited_for = matches!(self, Run::Command { ready: Some(_), .. });
                let unready = if is_waited_for {
                    " before it was ready"
                } else {
                    ""
                };
                let fate = match command.state {
                    State::Ended(0) if !is_waited_for => String::new(),
                    State::Ended(status) => format!(": ended with status {status}{unready}"),
                    state => format!(": {}", fate(state)),
                };
                format!("{fate}{}", printed(command))
            }
        }
    }

    fn has_failed(came: &Ran) -> bool {
        match came {
            Ran::Command(Command { state, .. }) => !matches!(state, State::Ready | State::Ended(0)),
            _ => false,
        }
    }
}

/// A command, run in the directory of the scenario's file.
fn command(line: String, beside: Beside) -> Result<Run> {
    for text in [Some(&line), beside.ready.as_ref()].into_iter().flatten() {
        if text.trim().is_empty() || text.contains('\0') {
            bail!("`run` takes a command, and `ready` a part of a line that it prints");
        }
    }
    let directory = std::path::absolute(beside.directory.join("."))
        .with_context(|| format!("find `{}`", beside.directory.display()))?;
    let directory = directory.to_str().map(str::to_owned);
    Ok(Run::Command {
        line,
        ready: beside.ready,
        directory: directory.context("the path of the scenario is not UTF-8")?,
    })
}

/// How a command ended that had been ready.
pub fn end(command: &Command) -> String {
    format!(": {}{}", fate(command.state), printed(command))
}

/// How far a command came.
fn fate(state: State) -> String {
    match state {
        State::Ready => "ready".to_owned(),
        State::Ended(0) => "ended".to_owned(),
        State::Ended(status) => format!("ended with status {status}"),
        State::Unready(seconds) => format!("not ready after {seconds} seconds"),
        State::Flooded(bytes) => format!("printed more than {bytes} bytes"),
    }
}

/// What a command printed, each line after a line break.
fn printed(command: &Command) -> String {
    let lines = command.lines.iter();
    lines.map(|line| format!("\n  {line}")).collect()
}

/// The first line of a command.
fn first(line: &str) -> String {
    match line.trim().split_once('\n') {
        Some((first, _)) => format!("{first} …"),
        None => line.trim().to_owned(),
    }
}
