//! A packed kernel in a registry: its file, and its header, which tells what it is before the file
//! is downloaded.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, bail};
use oci_spec::distribution::Reference;
use oci_spec::image::{
    ANNOTATION_TITLE, Descriptor, Digest, ImageManifest, ImageManifestBuilder, MediaType,
};
use ureq::http::Method;

use super::{Registry, Sent, digest, is_here};
use crate::cache;
use crate::progress::Progress;

/// The kinds of the two.
const HEADER: &str = "application/vnd.kassay.kernel.header.v1+json";
const FILE: &str = "application/vnd.kassay.kernel.v1.tar+zstd";

/// The kind of what is sent, as uploads want it.
const BYTES: &str = "application/octet-stream";

/// A packed kernel that a registry has.
pub struct Artifact {
    registry: Registry,
    /// The digest of its manifest, by which it is what it is.
    pub digest: String,
    /// Its header, as it was pushed.
    pub header: Vec<u8>,
    file: Descriptor,
}

/// Looks a packed kernel up, by its digest or, where there is none, by its tag.
///
/// # Errors
/// The registry cannot be reached, or does not have it, or something else in its place.
pub fn find(reference: &Reference) -> Result<Artifact> {
    let name = match (reference.digest(), reference.tag()) {
        (Some(digest), _) if !digest.starts_with("sha256:") => {
            bail!("pull `{reference}`: its digest is no SHA-256")
        }
        (Some(digest), _) => digest,
        (None, tag) => tag.unwrap_or("latest"),
    };
    let mut registry = Registry::of(reference);
    let (bytes, digest) = registry.manifest(name)?;
    let is_file = |layer: &&Descriptor| *layer.media_type() == MediaType::from(FILE);
    let manifest = ImageManifest::from_reader(&*bytes).ok();
    let parts = manifest.as_ref().and_then(|manifest| {
        let file = manifest.layers().iter().find(is_file)?;
        Some((manifest.config(), file))
    });
    let Some((header, file)) = parts else {
        bail!(
            "pull `{reference}`: it is no packed kernel; `kassay kernel push NAME {reference}` \
             makes one"
        );
    };
    Ok(Artifact {
        header: registry.blob(header)?,
        file: file.clone(),
        registry,
        digest,
    })
}

impl Artifact {
    /// Downloads its file to a path.
    ///
    /// # Errors
    /// It cannot be downloaded, or has another digest.
    pub fn download(&mut self, to: &Path) -> Result<()> {
        self.registry.download(&self.file, to)
    }
}

/// Puts a packed kernel into a registry, and returns the digest that it has there.
///
/// # Errors
/// The registry cannot be reached, or does not take it.
pub fn push(reference: &Reference, header: &[u8], file: &Path) -> Result<String> {
    let mut registry = Registry::of(reference);
    let read = || format!("read `{}`", file.display());
    let whole = File::open(file).with_context(read)?;
    let size = whole.metadata().with_context(read)?.len();
    let progress = Progress::steps(format!("push {} MiB to {reference}", size >> 20), None);
    let of_file = format!("sha256:{}", cache::digest(file)?);
    registry.put(&digest(header), Sent::Bytes(header))?;
    registry.put(&of_file, Sent::File(&whole))?;
    let manifest = manifest(reference, header, &of_file, size)?;
    let tag = reference.tag().unwrap_or("latest");
    let url = registry.address(&format!("manifests/{tag}"));
    let kind = MediaType::ImageManifest.to_string();
    registry.send(&Method::PUT, &url, &kind, Sent::Bytes(&manifest))?;
    progress.finish();
    Ok(digest(&manifest))
}

fn manifest(reference: &Reference, header: &[u8], of_file: &str, size: u64) -> Result<Vec<u8>> {
    let describe = |kind: &str, size: u64, digest: &str| -> Result<Descriptor> {
        let digest: Digest = digest.parse()?;
        Ok(Descriptor::new(MediaType::from(kind), size, digest))
    };
    let name = reference.repository().rsplit('/').next();
    let title = format!("{}.tar.zst", name.unwrap_or("kernel"));
    let mut file = describe(FILE, size, of_file)?;
    file.set_annotations(Some(HashMap::from([(ANNOTATION_TITLE.to_owned(), title)])));
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(describe(HEADER, header.len() as u64, &digest(header))?)
        .layers(vec![file])
        .build()?;
    Ok(serde_json::to_vec(&manifest)?)
}

impl Registry {
    /// Puts something into the registry, unless it has it.
    fn put(&mut self, digest: &str, what: Sent) -> Result<()> {
        let there = self.address(&format!("blobs/{digest}"));
        let known = self.ask(&Method::HEAD, &there, None, Sent::Nothing)?;
        if known.status().is_success() {
            return Ok(());
        }
        let url = self.address("blobs/uploads/");
        let place = self.send(&Method::POST, &url, BYTES, Sent::Bytes(b""))?;
        let place = place.with_context(|| {
            format!("post `{url}`: the registry does not say where it wants the file")
        })?;
        let place = match place.starts_with('/') {
            true => format!("{}{place}", self.server),
            false => place,
        };
        if let Some(host) = place.strip_prefix("http://")
            && !is_here(host)
        {
            bail!(
                "put `{place}`: the registry wants it by plain http, which goes to localhost alone"
            );
        }
        let more = if place.contains('?') { '&' } else { '?' };
        let place = format!("{place}{more}digest={digest}");
        self.send(&Method::PUT, &place, BYTES, what).map(drop)
    }

    /// Has the registry take something, and returns where it says that it lies.
    fn send(
        &mut self,
        method: &Method,
        url: &str,
        kind: &str,
        what: Sent,
    ) -> Result<Option<String>> {
        let answer = self.ask(method, url, Some(kind), what)?;
        if !answer.status().is_success() {
            let verb = method.as_str().to_lowercase();
            return Err(self.refusal(&verb, url, answer));
        }
        let location = answer.headers().get("location");
        let location = location.and_then(|location| location.to_str().ok());
        Ok(location.map(str::to_owned))
    }
}
