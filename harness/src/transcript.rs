//! What a scenario's run looked like, as text that a person reviews: facts in
//! the order in which they came, without what differs from run to run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use kassay_guest::{Fact, Outcome, Packet, Step};

use crate::kernel_report;
use crate::normalise::{self, Triggers};
use crate::scenario::Scenario;

/// The kfuncs that the kernel shows of each module.
pub type Offered = BTreeMap<String, Vec<String>>;

/// The transcript of complete facts.
pub fn write(scenario: &Scenario, facts: &[Fact], offered: &Offered) -> String {
    let triggers = Triggers {
        pids: facts.iter().filter_map(trigger).collect(),
    };
    let mut text = String::new();
    section(
        &mut text,
        "modules",
        facts.iter().filter_map(|fact| module(fact, offered)),
    );
    section(&mut text, "programs", facts.iter().filter_map(program));
    section(
        &mut text,
        "steps",
        facts.iter().filter_map(|fact| step(scenario, fact)),
    );
    section(
        &mut text,
        "trace",
        facts.iter().flat_map(|fact| trace(fact, &triggers)),
    );
    section(&mut text, "kernel log", facts.iter().flat_map(kernel_log));
    text
}

fn section(text: &mut String, title: &str, entries: impl Iterator<Item = String>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for line in entries.flat_map(|entry| entry.lines().map(str::to_owned).collect::<Vec<_>>()) {
        let _ = writeln!(text, "  {}", normalise::visible(line.trim_end()));
    }
}

/// The process that a step was done by.
fn trigger(fact: &Fact) -> Option<i32> {
    match fact {
        Fact::Stepped {
            outcome: Ok(Outcome::Unlink { pid, .. } | Outcome::Udp { pid, .. }),
            ..
        } => Some(*pid),
        _ => None,
    }
}

fn module(fact: &Fact, offered: &Offered) -> Option<String> {
    match fact {
        Fact::Inserted {
            module,
            error: None,
            ..
        } => {
            let kfuncs = offered.get(module).into_iter().flatten();
            let kfuncs: String = kfuncs.map(|kfunc| format!("\n  kfunc {kfunc}")).collect();
            Some(format!("{module}: inserted{kfuncs}"))
        }
        Fact::Inserted {
            module,
            error: Some(error),
            ..
        } => Some(format!("{module}: refused: {error}")),
        Fact::Removed {
            module,
            error: None,
        } => Some(format!("{module}: removed")),
        Fact::Removed {
            module,
            error: Some(error),
        } => Some(format!("{module}: not removed: {error}")),
        _ => None,
    }
}

fn program(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Loaded {
            object,
            error: Some(_),
            ..
        } => Some(format!("{object}: refused")),
        Fact::Attached {
            program,
            section,
            error,
            ..
        } => Some(match error {
            None => format!("{program}: attached to {section}"),
            Some(error) => format!("{program}: not attached to {section}: {error}"),
        }),
        _ => None,
    }
}

fn step(scenario: &Scenario, fact: &Fact) -> Option<String> {
    let Fact::Stepped { step, outcome } = fact else {
        return None;
    };
    let asked = scenario.steps.get(*step)?;
    Some(match (asked, outcome) {
        (Step::Unlink { .. }, Err(error)) => format!("unlink: failed: {error}"),
        (Step::Udp { .. }, Err(error)) => format!("udp: failed: {error}"),
        (_, Ok(Outcome::Unlink { unlinked, .. })) => format!("unlink: {unlinked} unlinked"),
        (
            Step::Udp { packets },
            Ok(Outcome::Udp {
                sent,
                seen,
                dropped,
                delivered,
                ..
            }),
        ) => {
            let mut text = format!(
                "udp: {sent} sent, {seen} classified, {dropped} dropped, {} delivered",
                delivered.len() + 1
            );
            let delivered: BTreeSet<&usize> = delivered.iter().collect();
            for (place, (packet, name)) in packets
                .iter()
                .zip(&scenario.packet_names[*step])
                .enumerate()
            {
                let _ = write!(
                    text,
                    "\n  {name}: {}",
                    fate(packet, delivered.contains(&place))
                );
            }
            text
        }
        (_, Ok(Outcome::Udp { .. })) => "udp: an outcome of another step".to_owned(),
    })
}

/// What became of a packet. One that no UDP socket would get by itself cannot
/// be told apart from a dropped one by its arrival; the counts tell.
fn fate(packet: &Packet, delivered: bool) -> &'static str {
    match (delivered, has_datagram(packet)) {
        (true, _) => "delivered",
        (false, true) => "dropped",
        (false, false) => "not a datagram",
    }
}

/// Whether a packet that is not dropped reaches a UDP socket.
pub fn has_datagram(packet: &Packet) -> bool {
    !packet.fragment && packet.protocol.is_none_or(|protocol| protocol == 17)
}

fn trace(fact: &Fact, triggers: &Triggers) -> Vec<String> {
    let Fact::Trace { lines, .. } = fact else {
        return Vec::new();
    };
    lines
        .iter()
        .map(|line| normalise::trace_line(line, triggers))
        .collect()
}

/// The kernel log, in which a report shows as its title.
fn kernel_log(fact: &Fact) -> Vec<String> {
    let Fact::Log { records, .. } = fact else {
        return Vec::new();
    };
    let texts: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
    kernel_report::brief(&texts.join("\n"))
        .iter()
        .filter_map(|line| normalise::log_line(line))
        .collect()
}
