//! What kassay brings of its own in its binary, and unpacks into the cache: headers for modules
//! and programs, the catalog of kernels and fragments of their configs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};

use crate::cache::{Cache, Key};

/// What such entries of the cache are called.
pub const KIND: &str = "asset";

/// The headers.
static HEADERS: Dir = include_dir!("$CARGO_MANIFEST_DIR/include");
/// The catalog and the fragments.
static KERNELS: Dir = include_dir!("$CARGO_MANIFEST_DIR/kernel-config");

/// The folder of `kassay_kfunc.h` and `kassay.bpf.h`.
///
/// # Errors
/// The cache cannot be written.
pub fn headers(cache: &Cache) -> Result<PathBuf> {
    unpacked(cache, &HEADERS, "kassay's headers")
}

/// The folder of `kernels.toml` and the fragments, which it documents.
///
/// # Errors
/// The cache cannot be written.
pub fn kernels(cache: &Cache) -> Result<PathBuf> {
    unpacked(cache, &KERNELS, "kassay's catalog of kernels")
}

fn unpacked(cache: &Cache, folder: &Dir, what: &str) -> Result<PathBuf> {
    let add = |key: Key, file: &include_dir::File| {
        key.bytes(&file.path().to_string_lossy(), file.contents())
    };
    let key = folder.files().fold(Key::new(KIND), add).finish();
    cache.get_or_make(KIND, &key, what, |to| {
        folder.files().try_for_each(|file| put(file, to))
    })
}

fn put(file: &include_dir::File, folder: &Path) -> Result<()> {
    let path = folder.join(file.path());
    fs::write(&path, file.contents()).with_context(|| format!("write `{}`", path.display()))
}
