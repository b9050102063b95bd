//! `storm`: generated packets, most of them hostile, are sent over a veth pair.
//! What arrives behind the classifier is compared with what an independent
//! decoder says of each.

mod generator;
mod oracle;

use std::time::Duration;

use anyhow::{Result, bail};
use kassay_guest::{Decoder, Disagreement, Outcome, Storm, Tally};

use crate::bpf;
use crate::net::{self, Net, RECEIVER, SENDER};
use crate::packet_socket::PacketSocket;

use generator::{Generator, Hostile, OTHER_ETHER_TYPE};

/// How long the receiver waits for the next frame before it gives up.
const SILENCE: Duration = Duration::from_secs(10);

/// Packets between two sentinels. All of a batch can lie in the receiver's buffer.
const BATCH: u32 = 256;

/// Room for a batch, in bytes.
const ROOM: usize = 16 << 20;

/// The number of a sentinel.
const SENTINEL: u32 = u32::MAX;

/// How many disagreements are told in full.
const EXAMPLES: usize = 5;

/// The program's array that counts socket buffers, and the place of non-linear ones.
const SKBS: (&str, u32) = ("skbs", 1);

/// The program's array that counts packets which two modules decide differently.
const APART: &str = "apart";

/// Sends the packets, batch by batch, and compares.
pub fn run(packets: u32, seed: u32, decoder: Decoder, net: &Net) -> Result<Outcome> {
    let ends = Ends::open(net)?;
    let mut generator = Generator::new(seed);
    let mut storm = Storm {
        seed,
        ..Storm::default()
    };
    let (ran, paged) = (bpf::runs(&net.classifiers), bpf::counter(SKBS.0, SKBS.1)?);
    let (dropped, apart) = (net.drops()?, apart(decoder)?);
    let mut first = 0;
    while first < packets && storm.closed == storm.batches {
        let count = BATCH.min(packets - first);
        let batch: Vec<Hostile> = (first..first + count)
            .map(|number| numbered(generator.packet(), number))
            .collect();
        let arrived = ends.exchange(&batch, first)?;
        add(&mut storm, decoder, &batch, first, arrived.as_deref());
        first += count;
    }
    if ends.lost()? > 0 {
        bail!("a receiving socket had no room for a frame");
    }
    storm.seen = bpf::runs_since(&net.classifiers, &ran);
    storm.paged = bpf::counter(SKBS.0, SKBS.1)? - paged;
    storm.dropped = net.drops()? - dropped;
    storm.apart_seen = self::apart(decoder)? - apart;
    Ok(Outcome::Storm(storm))
}

/// How many packets two modules decided differently so far, where there are two.
fn apart(decoder: Decoder) -> Result<u64> {
    match decoder {
        Decoder::Prost => Ok(0),
        Decoder::Pbtools => bpf::counter(APART, 0),
    }
}

/// The packet with its number in the source address, which no rule looks at and
/// no mutation changes.
fn numbered(mut packet: Hostile, number: u32) -> Hostile {
    packet.frame[6..12].copy_from_slice(&address(number));
    packet
}

fn address(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 1, a, b, c, d]
}

/// Adds a batch and which of it arrived, if that is known.
fn add(
    storm: &mut Storm,
    decoder: Decoder,
    batch: &[Hostile],
    first: u32,
    arrived: Option<&[bool]>,
) {
    storm.batches += 1;
    storm.closed += u64::from(arrived.is_some());
    for (place, packet) in batch.iter().enumerate() {
        let dropped = oracle::drops(decoder, &packet.frame);
        let is_apart = dropped != oracle::drops(Decoder::Prost, &packet.frame);
        storm.apart += u64::from(is_apart);
        count(&mut storm.tallies, packet, dropped);
        let Some(arrived) = arrived else { continue };
        storm.delivered += u64::from(arrived[place]);
        // The one says drop and the other accept.
        if arrived[place] == dropped {
            storm.disagreements += 1;
            if storm.examples.len() < EXAMPLES {
                let number = first + place as u32;
                storm.examples.push(example(packet, number, dropped));
            }
        }
    }
}

fn count(tallies: &mut Vec<Tally>, packet: &Hostile, dropped: bool) {
    let (kind, paged) = (packet.kind, packet.linear.is_some());
    let is_its = |tally: &Tally| tally.kind == kind && tally.paged == paged;
    let place = tallies.iter().position(is_its).unwrap_or_else(|| {
        tallies.push(Tally {
            kind,
            paged,
            sent: 0,
            dropped: 0,
        });
        tallies.len() - 1
    });
    tallies[place].sent += 1;
    tallies[place].dropped += u64::from(dropped);
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

/// The sockets at both ends. This process has those of either namespace.
struct Ends {
    sender: PacketSocket,
    /// Receives IPv4, tagged or not.
    receiver: PacketSocket,
    /// Receives the other EtherType, and the sentinels.
    other: PacketSocket,
}

impl Ends {
    fn open(net: &Net) -> Result<Ends> {
        let home = net::namespace()?;
        net::enter(&net.sender_namespace)?;
        let sender = PacketSocket::open(SENDER.name, 0);
        net::enter(&home)?;
        let ends = Ends {
            sender: sender?,
            receiver: PacketSocket::open(RECEIVER.name, 0x0800)?,
            other: PacketSocket::open(RECEIVER.name, OTHER_ETHER_TYPE)?,
        };
        ends.sender.expect_header()?;
        ends.receiver.prepare(ROOM, SILENCE)?;
        ends.other.prepare(ROOM, SILENCE)?;
        Ok(ends)
    }

    /// Sends a batch and a sentinel, and says which packets of it arrived; none
    /// if the sentinel did not.
    fn exchange(&self, batch: &[Hostile], first: u32) -> Result<Option<Vec<bool>>> {
        for packet in batch {
            self.send(&packet.frame, packet.linear)?;
        }
        let mut sentinel = vec![0; 60];
        sentinel[6..12].copy_from_slice(&address(SENTINEL));
        sentinel[12..14].copy_from_slice(&OTHER_ETHER_TYPE.to_be_bytes());
        self.send(&sentinel, None)?;

        let mut arrived = vec![false; batch.len()];
        let mut head = [0; 14];
        let mut mark = |head: [u8; 14]| {
            let number = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
            let place = number.wrapping_sub(first) as usize;
            match arrived.get_mut(place) {
                Some(arrived) if !*arrived => *arrived = true,
                _ => bail!("frame {number} arrived twice, or outside of its batch"),
            }
            Ok(())
        };
        loop {
            if !self.other.wait(&mut head)? {
                return Ok(None);
            }
            if head[6..12] == address(SENTINEL) {
                break;
            }
            mark(head)?;
        }
        // What came before the sentinel is there already.
        while self.receiver.take(&mut head)? {
            mark(head)?;
        }
        Ok(Some(arrived))
    }

    /// Sends a frame behind a `virtio_net_hdr` (linux/virtio_net.h) that says
    /// nothing but how many bytes of it are to be linear.
    fn send(&self, frame: &[u8], linear: Option<u16>) -> Result<()> {
        let linear = linear.unwrap_or(frame.len() as u16);
        let mut bytes = Vec::with_capacity(10 + frame.len());
        bytes.extend([0, 0]);
        bytes.extend(linear.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(frame);
        self.sender.send(&bytes)
    }

    fn lost(&self) -> Result<u32> {
        Ok(self.receiver.lost()? + self.other.lost()?)
    }
}
