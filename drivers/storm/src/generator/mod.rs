//! Hostile packets: a stream of frames that is a function of its seed alone.

mod message;

use oorandom::Rand32;

use crate::packet::{Draft, IP, MORE_FRAGMENTS, OTHER_ETHER_TYPE};

/// A frame of at least this many bytes can be sent in pages (net/packet/af_packet.c,
/// `packet_alloc_skb`).
const PAGE: usize = 4096;

/// A kind of generated packet, by what makes it hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message as some encoder might write it, in a datagram that is in order.
    Valid,
    /// A valid packet, of which bytes were changed, added or taken away.
    Mutated,
    /// Random bytes from the message, the payload or the IP header on.
    Random,
    /// A message that is in order, with a length that lies or a frame that ends early.
    Lying,
    /// A message that is in order, in something other than a plain IPv4 datagram.
    Foreign,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [
        Kind::Valid,
        Kind::Mutated,
        Kind::Random,
        Kind::Lying,
        Kind::Foreign,
    ];
}

/// A frame to send.
pub struct Hostile {
    /// From its Ethernet header on. The sender fills in the source address.
    pub frame: Vec<u8>,
    /// What was done to it.
    pub kind: Kind,
    /// Where the linear part of its socket buffer is to end, if pages have the rest.
    pub linear: Option<u16>,
}

/// The stream.
pub struct Generator {
    random: Rand32,
}

impl Generator {
    /// The stream of this seed.
    pub fn new(seed: u32) -> Generator {
        Generator {
            random: Rand32::new(seed.into()),
        }
    }

    /// The next packet.
    pub fn packet(&mut self) -> Hostile {
        let kind = Kind::ALL[self.below(Kind::ALL.len())];
        // The cut falls into a header, the length or the message.
        let cut = self.one_in(4).then(|| IP + self.below(60));
        let mut draft = self.draft(kind, cut);
        let udp = draft.udp();
        if kind == Kind::Foreign {
            self.estrange(&mut draft);
        }
        let mut frame = draft.frame();
        if kind == Kind::Random && self.one_in(3) {
            self.scramble(&mut frame);
        }
        if kind == Kind::Mutated && self.one_in(2) {
            self.mutate(&mut frame, IP);
        }
        if cut.is_some() || self.one_in(8) {
            self.pad(&mut frame, cut.is_some());
        }
        if kind == Kind::Lying {
            self.lie(&mut frame, udp);
        }
        let linear = cut.filter(|_| frame.len() >= PAGE).map(|cut| cut as u16);
        Hostile {
            frame,
            kind,
            linear,
        }
    }

    fn draft(&mut self, kind: Kind, cut: Option<usize>) -> Draft {
        let options = if self.one_in(8) {
            let words = self.below(11);
            self.bytes(4 * words)
        } else {
            Vec::new()
        };
        let mut message = self.content(kind, cut, options.len());
        if kind == Kind::Mutated {
            match self.below(4) {
                0 => self.spoil(&mut message),
                1 => self.mutate(&mut message, 0),
                _ => {}
            }
        }
        let mut payload = (message.len() as u32).to_le_bytes().to_vec();
        payload.extend(message);
        if kind == Kind::Random && self.one_in(3) {
            payload = self.noise();
        }
        if self.one_in(4) {
            let rest = self.below(8);
            payload.extend(self.bytes(rest));
        }
        Draft {
            options,
            ..Draft::of(payload)
        }
    }

    /// The message of a packet with so many bytes of options, before it is mutated.
    fn content(&mut self, kind: Kind, cut: Option<usize>, options: usize) -> Vec<u8> {
        let mut message = match kind {
            Kind::Foreign => vec![8, 1],
            Kind::Random => self.noise(),
            _ => Vec::new(),
        };
        if kind == Kind::Random && self.one_in(2) {
            message.extend([8, 1]);
        }
        if message.is_empty() {
            let headers = 20 + options + 12;
            let filler = cut.filter(|_| self.one_in(4)).map_or(0, |cut| {
                // What follows the filler lies across a border of two pages.
                PAGE * (1 + self.below(2)) + cut - headers - self.below(16)
            });
            message = self.message(filler);
        }
        message
    }

