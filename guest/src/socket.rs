//! Sockets that steps make, bind and connect, each call in a child process, so that programs see
//! who asks. What the kernel refuses is no error here.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use kassay_guest::{Protocol, Refused, SocketCall, SocketName};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// How long one side of a connection waits for the other.
pub const SILENCE: Duration = Duration::from_secs(10);

/// How many connections wait to be accepted, at most.
const BACKLOG: i32 = 128;

/// A socket that listens.
pub struct Listener {
    /// The socket, which does not block.
    pub socket: TcpListener,
    /// What it is called.
    pub name: SocketName,
}

impl Listener {
    /// Holds a socket that listens.
    pub fn new(socket: TcpListener, name: SocketName) -> Result<Listener> {
        socket
            .set_nonblocking(true)
            .context("prepare the receiving socket")?;
        Ok(Listener { socket, name })
    }

    /// Takes a connection, if one waits.
    pub fn accept(&self) -> Result<Option<TcpStream>> {
        match rustix::net::accept(&self.socket) {
            Ok(stream) => Ok(Some(stream.into())),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).context("take the connection"),
        }
    }
}

/// Takes the connections that wait, and closes them; says at which sockets they were.
pub fn drain(listeners: &[Listener]) -> Result<Vec<SocketName>> {
    let mut accepted = Vec::new();
    for listener in listeners {
        while listener.accept()?.is_some() {
            accepted.push(listener.name.clone());
        }
    }
    Ok(accepted)
}

/// Makes a socket for an address of this kind.
pub fn make(address: SocketAddr, protocol: Protocol) -> Result<OwnedFd, Refused> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let made = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None);
    made.map_err(refused(SocketCall::Socket))
}

/// Makes a socket and binds it.
pub fn bind(at: SocketAddr, protocol: Protocol) -> Result<OwnedFd, Refused> {
    let socket = make(at, protocol)?;
    rustix::net::bind(&socket, &at).map_err(refused(SocketCall::Bind))?;
    Ok(socket)
}

/// Makes a TCP socket, binds it and has it listen.
pub fn listen(at: SocketAddr) -> Result<OwnedFd, Refused> {
    let socket = bind(at, Protocol::Tcp)?;
    rustix::net::listen(&socket, BACKLOG).map_err(refused(SocketCall::Listen))?;
    Ok(socket)
}

/// Has neither a connection nor its end take for ever. That a socket is closed then means that its
/// end has arrived, and that it was accepted before, if anybody accepts it.
pub fn limit(socket: impl AsFd) -> Result<()> {
    set_socket_timeout(&socket, Timeout::Send, Some(SILENCE))
        .and_then(|()| set_socket_linger(&socket, Some(SILENCE)))
        .context("prepare to connect")
}

/// Connects a socket. Where it has a time limit, the kernel says that it is in progress then.
pub fn connect(socket: impl AsFd, to: SocketAddr) -> Result<(), Refused> {
    let done = match rustix::net::connect(socket, &to) {
        Err(Errno::INPROGRESS) => Err(Errno::TIMEDOUT),
        done => done,
    };
    done.map_err(refused(SocketCall::Connect))
}

/// What a socket is called for which this address was asked.
pub fn name(socket: impl AsFd, asked: SocketAddr) -> Result<SocketName> {
    let name = rustix::net::getsockname(socket).context("ask for a socket's name")?;
    let address = SocketAddr::try_from(name).context("read a socket's name")?;
    let chosen = ephemeral()?;
    let is_ephemeral = address.port() != asked.port() && chosen.contains(&address.port());
    Ok(SocketName {
        address,
        is_ephemeral,
    })
}

/// What a socket is connected to.
pub fn peer(socket: impl AsFd) -> Result<SocketAddr> {
    let peer = rustix::net::getpeername(socket).context("ask for a socket's peer")?;
    let peer = peer.context("find a socket's peer")?;
    SocketAddr::try_from(peer).context("read a socket's peer")
}

/// The ports that the kernel chooses from, in this network namespace.
fn ephemeral() -> Result<std::ops::RangeInclusive<u16>> {
    const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
    let text = fs::read_to_string(RANGE).with_context(|| format!("read `{RANGE}`"))?;
    let mut ports = text.split_whitespace().map(str::parse);
    match (ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last))) => Ok(first..=last),
        _ => anyhow::bail!("`{RANGE}` has no two ports"),
    }
}

/// Hands a socket to who has the other end of `to`.
pub fn hand_over(to: impl AsFd, socket: &OwnedFd) -> Result<()> {
    let sockets = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&sockets));
    rustix::net::sendmsg(to, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())
        .context("hand a socket over")
        .map(drop)
}

/// Takes a socket that was handed over.
pub fn take_over(from: impl AsFd) -> Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    rustix::net::recvmsg(from, &mut [IoSliceMut::new(&mut [0])], &mut control, flags)
        .context("take a socket over")?;
    let mut sockets = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    sockets
        .next()
        .context("find the socket that was handed over")
}

/// Says which call was refused, and why.
fn refused(call: SocketCall) -> impl Fn(Errno) -> Refused {
    move |error| Refused {
        call,
        why: error.to_string(),
    }
}
