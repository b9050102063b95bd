//! `listen`: a child process binds a socket that listens until the steps are done.

use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use kassay_guest::{Bound, Listen, Refused, SocketName};

use super::Around;
use crate::socket::Listener;
use crate::{process, socket};

/// Has a child make the socket and hand it over.
pub fn run(step: &Listen, around: &mut Around) -> Result<Bound> {
    let net = around.net.get()?;
    net.prepare_for_sockets()?;
    let (ours, theirs) = UnixStream::pair().context("make a pair of sockets")?;
    let asked = process::ask("listen", || {
        net.join(step.dev)?;
        listen(step, &theirs)
    })?;
    let (pid, name): (i32, Result<SocketName, Refused>) = asked.hear()?;
    if let Ok(name) = &name {
        let socket = socket::take_over(&ours)?;
        net.listeners
            .push(Listener::new(socket.into(), name.clone())?);
    }
    Ok(Bound { pid, name })
}

/// Makes the socket, and hands it to the parent.
fn listen(step: &Listen, parent: &UnixStream) -> Result<Result<SocketName, Refused>> {
    let socket = match socket::listen(step.at) {
        Ok(socket) => socket,
        Err(refused) => return Ok(Err(refused)),
    };
    socket::hand_over(parent, &socket)?;
    Ok(Ok(socket::name(&socket, step.at)?))
}
