//! `remove`: somebody tries to remove a module.

use anyhow::{Result, bail};
use kassay_guest::{Removal, Remove};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    module: String,
}

impl Kind for Remove {
    type File = File;
    type Outcome = Removal;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "remove = { module = \"NAME\" }",
        "a child process tries once to remove a module by its name in `lsmod`, which the kernel \
         refuses while programs use it",
    )];

    fn asked(File { module }: File, _: Beside) -> Result<Asked> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if module.is_empty() || !module.chars().all(is_plain) {
            bail!("`{}` is no name of a module", module.escape_debug());
        }
        Ok(Remove { module }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", self.module)
    }

    fn tell(&self, came: &Removal, _: &[String]) -> String {
        match &came.removed {
            Ok(()) => ": removed".to_owned(),
            Err(why) => format!(": refused: {why}"),
        }
    }
}
