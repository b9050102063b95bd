//! The guest program, built by cargo as one static file.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use kassay_guest::sources;
use walkdir::WalkDir;

use super::libelf;
use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::progress::Progress;
use crate::tool::Tool;

/// How far cargo optimises it. Without KVM half of a run's time is QEMU's translation of code that
/// runs once, so that little code is faster than fast code.
const OPT_LEVEL: &str = "s";

/// Where the headers are in the cache entry.
const HEADERS: &str = "include";

/// The guest program, and what goes with it.
pub struct Guest {
    /// The program.
    pub init: PathBuf,
    /// The folder whose `bpf/` has the headers of the libbpf in it.
    pub headers: PathBuf,
}

/// Builds the guest program for a processor, of the sources that kassay carries. A change of the Rust toolchain
/// alone does not rebuild it: the sources and the locked dependencies say what it does.
///
/// # Errors
/// Cargo's own lines.
pub fn build(cache: &Cache, arch: Arch) -> Result<Guest> {
    let files = sources::files();
    let what = match arch.is_foreign() {
        true => format!("the guest program for {arch}"),
        false => "the guest program".to_owned(),
    };
    let entry = cache.get_or_make("guest", &key(&files, arch), &what, |directory| {
        let progress = Progress::steps(format!("build {what}"), None);
        // A target directory of its own, so that it never waits for a lock
        // that the cargo which runs kassay may hold.
        let _lock = cache.lock("target", "guest", "cargo's build of the guest program")?;
        let target = cache.dir("target").join("guest");
        let package = target.join("package");
        unpack(&files, &package)?;
        // The build script runs again only where it is given another folder than the last time,
        // which may have been interrupted.
        let scratch = tempfile::tempdir_in(&target)
            .with_context(|| format!("make a directory in `{}`", target.display()))?;
        let headers = scratch.path().join("bpf");
        fs::create_dir(&headers)
            .with_context(|| format!("make directory `{}`", headers.display()))?;
        let made = || format!("build {what}");
        require_target(arch, &package).with_context(made)?;
        let libelf = libelf::build(cache, &package, arch).with_context(made)?;
        let includes = libelf
            .headers
            .map(|folder| format!("-I{}", folder.display()));
        let target_of = arch.target();
        linked(Tool::new(cargo()), arch)
            .args(["build", "--bin", "kassay-guest"])
            // Of the lock file cargo drops what only the harness needs; else it is kept.
            .args(["--features", "static", "--release"])
            .args(["--target", &target_of, "--target-dir"])
            .arg(&target)
            // What the user has in RUSTFLAGS, or cargo in this, would else come instead.
            .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", OPT_LEVEL)
            .env("CARGO_PROFILE_RELEASE_STRIP", strip(arch))
            // libbpf asks it for the flags of libelf and zlib, which are given here.
            .env("PKG_CONFIG", "true")
            .env("LIBBPF_SYS_LIBRARY_PATH", libelf.libraries)
            .env("LIBBPF_SYS_EXTRA_CFLAGS", includes.join(" "))
            .env("KASSAY_HEADERS", &headers)
            .cwd(&package)
            .run_logged(&cache.log("guest")?, |_| progress.inc(1))
            .with_context(made)?;
        let built = target.join(target_of).join("release/kassay-guest");
        cache.touch("target", "guest");
        fs::copy(&built, directory.join("init"))
            .with_context(|| format!("copy `{}`", built.display()))?;
        take(&headers, &directory.join(HEADERS))?;
        progress.finish();
        Ok(())
    })?;
    Ok(Guest {
        init: entry.join("init"),
        headers: entry.join(HEADERS),
    })
}

/// What is stripped. libbpf finds the function that uprobes are placed on among the dynamic symbols,
/// which a static program has on x86 alone: Rust makes it position independent there.
fn strip(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "symbols",
        Arch::Arm64 | Arch::S390 => "debuginfo",
    }
}

