//! The judgement of a storm.

use crate::asked::Asked;
use crate::generator::Kind;
use crate::oracle::Decoder;
use crate::storm::{Disagreement, Storm, Tally};

/// How much of a frame is told, in hexadecimal digits. All of it is in the facts.
const DIGITS: usize = 256;

/// What is wrong.
pub struct Fault {
    pub title: String,
    pub reason: String,
}

/// A storm has no packet that the module and the decoder disagree on, and has really
/// tested what it says: its packets were all handled, they were of every kind and
/// layout, and of each layout some were to be dropped and some not.
pub fn check(asked: &Asked, storm: &Storm) -> Result<(), Fault> {
    let Asked {
        packets, decoder, ..
    } = asked;
    let (title, reason) = if storm.disagreements > 0 {
        let examples = storm.examples.iter().map(|it| disagreement(it, *decoder));
        let examples: String = examples.collect();
        let title = format!("the module and {decoder} disagree on a packet");
        (title, format!("{} of them{examples}", storm.disagreements))
    } else if !agree(storm, *packets) {
        let title = "the packet counts disagree".to_owned();
        (title, format!("{storm:?}"))
    } else if !has_all(storm, *decoder) {
        let title = "the storm lacks a kind of packet".to_owned();
        (title, format!("{:?}; it takes more packets", storm.tallies))
    } else {
        return Ok(());
    };
    let reason = format!("{packets} packets of seed {}: {reason}", storm.seed);
    Err(Fault { title, reason })
}

/// How many packets of a layout were sent, and how many of them were to be dropped.
fn sums(storm: &Storm, paged: bool) -> (u128, u128) {
    let of_layout = storm.tallies.iter().filter(|tally| tally.paged == paged);
    of_layout.fold((0, 0), |(sent, dropped), tally| {
        (
            sent + u128::from(tally.sent),
            dropped + u128::from(tally.dropped),
        )
    })
}

/// Whether all ways to count the packets agree. An answer of the guest program may be any
/// u64, hence the wider sums.
fn agree(storm: &Storm, packets: u32) -> bool {
    let [(linear, linear_drops), (paged, paged_drops)] =
        [false, true].map(|paged| sums(storm, paged));
    let packets = u128::from(packets);
    let [batches, dropped] = [storm.batches, storm.dropped].map(u128::from);
    linear + paged == packets
        && storm.closed == storm.batches
        && u128::from(storm.seen) == packets + batches
        && u128::from(storm.paged) == paged
        && dropped == linear_drops + paged_drops
        && storm.apart_seen == storm.apart
        && u128::from(storm.delivered) + dropped == packets
}

/// Whether there were packets of every kind and layout, and both decisions on each layout.
fn has_all(storm: &Storm, decoder: Decoder) -> bool {
    let is_sent = |kind: Kind, paged: bool| {
        let is_its = |tally: &Tally| tally.kind == kind && tally.paged == paged;
        let mut tallies = storm.tallies.iter();
        tallies.any(|tally| is_its(tally) && tally.sent > 0)
    };
    let has_kinds = |paged| Kind::ALL.into_iter().all(|kind| is_sent(kind, paged));
    let is_mixed = |paged| {
        let (sent, dropped) = sums(storm, paged);
        0 < dropped && dropped < sent
    };
    // The transcript says that the two decoders differ on some packets, so some must.
    let differ = storm.apart > 0 || decoder == Decoder::Prost;
    differ
        && [false, true]
            .into_iter()
            .all(|paged| has_kinds(paged) && is_mixed(paged))
}

