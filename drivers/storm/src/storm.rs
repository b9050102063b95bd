//! The storm itself: packets are sent batch by batch, and what arrives after the
//! classifier is compared with what an independent decoder says of each.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};

use crate::asked::Asked;
use crate::driver::Driver;
use crate::ends::{Ends, address};
use crate::generator::{Generator, Hostile, Kind};
use crate::oracle::{self, Decoder};
use crate::packet::SOURCE;

/// Packets between two sentinels. All of a batch can lie in the receiver's buffer.
const BATCH: u32 = 256;

/// How many disagreements are told in full.
const EXAMPLES: usize = 5;

/// What came of a storm. After each batch of packets comes a sentinel, whose arrival
/// proves that the batch has been handled; a batch whose sentinel does not arrive is
/// the last.
#[derive(Debug, Default)]
pub struct Storm {
    /// The seed that was used.
    pub seed: u32,
    /// Batches of packets, and so sentinels, that were sent.
    pub batches: u64,
    /// Sentinels that arrived.
    pub closed: u64,
    /// Packets that the classifiers on the receiving end were run on, sentinels among them.
    pub seen: u64,
    /// Packets whose socket buffer was non-linear when the classifier saw it.
    pub paged: u64,
    /// Packets that the receiving end's clsact qdisc counts as dropped.
    pub dropped: u64,
    /// Packets that arrived after the classifiers, without sentinels.
    pub delivered: u64,
    /// What was sent.
    pub tallies: Vec<Tally>,
    /// Packets that prost decides otherwise than the decoder.
    pub apart: u64,
    /// Packets that the classifier counts as decided differently by the modules of both; 0
    /// where the decoder is prost.
    pub apart_seen: u64,
    /// Packets that the classifier and the decoder disagree on.
    pub disagreements: u64,
    /// The first of them.
    pub examples: Vec<Disagreement>,
}

/// The packets of one kind and layout.
#[derive(Debug)]
pub struct Tally {
    pub kind: Kind,
    /// Whether the socket buffers are non-linear, with the packet's end in pages.
    pub paged: bool,
    /// How many were sent.
    pub sent: u64,
    /// How many of them the decoder would drop.
    pub dropped: u64,
}

/// A packet that the classifier and the decoder disagree on.
#[derive(Debug)]
pub struct Disagreement {
    /// The packet's number, from 0.
    pub packet: u32,
    pub kind: Kind,
    /// Where the linear part of its socket buffer ends, if it is non-linear.
    pub linear: Option<u16>,
    /// Whether the decoder would drop it. The classifier did the opposite.
    pub dropped: bool,
    /// The frame, from its Ethernet header on, in hexadecimal.
    pub frame: String,
}

/// Sends the packets, and compares.
pub fn run<R: BufRead, W: Write>(asked: &Asked, driver: &mut Driver<R, W>) -> Result<Storm> {
    let ends = Ends::open(&asked.receiver, &asked.sender, &asked.sender_netns)?;
    let mut generator = Generator::new(asked.seed);
    let mut storm = Storm {
        seed: asked.seed,
        ..Storm::default()
    };
    let before = Counters::read(driver, asked.decoder)?;
    let mut first = 0;
    while first < asked.packets && storm.closed == storm.batches {
        let count = BATCH.min(asked.packets - first);
        let batch: Vec<Hostile> = (first..first + count)
            .map(|number| numbered(generator.packet(), number))
            .collect();
        let arrived = ends.exchange(&batch, first)?;
        storm.add(asked.decoder, &batch, first, arrived.as_deref());
        first += count;
    }
    if ends.lost()? > 0 {
        bail!("a receiving socket had no room for a frame");
    }
    let counted = Counters::read(driver, asked.decoder)?.since(before)?;
    [storm.seen, storm.dropped, storm.paged, storm.apart_seen] = counted;
    Ok(storm)
}

/// What the guest program counts: the classifiers' runs, the qdisc's drops, the program's
/// non-linear socket buffers, and the packets that two modules decide differently.
struct Counters([u64; 4]);

impl Counters {
    fn read<R: BufRead, W: Write>(driver: &mut Driver<R, W>, decoder: Decoder) -> Result<Counters> {
        let apart = match decoder {
            Decoder::Prost => 0,
            Decoder::Pbtools => driver.read("apart 0")?,
        };
        Ok(Counters([
            driver.read("runs")?,
            driver.read("drops")?,
            driver.read("skbs 1")?,
            apart,
        ]))
    }

