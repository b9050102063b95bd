//! Where facts go: to the host's stream and to a file in the share, the same
//! lines to both, so that the harness can tell when one of them lost something.

use std::fs::File;
use std::io::Write;

use anyhow::{Context, Result};
use kassay_guest::{Fact, Line, SHARE};

/// What fails when the host has no room: one kernel says so of a write, another
/// when it is synced.
const TO_SHARE: &str = "write the facts to the share";

/// The two ways out, and how many facts have gone.
pub struct Facts {
    port: File,
    /// There is none until the host has heard something: then a plan is followed.
    file: Option<File>,
    next: u64,
    /// Whether a module, an object or a program was refused.
    pub refused: bool,
}

impl Facts {
    /// Facts that go to the port, and to a file that is made with the first of them.
    pub fn new(port: File) -> Facts {
        Facts {
            port,
            file: None,
            next: 0,
            refused: false,
        }
    }

    /// Reports one fact. A write blocks until the host has room.
    pub fn report(&mut self, fact: Fact) -> Result<()> {
        self.refused |= matches!(
            fact,
            Fact::Inserted { error: Some(_), .. }
                | Fact::Loaded { error: Some(_), .. }
                | Fact::Attached { error: Some(_), .. }
        );
        let line = self.word(fact)?;
        self.send(&line, &line)
    }

    /// Reports facts at once, so that nothing comes between.
    pub fn report_all(&mut self, facts: Vec<Fact>) -> Result<()> {
        let mut lines = Vec::new();
        for fact in facts {
            lines.extend(self.word(fact)?);
            self.next += 1;
        }
        self.write(&lines, &lines)
    }

    /// Sends the next line, which may be worded differently for the two ways.
    pub fn send(&mut self, to_share: &[u8], to_port: &[u8]) -> Result<()> {
        self.next += 1;
        self.write(to_share, to_port)
    }

    /// The next line, if it is of this fact.
    pub fn word(&self, fact: Fact) -> Result<Vec<u8>> {
        let seq = self.next;
        let mut line = serde_json::to_vec(&Line { seq, fact }).context("word a fact")?;
        line.push(b'\n');
        Ok(line)
    }

    /// Writes bytes both ways, first to the port, where the process does not sleep. When one way
    /// fails, the other still tells of it.
    pub fn write(&mut self, to_share: &[u8], to_port: &[u8]) -> Result<()> {
        let ported = self.port.write_all(to_port);
        let shared = self.file().map(|file| file.write_all(to_share));
        ported.context("write a fact to the command port")?;
        shared?.context(TO_SHARE)
    }

    fn file(&mut self) -> Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => {
                let path = format!("{SHARE}/facts.jsonl");
                let file = File::create_new(&path);
                Ok(none.insert(file.with_context(|| format!("create `{path}`"))?))
            }
        }
    }

    /// The closing record of the facts so far.
    pub fn end(&self) -> Fact {
        Fact::End { facts: self.next }
    }

    /// Reports the closing record.
    pub fn close(&mut self) -> Result<()> {
        self.report(self.end())?;
        self.file()?.sync_all().context(TO_SHARE)
    }
}
