//! `detach`: a structure of programs is detached before the end.

use anyhow::{Result, bail};
use kassay_guest::{Detach, Detached};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    structure: String,
}

impl Kind for Detach {
    type File = File;
    type Outcome = Detached;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "detach = { structure = \"NAME\" }",
        "a structure of `struct_ops` programs is detached, by the name of its variable, so that \
         later steps see what goes on without it",
    )];

    fn asked(File { structure }: File, _: Beside) -> Result<Asked> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if structure.is_empty() || !structure.chars().all(is_plain) {
            bail!("`{}` is no name of a structure", structure.escape_debug());
        }
        Ok(Detach { structure }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", self.structure)
    }

    fn tell(&self, _: &Detached, _: &[String]) -> String {
        ": detached".to_owned()
    }
}
