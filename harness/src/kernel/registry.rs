//! Images of registries, read without a container engine: the manifest that a digest names, and
//! its layers, each checked against its digest (the distribution specification of the OCI, 1.1).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use oci_spec::distribution::Reference;
use oci_spec::image::{Arch, Descriptor, ImageIndex, ImageManifest};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::errors::ReadFrameHeaderError::SkipFrame;
use ureq::{Agent, Body};

use super::download;
use super::unpack::Counted;
use crate::cache::hex;
use crate::progress::Progress;

/// The kinds of manifests that are understood, docker's own ones too.
const KINDS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// How long a manifest or a token may be, in bytes.
const MOST: u64 = 4 << 20;

/// The image that a text names, which must be one by digest.
///
/// # Errors
/// It names none, or by a tag alone.
pub fn reference(image: &str) -> Result<Reference> {
    let reference: Reference = image
        .parse()
        .with_context(|| format!("`{image}` is no name of an image"))?;
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
    let manifest = registry.manifest(digest)?;
    for layer in manifest.layers() {
        registry.unpack(layer, into)?;
    }
    Ok(())
}

/// The part of a registry that an image lies in.
struct Registry {
    agent: Agent,
    address: String,
    /// What lets us in, once we were asked for it.
    token: Option<String>,
}

impl Registry {
    fn of(reference: &Reference) -> Registry {
        let host = reference.resolve_registry();
        let name = host.split(':').next().unwrap_or_default();
        // As container engines have it: a registry on this machine needs no certificate.
        let scheme = match ["localhost", "127.0.0.1"].contains(&name) {
            true => "http",
            false => "https",
        };
        Registry {
            agent: download::agent(),
            address: format!("{scheme}://{host}/v2/{}", reference.repository()),
            token: None,
        }
    }

    /// The manifest of a digest: where that is of an index, the one for this processor.
    fn manifest(&mut self, digest: &str) -> Result<ImageManifest> {
        let bytes = self.manifest_bytes(digest)?;
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
        let bytes = self.manifest_bytes(&digest)?;
        ImageManifest::from_reader(&*bytes).with_context(|| format!("read the manifest {digest}"))
    }

    fn manifest_bytes(&mut self, digest: &str) -> Result<Vec<u8>> {
        let url = format!("{}/manifests/{digest}", self.address);
        let mut bytes = Vec::new();
        let body = self.get(&url)?.into_reader();
        body.take(MOST)
            .read_to_end(&mut bytes)
            .with_context(|| format!("read `{url}`"))?;
        let found = format!("sha256:{}", hex(&sha(&bytes)));
        if found != digest {
            bail!("`{url}` has the wrong digest\n    expected {digest}\n    found    {found}");
        }
        Ok(bytes)
    }

    /// Downloads a layer and unpacks it over those before it.
    fn unpack(&mut self, layer: &Descriptor, into: &Path) -> Result<()> {
        let digest = layer.digest().to_string();
        let url = format!("{}/blobs/{digest}", self.address);
        let sha256 = digest.strip_prefix("sha256:");
        let sha256 = sha256.with_context(|| format!("`{digest}` is no SHA-256"))?;
        let file = into.join(".layer");
        download::keep(self.get(&url)?, &url, sha256, &file)?;
        let unpack = || format!("unpack the layer {digest}");
        let compressed = File::open(&file).with_context(unpack)?;
        let progress = Progress::bytes(unpack(), compressed.metadata().map(|it| it.len()).ok());
        let compressed = BufReader::new(Counted::new(compressed, &progress));
        layer_into(plain(compressed, into)?, into).with_context(unpack)?;
        progress.finish();
        fs::remove_file(&file).with_context(|| format!("remove `{}`", file.display()))
    }

    /// What lies at an address, with a token where the registry wants one.
    fn get(&mut self, url: &str) -> Result<Body> {
        for _ in 0..2 {
            let mut request = self.agent.get(url).header("accept", KINDS.join(", "));
            if let Some(token) = &self.token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let answer = request.call().with_context(|| format!("read `{url}`"))?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer.into_body());
            }
            let wants = answer.headers().get("www-authenticate");
            let wants = wants.and_then(|wants| wants.to_str().ok());
            match wants.filter(|_| status == 401) {
                Some(wants) => self.token = Some(self.authorize(wants)?),
                None => bail!("read `{url}`: the registry says {status}"),
            }
        }
        bail!("read `{url}`: the registry lets nobody in without a password")
    }

    /// The token that anybody gets from where a registry sends us:
    /// `Bearer realm="ADDRESS",service="NAME",scope="WHAT"`.
    fn authorize(&self, wants: &str) -> Result<String> {
        let field = |name: &str| {
            let (_, rest) = wants.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let realm = field("realm").filter(|_| wants.starts_with("Bearer "));
        let realm = realm.with_context(|| format!("understand `{wants}` of the registry"))?;
        let mut request = self.agent.get(realm);
        for name in ["service", "scope"] {
            if let Some(value) = field(name) {
                request = request.query(name, value);
            }
        }
        let ask = || format!("ask `{realm}` for a token");
        let mut text = String::new();
        let body = request.call().with_context(ask)?.into_body().into_reader();
        body.take(MOST)
            .read_to_string(&mut text)
            .with_context(ask)?;
        let answer: serde_json::Value = serde_json::from_str(&text).with_context(ask)?;
        let token = answer.get("token").or(answer.get("access_token"));
        let token = token.and_then(serde_json::Value::as_str);
        Ok(token.with_context(ask)?.to_owned())
    }
}

fn sha(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// A layer's tar stream, by what its first bytes say of how it is compressed.
fn plain<'a>(mut compressed: impl BufRead + 'a, beside: &Path) -> Result<Box<dyn Read + 'a>> {
    let first = compressed.fill_buf()?;
    Ok(match first {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(compressed)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut whole = tempfile::tempfile_in(beside)?;
            frames(compressed, &mut whole)?;
            whole.rewind()?;
            Box::new(whole)
        }
        _ => Box::new(compressed),
    })
}

/// Decompresses all frames of a Zstandard stream: layers may have several, and some to skip.
fn frames(mut from: impl BufRead, to: &mut File) -> Result<()> {
    while !from.fill_buf()?.is_empty() {
        match StreamingDecoder::new(&mut from) {
            Ok(mut frame) => std::io::copy(&mut frame, to)?,
            Err(FrameDecoderError::ReadFrameHeaderError(SkipFrame { length, .. })) => {
                let mut skipped = from.by_ref().take(length.into());
                std::io::copy(&mut skipped, &mut std::io::sink())?
            }
            Err(error) => bail!("decompress: {error}"),
        };
    }
    Ok(())
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
        let mut all = plain(&layer[..], Path::new("/tmp")).unwrap();
        all.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
    }
}
