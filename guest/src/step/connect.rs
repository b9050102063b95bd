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
    let asked = process::ask("connect", || {
        net.join(step.dev)?;
        connect(step)
    })?;
    let (pid, peer) = asked.hear()?;
    let mut accepted = Vec::new();
    for listener in &net.listeners {
        while listener.accept()?.is_some() {
            accepted.push(listener.name.clone());
        }
    }
    Ok(Connected {
        pid,
        peer,
        accepted,
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
