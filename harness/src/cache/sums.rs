//! Whether an entry is as it was made.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use super::key::digest;

/// The kinds of entries whose files have digests beside them, which are looked at each time that
/// an entry is taken, so that nothing of a damaged one is used. That takes a millisecond; for a
/// kernel with its headers it would take hundreds, and a saved state has a check of its own.
pub(super) const CHECKED: [&str; 6] = [
    "modules",
    "own-module",
    "bpf",
    "guest",
    "initramfs",
    "vmlinux",
];

/// The file of an entry with its digests.
pub(super) const SUMS: &str = ".sums";

/// Whether the files of an entry are as they were when it was made. One that an older kassay made
/// has nothing to tell that by.
pub(super) fn is_sound(entry: &Path) -> bool {
    match fs::read_to_string(entry.join(SUMS)) {
        Ok(kept) => sums(entry).is_ok_and(|now| now == kept),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// A line for each file of a folder, with its digest. What is linked to is not the entry's.
pub(super) fn sums(folder: &Path) -> Result<String> {
    let (mut lines, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = left.pop() {
        let read = || format!("read `{}`", folder.display());
        for entry in fs::read_dir(&folder).with_context(read)? {
            let path = entry.with_context(read)?.path();
            if path.is_dir() {
                left.push(path);
            } else if !path.is_symlink() && !path.ends_with(SUMS) {
                let name = path.file_name().unwrap_or_default().display();
                lines.push(format!("{} {name}", digest(&path)?));
            }
        }
    }
    lines.sort();
    Ok(lines.join("\n"))
}
