//! `tcp`: a child process sends texts over a connection through the veth pair.

use std::io::{self, Read, Write, pipe};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kassay_guest::{Conversed, Tcp};

use super::Around;
use crate::net::{self, Net, RECEIVER, SENDER};
use crate::{packet, process};

/// How long either side waits for the other.
const SILENCE: Duration = Duration::from_secs(10);

/// What came of each text, or why there is no connection.
type Sent = Result<Vec<Result<(), String>>, String>;

/// Sends the texts, and receives what arrives. All of it has room in the kernel, so that one side
/// is done before the other begins.
pub fn run(step: &Tcp, around: &mut Around) -> Result<Conversed> {
    let net = &*around.net.get()?;
    net::introduce(net.receiver, &SENDER)?;
    let here = SocketAddr::from((RECEIVER.ip, packet::LISTEN_PORT));
    let listener = TcpListener::bind(here).context("bind the receiving socket")?;
    listener
        .set_nonblocking(true)
        .context("prepare the receiving socket")?;
    let (mut answer, mut child) = pipe().context("make a pipe")?;
    let pid = process::spawn("tcp", || {
        let sent = send(&step.texts, here, net).and_then(|sent| Ok(serde_json::to_vec(&sent)?));
        let told = sent.and_then(|sent| Ok(child.write_all(&sent)?));
        told.map_or(1, |()| 0)
    })?;
    drop(child);
    let mut said = Vec::new();
    answer
        .read_to_end(&mut said)
        .context("read the child's answer")?;
    let code = process::exit_code(process::wait(pid)?);
    if code != 0 {
        bail!("the sending process ended with status {code}");
    }
    let mut received = Vec::new();
    let trouble = receive(&listener, &mut received).err();
    Ok(Conversed {
        pid: pid.as_raw_nonzero().get(),
        sent: serde_json::from_slice(&said).context("read the child's answer")?,
        received,
        trouble: trouble.map(|error| error.to_string()),
    })
}

/// Takes the connection, if there is one, and reads it to its end.
fn receive(listener: &TcpListener, into: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = match listener.accept() {
        Ok((stream, _)) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.read_to_end(into).map(drop)
}

/// Connects from the namespace of the sending end, and sends.
fn send(texts: &[String], to: SocketAddr, net: &Net) -> Result<Sent> {
    net::enter(&net.sender_namespace)?;
    net::introduce(net.sender, &RECEIVER)?;
    let mut stream = match TcpStream::connect_timeout(&to, SILENCE) {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error.to_string())),
    };
    stream.set_nodelay(true).context("prepare to send")?;
    stream
        .set_write_timeout(Some(SILENCE))
        .context("prepare to send")?;
    let one = |text: &String| stream.write_all(text.as_bytes());
    let sent = texts.iter().map(one);
    let sent = sent.map(|sent| sent.map_err(|error| error.to_string()));
    let sent = sent.collect();
    let _ = stream.shutdown(Shutdown::Write);
    Ok(Ok(sent))
}
