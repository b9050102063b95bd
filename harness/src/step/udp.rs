//! `udp`: packets are sent over a veth pair, and counted three ways.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use anyhow::{Context, Result, bail};
use kassay_guest::section::End;
use kassay_guest::{Arrived, By, FIRST_PORT, Fact, Packet, SENTINEL_PORT, Udp};
use serde::Deserialize;

use super::{Asked, Beside, Doubt, Kind, plain_name};
use crate::attachment;
use crate::excerpt::bounded;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    packets: Vec<FilePacket>,
    #[serde(default)]
    by: By,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePacket {
    pub name: String,
    message: Option<Foo>,
    hex: Option<String>,
    #[serde(default)]
    fragment: bool,
    protocol: Option<u8>,
    port: Option<NonZeroU16>,
}

/// The message `foo { bool drop = 1; }`. A field that is not given is not
/// encoded; one that is given is, even where it has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Foo {
    drop: Option<bool>,
}

/// The ports of a step that packets say, at most: each has a socket.
const PORTS: usize = 16;

/// The longest payload that fits one frame of an ordinary Ethernet.
const MAX_PAYLOAD: usize = 1500 - 20 - 8;

impl Kind for Udp {
    type File = File;
    type Outcome = Arrived;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "udp = { packets = […] }",
        "a child process in a netns of its own sends IPv4 [packets](#packets) over a veth pair, at \
         most 24999. With `by = \"socket\"` it sends them by UDP sockets, so that programs of \
         cgroups and routes see them leave. Otherwise it sends frames, which bypass the socket \
         layer",
    )];

    fn asked(file: File, _: Beside) -> Result<Asked> {
        let (count, by) = (file.packets.len(), file.by);
        let most = SENTINEL_PORT - FIRST_PORT - 1;
        if count > usize::from(most) {
            bail!("a `udp` step of {count} packets: one step sends at most {most}");
        }
        let ports = file.packets.iter().filter_map(|packet| packet.port);
        let ports: BTreeSet<NonZeroU16> = ports.collect();
        if ports.len() > PORTS {
            bail!(
                "packets to {} ports: one step sends to at most {PORTS}",
                ports.len()
            );
        }
        let (mut packets, mut names) = (Vec::new(), Vec::new());
        for packet in file.packets {
            let name = &packet.name;
            plain_name(name).context("read `name` of a packet")?;
            let is_plain = !packet.fragment && packet.protocol.is_none();
            if by == By::Socket && !is_plain {
                bail!("packet `{name}`: a UDP socket sends neither fragments nor another protocol");
            }
            packets.push(encode(&packet).with_context(|| format!("read packet `{name}`"))?);
            names.push(packet.name);
        }
        Ok(Asked {
            names,
            ..Udp { packets, by }.into()
        })
    }

    fn tell(&self, came: &Arrived, names: &[String]) -> String {
        let Arrived {
            sent,
            seen,
            dropped,
            delivered,
            sentinel,
            ..
        } = came;
        let count = delivered.len() + usize::from(*sentinel);
        let arrived: BTreeSet<&usize> = delivered.iter().collect();
        let packets = self.packets.iter().zip(names).enumerate();
        let line = |(place, (packet, name))| {
            let fate = fate(packet, arrived.contains(&place));
            format!("\n  {name}: {fate}")
        };
        let packets: String = packets.map(line).collect();
        format!(": {sent} sent, {seen} classified, {dropped} dropped, {count} delivered{packets}")
    }

    fn check(&self, came: &Arrived, facts: &[Fact]) -> Result<(), Doubt> {
        if agree(&self.packets, came, facts) {
            return Ok(());
        }
        let reason = format!(
            "{} sent, {} classified, {} dropped, delivered {:?}, and the sentinel {}",
            came.sent,
            came.seen,
            came.dropped,
            came.delivered,
            if came.sentinel { "too" } else { "not" }
        );
        Err(Doubt {
            title: "the packet counts disagree".to_owned(),
            reason: bounded(&reason),
        })
    }
}

