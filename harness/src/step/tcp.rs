//! `tcp`: texts are sent over a connection.

use anyhow::{Result, bail};
use kassay_guest::{Conversed, Tcp};
use serde::Deserialize;

use super::bind::{address, named};
use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    send: Vec<String>,
    congestion: Option<String>,
    to: Option<String>,
}

/// How much is sent at most, in bytes: less than a socket has room for, whatever the kernel.
const MOST: usize = 16384;

/// How long the name of a congestion control is at most, in bytes (TCP_CA_NAME_MAX of
/// include/net/tcp.h).
const NAME: usize = 15;

impl Kind for Tcp {
    type File = File;
    type Outcome = Conversed;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "tcp = { send = [\"TEXT\", …] }",
        "a child process in a netns of its own connects over a veth pair to a TCP socket and sends \
         these texts, each by a send(2) of its own, at most 16384 bytes. With \
         `congestion = \"NAME\"`, the sending socket has this congestion control. With \
         `to = \"ADDRESS:PORT\"`, it connects there, to the sockets of `listen` steps",
    )];

    fn asked(file: File, _: Beside) -> Result<Asked> {
        if file.send.iter().any(String::is_empty) {
            bail!("a `tcp` step with an empty text, which nothing would send");
        }
        let length: usize = file.send.iter().map(String::len).sum();
        if length > MOST {
            bail!("a `tcp` step of {length} bytes: one step sends at most {MOST}");
        }
        if let Some(name) = &file.congestion
            && (!(1..=NAME).contains(&name.len()) || !name.chars().all(|it| it.is_ascii_graphic()))
        {
            bail!(
                "`{}` is no name of a congestion control, such as `cubic`, of at most {NAME} bytes",
                name.escape_debug()
            );
        }
        Ok(Tcp {
            texts: file.send,
            to: file.to.as_deref().map(address).transpose()?,
            congestion: file.congestion,
        }
        .into())
    }

    fn title(&self, name: &str) -> String {
        let to = self.to.iter().map(|to| format!(" to {to}"));
        let by = self.congestion.iter().map(|by| format!(" by {by}"));
        format!("{name}{}", to.chain(by).collect::<String>())
    }

    fn tell(&self, came: &Conversed, _: &[String]) -> String {
        let sent = match &came.sent {
            Ok(sent) => sent,
            Err(why) => return format!(": not connected: {why}"),
        };
        let texts = self.texts.iter().zip(sent);
        let line = |(text, sent): (&String, &Result<(), String>)| match sent {
            Ok(()) => format!("\n  {text:?}: sent"),
            Err(why) => format!("\n  {text:?}: not sent: {why}"),
        };
        let texts: String = texts.map(line).collect();
        let received = String::from_utf8_lossy(&came.received);
        let trouble = came.trouble.iter().map(|why| format!(", then {why}"));
        let trouble: String = trouble.collect();
        let at = came.accepted.iter().filter(|_| self.to.is_some());
        let at: String = at.map(|name| format!(" to {}", named(name))).collect();
        format!(": connected{texts}\n  delivered{at}: {received:?}{trouble}")
    }
}