/// One packet that the module and the decoder disagree on.
fn disagreement(example: &Disagreement, decoder: Decoder) -> String {
    let (module, decided) = match example.dropped {
        true => ("accepted", "drop"),
        false => ("dropped", "accept"),
    };
    let layout = example.linear.map_or("linear".to_owned(), |end| {
        format!("non-linear from byte {end} on")
    });
    let frame: String = example.frame.chars().take(DIGITS).collect();
    let rest = (example.frame.len() - frame.len()) / 2;
    let more = match rest {
        0 => String::new(),
        _ => format!(" and {rest} bytes more"),
    };
    format!(
        "\npacket {} ({:?}, {layout}): the module {module} it, {decoder} says {decided}\n  {frame}{more}",
        example.packet, example.kind
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The judgement of a storm of 100 packets that was whole before this change.
    fn after_storm(change: impl FnOnce(&mut Storm)) -> String {
        after_storm_of(Decoder::Prost, change).0
    }

    /// The same, with the reason.
    fn after_storm_of(decoder: Decoder, change: impl FnOnce(&mut Storm)) -> (String, String) {
        let tally = |kind, paged| Tally {
            kind,
            paged,
            sent: 10,
            dropped: 1,
        };
        let kinds = Kind::ALL.into_iter();
        let mut storm = Storm {
            seed: 7,
            batches: 2,
            closed: 2,
            seen: 102,
            paged: 50,
            dropped: 10,
            delivered: 90,
            tallies: kinds
                .flat_map(|kind| [tally(kind, false), tally(kind, true)])
                .collect(),
            ..Storm::default()
        };
        change(&mut storm);
        let asked = Asked {
            packets: 100,
            decoder,
            seed: 7,
            receiver: String::new(),
            sender: String::new(),
            sender_netns: Default::default(),
        };
        let fine = || ("no fault".to_owned(), String::new());
        check(&asked, &storm).map_or_else(|fault| (fault.title, fault.reason), |()| fine())
    }

    #[test]
    fn a_storm_is_counted_five_ways_that_agree() {
        assert_eq!(after_storm(|_| {}), "no fault");
        let lies: [fn(&mut Storm); 9] = [
            |storm| storm.apart_seen = 1,
            |storm| storm.closed = 1,
            |storm| storm.batches = 3,
            |storm| storm.seen = 100,
            |storm| storm.paged = 0,
            |storm| storm.dropped = 9,
            |storm| storm.delivered = 89,
            |storm| storm.tallies[0].sent = 11,
            |storm| storm.tallies[0].dropped = 2,
        ];
        for (place, lie) in lies.into_iter().enumerate() {
            assert_eq!(after_storm(lie), "the packet counts disagree", "{place}");
        }
    }

    #[test]
    fn counts_of_a_storm_that_are_beyond_all_numbers_disagree() {
        let most: [fn(&mut Storm); 4] = [
            |storm| storm.batches = u64::MAX,
            |storm| storm.dropped = u64::MAX,
            |storm| storm.delivered = u64::MAX,
            |storm| {
                let sent = [u64::MAX, 21];
                let tallies = storm.tallies.iter_mut().zip(sent);
                tallies.for_each(|(tally, sent)| tally.sent = sent);
            },
        ];
        for lie in most {
            assert_eq!(after_storm(lie), "the packet counts disagree");
        }
    }

    #[test]
    fn a_storm_has_all_kinds_and_both_decisions() {
        let lacks = "the storm lacks a kind of packet";
        let moves = |storm: &mut Storm| {
            storm.tallies[0].sent += storm.tallies[2].sent;
            storm.tallies[2].sent = 0;
        };
        assert_eq!(after_storm(moves), lacks);
        for all in [0, 10] {
            let one_way = |storm: &mut Storm| {
                let linear = storm.tallies.iter_mut().filter(|tally| !tally.paged);
                linear.for_each(|tally| tally.dropped = all);
                storm.dropped = 5 + 5 * all;
                storm.delivered = 100 - storm.dropped;
            };
            assert_eq!(after_storm(one_way), lacks, "{all}");
        }
    }

    #[test]
    fn a_storm_of_pbtools_has_packets_that_prost_decides_otherwise() {
        let apart = |count| {
            let change = move |storm: &mut Storm| (storm.apart, storm.apart_seen) = (count, count);
            after_storm_of(Decoder::Pbtools, change).0
        };
        assert_eq!(apart(1), "no fault");
        assert_eq!(apart(0), "the storm lacks a kind of packet");
    }

    #[test]
    fn a_disagreement_is_a_mismatch_whatever_the_counts() {
        let title = "the module and prost disagree on a packet";
        assert_eq!(after_storm(|storm| storm.disagreements = 1), title);
        let example = Disagreement {
            packet: 3,
            kind: Kind::Lying,
            linear: Some(20),
            dropped: true,
            frame: "0a".repeat(130),
        };
        let lie = |storm: &mut Storm| (storm.disagreements, storm.examples) = (1, vec![example]);
        let reason = after_storm_of(Decoder::Pbtools, lie).1;
        let frame = "0a".repeat(128);
        let said = format!(
            "100 packets of seed 7: 1 of them\n\
             packet 3 (Lying, non-linear from byte 20 on): the module accepted it, \
             pbtools says drop\n  {frame} and 2 bytes more"
        );
        assert_eq!(reason, said);
    }
}
