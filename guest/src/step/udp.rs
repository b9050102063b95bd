//! `udp`: a child process sends packets over a veth pair, and they are counted
//! where they leave, where the classifiers see them and where they arrive.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::iter;
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
    let mut ports: BTreeSet<u16> = step.packets.iter().map(packet::port).collect();
    ports.remove(&packet::LISTEN_PORT);
    let sockets = iter::once(packet::LISTEN_PORT).chain(ports);
    let sockets = sockets.map(|port| listen(port, net));
    let mut receiver = Receiver {
        sockets: sockets.collect::<Result<_>>()?,
    };
    let ran = bpf::runs(&net.classifiers);
    let dropped = net.drops()?;

    let sentinel = Packet::default();
    let packets: Vec<(u16, &Packet)> = (FIRST_PORT..)
        .zip(&step.packets)
        .chain([(SENTINEL_PORT, &sentinel)])
        .collect();
    let asked = process::ask("udp", || send(&packets, by, net))?;
    let (pid, sent, sentinel) = receiver.receive(asked)?;
    Ok(Arrived {
        pid,
        sent,
        seen: bpf::runs_since(&net.classifiers, &ran),
        dropped: net.drops()? - dropped,
        delivered: receiver.delivered(),
        sentinel,
    })
}

/// The socket that receives what is sent to a port.
fn listen(port: u16, net: &Net) -> Result<Listener> {
    let socket = match &net.listener {
        Some(socket) if port == packet::LISTEN_PORT => socket.try_clone(),
        _ => UdpSocket::bind((RECEIVER.ip, port)),
    };
    let socket = socket.with_context(|| format!("bind the receiving socket to port {port}"))?;
    let done = socket.set_nonblocking(true);
    done.context("prepare the receiving socket")?;
    Ok(Listener {
        socket,
        delivered: VecDeque::new(),
    })
}

/// A receiving socket, and the places in the plan of what arrived there.
struct Listener {
    socket: UdpSocket,
    delivered: VecDeque<usize>,
}

/// A socket for each port, the one that gets the sentinel first.
struct Receiver {
    sockets: Vec<Listener>,
}

impl Receiver {
    /// Receives until the sentinel arrives, or the sending child says that it did not even leave.
    /// Returns the child, how many packets left, and whether the sentinel arrived.
    fn receive(&mut self, asked: Asked) -> Result<(i32, u64, bool)> {
        let mut arrived = false;
        loop {
            let (ready, has_answered) = self.wait(Some(&asked))?;
            arrived |= self.drain()?;
            if !ready || has_answered {
                break;
            }
        }
        let (pid, (sent, has_left)) = asked.hear()?;
        while !arrived && has_left {
            let (ready, _) = self.wait(None)?;
            arrived |= self.drain()?;
            if !ready {
                break;
            }
        }
        Ok((pid, sent, arrived))
    }

    /// Waits for a datagram or for the child; says whether there was anything, and whether it was
    /// the child's answer.
    fn wait(&self, asked: Option<&Asked>) -> Result<(bool, bool)> {
        let sockets = self.sockets.iter().map(|listener| &listener.socket);
        let sockets = sockets.map(|socket| PollFd::new(socket, PollFlags::IN));
        let answer = asked.map(|asked| PollFd::new(&asked.answer, PollFlags::IN));
        let mut all: Vec<PollFd<'_>> = sockets.chain(answer).collect();
        let ready = poll(&mut all, Some(&SILENCE)).context("wait for a datagram")?;
        let mut answers = all[self.sockets.len()..].iter();
        Ok((ready > 0, answers.any(|fd| !fd.revents().is_empty())))
    }

    /// Takes what is there; says whether the sentinel is among it. What was sent before that is at
    /// the other ports then, so that one look at each does.
    fn drain(&mut self) -> Result<bool> {
        let mut sockets = self.sockets.iter_mut();
        sockets.try_fold(false, |any, listener| Ok(any | listener.drain()?))
    }

    /// The places of all that arrived.
    fn delivered(self) -> Vec<usize> {
        let sockets = self.sockets.into_iter();
        merged(sockets.map(|listener| listener.delivered).collect())
    }
}

/// All places, of the next ones of each list always the least: what is out of its order in a list
/// stays so.
fn merged(mut lists: Vec<VecDeque<usize>>) -> Vec<usize> {
    let mut all = Vec::new();
    loop {
        let left = lists.iter_mut().filter(|places| !places.is_empty());
        match left.min_by_key(|places| places[0]) {
            Some(next) => all.extend(next.pop_front()),
            None => return all,
        }
    }
}

impl Listener {
    /// Takes what is there, up to the sentinel; says whether that came.
    fn drain(&mut self) -> Result<bool> {
        let mut buffer = [0u8; 65536];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((_, from)) if from.port() == SENTINEL_PORT => return Ok(true),
                Ok((_, from)) => {
                    let place = from.port().wrapping_sub(FIRST_PORT);
                    self.delivered.push_back(usize::from(place));
                }
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
    let to = (RECEIVER.ip, packet::port(packet));
    socket
        .send_to(&packet.payload, to)
        .map(drop)
        .context("send a datagram")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_at_several_ports_is_in_order_where_it_was_so_at_each() {
        let all = |lists: &[&[usize]]| {
            let lists = lists.iter().map(|places| places.iter().copied().collect());
            merged(lists.collect())
        };
        assert_eq!(all(&[&[1, 4], &[0, 5], &[], &[2]]), [0, 1, 2, 4, 5]);
        assert_eq!(all(&[&[4, 1], &[0, 5]]), [0, 4, 1, 5]);
        assert_eq!(all(&[]), [0; 0]);
    }
}