    fn since(self, before: Counters) -> Result<[u64; 4]> {
        let mut counted = self.0;
        for (now, before) in counted.iter_mut().zip(before.0) {
            let more = now.checked_sub(before);
            *now = more.with_context(|| format!("a count fell from {before} to {now}"))?;
        }
        Ok(counted)
    }
}

/// The packet with its number in the source address.
fn numbered(mut packet: Hostile, number: u32) -> Hostile {
    packet.frame[SOURCE].copy_from_slice(&address(number));
    packet
}

impl Storm {
    /// Adds a batch and which of it arrived, if that is known.
    fn add(&mut self, decoder: Decoder, batch: &[Hostile], first: u32, arrived: Option<&[bool]>) {
        self.batches += 1;
        self.closed += u64::from(arrived.is_some());
        for (place, packet) in batch.iter().enumerate() {
            let dropped = oracle::drops(decoder, &packet.frame);
            let is_apart = dropped != oracle::drops(Decoder::Prost, &packet.frame);
            self.apart += u64::from(is_apart);
            self.count(packet, dropped);
            let Some(arrived) = arrived else { continue };
            self.delivered += u64::from(arrived[place]);
            // What the decoder drops must not arrive, and the other way round.
            if arrived[place] == dropped {
                self.disagreements += 1;
                if self.examples.len() < EXAMPLES {
                    let number = first + place as u32;
                    self.examples.push(example(packet, number, dropped));
                }
            }
        }
    }

    fn count(&mut self, packet: &Hostile, dropped: bool) {
        let (kind, paged) = (packet.kind, packet.linear.is_some());
        let is_its = |tally: &Tally| tally.kind == kind && tally.paged == paged;
        let place = self.tallies.iter().position(is_its).unwrap_or_else(|| {
            self.tallies.push(Tally {
                kind,
                paged,
                sent: 0,
                dropped: 0,
            });
            self.tallies.len() - 1
        });
        self.tallies[place].sent += 1;
        self.tallies[place].dropped += u64::from(dropped);
    }
}

fn example(packet: &Hostile, number: u32, dropped: bool) -> Disagreement {
    let bytes = packet.frame.iter();
    Disagreement {
        packet: number,
        kind: packet.kind,
        linear: packet.linear,
        dropped,
        frame: bytes.map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A storm of one batch, after which the classifier did what this says of each packet.
    fn storm(arrives: impl Fn(&Hostile) -> bool) -> Storm {
        let mut generator = Generator::new(1);
        let batch: Vec<Hostile> = (0..256).map(|_| generator.packet()).collect();
        let arrived: Vec<bool> = batch.iter().map(arrives).collect();
        let mut storm = Storm::default();
        storm.add(Decoder::Prost, &batch, 0, Some(&arrived));
        storm
    }

    #[test]
    fn what_arrives_is_compared_with_the_decoder() {
        let drops = |packet: &Hostile| oracle::drops(Decoder::Prost, &packet.frame);
        let right = storm(|packet| !drops(packet));
        let dropped: u64 = right.tallies.iter().map(|tally| tally.dropped).sum();
        assert_eq!((right.disagreements, right.delivered + dropped), (0, 256));
        let wrong = storm(drops);
        assert_eq!((wrong.disagreements, wrong.examples.len()), (256, EXAMPLES));
        assert_eq!(wrong.examples[4].packet, 4);
    }

    #[test]
    fn a_batch_without_its_sentinel_is_sent_and_not_closed() {
        let mut storm = Storm::default();
        storm.add(Decoder::Prost, &[Generator::new(1).packet()], 0, None);
        assert_eq!((storm.batches, storm.closed, storm.delivered), (1, 0, 0));
        assert_eq!(storm.tallies[0].sent, 1);
    }

    #[test]
    fn counters_are_read_and_do_not_fall() {
        let mut said = Vec::new();
        let mut driver = Driver::new("9\n1\n2\n3\n".as_bytes(), &mut said);
        let now = Counters::read(&mut driver, Decoder::Pbtools).unwrap();
        assert_eq!(now.0, [1, 2, 3, 9]);
        assert_eq!(now.since(Counters([1, 0, 0, 9])).unwrap(), [0, 2, 3, 0]);
        assert!(Counters([0; 4]).since(Counters([0, 1, 0, 0])).is_err());
        assert_eq!(said, b"read apart 0\nread runs\nread drops\nread skbs 1\n");
    }
}
