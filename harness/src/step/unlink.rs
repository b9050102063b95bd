//! `unlink`: files are unlinked.

use anyhow::Result;
use kassay_guest::{Unlink, Unlinked};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

impl Kind for Unlink {
    type File = File;
    type Outcome = Unlinked;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "unlink = { times = N }",
        "a child process unlinks N files on a tmpfs; 1 unless given",
    )];

    fn asked(File { times }: File, _: Beside) -> Result<Asked> {
        Ok(Unlink { times }.into())
    }

    fn tell(&self, came: &Unlinked, _: &[String]) -> String {
        format!(": {} unlinked", came.unlinked)
    }
}
