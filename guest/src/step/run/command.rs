//! A program of the host's root, on a terminal of its own. On a pipe the
//! C library would hold back what it prints, and a line to wait for would not come.
//!
//! What it printed is told as a whole, at its end: how much of it has come at any earlier moment
//! differs from run to run.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kassay_guest::{Command, Fact, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, chdir, kill_process_group, pidfd_open, setsid};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::facts::Facts;
use crate::host_root::HostRoot;
use crate::{process, system, terminal};

/// How long a command may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a command may take to end once it was told to, and something that it left running to
/// end behind it.
const GRACE: Duration = Duration::from_secs(5);

/// What is said of something that was left running and goes on.
const LEFT: &str = "kassay: what this left running goes on, with its output open: what it prints from here on is \
                    not shown\n";

/// How much a command may print, in bytes.
const MOST: usize = 1 << 20;

/// Where the shell looks for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The plan's commands.
pub struct Commands<'a> {
    host_root: Option<&'a HostRoot>,
    /// Those that were ready and go on, with the places of their steps.
    running: Vec<(usize, Running)>,
}

impl<'a> Commands<'a> {
    /// None yet; they will run on this root.
    pub fn new(host_root: Option<&'a HostRoot>) -> Commands<'a> {
        Commands {
            host_root,
            running: Vec::new(),
        }
    }

    /// Runs a command to its end, or until it is ready.
    pub fn run(
        &mut self,
        place: usize,
        line: &str,
        ready: Option<&str>,
        directory: &str,
    ) -> Result<Command> {
        let host_root = self.host_root.context("the host's root is not mounted")?;
        let mut command = Running::start(host_root, line, directory)?;
        let patience = ready.map(|_| PATIENCE);
        let is_ready = |text: &[u8]| ready.is_some_and(|ready| contains(text, ready.as_bytes()));
        let state = match command.wait(is_ready, patience)? {
            Some(state) => state,
            None => {
                command.kill()?;
                State::Unready(PATIENCE.as_secs())
            }
        };
        if state == State::Ready {
            let pids = command.pids()?;
            self.running.push((place, command));
            let lines = Vec::new();
            return Ok(Command { pids, state, lines });
        }
        if let State::Ended(_) = state {
            command.hear_out()?;
        }
        command.tell(state)
    }

    /// Ends those that go on, the last first, and reports what came of each.
    pub fn end(self, facts: &mut Facts) -> Result<()> {
        for (step, mut command) in self.running.into_iter().rev() {
            let state = command.end()?;
            let command = command.tell(state)?;
            facts.report(Fact::Ended { step, command })?;
        }
        Ok(())
    }
}

/// A command that was started: a process group of its own.
struct Running {
    pid: Pid,
    process: OwnedFd,
    /// The terminal; none when nobody can write to it any more.
    terminal: Option<File>,
    printed: Vec<u8>,
}

impl Running {
    fn start(host_root: &HostRoot, line: &str, directory: &str) -> Result<Running> {
        let (terminal, its) = raw_terminal()?;
        // SIGINT would end a shell that waits for a program which handles it, and the program's
        // status would be lost. So the shell ends behind the program, with that status.
        let line = format!("trap exit INT; {line}");
        let pid = host_root.spawn("run", Path::new("/"), || {
            let said = rustix::stdio::dup2_stdout(&its)
                .and_then(|()| rustix::stdio::dup2_stderr(&its))
                .and_then(|()| setsid());
            if let Err(error) = said.and_then(|_| chdir(directory)) {
                eprintln!("kassay-guest: go to `{directory}`: {error}");
                return 126;
            }
            let error = std::process::Command::new("/bin/sh")
                .args(["-c", &line])
                .stdin(Stdio::null())
                .env_clear()
                .envs([("PATH", PATH), ("HOME", "/root")])
                .envs([("LC_ALL", "C.UTF-8"), ("TERM", "dumb")])
                .exec();
            eprintln!("kassay-guest: execute `/bin/sh`: {error}");
            127
        })?;
        Ok(Running {
            pid,
            process: pidfd_open(pid, PidfdFlags::empty()).context("open a process")?,
            terminal: Some(terminal),
            printed: Vec::new(),
        })
    }

