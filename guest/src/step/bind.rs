//! `bind`: a child process binds a socket.

use anyhow::Result;
use kassay_guest::{Bind, Bound};

use super::Around;
use crate::{process, socket};

/// Has a child bind a socket, which is closed with it.
pub fn run(step: &Bind, around: &mut Around) -> Result<Bound> {
    let net = &*around.net.get()?;
    net.prepare_for_sockets()?;
    let asked = process::ask("bind", || {
        net.join(step.dev)?;
        match socket::bind(step.at, step.protocol) {
            Ok(socket) => Ok(Ok(socket::name(&socket, step.at)?)),
            Err(refused) => Ok(Err(refused)),
        }
    })?;
    let (pid, name) = asked.hear()?;
    Ok(Bound { pid, name })
}
