//! Unpacks packages, and tar and xz streams.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use liblzma::read::XzDecoder;
use zstd::stream::read::Decoder;

use super::apt::{self, Archive, Package};
use crate::interrupt;
use crate::progress::Progress;

/// A reader that counts into a progress bar and ends when the user interrupts.
pub struct Counted<'a, R> {
    inner: R,
    progress: &'a Progress,
}

impl<'a, R: Read> Counted<'a, R> {
    /// Counts what is read from `inner`.
    pub fn new(inner: R, progress: &'a Progress) -> Counted<'a, R> {
        Counted { inner, progress }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        interrupt::check().map_err(std::io::Error::other)?;
        let n = self.inner.read(buffer)?;
        self.progress.inc(n as u64);
        Ok(n)
    }
}

/// Decompresses an xz stream.
pub fn unxz<R: Read>(compressed: R) -> XzDecoder<R> {
    XzDecoder::new_multi_decoder(compressed)
}

/// Decompresses the frames of a Zstandard stream, and passes over those that are to be skipped.
///
/// # Errors
/// There is no memory.
pub fn unzstd<R: Read>(compressed: R) -> Result<impl Read> {
    Decoder::new(compressed).context("decompress")
}

/// Unpacks a tar stream into a folder, with modes, links and times, but not owners.
///
/// # Errors
/// The stream is damaged, the folder cannot be written, or the user interrupted.
pub fn untar(stream: impl Read, into: &Path) -> Result<()> {
    let unpack = || format!("unpack into `{}`", into.display());
    let mut archive = tar::Archive::new(stream);
    archive.set_preserve_permissions(true);
    archive.unpack(into).with_context(unpack)
}

/// Downloads packages and unpacks them into a folder.
///
/// # Errors
/// Those of [`Archive::download`] and [`untar`].
pub fn packages(archive: &Archive, what: &str, packages: &[Package], dir: &Path) -> Result<()> {
    let debs = dir.join("debs");
    fs::create_dir(&debs).with_context(|| format!("make directory `{}`", debs.display()))?;
    let files = archive.download(what, packages, &debs)?;
    let progress = Progress::bytes(format!("unpack {what}"), None);
    for deb in files {
        apt::contents(&deb).read(|contents| untar(Counted::new(contents, &progress), dir))?;
    }
    progress.finish();
    fs::remove_dir_all(&debs).with_context(|| format!("remove `{}`", debs.display()))
}
