//! Files from servers, each checked against its digest.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use ureq::Agent;

use super::unpack::Counted;
use crate::cache::hex;
use crate::progress::Progress;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a server may stay silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Who asks servers. An answer that is no success is an answer.
pub fn agent() -> Agent {
    Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .http_status_as_error(false)
        .build()
        .into()
}

/// Downloads the file at an address to `path`.
///
/// # Errors
/// The server cannot be reached or says no; the file has another digest, and is deleted.
pub fn file(url: &str, sha256: &str, path: &Path) -> Result<()> {
    let from = || from(url);
    let answer = agent().get(url).call().with_context(from)?;
    let status = answer.status();
    if !status.is_success() {
        return Err(anyhow::anyhow!("the server says {status}")).with_context(from);
    }
    let body = answer.into_body();
    let length = body.content_length();
    keep(body.into_reader(), length, url, sha256, path)
}

fn from(url: &str) -> String {
    format!("download `{url}`: is there a network? `kassay list` shows the kernels to be had")
}

/// Writes what a server sends, of some length in bytes, to `path`, and deletes it when its digest is
/// another.
///
/// # Errors
/// Those of [`file()`].
pub fn keep(
    body: impl Read,
    length: Option<u64>,
    url: &str,
    sha256: &str,
    path: &Path,
) -> Result<()> {
    let name = url.rsplit('/').next().unwrap_or(url);
    let progress = Progress::bytes(format!("download {name}"), length);
    let mut body = Counted::new(body, &progress);
    let mut file = File::create(path).with_context(|| format!("write `{}`", path.display()))?;
    let (mut sha, mut chunk) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        let n = body.read(&mut chunk).with_context(|| from(url))?;
        if n == 0 {
            break;
        }
        sha.update(&chunk[..n]);
        file.write_all(&chunk[..n])
            .with_context(|| format!("write `{}`", path.display()))?;
    }
    let found = hex(&sha.finalize());
    if found != sha256 {
        fs::remove_file(path).with_context(|| format!("remove `{}`", path.display()))?;
        bail!(
            "`{url}` has the wrong digest, and what was downloaded is deleted\n    \
             expected {sha256}\n    found    {found}"
        );
    }
    progress.finish();
    Ok(())
}
