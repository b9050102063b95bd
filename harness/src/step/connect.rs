//! `connect`: a socket is connected.

use anyhow::Result;
use kassay_guest::section::End;
use kassay_guest::{Connect, Connected, Protocol};
use serde::Deserialize;

use super::bind::{address, named, on, spoken, told};
use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    to: String,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default = "there")]
    dev: End,
}

/// The end that sends, unless a file says otherwise.
pub fn there() -> End {
    End::Sender
}

impl Kind for Connect {
    type File = File;
    type Outcome = Connected;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "connect = { to = \"ADDRESS:PORT\" }",
        "a child process connects a TCP socket to [this address](#sockets-and-frames), shows what \
         the socket is connected to and which socket of a `listen` accepted it, and closes it. \
         With `protocol = \"udp\"`, it is a UDP socket. With `dev = \"receiver\"`, it is in the \
         netns of the receiving end, else in that of the sending end",
    )];

    fn asked(File { to, protocol, dev }: File, _: Beside) -> Result<Asked> {
        let to = address(&to)?;
        Ok(Connect { to, protocol, dev }.into())
    }

    fn title(&self, name: &str) -> String {
        let on = on(self.dev, there());
        format!("{name}{} {}{on}", spoken(self.protocol), self.to)
    }

    fn tell(&self, came: &Connected, _: &[String]) -> String {
        let peer = match &came.peer {
            Ok(peer) => format!(": connected to {peer}"),
            Err(refused) => told(refused),
        };
        let accepted = came.accepted.iter();
        let accepted = accepted.map(|name| format!(", accepted at {}", named(name)));
        format!("{peer}{}", accepted.collect::<String>())
    }
}
