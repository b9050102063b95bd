//! `open`: a file is read or written.

use anyhow::{Result, bail};
use kassay_guest::{Moved, Open, Opened};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    path: String,
    write: Option<String>,
}

/// How much is written at most, in bytes: a page, as much as is read.
const MOST: usize = 4096;

impl Kind for Open {
    type File = File;
    type Outcome = Opened;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "open = { path = \"PATH\", write = \"TEXT\" }",
        "a child process opens a file of the guest, by an absolute path, and writes this text to \
         it by one write(2). Without `write` it reads the file to its end, at most a page, and \
         shows what it read. It waits neither for the other end of a pipe nor for data",
    )];

    fn asked(File { path, write }: File, _: Beside) -> Result<Asked> {
        check_path(&path)?;
        let length = write.as_ref().map_or(0, String::len);
        if length > MOST {
            bail!("`write` of {length} bytes: at most {MOST}, a page");
        }
        Ok(Open { path, write }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", self.path)
    }

    fn tell(&self, came: &Opened, _: &[String]) -> String {
        match &came.moved {
            Err(why) => format!(": not opened: {why}"),
            Ok(Moved::Written(Ok(bytes))) => format!(": {bytes} bytes written"),
            Ok(Moved::Written(Err(why))) => format!(": not written: {why}"),
            Ok(Moved::Read {
                bytes: 0,
                trouble: Some(why),
                ..
            }) => format!(": not read: {why}"),
            Ok(Moved::Read {
                bytes,
                lines,
                trouble,
            }) => {
                let trouble = trouble.iter().map(|why| format!(", then {why}"));
                let trouble: String = trouble.collect();
                let lines: String = lines.iter().map(|line| format!("\n  {line}")).collect();
                format!(": {bytes} bytes read{trouble}{lines}")
            }
        }
    }
}

/// Sees that a path of the guest leads to the same file from everywhere.
pub fn check_path(path: &str) -> Result<()> {
    if !path.starts_with('/') || path.contains(char::is_control) {
        bail!("`{}` is no absolute path", path.escape_debug());
    }
    Ok(())
}
