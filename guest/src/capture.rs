//! What the kernel says while a plan runs: the trace buffer and the kernel log.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use kassay_guest::{Fact, Record, done, trace_marks};

use crate::system;

const TRACING: &str = "/sys/kernel/tracing";

/// The event as which bpf_trace_printk() writes.
const PRINTK: &str = "events/bpf_trace/bpf_trace_printk";

/// A trace buffer, from the moment it was opened.
pub struct Trace {
    /// Its directory.
    root: String,
    pipe: File,
    marker: File,
    /// What to write behind the last event.
    end: Option<String>,
}

/// What was in the trace buffer.
#[derive(Default)]
pub struct Traced {
    /// The lines that were read.
    pub lines: Vec<String>,
    /// How many events the ring buffers lost.
    pub lost: u64,
    /// How many events were read from them, by whomever.
    pub read: u64,
    /// How many more programs printed, by another buffer.
    pub unseen: u64,
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
        // The kernel turns it on when a program that prints is loaded, by a worker in 6.1.192, 6.12.117
        // and 7.2.12 (`__set_printk_clr_event` in kernel/trace/bpf_trace.c), so that what a program
        // prints at once would not be there. A kernel without it prints nothing.
        let _ = system::write(&format!("{root}/{PRINTK}/enable"), "1");
        let marker = format!("{root}/trace_marker");
        Ok(Trace {
            pipe: nonblocking(&format!("{root}/trace_pipe"))?,
            marker: OpenOptions::new()
                .write(true)
                .open(&marker)
                .with_context(|| format!("open `{marker}`"))?,
            end: None,
            root,
        })
    }

    /// Marks where the lines begin, and has [`Trace::take`] mark where they end.
    pub fn begin(&mut self, mark: &str) -> Result<()> {
        let [begin, end] = trace_marks(mark);
        self.end = Some(end);
        self.marker
            .write_all(begin.as_bytes())
            .context("write to `trace_marker`")
    }

    /// The lines as a file that can be waited for: each of them counts, not a buffer that is
    /// half full.
    pub fn file(&self) -> Result<File> {
        system::write(&format!("{}/buffer_percent", self.root), "0")?;
        self.pipe.try_clone().context("share `trace_pipe`")
    }

    /// Takes every line that is in the buffer.
    pub fn take(&mut self) -> Result<Traced> {
        if let Some(end) = self.end.take() {
            // Where tracing is off the kernel refuses it, and the host sees that it is not there.
            let _ = self.marker.write_all(end.as_bytes());
        }
        let lines = drain(&mut self.pipe)?.lines().map(str::to_owned).collect();
        let (lost, read) = counted(&self.root)?;
        Ok(Traced {
            lines,
            lost,
            read,
            unseen: 0,
        })
    }
}

impl Traced {
    /// How often programs printed.
    pub fn printed(&self) -> u64 {
        let lines = self.lines.iter();
        lines
            .filter(|line| line.contains(": bpf_trace_printk: "))
            .count() as u64
    }
}

/// What is in a `trace_pipe` that does not wait for more.
pub fn drain(pipe: &mut File) -> Result<String> {
    let mut text = Vec::new();
    match pipe.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error).context("read `trace_pipe`"),
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl From<Traced> for Fact {
    fn from(traced: Traced) -> Fact {
        let Traced {
            lines,
            lost,
            read,
            unseen,
        } = traced;
        Fact::Trace {
            lines,
            lost,
            read,
            unseen,
        }
    }
}

/// Events that were lost and that were read, summed over the CPUs (kernel/trace/trace.c,
/// `tracing_stats_read`).
pub fn counted(root: &str) -> Result<(u64, u64)> {
    let (mut lost, mut read) = (0, 0);
    for cpu in fs::read_dir(format!("{root}/per_cpu")).context("list the trace buffers")? {
        for line in system::read(cpu?.path().join("stats"))?.lines() {
            let Some((name, count)) = line.split_once(": ") else {
                continue;
            };
            let sum = match name {
                "overrun" | "commit overrun" | "dropped events" => &mut lost,
                "read events" => &mut read,
                _ => continue,
            };
            let count = count.trim().parse::<u64>();
            *sum += count.context("parse a trace buffer's statistics")?;
        }
    }
    Ok((lost, read))
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
    /// they were read (the kernel answers EPIPE then) or made no sense. `mark` is the plan's.
    pub fn take(&mut self, mark: &str) -> Result<(Vec<Record>, u64)> {
        let (mut records, mut lost) = (Vec::new(), 0);
        let done = done(mark);
        // It also ends the record of a message that has no line break.
        system::log(&done);
        // One read returns one record, of at most PRINTK_MESSAGE_MAX bytes.
        let mut buffer = [0u8; 16384];
        loop {
            match self.kmsg.read(&mut buffer) {
                Ok(length) => match record(&String::from_utf8_lossy(&buffer[..length])) {
                    Some(record) if record.text == done => return Ok((records, lost)),
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

/// Opens a file whose end is not waited for.
pub fn nonblocking(path: &str) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .with_context(|| format!("open `{path}`"))
}
