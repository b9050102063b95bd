//! libelf and zlib for the guest program, compiled from the sources that libbpf-sys brings. The
//! distribution's static ones differ from release to release in what else they must be linked
//! with: Debian 13's libelf lacks a function of its own, and sid's has zlib's `crc32` as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::progress::Progress;
use crate::tool::{self, Tool};

/// What elfutils' configure script would find out about a machine with gcc and glibc.
const CONFIG: &str = "\
#define _GNU_SOURCE
#define HAVE_DECL_MEMPCPY 1
#define HAVE_DECL_MEMRCHR 1
#define HAVE_DECL_POWEROF2 1
#define HAVE_DECL_RAWMEMCHR 1
#define HAVE_DECL_REALLOCARRAY 1
#define HAVE_ERROR_H 1
#define HAVE_MREMAP 1
#define HAVE_VISIBILITY 1
#include <eu-config.h>
";

/// Flags of the compiler. These sources are older than compilers that warn of them or that take
/// another C by default.
const FLAGS: [&str; 6] = ["-c", "-O2", "-fPIC", "-w", "-std=gnu11", "-DHAVE_CONFIG_H"];

/// The libraries, and where their headers are.
pub struct Libelf {
    /// The folder of `libelf.a` and `libz.a`.
    pub libraries: PathBuf,
    /// The folders of the headers.
    pub headers: [PathBuf; 2],
}

/// Compiles what is not in the cache yet, for the guest's package in a folder.
///
/// # Errors
/// What cargo or the compiler says.
pub fn build(cache: &Cache, package: &Path, arch: Arch) -> Result<Libelf> {
    let (id, sources) = libbpf_sys(package)?;
    let headers = [sources.join("elfutils/libelf"), sources.join("zlib")];
    let key = Key::new("libelf")
        .text("sources", &id)
        .text("config", CONFIG);
    // What one C library's headers make of it may not link with an older one.
    let key = key.text("compiler", &tool::identity(compiler(arch)));
    let key = match arch.is_foreign() {
        true => key.text("processor", arch.name()),
        false => key,
    };
    let key = key.text("flags", &FLAGS.join(" ")).finish();
    let libraries = cache.get_or_make("libelf", &key, "libelf", |directory| {
        let progress = Progress::steps("compile libelf", None);
        let config = directory.join("include");
        fs::create_dir(&config)
            .and_then(|()| fs::write(config.join("config.h"), CONFIG))
            .with_context(|| format!("write `{}`", config.display()))?;
        let includes = [
            &config,
            &sources.join("elfutils/lib"),
            &headers[0],
            &headers[1],
        ];
        thread::scope(|scope| {
            let zlib =
                scope.spawn(|| compile(arch, "z", &headers[1], &["-DHAVE_UNISTD_H"], directory));
            let includes = includes.map(|path| format!("-I{}", path.display()));
            compile(arch, "elf", &headers[0], &includes, directory)?;
            zlib.join().expect("the compiler's thread ends")
        })?;
        progress.finish();
        Ok(())
    })?;
    Ok(Libelf { libraries, headers })
}

/// The C compiler for a processor.
fn compiler(arch: Arch) -> String {
    match arch.is_foreign() {
        true => arch.tool("gcc"),
        false => "cc".to_owned(),
    }
}

/// Compiles all C files of a folder into the library `lib{name}.a`.
fn compile(
    arch: Arch,
    name: &str,
    sources: &Path,
    flags: &[impl AsRef<str>],
    into: &Path,
) -> Result<()> {
    let objects = into.join(name);
    fs::create_dir(&objects).with_context(|| format!("make directory `{}`", objects.display()))?;
    let files = |folder: &Path, ending: &str| -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.with_context(|| format!("read `{}`", folder.display()))?;
        let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
        files.retain(|file| file.extension().is_some_and(|is| is == ending));
        files.sort();
        Ok(files)
    };
    Tool::hermetic(compiler(arch))
        .args(FLAGS)
        .args(flags.iter().map(AsRef::as_ref))
        .args(files(sources, "c")?)
        .cwd(&objects)
        .output()
        .with_context(|| format!("compile lib{name}"))?;
    Tool::hermetic(arch.tool("ar"))
        .arg("crs")
        .arg(into.join(format!("lib{name}.a")))
        .args(files(&objects, "o")?)
        .output()?;
    fs::remove_dir_all(&objects).with_context(|| format!("remove `{}`", objects.display()))
}

/// What cargo calls the locked libbpf-sys, and the folder of its sources, downloaded if need be.
fn libbpf_sys(package: &Path) -> Result<(String, PathBuf)> {
    let metadata = Tool::new(super::guest::cargo())
        .args(["metadata", "--format-version", "1"])
        .cwd(package)
        .output()?;
    let metadata: Value = serde_json::from_str(&metadata).context("read cargo's metadata")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let text = |package: &Value, key: &str| Some(package[key].as_str()?.to_owned());
    let mut found = packages
        .filter(|package| package["name"] == "libbpf-sys")
        .filter_map(|package| Some((text(package, "id")?, text(package, "manifest_path")?)));
    let (id, manifest) = found
        .next()
        .context("find libbpf-sys in cargo's metadata")?;
    let folder = Path::new(&manifest)
        .parent()
        .context("find libbpf-sys's folder")?;
    Ok((id, folder.to_owned()))
}