    /// Waits until what was printed will do, or the command has ended or prints too much; none
    /// when its time has passed before.
    fn wait(
        &mut self,
        is_ready: impl Fn(&[u8]) -> bool,
        patience: Option<Duration>,
    ) -> Result<Option<State>> {
        let end = patience.map(|patience| Instant::now() + patience);
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let has_ended = self.look(left)?;
            // First: one that ends behind that line was ready, whichever is seen first.
            if is_ready(&self.printed) {
                return Ok(Some(State::Ready));
            }
            if self.printed.len() > MOST {
                self.kill()?;
                return Ok(Some(State::Flooded(MOST)));
            }
            if has_ended {
                let status = process::exit_code(process::wait(self.pid)?);
                return Ok(Some(State::Ended(status)));
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
        }
    }

    /// Waits until something happens, reads what was printed, and says whether the command has
    /// ended. What it printed before is read then: a terminal keeps it, in order.
    fn look(&mut self, patience: Option<Duration>) -> Result<bool> {
        let timeout = patience.map(|patience| Timespec {
            tv_sec: patience.as_secs() as i64,
            tv_nsec: patience.subsec_nanos().into(),
        });
        let mut files = vec![PollFd::new(&self.process, PollFlags::IN)];
        files.extend(
            self.terminal
                .as_ref()
                .map(|terminal| PollFd::new(terminal, PollFlags::IN)),
        );
        match poll(&mut files, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for a command"),
        }
        let has_ended = !files[0].revents().is_empty();
        self.read()?;
        Ok(has_ended)
    }

    /// Reads what is printed behind its end, until nobody has the terminal open any more.
    fn hear_out(&mut self) -> Result<()> {
        let end = Instant::now() + GRACE;
        while let Some(terminal) = &self.terminal {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.printed.truncate(MOST - LEFT.len());
                self.printed.extend_from_slice(LEFT.as_bytes());
                return Ok(());
            }
            let timeout = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(terminal, PollFlags::IN)], Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => self.read()?,
                Err(error) => return Err(error).context("wait for what a command left running"),
            }
            if self.printed.len() > MOST {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads what there is, up to the bound.
    fn read(&mut self) -> Result<()> {
        let Some(terminal) = &mut self.terminal else {
            return Ok(());
        };
        let mut chunk = [0; 4096];
        while self.printed.len() <= MOST {
            match terminal
                .read(&mut chunk)
                .map_err(|error| error.raw_os_error())
            {
                Ok(length) => self.printed.extend_from_slice(&chunk[..length]),
                Err(Some(libc::EAGAIN | libc::EINTR)) => break,
                // The other end is closed.
                Err(Some(libc::EIO)) => {
                    self.terminal = None;
                    break;
                }
                Err(error) => anyhow::bail!("read a terminal: error {error:?}"),
            }
        }
        Ok(())
    }

    /// Ends it as a user would, and where that does not help, by force.
    fn end(&mut self) -> Result<State> {
        for signal in [Signal::INT, Signal::TERM] {
            let _ = kill_process_group(self.pid, signal);
            if let Some(state) = self.wait(|_| false, Some(GRACE))? {
                return Ok(state);
            }
        }
        self.kill().map(State::Ended)
    }

    /// Kills the process group and returns the status.
    fn kill(&mut self) -> Result<i32> {
        let _ = kill_process_group(self.pid, Signal::KILL);
        let status = process::wait(self.pid)?;
        self.read()?;
        Ok(process::exit_code(status))
    }

    /// The ids that its processes may have: from the shell's to the last that was given.
    fn pids(&self) -> Result<(i32, i32)> {
        let text = system::read("/proc/loadavg")?;
        let last = text
            .trim()
            .rsplit(' ')
            .next()
            .and_then(|last| last.parse().ok());
        let last = last.context("parse `/proc/loadavg`")?;
        Ok((self.pid.as_raw_nonzero().get(), last))
    }

    fn tell(self, state: State) -> Result<Command> {
        // Nobody wants to read all of a flood.
        let most = match state {
            State::Flooded(_) => 4096,
            _ => MOST,
        };
        let printed = &self.printed[..self.printed.len().min(most)];
        Ok(Command {
            pids: self.pids()?,
            state,
            lines: String::from_utf8_lossy(printed)
                .lines()
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// A terminal that changes nothing of what is written to it, and the end of it that programs have.
fn raw_terminal() -> Result<(File, OwnedFd)> {
    let (terminal, its) = terminal::open()?;
    let set_up = || {
        let mut attributes = tcgetattr(&its)?;
        attributes.make_raw();
        tcsetattr(&its, OptionalActions::Now, &attributes)?;
        ioctl_fionbio(&terminal, true)
    };
    set_up().context("set the terminal up")?;
    Ok((terminal.into(), its))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
