//! The packets of a `udp` step.

use std::collections::BTreeSet;

use kassay_guest::{Fact, Outcome, Packet, Step};

use super::{Fault, Verdict};
use crate::attachment;
use crate::excerpt::bounded;
use crate::scenario::Scenario;
use crate::step;

/// A `udp` step counts its packets three ways, which must agree.
pub fn check(scenario: &Scenario, facts: &[Fact], fact: &Fact) -> Result<(), Fault> {
    let Fact::Stepped {
        step,
        outcome:
            Ok(Outcome::Udp {
                sent,
                seen,
                dropped,
                delivered,
                sentinel,
                ..
            }),
    } = fact
    else {
        return Ok(());
    };
    let Some(Step::Udp { packets, .. }) = scenario.steps.get(*step).map(|asked| &asked.step) else {
        return Ok(());
    };
    let is_attached = |is_kind: fn(&str) -> bool| is_attached(facts, is_kind);
    let tc = is_attached(attachment::classifies);
    let xdp = is_attached(|section| section.starts_with("xdp"));
    // What is dropped before it leaves is not sent, and so may the sentinel be.
    let kept = (packets.len() as u64 + 1).saturating_sub(*sent);
    let may_keep = is_attached(attachment::is_at_egress);
    // What has no datagram of its own may have been dropped or not; the
    // classifier's count bounds it. What XDP and cgroups drop no qdisc counts.
    let [missing, strays] = [true, false].map(|datagram| gone(packets, delivered, datagram));
    let agree = *sent <= packets.len() as u64 + 1
        && (kept == 0 || may_keep)
        && (*sentinel || kept > 0)
        && is_in_order(packets, delivered)
        && (tc == xdp || seen == sent)
        && *dropped <= missing + strays
        && (dropped.saturating_add(kept) >= missing || is_attached(attachment::drops_uncounted));
    if agree {
        return Ok(());
    }
    let reason = format!(
        "{sent} sent, {seen} classified, {dropped} dropped, delivered {delivered:?}, and the sentinel {}",
        if *sentinel { "too" } else { "not" }
    );
    Err(Fault::new(Verdict::Mismatch, "the packet counts disagree").because(bounded(&reason)))
}

/// Whether a program is attached to a section of this kind.
fn is_attached(facts: &[Fact], is_kind: fn(&str) -> bool) -> bool {
    facts
        .iter()
        .any(|fact| matches!(fact, Fact::Attached { section, error: None, .. } if is_kind(section)))
}

/// How many packets were not delivered, of those with a datagram of their own or of the others.
fn gone(packets: &[Packet], delivered: &[usize], datagram: bool) -> u64 {
    let arrived: BTreeSet<&usize> = delivered.iter().collect();
    let gone = packets.iter().enumerate().filter(|(place, packet)| {
        step::has_datagram(packet) == datagram && !arrived.contains(place)
    });
    gone.count() as u64
}

/// Whether the places of what was delivered rise, and are places of packets.
fn is_in_order(packets: &[Packet], delivered: &[usize]) -> bool {
    delivered.windows(2).all(|pair| pair[0] < pair[1])
        && delivered.last().is_none_or(|last| *last < packets.len())
}
