//! `udp`: a child process sends packets over a veth pair, and they are counted
//! where they leave, where the classifiers see them and where they arrive.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use kassay_guest::{Arrived, By, FIRST_PORT, Packet, SENTINEL_PORT, Udp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Around;
use crate::net::{self, Net, RECEIVER, SENDER};
use crate::packet_socket::PacketSocket;
use crate::process::{self, Asked};
use crate::{bpf, packet};

/// How long the receiver waits for the next datagram before it gives up.
const SILENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Sends the packets and the sentinel, and receives until the sentinel arrives.
pub fn run(step: &Udp, around: &mut Around) -> Result<Arrived> {
    let (by, net) = (step.by, &*around.net.get()?);
    let socket = match &net.listener {
        Some(socket) => socket.try_clone(),
        None => UdpSocket::bind((RECEIVER.ip, packet::LISTEN_PORT)),
    };
    let socket = socket.context("bind the receiving socket")?;
    socket
        .set_nonblocking(true)
        .context("prepare the receiving socket")?;
    let ran = bpf::runs(&net.classifiers);
    let dropped = net.drops()?;

    let sentinel = Packet::default();
    let packets: Vec<(u16, &Packet)> = (FIRST_PORT..)
        .zip(&step.packets)
        .chain([(SENTINEL_PORT, &sentinel)])
        .collect();
    let asked = process::ask("udp", || send(&packets, by, net))?;
    let mut receiver = Receiver {
        socket,
        delivered: Vec::new(),
    };
    let (pid, sent, sentinel) = receiver.receive(asked)?;
    Ok(Arrived {
        pid,
        sent,
        seen: bpf::runs_since(&net.classifiers, &ran),
        dropped: net.drops()? - dropped,
        delivered: receiver.delivered,
        sentinel,
    })
}

/// The receiving socket, and the places in the plan of what arrived.
struct Receiver {
    socket: UdpSocket,
    delivered: Vec<usize>,
}

impl Receiver {
    /// Receives until the sentinel arrives, or the sending child says that it did not even leave.
    /// Returns the child, how many packets left, and whether the sentinel arrived.
    fn receive(&mut self, asked: Asked) -> Result<(i32, u64, bool)> {
        let mut arrived = false;
        loop {
            let mut both = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::new(&asked.answer, PollFlags::IN),
            ];
            let ready = poll(&mut both, Some(&SILENCE)).context("wait for a datagram")?;
            let has_answered = !both[1].revents().is_empty();
            arrived |= self.drain()?;
            if ready == 0 || has_answered {
                break;
            }
        }
        let (pid, (sent, has_left)) = asked.hear()?;
        while !arrived && has_left {
            let mut socket = [PollFd::new(&self.socket, PollFlags::IN)];
            let ready = poll(&mut socket, Some(&SILENCE)).context("wait for a datagram")?;
            arrived |= self.drain()?;
            if ready == 0 {
                break;
            }
        }
        Ok((pid, sent, arrived))
    }

    /// Takes what is there; says whether the sentinel is among it.
    fn drain(&mut self) -> Result<bool> {
        let mut buffer = [0u8; 65536];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((_, from)) if from.port() == SENTINEL_PORT => return Ok(true),
                Ok((_, from)) => self
                    .delivered
                    .push(usize::from(from.port().wrapping_sub(FIRST_PORT))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error).context("receive a datagram"),
            }
        }
    }
}

/// Sends packets out of the sending end, from its namespace and each from its port. Says how many
/// left, and whether the last one did; others were dropped by a program on their way out.
fn send(packets: &[(u16, &Packet)], by: By, net: &Net) -> Result<(u64, bool)> {
    net::enter(&net.sender_namespace)?;
    let (mut sent, mut has_left) = (0, false);
    let frames = match by {
        By::Frame => Some(PacketSocket::open(SENDER.name)?),
        By::Socket => {
            net::introduce(net.sender, &RECEIVER)?;
            None
        }
    };
    for (port, packet) in packets {
        let done = match &frames {
            Some(socket) => socket.send(&packet::frame(packet, *port, &SENDER, &RECEIVER)),
            None => send_datagram(packet, *port),
        };
        has_left = match done {
            Ok(()) => true,
            Err(error) if is_drop(&error) => false,
            Err(error) => return Err(error),
        };
        sent += u64::from(has_left);
    }
    Ok((sent, has_left))
}

/// Whether a packet was dropped before it left: by a filter at egress (`ENOBUFS`), or by a program
/// of a cgroup (`EPERM`).
fn is_drop(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rustix::io::Errno>().copied();
    let code = code.or_else(|| {
        let error = error.downcast_ref::<std::io::Error>()?;
        rustix::io::Errno::from_io_error(error)
    });
    matches!(
        code,
        Some(rustix::io::Errno::NOBUFS | rustix::io::Errno::PERM)
    )
}

/// Sends a packet's payload by a UDP socket of that port.
fn send_datagram(packet: &Packet, port: u16) -> Result<()> {
    let socket = UdpSocket::bind((SENDER.ip, port)).context("bind a sending socket")?;
    let on: libc::c_int = 1;
    // Only so does the kernel tell of a drop at egress (net/ipv4/ip_output.c, 6.1 to 7.2).
    // SAFETY: the value is a whole `int` and its size is given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_IP,
            libc::IP_RECVERR,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set != 0 {
        return Err(std::io::Error::last_os_error()).context("set IP_RECVERR");
    }
    let to = (RECEIVER.ip, packet::LISTEN_PORT);
    socket
        .send_to(&packet.payload, to)
        .map(drop)
        .context("send a datagram")
}