/// Whether the three counts agree: what was sent, what the programs saw, and what arrived or was
/// dropped.
fn agree(packets: &[Packet], came: &Arrived, facts: &[Fact]) -> bool {
    let Arrived {
        sent,
        seen,
        dropped,
        delivered,
        sentinel,
        ..
    } = came;
    let is_attached = |is_kind: IsKind| is_attached(facts, is_kind);
    let tc = is_attached(attachment::classifies);
    let xdp = is_attached(attachment::is_xdp);
    // What is dropped before it leaves is not sent, and so may the sentinel be.
    let kept = (packets.len() as u64 + 1).saturating_sub(*sent);
    let may_keep = is_attached(attachment::is_at_egress);
    // What has no datagram of its own may have been dropped or not; the
    // classifier's count bounds it. What XDP and cgroups drop no qdisc counts.
    let [missing, strays] = [true, false].map(|datagram| gone(packets, delivered, datagram));
    *sent <= packets.len() as u64 + 1
        && (kept == 0 || may_keep)
        && (*sentinel || kept > 0)
        && is_in_order(packets, delivered)
        && (tc == xdp || seen == sent)
        && *dropped <= missing + strays
        && (dropped.saturating_add(kept) >= missing || is_attached(attachment::drops_uncounted))
}

/// Whether a program is attached to a section of this kind.
fn is_attached(facts: &[Fact], is_kind: IsKind) -> bool {
    let is_it = |fact: &Fact| match fact {
        Fact::Attached {
            section,
            end,
            error: None,
            ..
        } => is_kind(section, *end),
        _ => false,
    };
    facts.iter().any(is_it)
}

/// Whether programs of a section, which are at an end, are of one kind.
type IsKind = fn(&str, Option<End>) -> bool;

/// How many packets were not delivered, of those with a datagram of their own or of the others.
fn gone(packets: &[Packet], delivered: &[usize], datagram: bool) -> u64 {
    let arrived: BTreeSet<&usize> = delivered.iter().collect();
    let gone = packets
        .iter()
        .enumerate()
        .filter(|(place, packet)| has_datagram(packet) == datagram && !arrived.contains(place));
    gone.count() as u64
}

/// Whether the places of what was delivered rise, and are places of packets.
fn is_in_order(packets: &[Packet], delivered: &[usize]) -> bool {
    delivered.windows(2).all(|pair| pair[0] < pair[1])
        && delivered.last().is_none_or(|last| *last < packets.len())
}

/// Whether a packet that is not dropped reaches a UDP socket.
pub fn has_datagram(packet: &Packet) -> bool {
    !packet.fragment && packet.protocol.is_none_or(|protocol| protocol == 17)
}

/// What became of a packet. One that no UDP socket would get by itself cannot
/// be told apart from a dropped one by its arrival; the counts tell.
fn fate(packet: &Packet, delivered: bool) -> &'static str {
    match (delivered, has_datagram(packet)) {
        (true, _) => "delivered",
        (false, true) => "dropped",
        (false, false) => "not a datagram",
    }
}

pub fn encode(packet: &FilePacket) -> Result<Packet> {
    let payload = match (&packet.message, &packet.hex) {
        (Some(message), None) => message.payload(),
        (None, Some(hex)) => parse_hex(hex)?,
        _ => bail!("a packet has either a `message` or a payload in `hex`"),
    };
    if payload.len() > MAX_PAYLOAD {
        bail!(
            "a payload of {} bytes: at most {MAX_PAYLOAD} fit a frame",
            payload.len()
        );
    }
    Ok(Packet {
        payload,
        fragment: packet.fragment,
        protocol: packet.protocol,
        port: packet.port.map(NonZeroU16::get),
    })
}

impl Foo {
    /// The message behind its length, as `kfunc_dropme` reads it.
    fn payload(&self) -> Vec<u8> {
        // Field 1 as a varint: the tag is 1 << 3 | 0.
        let message = self
            .drop
            .map_or(Vec::new(), |drop| vec![0x08, u8::from(drop)]);
        [(message.len() as u32).to_le_bytes().to_vec(), message].concat()
    }
}

pub fn parse_hex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()
        .with_context(|| format!("`{}` is not hexadecimal", bounded(text)))?;
    if !digits.len().is_multiple_of(2) {
        bail!("`{}` has an odd number of digits", bounded(text));
    }
    Ok(digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect())
}
