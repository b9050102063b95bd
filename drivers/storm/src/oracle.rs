//! What `kfunc_dropme` is to decide: its rule, as it is written in dropme_packet.h,
//! on top of prost's decoder, or of pbtools' as it is understood here.

use std::fmt;

use prost::Message;

/// A decoder of the message `foo { bool drop = 1; }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// Rust's prost.
    Prost,
    /// What pbtools generates, which decides otherwise than prost on a message with a group,
    /// or with a number that is too wide: a key of more than 32 bits, any of more than 64
    /// bits, or a `drop` whose lower 32 bits are 0.
    Pbtools,
}

impl fmt::Display for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decoder::Prost => "prost",
            Decoder::Pbtools => "pbtools",
        })
    }
}

#[derive(Message)]
struct Foo {
    #[prost(bool, tag = "1")]
    drop: bool,
}

/// Whether a frame, from its Ethernet header on, is to be dropped.
pub fn drops(decoder: Decoder, frame: &[u8]) -> bool {
    let decoded = message(frame).and_then(|message| match decoder {
        Decoder::Prost => Some(Foo::decode(message).ok()?.drop),
        Decoder::Pbtools => Pbtools::of(message).drop(),
    });
    decoded.unwrap_or(false)
}

/// The decoder that pbtools 0.32.1 generates, with the runtime beside it.
struct Pbtools<'a> {
    rest: &'a [u8],
    /// Whether there was a group or a number that is too wide: prost decides otherwise there.
    departs: bool,
}

impl<'a> Pbtools<'a> {
    fn of(message: &'a [u8]) -> Pbtools<'a> {
        Pbtools {
            rest: message,
            departs: false,
        }
    }

    fn drop(&mut self) -> Option<bool> {
        let mut drop = false;
        while !self.rest.is_empty() {
            let key = self.narrow()?;
            match (key >> 3, key & 7) {
                (0, _) => return None,
                (1, 0) => drop = self.bool()?,
                (1, _) => return None,
                (_, 0) => _ = self.varint()?,
                (_, 1) => self.skip(8)?,
                (_, 2) => {
                    let length = self.varint()?;
                    self.skip(length)?;
                }
                (_, 5) => self.skip(4)?,
                (_, wire) => {
                    self.departs |= wire == 3;
                    return None;
                }
            }
        }
        Some(drop)
    }

    /// A key has the lower 32 bits of its number.
    fn narrow(&mut self) -> Option<u32> {
        let key = self.varint()?;
        self.departs |= key > u32::MAX.into();
        Some(key as u32)
    }

    /// So has a bool.
    fn bool(&mut self) -> Option<bool> {
        let value = self.varint()?;
        self.departs |= value != 0 && value as u32 == 0;
        Some(value as u32 != 0)
    }

    /// Bits beyond the 64th are lost.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for place in 0..10 {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.departs |= place == 9 && *byte > 1;
                return Some(value);
            }
        }
        None
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }
}

/// Whether a frame has something on which pbtools is known to decide otherwise than prost.
#[cfg(test)]
pub fn pbtools_departs(frame: &[u8]) -> bool {
    message(frame).is_some_and(|message| {
        let mut decoder = Pbtools::of(message);
        decoder.drop();
        decoder.departs
    })
}

