//! The initramfs: the guest program as `/init`, and the modules that a
//! distribution's kernel needs before it can talk to the host.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cpio::newc::{Builder, trailer};

use crate::cache::{Cache, Key};
use crate::kernel::Kernel;

const DIRECTORY: u32 = 0o040755;
const PROGRAM: u32 = 0o100755;
const CHARACTER_DEVICE: u32 = 0o020600;

/// Packs the initramfs for a kernel: a cpio archive in the kernel's `newc`
/// format (Documentation/driver-api/early-userspace/buffer-format.rst), not
/// compressed, since unpacking costs more than reading where the CPU is emulated.
pub fn build(cache: &Cache, kernel: &Kernel, init: &Path) -> Result<PathBuf> {
    let guest = init
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    let modules = if kernel.modules.is_empty() {
        ""
    } else {
        &kernel.key
    };
    let key = Key::new("initramfs")
        .text("guest", &guest)
        .text("modules", modules)
        .finish();
    let entry = cache.get_or_make("initramfs", &key, "the initramfs", |directory| {
        let path = directory.join("initramfs.cpio");
        pack(&path, init, &kernel.modules).with_context(|| format!("write `{}`", path.display()))
    })?;
    Ok(entry.join("initramfs.cpio"))
}

fn pack(path: &Path, init: &Path, modules: &[PathBuf]) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for directory in ["dev", "modules"] {
        Builder::new(directory)
            .mode(DIRECTORY)
            .write(&mut out, 0)
            .finish()?;
    }
    // PID 1 starts with this as its stdin, stdout and stderr.
    let console = Builder::new("dev/console")
        .mode(CHARACTER_DEVICE)
        .rdev_major(5)
        .rdev_minor(1);
    console.write(&mut out, 0).finish()?;
    add_file(&mut out, "init", init)?;
    for module in modules {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        add_file(&mut out, &format!("modules/{name}"), module)?;
    }
    trailer(&mut out)?;
    out.flush()?;
    Ok(())
}

fn add_file(out: &mut impl Write, name: &str, path: &Path) -> Result<()> {
    let data = fs::read(path).with_context(|| format!("read `{}`", path.display()))?;
    let mut file = Builder::new(name)
        .mode(PROGRAM)
        .write(out, data.len() as u32);
    file.write_all(&data)?;
    file.finish()?;
    Ok(())
}
