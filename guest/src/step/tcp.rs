//! `tcp`: a child process sends texts over a connection through the veth pair.

use std::io::{self, ErrorKind, PipeReader, Read, Write, pipe};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::slice;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use kassay_guest::section::End;
use kassay_guest::{Conversed, Protocol, SocketName, Tcp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use super::Around;
use crate::net::{Net, RECEIVER};
use crate::socket::{Listener, SILENCE};
use crate::{packet, process, socket};

/// What came of each text, or why there is no connection.
type Sent = Result<Vec<Result<(), String>>, String>;

/// Sends the texts, and receives what arrives. All of it has room in the kernel, so that
/// it is all sent before any of it is read.
pub fn run(step: &Tcp, around: &mut Around) -> Result<Conversed> {
    let net = &*around.net.get()?;
    net.prepare_for_sockets()?;
    let own = step.to.is_none().then(own_listener).transpose()?;
    let listeners = own.as_ref().map_or(&net.listeners[..], slice::from_ref);
    // What waits already is of something else.
    socket::drain(listeners)?;
    let to = step.to.unwrap_or_else(here);
    let (accepted, mut accept) = pipe().context("make a pipe")?;
    let asked = process::ask("tcp", || send(step, to, net, &accepted))?;
    drop(accepted);
    let (stream, accepted) = wait_for(listeners, &asked.answer)?.unzip();
    // Nobody may be left to hear it.
    let _ = accept.write_all(b"x");
    let (pid, sent): (i32, Sent) = asked.hear()?;
    let mut received = Vec::new();
    let trouble = match stream {
        Some(stream) => receive(stream, &mut received).err(),
        None => sent.is_ok().then(|| ErrorKind::TimedOut.into()),
    };
    Ok(Conversed {
        pid,
        sent,
        accepted,
        received,
        trouble: trouble.map(|error| error.to_string()),
    })
}

/// Where a socket of the step's own listens.
fn here() -> SocketAddr {
    (RECEIVER.ip, packet::LISTEN_PORT).into()
}

fn own_listener() -> Result<Listener> {
    let socket = TcpListener::bind(here())
        .with_context(|| format!("bind the receiving socket to {}", here()))?;
    let name = SocketName {
        address: here(),
        is_ephemeral: false,
    };
    Listener::new(socket, name)
}

/// Waits for the connection, or until the child says that there is none.
fn wait_for(
    listeners: &[Listener],
    answer: &PipeReader,
) -> Result<Option<(TcpStream, SocketName)>> {
    let sockets = listeners.iter().map(|listener| &listener.socket);
    let sockets = sockets.map(|socket| PollFd::new(socket, PollFlags::IN));
    let mut all: Vec<_> = sockets
        .chain([PollFd::new(answer, PollFlags::IN)])
        .collect();
    let patience = Timespec::try_from(SILENCE).context("wait for a connection")?;
    poll(&mut all, Some(&patience)).context("wait for a connection")?;
    for listener in listeners {
        if let Some(stream) = listener.accept()? {
            return Ok(Some((stream, listener.name.clone())));
        }
    }
    Ok(None)
}

/// Reads the connection to its end. One whose socket is in a map may have an end before it has the
/// data, which a kernel thread is about to bring.
fn receive(mut stream: TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    let began = Instant::now();
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SILENCE))?;
    loop {
        match stream.read_to_end(into) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && began.elapsed() < SILENCE => {
                thread::yield_now();
            }
            read => return read.map(drop),
        }
    }
}

/// Connects from the namespace of the sending end, waits until that is accepted, and sends: only
/// then is there somebody whom a parser of streams can wake.
fn send(step: &Tcp, to: SocketAddr, net: &Net, mut accepted: &PipeReader) -> Result<Sent> {
    net.join(End::Sender)?;
    let mut stream = match connect(step.congestion.as_deref(), to)? {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error)),
    };
    accepted
        .read_exact(&mut [0])
        .context("wait until the connection is accepted")?;
    stream.set_nodelay(true).context("prepare to send")?;
    let one = |text: &String| stream.write_all(text.as_bytes());
    let sent = step.texts.iter().map(one);
    let sent = sent.map(|sent| sent.map_err(|error| error.to_string()));
    let sent = sent.collect();
    let _ = stream.shutdown(Shutdown::Write);
    Ok(Ok(sent))
}

/// Connects, by this congestion control. An error is the kernel's: a connection takes as long as a
/// text, at most.
fn connect(congestion: Option<&str>, to: SocketAddr) -> Result<Result<TcpStream, String>> {
    let stream = match socket::make(to, Protocol::Tcp) {
        Ok(socket) => TcpStream::from(socket),
        Err(refused) => return Ok(Err(refused.why)),
    };
    stream
        .set_write_timeout(Some(SILENCE))
        .context("prepare to send")?;
    if let Some(name) = congestion
        && let Err(error) = sockopt::set_tcp_congestion(&stream, name)
    {
        return Ok(Err(format!("congestion control `{name}`: {error}")));
    }
    let connected = socket::connect(&stream, to).map_err(|refused| refused.why);
    Ok(connected.map(|()| stream))
}
