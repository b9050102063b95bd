//! `write_sysctl`: a child process writes a setting of /proc/sys.

use std::fs::{self, File};
use std::io::Write;

use anyhow::Result;
use kassay_guest::{WriteSysctl, Written};

use super::Around;
use crate::process;

/// Has a child write the setting, and writes back what was there. What cannot be read, such as what
/// only starts something, has nothing to be written back.
pub fn run(step: &WriteSysctl, _: &mut Around) -> Result<Written> {
    let path = format!("/proc/sys/{}", step.name.replace('.', "/"));
    let before = fs::read(&path).ok();
    let asked = process::ask("write_sysctl", || {
        let written = write(&path, step.value.as_bytes());
        Ok(written.map_err(|error| error.to_string()))
    })?;
    let (pid, written) = asked.hear()?;
    let after = fs::read(&path).ok();
    let restored = match before.filter(|before| after.as_ref() != Some(before)) {
        Some(before) => write(&path, &before).map_err(|error| error.to_string()),
        None => Ok(()),
    };
    Ok(Written {
        pid,
        written,
        restored,
    })
}

/// Writes once: a second write(2) would be another setting.
fn write(path: &str, value: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.write(value).map(drop)
}
