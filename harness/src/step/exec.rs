//! `exec`: a program is executed.

use anyhow::Result;
use kassay_guest::{Done, Exec};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    args: Vec<String>,
}

impl Kind for Exec {
    type File = File;
    type Outcome = Done;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "exec = { args = […] }",
        "a child process called `exec` executes `/tmp/exec` with these arguments. That program \
         only ends",
    )];

    fn asked(File { args }: File, _: Beside) -> Result<Asked> {
        Ok(Exec { args }.into())
    }

    fn tell(&self, came: &Done, _: &[String]) -> String {
        format!(": {}", came.text)
    }
}
