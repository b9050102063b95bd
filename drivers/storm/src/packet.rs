//! IPv4 datagrams in Ethernet frames, put together byte by byte: what is to be sent
//! includes packets that no socket would make.

use std::net::Ipv4Addr;

/// The ends' addresses (TEST-NET-1, RFC 5737), which kassay gives them.
const SENDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Nobody has this address, so that the receiving end's IP stack looks no
/// further and sends no answers.
const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 3];

/// EtherTypes. That of frames that are not IPv4 is for experiments (IEEE Std 802).
pub const IPV4: u16 = 0x0800;
const VLAN: u16 = 0x8100;
pub const OTHER_ETHER_TYPE: u16 = 0x88b5;

/// The IP protocol number.
const UDP: u8 = 17;
/// In the IPv4 header's flags: more of this datagram follows.
pub const MORE_FRAGMENTS: u16 = 0x2000;
const PORT: u16 = 4242;

/// Where the IP header begins in a frame without a tag.
pub const IP: usize = 14;

/// Where the source address is in a frame.
pub const SOURCE: std::ops::Range<usize> = 6..12;

/// A frame in the making.
pub struct Draft {
    pub tag: Option<u16>,
    pub ether_type: u16,
    pub version: u8,
    pub fragment: u16,
    pub protocol: u8,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Draft {
    /// A plain UDP datagram.
    pub fn of(payload: Vec<u8>) -> Draft {
        Draft {
            tag: None,
            ether_type: IPV4,
            version: 4,
            fragment: 0,
            protocol: UDP,
            options: Vec::new(),
            payload,
        }
    }

    /// Where the UDP header begins, if there is no tag.
    pub fn udp(&self) -> usize {
        IP + 20 + self.options.len()
    }

    /// The frame. The sender fills in its source address. The UDP checksum is left out, as
    /// IPv4 allows.
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = [NOBODY, [0; 6]].concat();
        if let Some(tag) = self.tag {
            frame.extend(VLAN.to_be_bytes());
            frame.extend(tag.to_be_bytes());
        }
        frame.extend(self.ether_type.to_be_bytes());
        frame.extend(self.ip_header());
        for field in [PORT, PORT, 8 + self.payload.len() as u16, 0] {
            frame.extend(field.to_be_bytes());
        }
        frame.extend(&self.payload);
        frame
    }

    fn ip_header(&self) -> Vec<u8> {
        let mut header = vec![0; 20];
        header.extend(&self.options);
        header[0] = self.version << 4 | (header.len() / 4) as u8;
        let total = header.len() + 8 + self.payload.len();
        header[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        header[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        header[8] = 64;
        header[9] = self.protocol;
        header[12..16].copy_from_slice(&SENDER.octets());
        header[16..20].copy_from_slice(&RECEIVER.octets());
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }
}

/// The Internet checksum (RFC 1071) of a header, which is whole words long.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2);
    let mut sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
