//! `consume`: a child process runs a program that writes samples, and they are
//! read from its ring buffer or perf buffer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, anyhow, bail};
use kassay_guest::{Consume, Consumed};
use libbpf_rs::{
    Map, MapCore, MapType, Object, PerfBuffer, PerfBufferBuilder, RingBuffer, RingBufferBuilder,
};
use rustix::event::{PollFd, PollFlags, poll};

use super::Around;
use crate::{bpf, process};

/// Has a child run the program in bursts, and reads what it writes: all the time
/// or, where that is late, behind each burst.
pub fn run(step: &Consume, around: &mut Around) -> Result<Consumed> {
    let Consume {
        map,
        program,
        bursts,
        late,
    } = step;
    let object = bpf::object_of(around.attached, program)?;
    let tally = RefCell::default();
    let map = bpf::map_of(object, map)?;
    let reader = Reader::open(&map, &tally)?;
    let (mut here, there) = UnixStream::pair().context("make a pair of sockets")?;
    let pid = process::spawn("consume", || {
        let child = bursts.iter().try_for_each(|times| {
            let refused = burst(object, program, *times).map_err(|error| format!("{error:#}"));
            in_turn(&there, &refused)
        });
        i32::from(child.is_err())
    })?;
    drop(there);
    let (mut refused, mut words) = (0, BufReader::new(here.try_clone()?));
    for _ in bursts {
        while !*late && !reader.wait(&here)? {
            reader.consume()?;
        }
        refused += word(&mut words)?;
        reader.consume()?;
        here.write_all(b"\n").context("answer the child")?;
    }
    let code = process::exit_code(process::wait(pid)?);
    if code != 0 {
        bail!("the child process ended with status {code}");
    }
    drop(reader);
    let Tally { counts, short, .. } = tally.into_inner();
    if short > 0 {
        bail!("{short} samples have less than the 8 bytes of a CPU and a number");
    }
    Ok(Consumed {
        pid: pid.as_raw_nonzero().get(),
        sent: bursts.iter().map(|times| u64::from(*times)).sum(),
        refused,
        ..counts
    })
}

/// Runs the program so often, and returns how many samples it lost.
fn burst(object: &Object, program: &str, times: u32) -> Result<u64> {
    let mut refused = 0;
    for _ in 0..times {
        refused += u64::from(bpf::test_run(object, program)? != 0);
    }
    Ok(refused)
}

/// Tells what came of a burst, in the child, and waits until all is read.
fn in_turn(mut parent: &UnixStream, refused: &Result<u64, String>) -> Result<()> {
    let mut line = serde_json::to_vec(refused)?;
    line.push(b'\n');
    parent.write_all(&line)?;
    Ok(parent.read_exact(&mut [0])?)
}

/// What the child tells of a burst.
fn word(child: &mut impl BufRead) -> Result<u64> {
    let mut line = String::new();
    child.read_line(&mut line).context("read from the child")?;
    let refused: Result<u64, String> =
        serde_json::from_str(&line).context("the child process ended in a burst")?;
    refused.map_err(|error| anyhow!("{error}"))
}

/// What has been read.
#[derive(Default)]
struct Tally {
    counts: Consumed,
    /// The number that is due from each CPU.
    due: BTreeMap<u32, u32>,
    /// Samples that have no number.
    short: u64,
}

impl Tally {
    fn take(&mut self, sample: &[u8]) {
        let word = |at: usize| Some(u32::from_ne_bytes(sample.get(at..at + 4)?.try_into().ok()?));
        let (Some(cpu), Some(number)) = (word(0), word(4)) else {
            self.short += 1;
            return;
        };
        let due = self.due.entry(cpu).or_default();
        self.counts.received += 1;
        match number.checked_sub(*due) {
            Some(missing) => {
                self.counts.missing += u64::from(missing);
                *due = number.wrapping_add(1);
            }
            None => self.counts.disordered += 1,
        }
    }
}

/// A buffer that is being read.
enum Reader<'a> {
    Ring(RingBuffer<'a>),
    Perf(PerfBuffer<'a>),
}

impl<'a> Reader<'a> {
    fn open(map: &'a Map<'a>, tally: &'a RefCell<Tally>) -> Result<Reader<'a>> {
        let name = map.name().to_string_lossy();
        match map.map_type() {
            MapType::RingBuf => {
                let mut builder = RingBufferBuilder::new();
                builder.add(map, |sample| {
                    tally.borrow_mut().take(sample);
                    0
                })?;
                let ring = builder.build();
                Ok(Reader::Ring(
                    ring.with_context(|| format!("open `{name}`"))?,
                ))
            }
            MapType::PerfEventArray => {
                let perf = PerfBufferBuilder::new(map)
                    .sample_cb(|_, sample| tally.borrow_mut().take(sample))
                    .lost_cb(|_, lost| tally.borrow_mut().counts.lost += lost)
                    .build();
                Ok(Reader::Perf(
                    perf.with_context(|| format!("open `{name}`"))?,
                ))
            }
            kind => bail!("`{name}` is a {kind:?}, and neither a ring buffer nor a perf buffer"),
        }
    }

    /// Waits until there are samples or the child has a word; says if it has one.
    fn wait(&self, child: &UnixStream) -> Result<bool> {
        let samples = match self {
            Reader::Ring(ring) => ring.epoll_fd(),
            Reader::Perf(perf) => perf.epoll_fd(),
        };
        // SAFETY: the buffer keeps it open.
        let samples = unsafe { BorrowedFd::borrow_raw(samples) };
        let mut fds = [
            PollFd::new(child, PollFlags::IN),
            PollFd::from_borrowed_fd(samples, PollFlags::IN),
        ];
        poll(&mut fds, None).context("wait for samples")?;
        Ok(!fds[0].revents().is_empty())
    }

    /// Reads all that is there. Whether something is, a perf buffer tells only
    /// once, and [`Reader::wait`] has heard it.
    fn consume(&self) -> Result<()> {
        match self {
            Reader::Ring(ring) => ring.consume(),
            Reader::Perf(perf) => perf.consume(),
        }
        .context("read the samples")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of samples, each a CPU and a number.
    fn counts(samples: &[[u32; 2]]) -> Consumed {
        let mut tally = Tally::default();
        for sample in samples {
            tally.take(&sample.map(u32::to_ne_bytes).concat());
        }
        tally.counts
    }

    #[test]
    fn each_cpu_has_its_order() {
        let counts = counts(&[[0, 0], [1, 0], [1, 1], [0, 1]]);
        let received = Consumed {
            received: 4,
            ..Consumed::default()
        };
        assert_eq!(counts, received);
    }

    #[test]
    fn gaps_and_steps_back_are_counted() {
        let counts = counts(&[[0, 2], [0, 3], [0, 1], [0, 6]]);
        let expected = Consumed {
            received: 4,
            missing: 4,
            disordered: 1,
            ..Consumed::default()
        };
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_sample_without_a_number_is_no_sample() {
        let mut tally = Tally::default();
        tally.take(&[0; 7]);
        assert_eq!((tally.short, tally.counts), (1, Consumed::default()));
    }
}
