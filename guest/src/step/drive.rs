//! `drive`: a program of the project runs at the receiving end of the veth pair. It says what came
//! of it by lines on its stdout, and asks the kernel by them as well.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use kassay_guest::{Blame, Drive, Driven, SHARE};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Around;
use crate::bpf;
use crate::net::{Net, RECEIVER, SENDER};

/// How much a driver may say, in bytes.
const MOST: u64 = 1 << 20;

/// How much of what it says to people is shown where it fails, in bytes.
const SHOWN: u64 = 4096;

/// What a driver may say.
const WORDS: &str = "`read`, `run`, `fact`, `tell`, `fault`, `because` and `end`";

/// Runs the driver and hears it out.
pub fn run(step: &Drive, around: &mut Around) -> Result<Driven> {
    let name = &step.driver;
    let errors = tempfile(name)?;
    let mut child = start(step, around.net.get()?, &errors)?;
    let kernel = Kernel::new(around)?;
    let heard = hear(&mut child, &kernel);
    let group = Pid::from_child(&child);
    if heard.is_err() {
        let _ = kill_process_group(group, Signal::KILL);
    }
    drop(child.stdin.take());
    let status = child.wait().with_context(|| format!("wait for `{name}`"))?;
    // What it left running would go on beside the next step.
    let _ = kill_process_group(group, Signal::KILL);
    let driven = heard.and_then(|driven| match (driven, status.success()) {
        (Some(driven), true) => Ok(driven),
        (None, true) => bail!("it ended without `end`"),
        (_, false) => bail!("{}", fate(status)),
    });
    driven
        .map(|driven| Driven {
            pid: group.as_raw_nonzero().get(),
            ..driven
        })
        .with_context(|| format!("drive by `{name}`{}", tail(errors)))
}

/// A file without a name, for what the driver says to people.
fn tempfile(name: &str) -> Result<File> {
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

/// Hears the driver's lines, answers, and returns what it said; none where its last line is not
/// `end`.
fn hear(child: &mut Child, kernel: &Kernel) -> Result<Option<Driven>> {
    let mut answers = child.stdin.take().context("there is no way to answer")?;
    let lines = child.stdout.take().context("there is nothing to hear")?;
    let (mut driven, mut has_ended) = (Driven::default(), false);
    let mut lines = BufReader::new(lines.take(MOST));
    let mut line = String::new();
    while lines.read_line(&mut line).context("hear it")? > 0 {
        let said = line.trim_end_matches('\n');
        if has_ended {
            bail!("it said `{said}` after `end`");
        }
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        match word {
            "read" => answer(&mut answers, kernel.read(rest))?,
            "run" => answer(&mut answers, bpf::run(kernel.attached, rest).map(u64::from))?,
            "end" => has_ended = true,
            _ => take(&mut driven, word, rest)?,
        }
        line.clear();
    }
    if lines.into_inner().limit() == 0 {
        bail!("it said more than {MOST} bytes");
    }
    Ok(has_ended.then_some(driven))
}

/// Takes a line that asks nothing.
fn take(driven: &mut Driven, word: &str, rest: &str) -> Result<()> {
    match word {
        "tell" => driven.told.push(rest.to_owned()),
        "fact" => {
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            driven.facts.push((name.to_owned(), value.to_owned()));
        }
        "fault" => driven.faults.push(Blame {
            title: rest.to_owned(),
            reason: Vec::new(),
        }),
        "because" => {
            let fault = driven.faults.last_mut();
            let fault = fault.context("it said `because` before any `fault`")?;
            fault.reason.push(rest.to_owned());
        }
        _ => bail!("it said `{word}`, which is none of {WORDS}"),
    }
    Ok(())
}

/// Answers with a number, or says why there is none.
fn answer(to: &mut impl Write, answer: Result<u64>) -> Result<()> {
    let line = answer.map_or_else(|error| format!("{error:#}"), |number| number.to_string());
    writeln!(to, "{}", line.replace('\n', " ")).context("answer it")
}

fn fate(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with status {code}"),
        (_, signal) => format!("it was killed by signal {}", signal.unwrap_or(0)),
    }
}

/// The end of what the driver said to people.
fn tail(mut errors: File) -> String {
    use std::io::{Seek, SeekFrom};
    let length = errors.metadata().map_or(0, |file| file.len());
    let _ = errors.seek(SeekFrom::Start(length.saturating_sub(SHOWN)));
    let mut text = Vec::new();
    let _ = errors.take(SHOWN).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    match text.trim() {
        "" => String::new(),
        text => format!(", which says:\n{text}\n"),
    }
}
