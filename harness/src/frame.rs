//! Frames and packets in words.

use etherparse::{
    IpPayloadSlice, Ipv4Slice, Ipv6ExtensionSlice, Ipv6Slice, LinkExtSlice, LinkSlice, NetSlice,
    SlicedPacket, TransportSlice,
};

/// What the kernel puts before a packet of programs that see no header of Ethernet, which are run on
/// data (net/bpf/test_run.c, 6.11).
const NO_HEADER: [u8; 14] = [0; 14];

/// An Ethernet frame, or the packet in one whose header is none, in words, its headers from the
/// outer one on; none where the bytes are no such thing, or its lengths do not fit. What does not
/// begin with a header of Ethernet is not told: an address of Ethernet may look like a packet.
pub fn words(bytes: &[u8]) -> Option<String> {
    let packet = match bytes.strip_prefix(&NO_HEADER) {
        Some(packet) => SlicedPacket::from_ip(packet),
        None => SlicedPacket::from_ethernet(bytes),
    };
    let packet = packet.ok().filter(|packet| packet.net.is_some())?;
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
    let options = header.options();
    let options = (!options.is_empty()).then(|| format!("{} of options", size(options)));
    let offset = header.fragments_offset().byte_offset();
    let fragment = header
        .is_fragmenting_payload()
        .then(|| fragment(offset, header.more_fragments()));
    let extension = packet.extensions().auth.map(|_| AUTHENTICATION.to_owned());
    let parts = [options, fragment, extension];
    let ttl = header.ttl();
    let inside = inside(packet.payload());
    format!("IPv4 {from} > {to}, TTL {ttl}{}{inside}", listed(parts))
}

fn ipv6(packet: &Ipv6Slice) -> String {
    let header = packet.header();
    let (from, to) = (header.source_addr(), header.destination_addr());
    let extensions = packet.extensions().clone().into_iter();
    let extensions = listed(extensions.map(|extension| Some(extension_name(&extension))));
    let inside = inside(packet.payload());
    let limit = header.hop_limit();
    format!("IPv6 {from} > {to}, hop limit {limit}{extensions}{inside}")
}

const AUTHENTICATION: &str = "authentication header";

/// A header between that of IPv6 and what is in the packet.
fn extension_name(extension: &Ipv6ExtensionSlice) -> String {
    match extension {
        Ipv6ExtensionSlice::HopByHop(_) => "hop-by-hop options".to_owned(),
        Ipv6ExtensionSlice::Routing(_) => "routing header".to_owned(),
        Ipv6ExtensionSlice::DestinationOptions(_) => "destination options".to_owned(),
        Ipv6ExtensionSlice::Authentication(_) => AUTHENTICATION.to_owned(),
        Ipv6ExtensionSlice::Fragment(header) => fragment(
            header.fragment_offset().byte_offset(),
            header.more_fragments(),
        ),
    }
}

/// Which part of a packet this is.
fn fragment(offset: u16, has_more: bool) -> String {
    let more = if has_more { ", more follow" } else { "" };
    format!("fragment at {offset}{more}")
}

/// Those that are there, each after a comma.
fn listed(parts: impl IntoIterator<Item = Option<String>>) -> String {
    let there = parts.into_iter().flatten();
    there.map(|part| format!(", {part}")).collect()
}

/// What is in an IP packet, where it is none of the kinds that have words of their own: ICMP, IGMP,
/// TCP, UDP, ICMPv6, each of which is whole.
fn inside(payload: &IpPayloadSlice) -> String {
    match payload.ip_number.0 {
        1 | 2 | 6 | 17 | 58 if !payload.fragmented => String::new(),
        protocol => format!(", protocol {protocol}, {}", size(payload.payload)),
    }
}

fn transport(transport: &TransportSlice) -> String {
    match transport {
        TransportSlice::Udp(udp) => {
            let (from, to) = (udp.source_port(), udp.destination_port());
            match udp.length() {
                // It is less than its own header.
                0 => format!("UDP {from} > {to}, length 0"),
                _ => format!("UDP {from} > {to}, {}", size(udp.payload())),
            }
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
        assert_eq!(words(&frame[..frame.len() - 1]), None);
        assert_eq!(words(b"plain text"), None);
        let bare = [&NO_HEADER, &frame[18..]].concat();
        assert_eq!(words(&bare).unwrap(), packet);
    }

    #[test]
    fn an_address_of_ethernet_is_no_packet() {
        let to = [0x60, 0, 0, 0, 0, 0];
        let frame = [&to[..], &[2, 0, 0, 0, 0, 1], &[0x88, 0xb5], &[0; 46]].concat();
        assert_eq!(words(&frame), None);
    }

    /// The words of an IPv4 packet of this protocol with these flags and offset, in a frame.
    fn ipv4_words(protocol: u8, fragment: [u8; 2], payload: &[u8]) -> String {
        let length = 20 + payload.len() as u8;
        let [high, low] = fragment;
        let header = [0x45, 0, 0, length, 0, 1, high, low, 64, protocol, 0, 0];
        let addresses = [192, 0, 2, 1, 192, 0, 2, 2];
        words(&[&NO_HEADER, &header[..], &addresses, payload].concat()).unwrap()
    }

    #[test]
    fn a_fragment_says_where_it_belongs_and_what_it_is_of() {
        let of = "IPv4 192.0.2.1 > 192.0.2.2, TTL 64, fragment at";
        let fragment = |flags| ipv4_words(17, flags, &[0; 8]);
        let first = format!("{of} 0, more follow, protocol 17, 8 bytes");
        assert_eq!(fragment([0x20, 0]), first);
        assert_eq!(
            fragment([0x20, 2]),
            format!("{of} 16, more follow, protocol 17, 8 bytes")
        );
        assert_eq!(fragment([0, 2]), format!("{of} 16, protocol 17, 8 bytes"));
    }

    #[test]
    fn a_length_of_udp_is_as_its_header_has_it() {
        let udp = [0, 5, 0, 6, 0, 0, 0, 0, 1, 2, 3, 4];
        assert!(ipv4_words(17, [0, 0], &udp).ends_with("TTL 64, UDP 5 > 6, length 0"));
    }

    #[test]
    fn headers_between_are_named() {
        let udp = [0, 5, 0, 6, 0, 8, 0, 0];
        let authentication = [&[17, 2], &[0; 14][..], &udp].concat();
        let said = ipv4_words(51, [0, 0], &authentication);
        assert!(
            said.ends_with("TTL 64, authentication header, UDP 5 > 6, 0 bytes"),
            "{said}"
        );
        let header = [&[0x60, 0, 0, 0, 0, 24, 0, 9], &[1; 32][..]].concat();
        let hops = [44, 0, 1, 4, 0, 0, 0, 0];
        let fragment = [17, 0, 0, 8, 0, 0, 0, 1];
        let packet = [&NO_HEADER, &header[..], &hops, &fragment, &udp].concat();
        let said = words(&packet).unwrap();
        let end = "hop limit 9, hop-by-hop options, fragment at 8, protocol 17, 8 bytes";
        assert!(said.ends_with(end), "{said}");
    }

    #[test]
    fn a_packet_in_a_packet_is_a_protocol() {
        let builder = PacketBuilder::ipv6([1; 16], [2; 16], 9);
        let mut packet = NO_HEADER.to_vec();
        builder.write(&mut packet, 41.into(), b"abcd").unwrap();
        let words = words(&packet).unwrap();
        assert!(
            words.ends_with("hop limit 9, protocol 41, 4 bytes"),
            "{words}"
        );
    }
}