    /// Makes of an IPv4 datagram something else, or what only looks like it.
    fn estrange(&mut self, draft: &mut Draft) {
        match self.below(7) {
            0 => draft.fragment = MORE_FRAGMENTS,
            1 => draft.fragment = 1 + self.random.rand_range(0..0x1fff) as u16,
            2 => draft.fragment = [0x4000, 0x8000, 0xc000][self.below(3)],
            3 => draft.protocol = self.random.rand_u32() as u8,
            4 => draft.version = self.below(16) as u8,
            5 => draft.ether_type = OTHER_ETHER_TYPE,
            _ => draft.tag = Some(self.random.rand_u32() as u16),
        }
    }

    /// Makes one length say something else than what is there, or cuts the frame.
    fn lie(&mut self, frame: &mut Vec<u8>, udp: usize) {
        let (total, length) = (IP + 2, udp + 4);
        let end = frame.len();
        match self.below(6) {
            0 => {
                let said = u32::from_le_bytes([0, 1, 2, 3].map(|byte| frame[udp + 8 + byte]));
                let lie = self.length(said, (end - udp - 12) as u32);
                frame[udp + 8..udp + 12].copy_from_slice(&lie.to_le_bytes());
            }
            1 => {
                let lie = self.length((end - udp) as u32, (end - udp) as u32);
                put(frame, length, lie);
            }
            2 => {
                let lie = self.length((end - IP) as u32, (end - IP) as u32);
                put(frame, total, lie);
            }
            3 => frame[IP] = 0x40 | self.below(16) as u8,
            4 => frame.truncate(IP + self.below(end - IP)),
            _ => {
                // All claim the frame to its end, or nearly so.
                let mut nearly = |length: usize| (length + self.below(4)).saturating_sub(2) as u32;
                let lies = [nearly(end - IP), nearly(end - udp), nearly(end - udp - 12)];
                put(frame, total, lies[0]);
                put(frame, length, lies[1]);
                frame[udp + 8..udp + 12].copy_from_slice(&lies[2].to_le_bytes());
            }
        }
    }

    /// A length that is near the true one, near the frame's end, or far off.
    fn length(&mut self, said: u32, end: u32) -> u32 {
        let near = self.random.rand_range(0..9);
        match self.below(5) {
            0 => said.wrapping_add(near).wrapping_sub(4),
            1 => end.wrapping_add(near).wrapping_sub(4),
            2 => near,
            3 => u32::MAX - near,
            _ => self.random.rand_u32(),
        }
    }

    /// Changes, adds or takes away a few bytes from a place on, mostly soon after it.
    fn mutate(&mut self, bytes: &mut Vec<u8>, from: usize) {
        for _ in 0..1 + self.below(4) {
            let room = bytes.len() - from;
            let near = if self.one_in(4) { room } else { room.min(64) };
            let place = from + self.below(near + 1);
            if place == bytes.len() {
                bytes.push(self.telling_byte());
                continue;
            }
            match self.below(5) {
                0 => bytes[place] ^= 1 << self.below(8),
                1 => bytes[place] = self.telling_byte(),
                2 => drop(bytes.remove(place)),
                3 => bytes.insert(place, self.telling_byte()),
                _ => {
                    let end = (place + 1 + self.below(8)).min(bytes.len());
                    bytes.extend_from_within(place..end);
                }
            }
        }
    }

    /// Fills a frame with random bytes from its IP header on.
    fn scramble(&mut self, frame: &mut Vec<u8>) {
        frame.truncate(IP);
        let length = self.below(100);
        let bytes = self.bytes(length);
        frame.extend(bytes);
        if frame.len() > IP && self.one_in(2) {
            frame[IP] = 0x45;
        }
    }

    /// Lengthens a frame, as link layers do, to a page at least if it is to have some.
    fn pad(&mut self, frame: &mut Vec<u8>, to_page: bool) {
        let least = if to_page { PAGE } else { 0 };
        let length = least.max(frame.len()) + self.below(64);
        // Who reads on may take it for a message that says drop.
        let pad = if self.one_in(2) { [8, 1] } else { [0, 0] };
        let missing = length - frame.len();
        frame.extend(pad.iter().cycle().take(missing));
    }

    /// Bytes of a random number; some are random, the others such as decoders look for.
    fn noise(&mut self) -> Vec<u8> {
        let most = [4, 48][self.below(2)];
        let length = 1 + self.below(most);
        if self.one_in(2) {
            return self.bytes(length);
        }
        (0..length).map(|_| self.telling_byte()).collect()
    }

