//! `vmlinux.h`: every type of the kernel under test, from its BTF.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::kernel::Kernel;
use crate::tool::{self, Tool};

/// Where Debian has bpftool, which is not in everybody's PATH.
const BPFTOOL: &str = "/usr/sbin/bpftool";

/// Where Ubuntu has one for each kernel. What it has in PATH is a script that runs the one of the
/// running kernel, and no other will it run.
const OF_KERNELS: &str = "/usr/lib/linux-tools";

/// The folder that has the kernel's `vmlinux.h`, which is made once.
///
/// # Errors
/// There is no bpftool, or it cannot read the kernel's BTF.
pub fn header(cache: &Cache, kernel: &Kernel) -> Result<PathBuf> {
    let bpftool = bpftool()?;
    let key = Key::new("vmlinux")
        .text("kernel", &kernel.key)
        .text("bpftool", &tool::identity(&bpftool))
        .finish();
    let what = format!("vmlinux.h of {}", kernel.name);
    cache.get_or_make("vmlinux", &key, &what, |directory| {
        let header = Tool::new(&bpftool)
            .args(["btf", "dump", "file"])
            .arg(&kernel.btf)
            .args(["format", "c"])
            .output()
            .with_context(|| format!("make {what}"))?;
        let path = directory.join("vmlinux.h");
        fs::write(&path, header).with_context(|| format!("write `{}`", path.display()))
    })
}

/// Where bpftool is.
///
/// # Errors
/// It is not installed.
pub fn bpftool() -> Result<PathBuf> {
    let known = Path::new(BPFTOOL);
    let found = tool::find("bpftool").or_else(|| tool::find(known));
    let found = found.filter(|found| !is_script(found));
    found
        .or_else(|| newest(Path::new(OF_KERNELS)))
        .map_or_else(|| tool::require("bpftool"), Ok)
}

/// Whether a file is to be interpreted.
fn is_script(file: &Path) -> bool {
    let mut start = [0; 2];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == b"#!"
}

/// The bpftool of the newest kernel that a folder has a folder of tools of.
fn newest(folder: &Path) -> Option<PathBuf> {
    let kernels = fs::read_dir(folder).ok()?.flatten();
    let tools = kernels.map(|kernel| kernel.path().join("bpftool"));
    tools.filter(|tool| tool.is_file()).max_by_key(|tool| {
        let name = tool.parent().and_then(Path::file_name);
        let name = name.unwrap_or_default().to_string_lossy();
        let numbers = name.split(|letter: char| !letter.is_ascii_digit());
        let numbers = numbers.map(|number| number.parse().unwrap_or(0));
        numbers.collect::<Vec<u64>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_ubuntus_programs_counts() {
        let folder = tempfile::tempdir().unwrap();
        for (kernel, has) in [
            ("6.8.0-9-generic", true),
            ("6.8.0-88-generic", true),
            ("7.0.0-1", false),
        ] {
            fs::create_dir(folder.path().join(kernel)).unwrap();
            if has {
                fs::write(folder.path().join(kernel).join("bpftool"), "").unwrap();
            }
        }
        let newest = newest(folder.path()).unwrap();
        assert_eq!(newest, folder.path().join("6.8.0-88-generic/bpftool"));
    }

    #[test]
    fn a_script_is_no_bpftool() {
        let folder = tempfile::tempdir().unwrap();
        for (text, is) in [("#!/bin/bash\n", true), ("\u{7f}ELF", false), ("", false)] {
            let file = folder.path().join("bpftool");
            fs::write(&file, text).unwrap();
            assert_eq!(is_script(&file), is, "{text:?}");
        }
    }
}
