//! `drive`: a program of the project runs at the receiving end of the veth pair. It says what came
//! of it by lines on its stdout, and asks the kernel by them as well. So it needs neither libbpf
//! nor netlink, and may be written in any language.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use kassay_guest::{Blame, Drive, Driven, SHARE};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::Around;
use crate::bpf;
use crate::net::{Net, RECEIVER, SENDER};

/// How much a driver may say, in bytes.
const MOST: usize = 1 << 20;

/// How much of what it says to people is shown where it fails, in bytes.
const SHOWN: u64 = 4096;

/// What a driver may say.
const WORDS: &str = "`read WHAT`, `run PROGRAM`, `fact NAME VALUE`, `tell TEXT`, `fault TITLE`, \
                     `because TEXT` and `end`";

/// Runs the driver and hears it out.
pub fn run(step: &Drive, around: &mut Around) -> Result<Driven> {
    let name = &step.driver;
    let errors = unnamed(name)?;
    let kernel = Kernel::new(around)?;
    let mut child = start(step, kernel.net, &errors)?;
    let pid = Pid::from_child(&child);
    let mut talk = Talk::default();
    let heard = talk.hear(&mut child, &kernel);
    if heard.is_err() {
        end(pid);
    }
    let status = child.wait().with_context(|| format!("wait for `{name}`"))?;
    end(pid);
    let failed = match heard {
        Err(error) => Some(format!("{error:#}")),
        Ok(()) if !status.success() => Some(fate(status)),
        Ok(()) if !talk.has_ended => Some("it ended without `end`".to_owned()),
        Ok(()) => None,
    };
    Ok(Driven {
        pid: pid.as_raw_nonzero().get(),
        failed: failed.map(|why| why + &tail(errors)),
        ..talk.driven
    })
}

/// Ends a driver and what it left running in its process group, which would go on beside the next
/// step.
fn end(driver: Pid) {
    let _ = kill_process_group(driver, Signal::KILL);
}

/// A file without a name, for what the driver says to people.
fn unnamed(name: &str) -> Result<File> {
    let path = format!("/tmp/{name}.stderr");
    let open = || {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        std::io::Result::Ok(file)
    };
    open().with_context(|| format!("create `{path}`"))
}

fn start(step: &Drive, net: &Net, errors: &File) -> Result<Child> {
    let path = format!("{SHARE}/drivers/{}", step.driver);
    let namespace = format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        net.sender_namespace.as_raw_fd()
    );
    Command::new(&path)
        .args(&step.args)
        .env_clear()
        .env("KASSAY_SEED", step.seed.to_string())
        .env("KASSAY_RECEIVER", RECEIVER.name)
        .env("KASSAY_SENDER", SENDER.name)
        .env("KASSAY_SENDER_NETNS", namespace)
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone().context("hand a file on")?)
        .process_group(0)
        .spawn()
        .with_context(|| format!("execute `{path}`"))
}

/// What a driver may ask.
struct Kernel<'a> {
    net: &'a Net,
    attached: &'a [bpf::Attached],
    /// How often the classifiers had run, and what was dropped, when the driver began.
    ran: Vec<u64>,
    dropped: u64,
}

