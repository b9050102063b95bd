//! Where facts go: to the host's stream and to a file in the share, the same
//! lines to both, so that the harness can tell when one of them lost something.

use std::fs::File;
use std::io::Write;

use anyhow::{Context, Result};
use kassay_guest::{Fact, Line, SHARE};

/// The two ways out, and how many facts have gone.
pub struct Facts {
    port: File,
    file: File,
    next: u64,
}

impl Facts {
    /// Opens the file; the port is open already.
    pub fn open(port: File) -> Result<Facts> {
        let path = format!("{SHARE}/facts.jsonl");
        let file = File::create_new(&path).with_context(|| format!("create `{path}`"))?;
        Ok(Facts {
            port,
            file,
            next: 0,
        })
    }

    /// Reports one fact. A write blocks until the host has room.
    pub fn report(&mut self, fact: Fact) -> Result<()> {
        let mut line = serde_json::to_vec(&Line {
            seq: self.next,
            fact,
        })
        .context("word a fact")?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .context("write a fact to the share")?;
        self.port
            .write_all(&line)
            .context("write a fact to the command port")?;
        self.next += 1;
        Ok(())
    }

    /// Reports the closing record.
    pub fn close(mut self) -> Result<()> {
        let facts = self.next;
        self.report(Fact::End { facts })?;
        self.file.sync_all().context("sync the facts")
    }
}
