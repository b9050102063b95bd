//! Frames and packets in words.

use etherparse::{
    Ipv4Slice, Ipv6Slice, LinkExtSlice, LinkSlice, NetSlice, SlicedPacket, TransportSlice,
};

/// An Ethernet frame, or an IP packet without one, in words, its headers from the outer one on; none
/// where the bytes are no such thing, or its lengths do not fit.
pub fn words(bytes: &[u8]) -> Option<String> {
    let is_whole = |packet: &SlicedPacket| packet.net.is_some();
    let frame = SlicedPacket::from_ethernet(bytes).ok().filter(is_whole);
    let packet = frame.or_else(|| SlicedPacket::from_ip(bytes).ok())?;
    let link = packet.link.as_ref().and_then(link);
    let tags = packet.link_exts.iter().map(tag);
    let net = packet.net.as_ref().map(net);
    let transport = packet.transport.as_ref().map(transport);
    let all = link.into_iter().chain(tags).chain(net).chain(transport);
    Some(all.collect::<Vec<_>>().join(", "))
}

fn link(link: &LinkSlice) -> Option<String> {
    let LinkSlice::Ethernet2(frame) = link else {
        return None;
    };
    let [from, to] = [frame.source(), frame.destination()].map(|address| {
        let bytes = address.map(|byte| format!("{byte:02x}"));
        bytes.join(":")
    });
    Some(format!("Ethernet {from} > {to}"))
}

fn tag(tag: &LinkExtSlice) -> String {
    match tag {
        LinkExtSlice::Vlan(vlan) => format!("VLAN {}", vlan.vlan_identifier().value()),
        LinkExtSlice::Macsec(_) => "MACsec".to_owned(),
    }
}

fn net(net: &NetSlice) -> String {
    match net {
        NetSlice::Ipv4(packet) => ipv4(packet),
        NetSlice::Ipv6(packet) => ipv6(packet),
        NetSlice::Arp(arp) => format!("ARP operation {}", arp.operation().0),
    }
}

fn ipv4(packet: &Ipv4Slice) -> String {
    let header = packet.header();
    let (from, to) = (header.source_addr(), header.destination_addr());
    let inside = inside(packet.payload_ip_number().0, packet.payload().payload);
    format!("IPv4 {from} > {to}, TTL {}{inside}", header.ttl())
}

fn ipv6(packet: &Ipv6Slice) -> String {
    let header = packet.header();
    let (from, to) = (header.source_addr(), header.destination_addr());
    let payload = packet.payload();
    let inside = inside(payload.ip_number.0, payload.payload);
    format!(
        "IPv6 {from} > {to}, hop limit {}{inside}",
        header.hop_limit()
    )
}

/// What is in an IP packet, where it is none of the kinds that have words of their own: ICMP, IGMP,
/// TCP, UDP, ICMPv6.
fn inside(protocol: u8, payload: &[u8]) -> String {
    match protocol {
        1 | 2 | 6 | 17 | 58 => String::new(),
        _ => format!(", protocol {protocol}, {}", size(payload)),
    }
}

fn transport(transport: &TransportSlice) -> String {
    match transport {
        TransportSlice::Udp(udp) => {
            let (from, to) = (udp.source_port(), udp.destination_port());
            format!("UDP {from} > {to}, {}", size(udp.payload()))
        }
        TransportSlice::Tcp(tcp) => {
            let (from, to) = (tcp.source_port(), tcp.destination_port());
            format!("TCP {from} > {to}, {}", size(tcp.payload()))
        }
        TransportSlice::Icmpv4(icmp) => format!("ICMP type {}", icmp.type_u8()),
        TransportSlice::Icmpv6(icmp) => format!("ICMPv6 type {}", icmp.type_u8()),
        TransportSlice::Igmp(_) => "IGMP".to_owned(),
    }
}

fn size(payload: &[u8]) -> String {
    match payload.len() {
        1 => "1 byte".to_owned(),
        length => format!("{length} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    #[test]
    fn a_frame_is_told_from_the_outer_header_on() {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let builder = builder.single_vlan(7.try_into().unwrap());
        let builder = builder
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 63)
            .udp(5, 4242);
        let mut frame = Vec::new();
        builder.write(&mut frame, b"abc").unwrap();
        let outer = "Ethernet 02:00:00:00:00:01 > 02:00:00:00:00:02, VLAN 7, ";
        let packet = "IPv4 192.0.2.1 > 192.0.2.2, TTL 63, UDP 5 > 4242, 3 bytes";
        assert_eq!(words(&frame).unwrap(), format!("{outer}{packet}"));
        assert_eq!(words(&frame[18..]).unwrap(), packet);
        assert_eq!(words(&frame[..frame.len() - 1]), None);
        assert_eq!(words(b"plain text"), None);
    }

    #[test]
    fn a_packet_in_a_packet_is_a_protocol() {
        let builder = PacketBuilder::ipv6([1; 16], [2; 16], 9);
        let mut packet = Vec::new();
        builder.write(&mut packet, 41.into(), b"abcd").unwrap();
        let words = words(&packet).unwrap();
        assert!(
            words.ends_with("hop limit 9, protocol 41, 4 bytes"),
            "{words}"
        );
    }
}