impl<'a> Kernel<'a> {
    fn new(around: &'a mut Around) -> Result<Kernel<'a>> {
        let net = &*around.net.get()?;
        Ok(Kernel {
            net,
            attached: around.attached,
            ran: bpf::runs(&net.classifiers),
            dropped: net.drops()?,
        })
    }

    fn run(&self, program: &str) -> Result<u64> {
        bpf::run(self.attached, program).map(u64::from)
    }

    fn read(&self, what: &str) -> Result<u64> {
        match what.split(' ').collect::<Vec<_>>()[..] {
            ["runs"] => Ok(bpf::runs_since(&self.net.classifiers, &self.ran)),
            ["drops"] => Ok(self.net.drops()?.saturating_sub(self.dropped)),
            [map, place] => {
                let place = place.parse();
                let place = place.with_context(|| format!("read `{what}`: no place of a map"))?;
                bpf::counter(self.attached, map, place)
            }
            _ => bail!("read `{what}`, which is none of `runs`, `drops` and `MAP PLACE`"),
        }
    }
}

/// What a driver has said so far.
#[derive(Default)]
struct Talk {
    /// What is no whole line yet.
    rest: Vec<u8>,
    /// How much it was in all, in bytes.
    length: usize,
    driven: Driven,
    has_ended: bool,
}

impl Talk {
    /// Hears the driver until it is gone or has closed its stdout, and answers.
    fn hear(&mut self, child: &mut Child, kernel: &Kernel) -> Result<()> {
        let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
        let process = process.context("open its process")?;
        let mut answers = child.stdin.take().context("there is no way to answer")?;
        let mut stdout = child.stdout.take().context("there is nothing to hear")?;
        ioctl_fionbio(&stdout, true).context("prepare to hear it")?;
        // One that asks and does not read the answers must not stop the plan.
        ioctl_fionbio(&answers, true).context("prepare to answer it")?;
        loop {
            let mut files = [
                PollFd::new(&process, PollFlags::IN),
                PollFd::new(&stdout, PollFlags::IN),
            ];
            match poll(&mut files, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("wait for it"),
            }
            // What it said is all there when it is gone, though something that it left running may
            // have its stdout open.
            let is_gone = !files[0].revents().is_empty();
            let is_over = !self.read(&mut stdout)? || is_gone;
            for line in self.lines(is_over) {
                self.take(&line, kernel, &mut answers)?;
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// Reads what there is; false when there will be no more.
    fn read(&mut self, from: &mut impl Read) -> Result<bool> {
        let mut chunk = [0; 4096];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    self.rest.extend_from_slice(&chunk[..length]);
                    self.length += length;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("hear it"),
            }
            if self.length > MOST {
                bail!("it said more than {MOST} bytes");
            }
        }
    }

    /// Takes the lines that are whole. The last one may lack its end.
    fn lines(&mut self, is_over: bool) -> Vec<String> {
        let last = self.rest.iter().rposition(|byte| *byte == b'\n');
        let end = match is_over {
            true => self.rest.len(),
            false => last.map_or(0, |last| last + 1),
        };
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        let whole = String::from_utf8_lossy(&whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// Takes a line, and answers where it asks something.
    fn take(&mut self, line: &str, kernel: &Kernel, answers: &mut impl Write) -> Result<()> {
        if self.has_ended {
            bail!("it said `{}` after `end`", excerpt(line));
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let faults = &mut self.driven.faults;
        match word {
            "read" => answer(answers, kernel.read(rest))?,
            "run" => answer(answers, kernel.run(rest))?,
            "end" if rest.is_empty() => self.has_ended = true,
            "tell" => self.driven.told.push(rest.to_owned()),
            "fact" => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                let fact = (name.to_owned(), value.to_owned());
                self.driven.facts.push(fact);
            }
            "fault" if rest.trim().is_empty() => bail!("it said `fault` without a title"),
            "fault" => faults.push(Blame {
                title: rest.to_owned(),
                reason: Vec::new(),
            }),
            "because" => {
                let fault = faults.last_mut();
                let fault = fault.context("it said `because` before any `fault`")?;
                fault.reason.push(rest.to_owned());
            }
            _ => bail!("it said `{}`, which is none of {WORDS}", excerpt(line)),
        }
        Ok(())
    }
}

/// Answers with a number, or says why there is none. Nobody may be left to hear it.
fn answer(to: &mut impl Write, answer: Result<u64>) -> Result<()> {
    let line = answer.map_or_else(|error| format!("{error:#}"), |number| number.to_string());
    match to.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes()) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            bail!("it asks and does not read the answers")
        }
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("answer it"),
    }
}

/// What is shown of a line that makes no sense.
fn excerpt(line: &str) -> String {
    line.chars().take(100).collect()
}

fn fate(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with status {code}"),
        (_, signal) => format!("it was killed by signal {}", signal.unwrap_or(0)),
    }
}

/// The end of what the driver said to people.
fn tail(mut errors: File) -> String {
    let length = errors.metadata().map_or(0, |file| file.len());
    let _ = errors.seek(SeekFrom::Start(length.saturating_sub(SHOWN)));
    let mut text = Vec::new();
    let _ = errors.take(SHOWN).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    match text.trim() {
        "" => String::new(),
        text => format!("; it says:\n{}", text.replace('\n', "\n    ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(said: &[u8], is_over: bool) -> Vec<String> {
        let mut talk = Talk {
            rest: said.to_vec(),
            ..Talk::default()
        };
        talk.lines(is_over)
    }

    #[test]
    fn a_line_is_taken_when_it_is_whole() {
        assert_eq!(lines(b"tell a\ntell b", false), ["tell a"]);
        assert_eq!(lines(b"tell a\ntell b", true), ["tell a", "tell b"]);
        assert!(lines(b"tell b", false).is_empty());
        assert_eq!(lines(b"tell \xff\r\n\n", false), ["tell \u{fffd}", ""]);
    }
}