    fn telling_byte(&mut self) -> u8 {
        const TELLING: &[u8] = &[
            0, 1, 2, 4, 5, 8, 9, 10, 11, 12, 13, 16, 18, 19, 20, 21, 127, 128, 129, 136, 255,
        ];
        TELLING[self.below(TELLING.len())]
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.random.rand_u32() as u8).collect()
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.rand_range(0..end as u32) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Writes a length of two bytes in network order.
fn put(frame: &mut [u8], place: usize, length: u32) {
    frame[place..place + 2].copy_from_slice(&(length as u16).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{self, Decoder};

    /// The largest packet that the pair takes, in bytes.
    const LARGE: u32 = 16000;

    const MANY: usize = 10_000;

    fn packets(seed: u32) -> Vec<Hostile> {
        let mut generator = Generator::new(seed);
        (0..MANY).map(|_| generator.packet()).collect()
    }

    #[test]
    fn a_seed_has_one_stream() {
        let frames = |seed| packets(seed).into_iter().map(|packet| packet.frame);
        assert!(frames(7).eq(frames(7)));
        assert!(frames(7).ne(frames(8)));
    }

    /// FNV-1a.
    fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
        let start = 0xcbf2_9ce4_8422_2325;
        bytes.into_iter().fold(start, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn the_packets_of_a_seed_stay_the_same() {
        let of_seed = |seed| {
            let mut generator = Generator::new(seed);
            hash((0..1000).flat_map(|_| {
                let packet = generator.packet();
                let linear = packet.linear.unwrap_or(u16::MAX).to_be_bytes();
                [&[packet.kind as u8][..], &linear, &packet.frame].concat()
            }))
        };
        assert_eq!(of_seed(7), 11032022177915956674);
        assert_eq!(of_seed(u32::MAX), 14019516129249116234);
        assert_eq!(
            [0, 1].map(of_seed),
            [5172178066654292964, 3559847184842935493]
        );
    }

    #[test]
    fn the_numbers_of_a_seed_stay_the_same() {
        let mut random = Rand32::new(7);
        let numbers = [0; 4].map(|_: u32| random.rand_u32());
        assert_eq!(numbers, [1352667803, 3706616521, 2188350268, 3036842621]);
    }

    #[test]
    fn a_frame_fits_the_pair() {
        for packet in packets(1) {
            let length = packet.frame.len();
            assert!((IP..=IP + LARGE as usize).contains(&length), "{length}");
            assert!(
                packet
                    .linear
                    .is_none_or(|cut| (IP..PAGE).contains(&cut.into()))
            );
        }
    }

    #[test]
    fn every_kind_comes_in_both_layouts_with_both_decisions() {
        let packets = packets(2);
        let count = |kind, paged, drop| {
            let is_such = |packet: &&Hostile| {
                packet.kind == kind
                    && packet.linear.is_some() == paged
                    && oracle::drops(Decoder::Prost, &packet.frame) == drop
            };
            packets.iter().filter(is_such).count()
        };
        for kind in Kind::ALL {
            for (paged, drop) in [(false, false), (false, true), (true, false), (true, true)] {
                assert!(count(kind, paged, drop) > 0, "{kind:?}, {paged}, {drop}");
            }
        }
    }

    #[test]
    fn pbtools_and_prost_differ_on_some_packets_all_of_the_known_kinds() {
        let drops = |decoder, packet: &Hostile| oracle::drops(decoder, &packet.frame);
        let is_apart =
            |packet: &&Hostile| drops(Decoder::Pbtools, packet) != drops(Decoder::Prost, packet);
        let packets = packets(4);
        let apart: Vec<&Hostile> = packets.iter().filter(is_apart).collect();
        assert!(apart.len() > 100, "{}", apart.len());
        for packet in apart {
            assert!(
                oracle::pbtools_departs(&packet.frame),
                "{:x?}",
                packet.frame
            );
        }
    }

    /// The decision about a message in a datagram that is in order.
    fn drops(message: &[u8]) -> bool {
        let frame = Draft {
            payload: [&(message.len() as u32).to_le_bytes(), message].concat(),
            ..Generator::new(0).draft(Kind::Valid, None)
        };
        oracle::drops(Decoder::Prost, &frame.frame())
    }

    #[test]
    fn a_valid_message_decodes_and_a_spoilt_one_does_not() {
        let mut generator = Generator::new(3);
        for _ in 0..MANY {
            let mut message = generator.message(0);
            message.extend([8, 1]);
            assert!(drops(&message), "{message:x?}");
            generator.spoil(&mut message);
            assert!(!drops(&message), "{message:x?}");
        }
    }
}
