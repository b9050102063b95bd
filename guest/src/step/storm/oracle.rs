//! What `kfunc_dropme` is to decide: its rule, as it is written above the kfunc,
//! on top of prost's decoder.

use prost::Message;

#[derive(Message)]
struct Foo {
    #[prost(bool, tag = "1")]
    drop: bool,
}

/// Whether a frame, from its Ethernet header on, is to be dropped.
pub fn drops(frame: &[u8]) -> bool {
    message(frame)
        .and_then(|message| Foo::decode(message).ok())
        .is_some_and(|decoded| decoded.drop)
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
    use crate::net::{RECEIVER, SENDER};
    use crate::packet::frame;
    use kassay_guest::Packet;

    /// A frame with this payload, whose message says drop unless it is changed.
    fn sent(payload: &[u8]) -> Vec<u8> {
        let packet = Packet {
            payload: payload.to_vec(),
            ..Packet::default()
        };
        frame(&packet, 40000, &SENDER, &RECEIVER)
    }

    const DROP: &[u8] = &[2, 0, 0, 0, 8, 1];

    /// The decision when a byte of the frame is another.
    fn with(place: usize, byte: u8) -> bool {
        let mut frame = sent(DROP);
        frame[place] = byte;
        drops(&frame)
    }

    #[test]
    fn a_message_decides() {
        assert!(drops(&sent(DROP)));
        assert!(drops(&sent(&[2, 0, 0, 0, 8, 1, 8, 0])));
        for payload in [
            &[][..],
            &[2, 0, 0],
            &[2, 0, 0, 0, 8],
            &[2, 0, 0, 0, 8, 0],
            &[1, 0, 0, 0, 8, 1],
            &[4, 0, 0, 0, 8, 1, 8, 0],
            &[255, 255, 255, 255, 8, 1],
        ] {
            assert!(!drops(&sent(payload)), "{payload:?}");
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
        assert!((0..frame.len()).all(|end| !drops(&frame[..end])));
        assert!(drops(&[frame, vec![0; 20]].concat()));
    }
}