/// Has cargo link and compile C for a processor by the cross compiler.
pub fn linked(cargo: Tool, arch: Arch) -> Tool {
    if !arch.is_foreign() {
        return cargo;
    }
    let target = arch.target().replace('-', "_");
    let (gcc, ar) = (arch.tool("gcc"), arch.tool("ar"));
    cargo
        .env(
            format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()),
            &gcc,
        )
        .env(format!("CC_{target}"), gcc)
        .env(format!("AR_{target}"), ar)
}

/// Sees that Rust, as it is chosen in a folder, has its library for a processor, and C its
/// compiler and library.
///
/// # Errors
/// What is missing, and what brings it.
pub fn require_target(arch: Arch, folder: &Path) -> Result<()> {
    if !arch.is_foreign() {
        return Ok(());
    }
    let compiler = arch.require(arch.tool("gcc"))?;
    if !has_library(&compiler)? {
        bail!(
            "`{}` has no C library to link with: install it with `kassay setup --arch {arch}`",
            compiler.display()
        );
    }
    if !has_target(arch, folder)? {
        bail!(
            "Rust has no library for {arch} here: `rustup target add {}` brings it, or of \
             Debian's Rust the package `libstd-rust-dev:{}`",
            arch.target(),
            arch.debian()
        );
    }
    Ok(())
}

/// Whether a compiler of C finds the library of static programs. Of a file that it does not find,
/// it tells the name alone.
///
/// # Errors
/// The compiler's.
pub fn has_library(compiler: &Path) -> Result<bool> {
    let compiler = Tool::new(compiler).arg("-print-file-name=libc.a");
    Ok(compiler.output()?.contains('/'))
}

/// Whether Rust, as it is chosen in a folder, has its library for a processor.
///
/// # Errors
/// rustc's.
pub fn has_target(arch: Arch, folder: &Path) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = Tool::new(rustc)
        .args(["--print", "target-libdir", "--target", &arch.target()])
        .cwd(folder)
        .output()?;
    Ok(Path::new(library.trim()).is_dir())
}

/// Moves the headers to where they are kept.
fn take(headers: &Path, to: &Path) -> Result<()> {
    if !headers.join("bpf_helpers.h").exists() {
        bail!("build the guest program: its build script handed out no headers of libbpf");
    }
    fs::create_dir(to)
        .and_then(|()| fs::rename(headers, to.join("bpf")))
        .with_context(|| format!("move `{}` to `{}`", headers.display(), to.display()))
}

/// A digest of all that the guest program is built of.
fn key(files: &[(PathBuf, Vec<u8>)], arch: Arch) -> String {
    let add =
        |key: Key, (path, bytes): &(PathBuf, Vec<u8>)| key.bytes(&path.to_string_lossy(), bytes);
    let how = Key::new("guest").bytes("opt-level", OPT_LEVEL.as_bytes());
    let how = match arch.is_foreign() {
        true => how
            .text("processor", arch.name())
            .text("strip", strip(arch)),
        false => how,
    };
    files.iter().fold(how, add).finish()
}

/// Has a folder hold these files and no others. A file that is as it should be is left alone, so
/// that cargo compiles what is new.
fn unpack(files: &[(PathBuf, Vec<u8>)], folder: &Path) -> Result<()> {
    let there = WalkDir::new(folder).into_iter().flatten();
    let there = there.filter(|entry| entry.file_type().is_file());
    for old in there.map(walkdir::DirEntry::into_path) {
        if !files.iter().any(|(path, _)| folder.join(path) == old) {
            fs::remove_file(&old).with_context(|| format!("remove `{}`", old.display()))?;
        }
    }
    for (path, bytes) in files {
        let path = folder.join(path);
        if fs::read(&path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        let folder = path.parent().unwrap_or(folder);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, bytes))
            .with_context(|| format!("write `{}`", path.display()))?;
    }
    Ok(())
}

/// The cargo that runs kassay, else the one on `PATH`.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
