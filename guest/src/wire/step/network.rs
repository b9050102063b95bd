//! What is sent over the veth pair, and what comes of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Came;
use crate::section::End;

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
    /// The UDP port that it is sent to, when that is another one than usual.
    pub port: Option<u16>,
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
    /// Where to, if it is for the sockets of [`Listen`]s and not for one of its own.
    pub to: Option<SocketAddr>,
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
    /// The socket that accepted the connection.
    pub accepted: Option<SocketName>,
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

/// What a socket speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// What a socket is called, as `getsockname(2)` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketName {
    /// Its address.
    pub address: SocketAddr,
    /// Whether nobody asked for the port, and it is one that the kernel may have chosen.
    pub is_ephemeral: bool,
}

/// A system call on a socket that the kernel, or a program, refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which one.
    pub call: SocketCall,
    /// Why, in the words of errno(3).
    pub why: String,
}

/// The system calls that a [`Refused`] may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketCall {
    /// `socket(2)`.
    Socket,
    /// `bind(2)`.
    Bind,
    /// `listen(2)`.
    Listen,
    /// `connect(2)`.
    Connect,
}

/// A child process connects a socket to an address, and closes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The address.
    pub to: SocketAddr,
    /// What the socket speaks.
    pub protocol: Protocol,
    /// The end in whose network namespace it is.
    pub dev: End,
}

/// What came of a [`Connect`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The child process.
    pub pid: i32,
    /// What it is connected to, as `getpeername(2)` says.
    pub peer: Result<SocketAddr, Refused>,
    /// The sockets of [`Listen`]s that accepted a connection.
    pub accepted: Vec<SocketName>,
}

impl Came for Connected {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process binds a socket to an address, and closes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The address.
    pub at: SocketAddr,
    /// What the socket speaks.
    pub protocol: Protocol,
    /// The end in whose network namespace it is.
    pub dev: End,
}

/// A child process binds a TCP socket to an address and has it listen, until the last step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// The address.
    pub at: SocketAddr,
    /// The end in whose network namespace it is.
    pub dev: End,
}

/// What came of a [`Bind`] or a [`Listen`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The child process.
    pub pid: i32,
    /// What the socket is called.
    pub name: Result<SocketName, Refused>,
}

impl Came for Bound {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process sends a frame from an end of the pair, and waits until the other end's programs
/// have seen it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// The frame, from its Ethernet header on.
    pub frame: Vec<u8>,
    /// The end.
    pub dev: End,
}

/// What came of a [`Send`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameSent {
    /// The child process.
    pub pid: i32,
    /// Whether it was sent, or why not.
    pub sent: Result<(), String>,
}

impl Came for FrameSent {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}
