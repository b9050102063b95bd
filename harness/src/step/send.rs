//! `send`: a frame is sent from an end of the pair.

use anyhow::{Result, bail};
use kassay_guest::section::End;
use kassay_guest::{FrameSent, Send};
use serde::Deserialize;

use super::connect::there;
use super::udp::parse_hex;
use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    frame: String,
    #[serde(default = "there")]
    dev: End,
}

/// An Ethernet header, and the largest frame of an ordinary Ethernet.
const HEADER: usize = 14;
const MOST: usize = HEADER + 1500;

impl Kind for Send {
    type File = File;
    type Outcome = FrameSent;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "send = { frame = \"HEX\" }",
        "a child process sends this [frame](#sockets-and-frames), from its Ethernet header on, \
         over the veth pair by a packet socket, and waits until the programs at the other end \
         have seen it. With `dev = \"receiver\"`, the receiving end sends it, else the sending end",
    )];

    fn asked(File { frame, dev }: File, _: Beside) -> Result<Asked> {
        let frame = parse_hex(&frame)?;
        if !(HEADER..=MOST).contains(&frame.len()) {
            bail!(
                "`frame` of {} bytes: at least {HEADER}, an Ethernet header, and at most {MOST}, \
                 with an MTU of 1500",
                frame.len()
            );
        }
        Ok(Send { frame, dev }.into())
    }

    fn title(&self, name: &str) -> String {
        let from = match self.dev {
            End::Sender => "sender",
            End::Receiver => "receiver",
        };
        format!("{name} {} bytes from the {from}", self.frame.len())
    }

    fn tell(&self, came: &FrameSent, _: &[String]) -> String {
        match &came.sent {
            Ok(()) => ": sent".to_owned(),
            Err(why) => format!(": not sent: {why}"),
        }
    }
}
