//! `connect`: a child process connects a socket.

use std::net::SocketAddr;

use anyhow::Result;
use kassay_guest::{Connect, Connected, Refused};

use super::Around;
use crate::{process, socket};

/// Has a child connect, and closes what was accepted of it. The child ends after that is there.
pub fn run(step: &Connect, around: &mut Around) -> Result<Connected> {
    let net = &*around.net.get()?;
    net.prepare_for_sockets()?;
    // What waits already is of something else.
    socket::drain(&net.listeners)?;
    let asked = process::ask("connect", || {
        net.join(step.dev)?;
        connect(step)
    })?;
    let (pid, peer) = asked.hear()?;
    Ok(Connected {
        pid,
        peer,
        accepted: socket::drain(&net.listeners)?,
    })
}

/// Connects, and closes the socket. Says what it was connected to.
fn connect(step: &Connect) -> Result<Result<SocketAddr, Refused>> {
    let socket = match socket::make(step.to, step.protocol) {
        Ok(socket) => socket,
        Err(refused) => return Ok(Err(refused)),
    };
    socket::limit(&socket)?;
    match socket::connect(&socket, step.to) {
        Ok(()) => Ok(Ok(socket::peer(&socket)?)),
        Err(refused) => Ok(Err(refused)),
    }
}
