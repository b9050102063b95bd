//! Images: what a digest names, and its layers, one unpacked over the other.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use oci_spec::distribution::Reference;
use oci_spec::image::{Arch, Descriptor, ImageIndex, ImageManifest};

use super::super::unpack::{Counted, unzstd};
use super::Registry;
use crate::progress::Progress;

/// The image that a text names, which must be one by digest.
///
/// # Errors
/// It names none, or by a tag alone.
pub fn reference(image: &str) -> Result<Reference> {
    let reference = super::reference(image)?;
    match reference.digest() {
        Some(digest) if digest.starts_with("sha256:") => Ok(reference),
        _ => bail!(
            "`{image}` has no digest, and a tag moves: name it as REGISTRY/NAME@sha256:DIGITS"
        ),
    }
}

/// Unpacks the layers of an image into a folder.
///
/// # Errors
/// The registry cannot be reached or does not have it; a digest is wrong; the disk is full.
pub fn pull(image: &str, into: &Path) -> Result<()> {
    let reference = reference(image)?;
    let mut registry = Registry::of(&reference);
    let digest = reference.digest().unwrap_or_default();
    let manifest = registry.image(digest)?;
    for layer in manifest.layers() {
        registry.unpack(layer, into)?;
    }
    Ok(())
}

impl Registry {
    /// The manifest of a digest: where that is of an index, the one for this processor.
    fn image(&mut self, digest: &str) -> Result<ImageManifest> {
        let (bytes, _) = self.manifest(digest)?;
        let Ok(index) = ImageIndex::from_reader(&*bytes) else {
            return ImageManifest::from_reader(&*bytes)
                .with_context(|| format!("read the manifest {digest}"));
        };
        let is_ours = |one: &&Descriptor| {
            let platform = one.platform().as_ref();
            platform.is_none_or(|platform| *platform.architecture() == Arch::Amd64)
        };
        let ours = index.manifests().iter().find(is_ours);
        let ours = ours.with_context(|| format!("find amd64 in the index {digest}"))?;
        let digest = ours.digest().to_string();
        let (bytes, _) = self.manifest(&digest)?;
        ImageManifest::from_reader(&*bytes).with_context(|| format!("read the manifest {digest}"))
    }

    /// Downloads a layer and unpacks it over those before it.
    fn unpack(&mut self, layer: &Descriptor, into: &Path) -> Result<()> {
        let digest = layer.digest().to_string();
        let file = into.join(".layer");
        self.download(layer, &file)?;
        let unpack = || format!("unpack the layer {digest}");
        let compressed = File::open(&file).with_context(unpack)?;
        let progress = Progress::bytes(unpack(), compressed.metadata().map(|it| it.len()).ok());
        let compressed = BufReader::new(Counted::new(compressed, &progress));
        layer_into(plain(compressed)?, into).with_context(unpack)?;
        progress.finish();
        fs::remove_file(&file).with_context(|| format!("remove `{}`", file.display()))
    }
}

/// A layer's tar stream, by what its first bytes say of how it is compressed.
fn plain<'a>(mut compressed: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>> {
    let first = compressed.fill_buf()?;
    Ok(match first {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(compressed)),
        // A frame may come after one that is to be skipped.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Box::new(unzstd(compressed)?)
        }
        _ => Box::new(compressed),
    })
}

/// Unpacks a layer: a file `.wh.NAME` takes NAME of the layers before away, and `.wh..wh..opq` all
/// that is beside it.
fn layer_into(stream: impl Read, into: &Path) -> Result<()> {
    let mut archive = tar::Archive::new(stream);
    archive.set_preserve_permissions(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(gone) = name.strip_prefix(".wh.") else {
            if entry.unpack_in(into)? {
                let below = path.components().filter_map(|part| match part {
                    std::path::Component::Normal(part) => Some(part),
                    _ => None,
                });
                open_up(&below.fold(into.to_owned(), |folder, part| folder.join(part)))?;
            }
            continue;
        };
        // A layer before may have made a link of the folder.
        let Ok(folder) = into
            .join(path.parent().unwrap_or(Path::new("")))
            .canonicalize()
        else {
            continue;
        };
        match gone {
            _ if !folder.starts_with(into.canonicalize()?) => {
                bail!("`{}` leads out of the image", path.display())
            }
            ".wh..opq" => entries(&folder)?.iter().try_for_each(|path| remove(path))?,
            gone => remove(&folder.join(gone))?,
        }
    }
    Ok(())
}

/// Sees that its owner can read a file, and write into a folder, whatever mode an image gives it.
fn open_up(path: &Path) -> Result<()> {
    let open = || format!("set the mode of `{}`", path.display());
    let found = path.symlink_metadata().with_context(open)?;
    let more = match found.is_dir() {
        true => 0o700,
        false => 0o600,
    };
    if found.is_dir() || found.is_file() {
        let mode = fs::Permissions::from_mode(found.permissions().mode() | more);
        fs::set_permissions(path, mode).with_context(open)?;
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read `{}`", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Removes a file or a folder, if it is there; follows no link.
fn remove(path: &Path) -> Result<()> {
    let Ok(found) = path.symlink_metadata() else {
        return Ok(());
    };
    match found.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
    .with_context(|| format!("remove `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_frames_of_a_layer_are_read_and_those_to_skip_are_not() {
        // Frames of one raw block each (RFC 8878), and one to skip between them.
        let frame = |text: &[u8]| {
            let length = u8::try_from(text.len()).unwrap();
            let head = [
                0x28,
                0xb5,
                0x2f,
                0xfd,
                0x20,
                length,
                (length << 3) | 1,
                0,
                0,
            ];
            [&head[..], text].concat()
        };
        let skip = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
        let layer = [&frame(b"one ")[..], &skip, &frame(b"two")].concat();
        let mut text = String::new();
        let mut all = plain(&layer[..]).unwrap();
        all.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
    }
}
