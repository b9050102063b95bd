//! The initramfs: the guest program as `/init`, the modules that a distribution's
//! kernel needs before it can talk to the host, and the config of a kernel that
//! does not show it by itself. There is nothing else in it: to boot a distribution's
//! userland would cost more than everything else together, above all without KVM.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
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
    if let Some(why) = &kernel.unreachable {
        bail!(
            "start a machine of {}: {why}, and it is reached by them",
            kernel.name
        );
    }
    let guest = init
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    let files = own_files(kernel)?;
    let own = if files.is_empty() { "" } else { &kernel.key };
    let key = Key::new("initramfs")
        .text("guest", &guest)
        .text("own", own)
        .finish();
    let entry = cache.get_or_make("initramfs", &key, "the initramfs", |directory| {
        let path = directory.join("initramfs.cpio");
        pack(&path, init, &files).with_context(|| format!("write `{}`", path.display()))
    })?;
    Ok(entry.join("initramfs.cpio"))
}

/// The files that only this kernel's has, by their names in it. libbpf reads the values
/// of `__kconfig` variables from `/boot/config-RELEASE` or `/proc/config.gz`.
fn own_files(kernel: &Kernel) -> Result<Vec<(String, &Path)>> {
    let module = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("modules/{name}")
    };
    let modules = kernel.modules.iter();
    let mut files: Vec<_> = modules.map(|path| (module(path), path.as_path())).collect();
    if !kernel.config_has("IKCONFIG_PROC")? {
        files.push((format!("boot/config-{}", kernel.release), &kernel.config));
    }
    Ok(files)
}

fn pack(path: &Path, init: &Path, files: &[(String, &Path)]) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for directory in ["boot", "dev", "modules"] {
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
    for (name, path) in files {
        add_file(&mut out, name, path)?;
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
