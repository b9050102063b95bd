//! `open`: a child process opens a file, and reads or writes it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};

use anyhow::Result;
use kassay_guest::{Moved, Open, Opened};
use rustix::fs::{Mode, OFlags};

use super::Around;
use crate::process;

/// How much of a file is read, in bytes: a page.
const MOST: u64 = 4096;

/// Has a child open the file. A pipe that nobody else has open is no reason to wait, and what a
/// program refuses is asked for once, whatever the error.
pub fn run(step: &Open, _: &mut Around) -> Result<Opened> {
    let asked = process::ask("open", || {
        let flags = OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let way = match step.write {
            Some(_) => OFlags::WRONLY,
            None => OFlags::RDONLY,
        };
        let file = rustix::fs::open(&step.path, way | flags, Mode::empty());
        let moved = file.map(|file| match &step.write {
            Some(text) => write(&file.into(), text),
            None => read(&file.into()),
        });
        Ok(moved.map_err(|error| error.to_string()))
    })?;
    let (pid, moved) = asked.hear()?;
    Ok(Opened { pid, moved })
}

fn write(mut file: &File, text: &str) -> Moved {
    let written = file.write(text.as_bytes());
    Moved::Written(written.map_err(|error| error.to_string()))
}

fn read(file: &File) -> Moved {
    let mut bytes = Vec::new();
    let trouble = file.take(MOST).read_to_end(&mut bytes).err();
    // What has data now and then has an end where the data has.
    let is_end = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
    let trouble = trouble.filter(|error| bytes.is_empty() || !is_end(error));
    let text = String::from_utf8_lossy(&bytes);
    Moved::Read {
        bytes: bytes.len(),
        lines: text.lines().map(str::to_owned).collect(),
        trouble: trouble.map(|error| error.to_string()),
    }
}
