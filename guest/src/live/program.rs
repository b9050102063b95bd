//! A program that runs for somebody on the host, from its streams to its start.

use std::fs::File;
use std::io::{self, ErrorKind, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use kassay_guest::stream::{Frame, Size};
use kassay_guest::{PROGRAM, Program, SHARE};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::termios::tcsetwinsize;

use super::{Source, winsize};
use crate::host_root::{self, HostRoot};
use crate::{process, terminal};

/// What a shell gives as the status of a command that it does not find, and of one that it
/// cannot execute.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTED: i32 = 126;

/// A program that runs, with our ends of its streams.
pub(super) struct Started {
    pub pid: Pid,
    pub ended: OwnedFd,
    pub sources: Vec<Source>,
    pub stdin: File,
    /// Whether the streams are one terminal.
    pub is_tty: bool,
}

/// The program's ends of its streams: stdin, stdout, stderr.
type Ends = [OwnedFd; 3];

/// Starts a program in a session of its own.
pub(super) fn start(program: &Program, root: Option<&HostRoot>) -> Result<Started> {
    if root.is_none() {
        host_root::fill_dev()?;
    }
    let (ends, stdin, sources) = match program.tty {
        Some(size) => terminal(size)?,
        None => pipes()?,
    };
    for file in sources.iter().map(|source| &source.file).chain([&stdin]) {
        ioctl_fionbio(file, true).context("set up a stream")?;
    }
    let is_tty = program.tty.is_some();
    let pid = process::spawn("kassay-program", || {
        take_streams(&ends, is_tty)
            .and_then(|()| enter(program, root))
            .map_or_else(
                |error| say(&format!("{error:#}"), NOT_EXECUTED),
                |()| execute(program),
            )
    })?;
    Ok(Started {
        pid,
        ended: pidfd_open(pid, PidfdFlags::empty()).context("open the program's process")?,
        sources,
        stdin,
        is_tty,
    })
}

fn pipes() -> Result<(Ends, File, Vec<Source>)> {
    let make = || -> io::Result<_> { Ok((pipe()?, pipe()?, pipe()?)) };
    let (stdin, stdout, stderr) = make().context("make pipes")?;
    let file = |end: io::PipeReader| File::from(OwnedFd::from(end));
    let sources = vec![
        Source::new(file(stdout.0), Frame::Output),
        Source::new(file(stderr.0), Frame::Error),
    ];
    let ends = [stdin.0.into(), stdout.1.into(), stderr.1.into()];
    Ok((ends, File::from(OwnedFd::from(stdin.1)), sources))
}

fn terminal(size: Size) -> Result<(Ends, File, Vec<Source>)> {
    let (ours, theirs) = terminal::open()?;
    let make = || -> io::Result<_> {
        tcsetwinsize(&ours, winsize(size))?;
        let ends = [theirs.try_clone()?, theirs.try_clone()?, theirs];
        let ours = File::from(ours);
        let source = Source::new(ours.try_clone()?, Frame::Output);
        Ok((ends, ours, vec![source]))
    };
    make().context("set the terminal up")
}

/// Makes the streams the process's own, and the terminal that of its session.
fn take_streams(ends: &Ends, is_tty: bool) -> Result<()> {
    rustix::process::setsid().context("make a session")?;
    if is_tty {
        rustix::process::ioctl_tiocsctty(&ends[0]).context("take the terminal")?;
    }
    rustix::stdio::dup2_stdin(&ends[0])?;
    rustix::stdio::dup2_stdout(&ends[1])?;
    rustix::stdio::dup2_stderr(&ends[2])?;
    Ok(())
}

fn enter(program: &Program, root: Option<&HostRoot>) -> Result<()> {
    let cwd = Path::new(&program.cwd);
    match root {
        Some(root) => root.enter(cwd),
        None => {
            std::env::set_current_dir(cwd).with_context(|| format!("go to `{}`", cwd.display()))
        }
    }
}

/// Becomes the program. It returns only where that fails.
fn execute(program: &Program) -> i32 {
    let file = match &program.file {
        Some(file) => PathBuf::from(file),
        None => Path::new(SHARE).join(PROGRAM),
    };
    let error = Command::new(&file)
        .arg0(&program.name)
        .args(&program.args)
        .env_clear()
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .exec();
    let status = match error.kind() {
        ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTED,
    };
    say(&format!("run `{}`: {error}", file.display()), status)
}

fn say(line: &str, status: i32) -> i32 {
    let _ = writeln!(io::stderr(), "kassay: {line}");
    status
}
