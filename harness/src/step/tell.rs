//! What a transcript tells of a step.

use std::collections::BTreeSet;
use std::fmt::Write;

use kassay_guest::{Command, Consumed, Decoder, Outcome, Packet, State, Step, Storm};

use super::{Asked, has_datagram};

impl Asked {
    /// What came of the step, for a transcript.
    pub fn tell(&self, outcome: &Result<Outcome, String>) -> String {
        let title = self.title();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return format!("{title}: failed: {error}"),
        };
        match (&self.step, outcome) {
            (_, Outcome::Fault) => "fault: the plan goes on".to_owned(),
            (_, Outcome::Unlink { unlinked, .. }) => format!("unlink: {unlinked} unlinked"),
            (_, Outcome::Done { text, .. }) => format!("{title}: {text}"),
            (
                Step::Udp { packets, .. },
                Outcome::Udp {
                    sent,
                    seen,
                    dropped,
                    delivered,
                    sentinel,
                    ..
                },
            ) => {
                let count = delivered.len() + usize::from(*sentinel);
                let packets = self.packets(packets, delivered);
                format!(
                    "udp: {sent} sent, {seen} classified, {dropped} dropped, {count} delivered\
                     {packets}"
                )
            }
            // Programs return negative numbers for errors, as kfuncs do.
            (Step::Run { .. }, Outcome::Run { returned, .. }) => {
                format!("{title}: returned {}", *returned as i32)
            }
            (Step::Command { ready, .. }, Outcome::Command(command)) => {
                let unready = ready.as_ref().map_or("", |_| " before it was ready");
                let fate = match command.state {
                    State::Ended(0) if ready.is_none() => String::new(),
                    State::Ended(status) => format!(": ended with status {status}{unready}"),
                    state => format!(": {}", fate(state)),
                };
                format!("{title}{fate}{}", printed(command))
            }
            (Step::Submit { samples, .. }, Outcome::Submit { submitted }) => {
                format!("{title}: {submitted} of {samples} samples submitted")
            }
            (Step::Consume { .. }, Outcome::Consume(consumed)) => {
                format!("{title}: {}", counts(consumed))
            }
            (
                Step::Storm {
                    packets, decoder, ..
                },
                Outcome::Storm(Storm { disagreements, .. }),
            ) => {
                let said = agreement(*disagreements, *decoder);
                format!("storm: {packets} packets, the module and {decoder} {said}")
            }
            _ => format!("{title}: an outcome of another step"),
        }
    }

    /// How a command ended that had been ready, for a transcript.
    pub fn tell_end(&self, command: &Command) -> String {
        let title = self.title();
        match &self.step {
            Step::Command { .. } => format!("{title}: {}{}", fate(command.state), printed(command)),
            _ => format!("{title}: the end of another step"),
        }
    }

    /// What is done, and with what.
    pub fn title(&self) -> String {
        let name = name(&self.step);
        match &self.step {
            Step::Command { line, .. } => format!("{name} {}", first(line)),
            Step::Run { program } => format!("{name} {program}"),
            Step::Submit { map, .. } | Step::Consume { map, .. } => format!("{name} {map}"),
            _ => name.to_owned(),
        }
    }

    /// What became of each packet, each after a line break.
    fn packets(&self, packets: &[Packet], delivered: &[usize]) -> String {
        let delivered: BTreeSet<&usize> = delivered.iter().collect();
        let packets = packets.iter().zip(&self.names).enumerate();
        let line = |(place, (packet, name))| {
            let fate = packet_fate(packet, delivered.contains(&place));
            format!("\n  {name}: {fate}")
        };
        packets.map(line).collect()
    }
}

/// Whether two decoders agree. How many packets of which kind is another matter with every seed.
fn agreement(disagreements: u64, decoder: Decoder) -> &'static str {
    match (disagreements, decoder) {
        (0, Decoder::Prost) => "agree",
        (0, Decoder::Pbtools) => {
            "agree, and so does prost but for groups and numbers that are too wide"
        }
        _ => "disagree",
    }
}

/// How far a command came.
fn fate(state: State) -> String {
    match state {
        State::Ready => "ready".to_owned(),
        State::Ended(0) => "ended".to_owned(),
        State::Ended(status) => format!("ended with status {status}"),
        State::Unready(seconds) => format!("not ready after {seconds} seconds"),
        State::Flooded(bytes) => format!("printed more than {bytes} bytes"),
    }
}

/// What a command printed, each line after a line break.
fn printed(command: &Command) -> String {
    let lines = command.lines.iter();
    lines.map(|line| format!("\n  {line}")).collect()
}

/// The first line of a command.
fn first(line: &str) -> String {
    match line.trim().split_once('\n') {
        Some((first, _)) => format!("{first} …"),
        None => line.trim().to_owned(),
    }
}

/// The counts of a `consume` step, without those that tell of losses there were none of.
fn counts(consumed: &Consumed) -> String {
    let Consumed {
        sent,
        refused,
        received,
        disordered,
        missing,
        lost,
        ..
    } = consumed;
    let order = match disordered {
        0 => "in order".to_owned(),
        _ => format!("{disordered} of them out of order"),
    };
    let mut text = format!("{sent} samples sent, {received} received, {order}");
    let losses = [
        (refused, "refused"),
        (missing, "missing"),
        (lost, "reported lost"),
    ];
    for (count, what) in losses.into_iter().filter(|(count, _)| **count > 0) {
        let _ = write!(text, ", {count} {what}");
    }
    text
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Unlink { .. } => "unlink",
        Step::Exec { .. } => "exec",
        Step::Call { .. } => "call",
        Step::Udp { .. } => "udp",
        Step::Run { .. } | Step::Command { .. } => "run",
        Step::Submit { .. } => "submit",
        Step::Consume { .. } => "consume",
        Step::Storm { .. } => "storm",
        Step::Fault(_) => "fault",
    }
}

/// What became of a packet. One that no UDP socket would get by itself cannot
/// be told apart from a dropped one by its arrival; the counts tell.
fn packet_fate(packet: &Packet, delivered: bool) -> &'static str {
    match (delivered, has_datagram(packet)) {
        (true, _) => "delivered",
        (false, true) => "dropped",
        (false, false) => "not a datagram",
    }
}
