//! `write_sysctl`: a setting of /proc/sys is written.

use anyhow::{Result, bail};
use kassay_guest::{WriteSysctl, Written};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    name: String,
    value: Setting,
}

/// What a setting of /proc/sys is set to.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(i64),
    /// Any text.
    Text(String),
}

impl Kind for WriteSysctl {
    type File = File;
    type Outcome = Written;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "write_sysctl = { name = \"NAME\", value = VALUE }",
        "a child process writes a setting of /proc/sys, such as `kernel.hostname`. What was there \
         is written back afterwards",
    )];

    fn asked(File { name, value }: File, _: Beside) -> Result<Asked> {
        let (name, value) = sysctl((name, value))?;
        Ok(WriteSysctl { name, value }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {} = {}", self.name, self.value.escape_debug())
    }

    fn tell(&self, came: &Written, _: &[String]) -> String {
        let fate = match &came.written {
            Ok(()) => "written".to_owned(),
            Err(why) => format!("not written: {why}"),
        };
        match &came.restored {
            Ok(()) => format!(": {fate}"),
            Err(why) => format!(": {fate}, and not restored: {why}"),
        }
    }
}

/// A setting and its value, checked.
///
/// # Errors
/// It has no name of a setting.
pub fn sysctl((name, value): (String, Setting)) -> Result<(String, String)> {
    let is_plain = |part: &str| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        !part.is_empty() && part.chars().all(plain)
    };
    if !name.split('.').all(is_plain) {
        bail!("`{name}` is no setting of /proc/sys, such as `kernel.panic_on_warn`");
    }
    let value = match value {
        Setting::Number(number) => number.to_string(),
        Setting::Text(text) => text,
    };
    Ok((name, value))
}
