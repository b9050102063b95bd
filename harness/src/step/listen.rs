//! `listen`: a socket waits for connections.

use anyhow::Result;
use kassay_guest::section::End;
use kassay_guest::{Bound, Listen};
use serde::Deserialize;

use super::bind::{address, here, named, on, told};
use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    at: String,
    #[serde(default = "here")]
    dev: End,
}

impl Kind for Listen {
    type File = File;
    type Outcome = Bound;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "listen = { at = \"ADDRESS:PORT\" }",
        "a child process binds a TCP socket, as `bind` does, and has it listen. The socket stays \
         until the last step is done: `connect`, and `tcp` with `to`, reach it",
    )];

    fn asked(File { at, dev }: File, _: Beside) -> Result<Asked> {
        let at = address(&at)?;
        Ok(Listen { at, dev }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}{}", self.at, on(self.dev, here()))
    }

    fn tell(&self, came: &Bound, _: &[String]) -> String {
        match &came.name {
            Ok(name) => format!(": listening at {}", named(name)),
            Err(refused) => told(refused),
        }
    }
}
