//! The guest program, built by cargo as one static file.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::libelf;
use crate::cache::{Cache, Key};
use crate::progress::Progress;
use crate::tool::Tool;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where the headers are in the cache entry.
const HEADERS: &str = "include";

/// The guest program, and what goes with it.
pub struct Guest {
    /// The program.
    pub init: PathBuf,
    /// The folder whose `bpf/` has the headers of the libbpf in it.
    pub headers: PathBuf,
}

/// Builds the guest program. A change of the Rust toolchain alone does not
/// rebuild it: the sources and the locked dependencies say what it does.
///
/// # Errors
/// Cargo's own lines.
pub fn build(cache: &Cache) -> Result<Guest> {
    let repository = crate::repository();
    let key = key(&repository)?;
    let entry = cache.get_or_make("guest", &key, "the guest program", |directory| {
        let progress = Progress::steps("build the guest program", None);
        // A target directory of its own, so that it never waits for a lock
        // that the cargo which runs kassay may hold.
        let _lock = cache.lock("target", "guest", "cargo's build of the guest program")?;
        let target = cache.dir("target").join("guest");
        let headers = directory.join(HEADERS).join("bpf");
        fs::create_dir_all(&headers)
            .with_context(|| format!("make directory `{}`", headers.display()))?;
        let libelf = libelf::build(cache, &repository)?;
        let includes = libelf
            .headers
            .map(|folder| format!("-I{}", folder.display()));
        Tool::new(cargo())
            .args([
                "build",
                "--package",
                "kassay-guest",
                "--bin",
                "kassay-guest",
            ])
            .args(["--locked", "--features", "static", "--profile", "guest"])
            .args(["--target", TARGET, "--target-dir"])
            .arg(&target)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env("LIBBPF_SYS_LIBRARY_PATH", libelf.libraries)
            .env("LIBBPF_SYS_EXTRA_CFLAGS", includes.join(" "))
            .env("KASSAY_HEADERS", &headers)
            .cwd(&repository)
            .run_logged(&cache.log("guest")?, |_| progress.inc(1))
            .context("build the guest program")?;
        let built = target.join(TARGET).join("guest/kassay-guest");
        cache.touch("target", "guest");
        fs::copy(&built, directory.join("init"))
            .with_context(|| format!("copy `{}`", built.display()))?;
        progress.finish();
        if self::key(&repository)? != key {
            bail!("build the guest program: its sources changed meanwhile; run it again");
        }
        Ok(())
    })?;
    Ok(Guest {
        init: entry.join("init"),
        headers: entry.join(HEADERS),
    })
}

/// A digest of all that the guest program is built of.
fn key(repository: &Path) -> Result<String> {
    Ok(Key::new("guest")
        .tree("source", &repository.join("guest"))?
        .file("lock", &repository.join("Cargo.lock"))?
        .file("profile", &repository.join("Cargo.toml"))?
        .finish())
}

/// The cargo that runs kassay, else the one on `PATH`.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