/// The bytes of the message, if the frame has one.
fn message(frame: &[u8]) -> Option<&[u8]> {
    let payload = datagram(ipv4_payload(frame)?)?;
    let (length, rest) = payload.split_first_chunk()?;
    rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn ipv4_payload(frame: &[u8]) -> Option<&[u8]> {
    let packet = frame.strip_prefix(frame.get(..12)?)?;
    let packet = packet.strip_prefix(&[0x08, 0x00])?;
    let header = packet.first_chunk::<20>()?;
    let is_fragment = u16_at(header, 6) & 0x3fff != 0;
    if header[0] >> 4 != 4 || header[9] != 17 || is_fragment {
        return None;
    }
    let header_length = usize::from(header[0] & 15) * 4;
    if header_length < 20 {
        return None;
    }
    packet.get(header_length..usize::from(u16_at(header, 2)))
}

/// The payload of a UDP datagram, which may be shorter than what holds it.
fn datagram(bytes: &[u8]) -> Option<&[u8]> {
    let header = bytes.first_chunk::<8>()?;
    bytes.get(8..usize::from(u16_at(header, 4)))
}

fn u16_at(bytes: &[u8], place: usize) -> u16 {
    u16::from_be_bytes([bytes[place], bytes[place + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Draft;

    /// A frame with this payload, whose message says drop unless it is changed.
    fn sent(payload: &[u8]) -> Vec<u8> {
        Draft::of(payload.to_vec()).frame()
    }

    const DROP: &[u8] = &[2, 0, 0, 0, 8, 1];

    /// The decision when a byte of the frame is another.
    fn with(place: usize, byte: u8) -> bool {
        let mut frame = sent(DROP);
        frame[place] = byte;
        both(&frame)
    }

    /// What both decoders decide.
    fn both(frame: &[u8]) -> bool {
        let [prost, pbtools] = [Decoder::Prost, Decoder::Pbtools].map(|it| drops(it, frame));
        assert_eq!(prost, pbtools, "{frame:x?}");
        prost
    }

    #[test]
    fn pbtools_departs_from_prost_in_four_ways() {
        let of = |message: &[u8]| {
            let frame = sent(&[&[message.len() as u8, 0, 0, 0], message].concat());
            assert!(pbtools_departs(&frame));
            [Decoder::Prost, Decoder::Pbtools].map(|it| drops(it, &frame))
        };
        let group = [0x13, 0x14, 8, 1];
        assert_eq!(of(&group), [true, false]);
        let wide_key = [0x88, 0x80, 0x80, 0x80, 0x10, 1];
        assert_eq!(of(&wide_key), [false, true]);
        let of_65_bits = [8, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2];
        assert_eq!(of(&of_65_bits), [false, true]);
        let upper_bits = [8, 0x80, 0x80, 0x80, 0x80, 0x10];
        assert_eq!(of(&upper_bits), [true, false]);
    }

    #[test]
    fn a_message_decides() {
        assert!(both(&sent(DROP)));
        assert!(both(&sent(&[2, 0, 0, 0, 8, 1, 8, 0])));
        for payload in [
            &[][..],
            &[2, 0, 0],
            &[2, 0, 0, 0, 8],
            &[2, 0, 0, 0, 8, 0],
            &[1, 0, 0, 0, 8, 1],
            &[4, 0, 0, 0, 8, 1, 8, 0],
            &[255, 255, 255, 255, 8, 1],
        ] {
            assert!(!both(&sent(payload)), "{payload:?}");
        }
    }

    #[test]
    fn other_packets_pass() {
        let (ether_type, version, flags, protocol) = (12, 14, 20, 23);
        assert!(!with(ether_type, 0x86));
        assert!(!with(version, 0x65));
        assert!(!with(flags, 0x20));
        assert!(!with(flags + 1, 1));
        assert!(with(flags, 0xc0));
        assert!(!with(protocol, 6));
    }

    #[test]
    fn lengths_nest() {
        let (header, total, datagram) = (14, 17, 39);
        assert_eq!(
            [0x44, 0x45, 0x46].map(|byte| with(header, byte)),
            [false, true, false]
        );
        assert_eq!(
            [33, 34, 35].map(|byte| with(total, byte)),
            [false, true, false]
        );
        assert_eq!(
            [13, 14, 15].map(|byte| with(datagram, byte)),
            [false, true, false]
        );
        let frame = sent(DROP);
        assert!((0..frame.len()).all(|end| !both(&frame[..end])));
        assert!(both(&[frame, vec![0; 20]].concat()));
    }
}
