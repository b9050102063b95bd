//! `bind`: a socket is bound.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use kassay_guest::section::End;
use kassay_guest::{Bind, Bound, Protocol, Refused, SocketCall, SocketName};
use serde::Deserialize;

use super::{Asked, Beside, Kind};
use crate::excerpt::bounded;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    at: String,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default = "here")]
    dev: End,
}

/// The end where sockets wait to be connected to, unless a file says otherwise.
pub fn here() -> End {
    End::Receiver
}

impl Kind for Bind {
    type File = File;
    type Outcome = Bound;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "bind = { at = \"ADDRESS:PORT\" }",
        "a child process binds a TCP socket to [this address](#sockets-and-frames), and shows the \
         address that the socket has then. With `protocol = \"udp\"`, it is a UDP socket. With \
         `dev = \"sender\"`, it is in the netns of the sending end, else in that of the receiving \
         end",
    )];

    fn asked(File { at, protocol, dev }: File, _: Beside) -> Result<Asked> {
        let at = address(&at)?;
        Ok(Bind { at, protocol, dev }.into())
    }

    fn title(&self, name: &str) -> String {
        format!(
            "{name}{} {}{}",
            spoken(self.protocol),
            self.at,
            on(self.dev, here())
        )
    }

    fn tell(&self, came: &Bound, _: &[String]) -> String {
        match &came.name {
            Ok(name) => format!(": bound to {}", named(name)),
            Err(refused) => told(refused),
        }
    }
}

/// An address with a port, such as `192.0.2.2:80`.
pub fn address(text: &str) -> Result<SocketAddr> {
    let shown = bounded(&text.escape_debug().to_string());
    let address: SocketAddr = text.parse().ok().with_context(|| {
        format!("`{shown}` is no address with a port, such as `192.0.2.2:80` or `[2001:db8::2]:80`")
    })?;
    if address.port() == 0 {
        bail!(
            "`{shown}` has port 0, for which the kernel takes another port on each run: name a \
             port from 1 on"
        );
    }
    Ok(address)
}

/// What a socket is called, without what differs from run to run.
pub fn named(name: &SocketName) -> String {
    if !name.is_ephemeral {
        return name.address.to_string();
    }
    let mut address = name.address;
    address.set_port(0);
    let text = address.to_string();
    format!("{}:[ephemeral]", text.strip_suffix(":0").unwrap_or(&text))
}

/// What the kernel refused, after a step's title.
pub fn told(Refused { call, why }: &Refused) -> String {
    let call = match call {
        SocketCall::Socket => "no socket",
        SocketCall::Bind => "not bound",
        SocketCall::Listen => "not listening",
        SocketCall::Connect => "not connected",
    };
    format!(": {call}: {why}")
}

/// What a socket speaks, in a title, unless it is TCP.
pub fn spoken(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "",
        Protocol::Udp => " udp",
    }
}

/// Where a socket is, in a title, unless it is where it usually is.
pub fn on(dev: End, usual: End) -> &'static str {
    match dev {
        dev if dev == usual => "",
        End::Sender => " on the sender",
        End::Receiver => " on the receiver",
    }
}
