//! `vmlinux.h`: every type of the kernel under test, from its BTF.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::kernel::Kernel;
use crate::tool::{self, Tool};

/// Where Debian has bpftool, which is not in everybody's PATH.
const BPFTOOL: &str = "/usr/sbin/bpftool";

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
    tool::find("bpftool")
        .or_else(|| tool::find(known))
        .map_or_else(|| tool::require("bpftool"), Ok)
}
