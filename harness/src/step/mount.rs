//! `mount`: a file system is mounted and unmounted.

use anyhow::{Result, bail};
use kassay_guest::{Mount, Mounted};
use serde::Deserialize;

use super::open::check_path;
use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    r#type: String,
    at: String,
}

impl Kind for Mount {
    type File = File;
    type Outcome = Mounted;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "mount = { type = \"TYPE\", at = \"PATH\" }",
        "a child process in a mount namespace of its own mounts a file system of this type on a \
         directory, which is made, and unmounts it",
    )];

    fn asked(File { r#type: kind, at }: File, _: Beside) -> Result<Asked> {
        check_path(&at)?;
        if kind.is_empty() || kind.contains(char::is_control) {
            bail!("`{}` is no type of file systems", kind.escape_debug());
        }
        Ok(Mount { kind, at }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {} at {}", self.kind, self.at)
    }

    fn tell(&self, came: &Mounted, _: &[String]) -> String {
        match &came.mounted {
            Ok(Ok(())) => ": mounted and unmounted".to_owned(),
            Ok(Err(why)) => format!(": mounted, not unmounted: {why}"),
            Err(why) => format!(": not mounted: {why}"),
        }
    }
}
