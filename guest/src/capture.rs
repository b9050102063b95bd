//! What the kernel says while a plan runs: the trace buffer and the kernel log.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use kassay_guest::{DONE, Record};

use crate::system;

const TRACING: &str = "/sys/kernel/tracing";

/// The event as which bpf_trace_printk() writes.
const PRINTK: &str = "events/bpf_trace/bpf_trace_printk";

/// A trace buffer, from the moment it was opened.
pub struct Trace {
    /// Its directory.
    root: String,
    pipe: File,
}

impl Trace {
    /// Empties the kernel's buffer and opens it for reading.
    pub fn open() -> Result<Trace> {
        Trace::open_in(TRACING.to_owned())
    }

    /// Opens a buffer of the guest program's own, which has what bpf_printk prints too. The
    /// kernel's is then for programs, which may read it, switch it off and clear it: who reads
    /// takes the lines away, and since 6.6 only one can (open_pipe_on_cpu in
    /// kernel/trace/trace.c).
    pub fn open_own() -> Result<Trace> {
        let root = format!("{TRACING}/instances/kassay");
        fs::create_dir(&root).with_context(|| format!("make the trace buffer `{root}`"))?;
        system::write(&format!("{root}/{PRINTK}/enable"), "1")?;
        Trace::open_in(root)
    }

    fn open_in(root: String) -> Result<Trace> {
        let path = format!("{root}/trace");
        File::create(&path).with_context(|| format!("empty `{path}`"))?;
        Ok(Trace {
            pipe: nonblocking(&format!("{root}/trace_pipe"))?,
            root,
        })
    }

    /// The lines as a file that can be waited for: each of them counts, not a buffer that is
    /// half full.
    pub fn file(&self) -> Result<File> {
        system::write(&format!("{}/buffer_percent", self.root), "0")?;
        self.pipe.try_clone().context("share `trace_pipe`")
    }

    /// Takes every line that is in the buffer, and how many events it lost.
    pub fn take(&mut self) -> Result<(Vec<String>, u64)> {
        let mut text = Vec::new();
        match self.pipe.read_to_end(&mut text) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("read `trace_pipe`"),
        }
        let lines = String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect();
        Ok((lines, lost(&self.root)?))
    }
}

/// Events lost, summed over the CPUs (kernel/trace/trace.c, `tracing_stats_read`).
fn lost(root: &str) -> Result<u64> {
    let mut sum = 0;
    for cpu in fs::read_dir(format!("{root}/per_cpu")).context("list the trace buffers")? {
        for line in system::read(cpu?.path().join("stats"))?.lines() {
            if let Some(("overrun" | "commit overrun" | "dropped events", count)) =
                line.split_once(": ")
            {
                sum += count
                    .trim()
                    .parse::<u64>()
                    .context("parse a trace buffer's statistics")?;
            }
        }
    }
    Ok(sum)
}

/// The kernel log, from the moment it was opened.
pub struct KernelLog {
    kmsg: File,
}

impl KernelLog {
    /// Opens the log behind its last record.
    pub fn open() -> Result<KernelLog> {
        let mut kmsg = nonblocking("/dev/kmsg")?;
        kmsg.seek(SeekFrom::End(0))
            .context("go to the end of the kernel log")?;
        Ok(KernelLog { kmsg })
    }

    /// Takes every record up to now, and how often records were overwritten before
    /// they were read (the kernel answers EPIPE then) or made no sense.
    pub fn take(&mut self) -> Result<(Vec<Record>, u64)> {
        let (mut records, mut lost) = (Vec::new(), 0);
        // It also ends the record of a message that has no line break.
        system::log(DONE);
        // One read returns one record, of at most PRINTK_MESSAGE_MAX bytes.
        let mut buffer = [0u8; 16384];
        loop {
            match self.kmsg.read(&mut buffer) {
                Ok(length) => match record(&String::from_utf8_lossy(&buffer[..length])) {
                    Some(record) if record.text == DONE => return Ok((records, lost)),
                    Some(record) => records.push(record),
                    None => lost += 1,
                },
                Err(error) if error.kind() == ErrorKind::BrokenPipe => lost += 1,
                Err(error) => return Err(error).context("read `/dev/kmsg` up to its last record"),
            }
        }
    }
}

/// Parses `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT` and drops the dictionary
/// lines behind it (Documentation/ABI/testing/dev-kmsg).
fn record(raw: &str) -> Option<Record> {
    let (head, text) = raw.split_once(';')?;
    let mut fields = head.split(',');
    let priority: u32 = fields.next()?.parse().ok()?;
    let time_us = fields.nth(1)?.parse().ok()?;
    let text = text.lines().next()?.replace("\\x0a", "\n");
    Some(Record {
        level: (priority & 7) as u8,
        time_us,
        text,
    })
}

fn nonblocking(path: &str) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .with_context(|| format!("open `{path}`"))
}
