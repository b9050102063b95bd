//! `tcp`: a child process sends texts over a connection through the veth pair.

use std::io::{self, ErrorKind, PipeReader, Read, Write, pipe};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kassay_guest::{Conversed, Tcp};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::Around;
use crate::net::{self, Net, RECEIVER, SENDER};
use crate::{packet, process};

/// How long either side waits for the other.
const SILENCE: Duration = Duration::from_secs(10);

/// What came of each text, or why there is no connection.
type Sent = Result<Vec<Result<(), String>>, String>;

/// Sends the texts, and receives what arrives. All of it has room in the kernel, so that
/// it is all sent before any of it is read.
pub fn run(step: &Tcp, around: &mut Around) -> Result<Conversed> {
    let net = &*around.net.get()?;
    net::introduce(net.receiver, &SENDER)?;
    let here = SocketAddr::from((RECEIVER.ip, packet::LISTEN_PORT));
    let listener = TcpListener::bind(here).context("bind the receiving socket")?;
    listener
        .set_nonblocking(true)
        .context("prepare the receiving socket")?;
    let (accepted, mut accept) = pipe().context("make a pipe")?;
    let asked = process::ask("tcp", || send(step, here, net, &accepted))?;
    drop(accepted);
    let stream = wait_for(&listener, &asked.answer)?;
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
        received,
        trouble: trouble.map(|error| error.to_string()),
    })
}

/// Waits for the connection, or until the child says that there is none.
fn wait_for(listener: &TcpListener, answer: &PipeReader) -> Result<Option<TcpStream>> {
    let mut both = [
        PollFd::new(listener, PollFlags::IN),
        PollFd::new(answer, PollFlags::IN),
    ];
    let patience = Timespec::try_from(SILENCE).context("wait for a connection")?;
    poll(&mut both, Some(&patience)).context("wait for a connection")?;
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("take the connection"),
    }
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
    net::enter(&net.sender_namespace)?;
    net::introduce(net.sender, &RECEIVER)?;
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None);
    let mut stream = TcpStream::from(socket.context("make the sending socket")?);
    stream
        .set_write_timeout(Some(SILENCE))
        .context("prepare to send")?;
    if let Err(error) = connect(&stream, step.congestion.as_deref(), to) {
        return Ok(Err(error));
    }
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
fn connect(stream: &TcpStream, congestion: Option<&str>, to: SocketAddr) -> Result<(), String> {
    if let Some(name) = congestion {
        sockopt::set_tcp_congestion(stream, name)
            .map_err(|error| format!("congestion control `{name}`: {error}"))?;
    }
    match rustix::net::connect(stream, &to) {
        Err(Errno::INPROGRESS) => Err("connection timed out".to_owned()),
        done => done.map_err(|error| error.to_string()),
    }
}
