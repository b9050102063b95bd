//! `fault`: the guest program misbehaves, so that the harness can be tested
//! against one that does.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result, bail};
use kassay_guest::{Fact, Fault, SHARE, Unharmed, done};
use rustix::fs::{CWD, FileType, Mode, mknodat, symlink};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use rustix::process::{Signal, getpid, kill_process};

use super::Around;
use crate::facts::Facts;
use crate::{process, share, system};

/// Misbehaves; what returns goes on as if nothing were wrong.
pub fn run(fault: &Fault, around: &mut Around) -> Result<Unharmed> {
    let facts = &mut *around.facts;
    match fault {
        Fault::Segv => {
            let Err(error) = read_nothing();
            return Err(error);
        }
        Fault::Kill => kill_process(getpid(), Signal::KILL).context("kill the guest program")?,
        Fault::DoneEarly => {
            facts.report(facts.end())?;
            system::log(&done(&share::plan()?.mark));
            process::end(0)
        }
        Fault::DoneTwice => facts.report(facts.end())?,
        Fault::Garbage => write_alike(facts, b"\xff\x00{\n")?,
        Fault::HalfLine => {
            let line = facts.word(facts.end())?;
            write_alike(facts, &line[..line.len() / 2])?;
            process::end(0)
        }
        Fault::Differ => {
            let [share, port] = ["share", "port"].map(|error| facts.word(failed(error)));
            facts.send(&share?, &port?)?;
        }
        Fault::Link => replace(|path| symlink("/etc/passwd", path))?,
        Fault::Pipe => replace(|path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0))?,
        Fault::Truncate => replace(|path| File::create(path).map(drop))?,
        Fault::Fill => fill()?,
        Fault::Flood => flood(|line| facts.write(&[], line))?,
        Fault::Grow => flood(|line| facts.write(line, &[]))?,
        Fault::Silent => loop {
            std::thread::park();
        },
        Fault::PowerOff => system::power_off(),
        Fault::Reboot => system::reset(),
    }
    Ok(Unharmed)
}

fn write_alike(facts: &mut Facts, bytes: &[u8]) -> Result<()> {
    facts.write(bytes, bytes)
}

fn failed(error: &str) -> Fact {
    Fact::Failed {
        error: error.to_owned(),
    }
}

fn read_nothing() -> Result<Infallible> {
    // SAFETY: a new private mapping overlaps nothing.
    let page = unsafe {
        let none = ProtFlags::empty();
        mmap_anonymous(std::ptr::null_mut(), 4096, none, MapFlags::PRIVATE)?
    };
    // SAFETY: the page is this function's alone. That it cannot be read is the
    // point: the kernel kills the process.
    let byte = unsafe { page.cast::<u8>().read_volatile() };
    bail!("read {byte} where nothing can be read")
}

/// Puts something in the place of the share's facts, to which the guest program goes on writing.
fn replace<E: Into<anyhow::Error>>(put: impl FnOnce(&str) -> Result<(), E>) -> Result<()> {
    let path = format!("{SHARE}/facts.jsonl");
    fs::remove_file(&path).with_context(|| format!("remove `{path}`"))?;
    put(&path)
        .map_err(Into::into)
        .with_context(|| format!("replace `{path}`"))
}

/// Writes 40 MiB, in lines: the host takes 32.
fn flood(mut write: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut line = vec![b'x'; 1 << 20];
    line[(1 << 20) - 1] = b'\n';
    (0..40).try_for_each(|_| write(&line))
}

/// Fills the share, as far as [`Fault::Fill`] goes.
fn fill() -> Result<()> {
    let path = format!("{SHARE}/fill");
    let mut file = File::create(&path).with_context(|| format!("create `{path}`"))?;
    for _ in 0..16 {
        // What has room for a part takes that part, and then says that it is full.
        match file.write_all(&[0; 1 << 20]) {
            Err(error) if error.kind() == ErrorKind::StorageFull => break,
            written => written.with_context(|| format!("fill `{path}`"))?,
        }
    }
    Ok(())
}
