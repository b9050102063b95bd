//! Ethernet frames, put together byte by byte: what is to be sent includes
//! packets that no socket would make.

use std::net::Ipv4Addr;

use kassay_guest::Packet;

use crate::net::End;

/// The IP protocol number.
pub const UDP: u8 = 17;
/// In the IPv4 header's flags: more of this datagram follows.
pub const MORE_FRAGMENTS: u16 = 0x2000;

/// The UDP port that packets are sent to unless they say another one.
pub const LISTEN_PORT: u16 = 4242;

/// The UDP port that a packet is sent to.
pub fn port(packet: &Packet) -> u16 {
    packet.port.unwrap_or(LISTEN_PORT)
}

/// The frame of one packet. The UDP checksum is left out, as IPv4 allows.
pub fn frame(packet: &Packet, source_port: u16, from: &End, to: &End) -> Vec<u8> {
    let udp_length = 8 + packet.payload.len();
    let mut frame = Vec::with_capacity(14 + 20 + udp_length);
    frame.extend(to.mac);
    frame.extend(from.mac);
    frame.extend(0x0800u16.to_be_bytes());
    frame.extend(ipv4_header(
        packet,
        udp_length as u16,
        source_port,
        from.ip,
        to.ip,
    ));
    frame.extend(source_port.to_be_bytes());
    frame.extend(port(packet).to_be_bytes());
    // A first fragment announces a datagram of which more is to come.
    let announced = if packet.fragment {
        udp_length + 8
    } else {
        udp_length
    };
    frame.extend((announced as u16).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(&packet.payload);
    frame
}

fn ipv4_header(packet: &Packet, data: u16, id: u16, from: Ipv4Addr, to: Ipv4Addr) -> [u8; 20] {
    let mut header = [0u8; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(20 + data).to_be_bytes());
    header[4..6].copy_from_slice(&id.to_be_bytes());
    let flags = if packet.fragment { MORE_FRAGMENTS } else { 0 };
    header[6..8].copy_from_slice(&flags.to_be_bytes());
    header[8] = 64;
    header[9] = packet.protocol.unwrap_or(UDP);
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The Internet checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
