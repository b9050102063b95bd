//! The packets of a `storm` step.

use kassay_guest::{Decoder, Disagreement, Fact, Kind, Outcome, Step, Storm, Tally};

use super::{Fault, Verdict};
use crate::scenario::Scenario;

/// A `storm` step has no packet that the module and the decoder disagree on, and
/// has really tested what it says: its packets were all handled, they were of
/// every kind and layout, and of each layout some were to be dropped and some not.
pub fn check(scenario: &Scenario, fact: &Fact) -> Result<(), Fault> {
    let Fact::Stepped {
        step,
        outcome: Ok(Outcome::Storm(storm)),
    } = fact
    else {
        return Ok(());
    };
    let Some(Step::Storm {
        packets,
        seed,
        decoder,
    }) = scenario.steps.get(*step).map(|asked| &asked.step)
    else {
        return Ok(());
    };
    let (title, reason) = if storm.disagreements > 0 {
        let examples = storm.examples.iter().map(|it| disagreement(it, *decoder));
        let examples: String = examples.collect();
        let title = format!("the module and {decoder} disagree on a packet");
        (title, format!("{} of them{examples}", storm.disagreements))
    } else if storm.seed != *seed || !agree(storm, *packets) {
        let title = "the packet counts disagree".to_owned();
        (title, format!("{storm:?}"))
    } else if !has_all(storm, *decoder) {
        let title = "the storm lacks a kind of packet".to_owned();
        (title, format!("{:?}; it takes more packets", storm.tallies))
    } else {
        return Ok(());
    };
    let reason = format!("{packets} packets of seed {seed}: {reason}");
    Err(Fault::new(Verdict::Mismatch, title).because(reason))
}

/// How many packets of a layout were sent, and how many of them were to be dropped: sums of
/// what a guest may have made any number.
fn sums(storm: &Storm, paged: bool) -> (u128, u128) {
    let of_layout = storm.tallies.iter().filter(|tally| tally.paged == paged);
    of_layout.fold((0, 0), |(sent, dropped), tally| {
        (
            sent + u128::from(tally.sent),
            dropped + u128::from(tally.dropped),
        )
    })
}

/// Whether all ways to count the packets agree.
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
    // What is said of their differences is to be seen as well.
    let differ = storm.apart > 0 || decoder == Decoder::Prost;
    differ
        && [false, true]
            .into_iter()
            .all(|paged| has_kinds(paged) && is_mixed(paged))
}

/// One packet that the module and the decoder disagree on. All of it is in the facts.
fn disagreement(example: &Disagreement, decoder: Decoder) -> String {
    let (module, decided) = match example.dropped {
        true => ("accepted", "drop"),
        false => ("dropped", "accept"),
    };
    let layout = example.linear.map_or("linear".to_owned(), |end| {
        format!("non-linear from byte {end} on")
    });
    let frame: String = example.frame.chars().take(256).collect();
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
