//! What is sent over the veth pair, and what comes of it.

use serde::{Deserialize, Serialize};

use super::Came;

/// A child process in a network namespace of its own sends these packets,
/// in order, over a veth pair to a UDP socket, then one empty datagram (the
/// sentinel) whose arrival proves that all before it have been handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Udp {
    /// What to send.
    pub packets: Vec<Packet>,
    /// By what.
    #[serde(default)]
    pub by: By,
}

/// One IPv4 packet of a [`Udp`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// The UDP payload.
    pub payload: Vec<u8>,
    /// Sent as the first fragment of a datagram whose rest never comes.
    pub fragment: bool,
    /// IP protocol number when it is not UDP; the bytes stay those of a datagram.
    pub protocol: Option<u8>,
}

/// By what a [`Udp`] sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A packet socket, which takes frames as they are and passes all of the IP layer.
    #[default]
    Frame,
    /// UDP sockets, one a packet: programs of cgroups see what is sent.
    Socket,
}

/// What came of a [`Udp`]. The sentinel is not counted in `delivered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// The child process.
    pub pid: i32,
    /// Packets that were sent and not dropped before they left, the sentinel among them.
    pub sent: u64,
    /// Packets that the first classifier on the receiving end was run on.
    pub seen: u64,
    /// Packets that the receiving end's clsact qdisc counts as dropped.
    pub dropped: u64,
    /// Places in the plan of the packets that the UDP socket received.
    pub delivered: Vec<usize>,
    /// Whether the sentinel arrived.
    pub sentinel: bool,
}

impl Came for Arrived {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process in a network namespace of its own connects over a veth pair to a TCP socket,
/// and sends these texts, each by a `send(2)` of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tcp {
    /// What to send.
    pub texts: Vec<String>,
    /// The congestion control of the sending socket, where it is not the kernel's choice.
    pub congestion: Option<String>,
}

/// What came of a [`Tcp`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversed {
    /// The child process.
    pub pid: i32,
    /// What came of each text, or why there is no connection. An error is the kernel's.
    pub sent: Result<Vec<Result<(), String>>, String>,
    /// The bytes that arrived.
    pub received: Vec<u8>,
    /// Why no more of them did, where it was not the end of the connection.
    pub trouble: Option<String>,
}

impl Came for Conversed {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}
