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
    let before = fs::read(&path);
    let asked = process::ask("write_sysctl", || Ok(write(&path, step.value.as_bytes())))?;
    let (pid, written) = asked.hear()?;
    let after = fs::read(&path).ok();
    let restored = match before {
        Ok(before) if after.as_ref() != Some(&before) => write(&path, &before),
        // A program refuses it; what cannot be read by its mode is EACCES.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            Err(format!("read what was there: {error}"))
        }
        _ => Ok(()),
    };
    Ok(Written {
        pid,
        written,
        restored,
    })
}

/// Writes once: a second write(2) would be another setting.
fn write(path: &str, value: &[u8]) -> Result<(), String> {
    let file = File::options().write(true).open(path);
    let written = file.and_then(|mut file| file.write(value));
    match written.map_err(|error| error.to_string())? {
        whole if whole == value.len() => Ok(()),
        some => Err(format!("the kernel took {some} of {} bytes", value.len())),
    }
}
