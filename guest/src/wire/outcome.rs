//! What came of a step.

use serde::{Deserialize, Serialize};

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Of [`Step::Unlink`](crate::Step::Unlink).
    Unlink {
        /// The child process.
        pid: i32,
        /// How many calls succeeded.
        unlinked: u32,
    },
    /// Of a step of which there is nothing to count.
    Done {
        /// The child process.
        pid: i32,
        /// What came of it, for the transcript.
        text: String,
    },
    /// Of [`Step::Udp`](crate::Step::Udp). The sentinel is not counted in `delivered`.
    Udp {
        /// The child process.
        pid: i32,
        /// Packets that were sent and not dropped before they left, the sentinel among them.
        sent: u64,
        /// Packets that the first classifier on the receiving end was run on.
        seen: u64,
        /// Packets that the receiving end's clsact qdisc counts as dropped.
        dropped: u64,
        /// Places in the plan of the packets that the UDP socket received.
        delivered: Vec<usize>,
        /// Whether the sentinel arrived.
        sentinel: bool,
    },
    /// Of [`Step::Run`](crate::Step::Run).
    Run {
        /// The child process.
        pid: i32,
        /// What the program returned.
        returned: u32,
    },
    /// Of [`Step::Command`](crate::Step::Command).
    Command(Command),
    /// Of [`Step::Submit`](crate::Step::Submit).
    Submit {
        /// How many samples there was room for.
        submitted: u32,
    },
    /// Of [`Step::Consume`](crate::Step::Consume).
    Consume(Consumed),
    /// Of [`Step::Storm`](crate::Step::Storm).
    Storm(Storm),
    /// Of a [`Step::Fault`](crate::Step::Fault) after which the plan goes on.
    Fault,
}

/// What came of a [`Step::Command`](crate::Step::Command).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The ids of its processes, the first and the last; others may have some between.
    pub pids: (i32, i32),
    /// How far it came.
    pub state: State,
    /// What it printed, on stdout and stderr. Of one that is ready it comes with its end.
    pub lines: Vec<String>,
}

/// How far a [`Step::Command`](crate::Step::Command) came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has printed the line that was waited for, and goes on.
    Ready,
    /// It has ended with this status; 128 plus a signal's number where one ended it.
    Ended(i32),
    /// It was ended, for the line did not come for this number of seconds.
    Unready(u64),
    /// It was ended, for it printed more than this number of bytes.
    Flooded(usize),
}

/// What came of a [`Step::Consume`](crate::Step::Consume).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumed {
    /// The child process.
    pub pid: i32,
    /// How often the program was run.
    pub sent: u64,
    /// Of these, how often it said that the sample was lost.
    pub refused: u64,
    /// Samples that were read.
    pub received: u64,
    /// Of these, how many had no higher number than one before them from the same CPU.
    pub disordered: u64,
    /// Numbers that were passed over.
    pub missing: u64,
    /// Samples of which the kernel said that they were lost (`PERF_RECORD_LOST`);
    /// of a ring buffer it says nothing.
    pub lost: u64,
}

/// What came of a [`Step::Storm`](crate::Step::Storm). After each batch of packets comes a sentinel,
/// whose arrival proves that the batch has been handled; a batch whose sentinel
/// does not arrive is the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// The seed that was used.
    pub seed: u32,
    /// Batches of packets, and so sentinels, that were sent.
    pub batches: u64,
    /// Sentinels that arrived.
    pub closed: u64,
    /// Packets that the classifiers on the receiving end were run on, sentinels among them.
    pub seen: u64,
    /// Packets whose socket buffer was non-linear when the classifier saw it.
    pub paged: u64,
    /// Packets that the receiving end's clsact qdisc counts as dropped.
    pub dropped: u64,
    /// Packets that arrived behind the classifiers, without sentinels.
    pub delivered: u64,
    /// What was sent.
    pub tallies: Vec<Tally>,
    /// Packets that prost decides otherwise than the decoder.
    pub apart: u64,
    /// Packets that the classifier counts as decided differently by the modules of both; 0
    /// where the decoder is prost.
    pub apart_seen: u64,
    /// How many packets the classifier and the decoder disagree on.
    pub disagreements: u64,
    /// The first of them.
    pub examples: Vec<Disagreement>,
}

impl Outcome {
    /// The child process that the step was done by, whose id differs from run to run.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Outcome::Unlink { pid, .. }
            | Outcome::Done { pid, .. }
            | Outcome::Udp { pid, .. }
            | Outcome::Run { pid, .. }
            | Outcome::Consume(Consumed { pid, .. }) => Some(*pid),
            Outcome::Submit { .. } | Outcome::Command(_) | Outcome::Storm(_) | Outcome::Fault => {
                None
            }
        }
    }
}

/// A kind of generated packet: of each it is known what makes it hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message as some encoder might write it, in a datagram that is in order.
    Valid,
    /// One of these, of which bytes were changed, added or taken away.
    Mutated,
    /// Random bytes from the message, the payload or the IP header on.
    Random,
    /// A message that is in order, with a length that lies or a frame that ends early.
    Lying,
    /// A message that is in order, in what is no plain IPv4 datagram.
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

/// The packets of one kind and layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The kind.
    pub kind: Kind,
    /// Whether the socket buffers are non-linear, with the packet's end in pages.
    pub paged: bool,
    /// How many were sent.
    pub sent: u64,
    /// How many of them the decoder would drop.
    pub dropped: u64,
}

/// A packet of which the classifier and the decoder say different things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The packet's number, from 0.
    pub packet: u32,
    /// Its kind.
    pub kind: Kind,
    /// Where the linear part of its socket buffer ends, if it is non-linear.
    pub linear: Option<u16>,
    /// Whether the decoder would drop it; the classifier did the other.
    pub dropped: bool,
    /// The frame, from its Ethernet header on, in hexadecimal.
    pub frame: String,
}
