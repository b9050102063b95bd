//! Kernel source by name: downloaded, checked and unpacked into the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::kinds::{Package, Tarball};
use super::unpack::{Counted, untar, unxz};
use super::{apt, download};
use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::progress::Progress;

/// How long a probe of a server may take, name lookup included.
const PROBE: Duration = Duration::from_secs(3);
/// How long a failed probe is believed.
const PROBE_AGAIN: Duration = Duration::from_secs(3600);

/// An unpacked kernel source in the cache.
#[derive(Debug)]
pub struct Source {
    /// The folder of the kernel's top Makefile.
    pub dir: PathBuf,
    /// The cache's name for it, which holds the digest of what was unpacked.
    pub key: String,
}

impl Source {
    /// The source under a key, if it is cached.
    fn cached(cache: &Cache, key: String) -> Option<Source> {
        let entry = cache.get("source", &key)?;
        let mut folders = fs::read_dir(entry)
            .ok()?
            .flatten()
            .map(|folder| folder.path());
        Some(Source {
            dir: folders.find(|dir| dir.join("Makefile").exists())?,
            key,
        })
    }

    /// The source under a key; `download` fills a folder with the one file to unpack, which
    /// `unpack` does. A file that was downloaded is kept until it is unpacked.
    fn obtain(
        cache: &Cache,
        key: String,
        download: impl FnOnce(&Path) -> Result<()>,
        unpack: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<Source> {
        cache.get_or_make("source", &key, &key, |dir| {
            let folder = cache.get_or_make("download", &key, &key, download)?;
            let file = fs::read_dir(&folder)?
                .next()
                .context("find what was downloaded")??
                .path();
            unpack(&file, dir).with_context(|| format!("unpack `{}`", file.display()))
        })?;
        if cache.get("download", &key).is_some() {
            cache.remove("download", &key)?;
        }
        Source::cached(cache, key.clone()).with_context(|| {
            format!(
                "find a kernel's Makefile in `{}`",
                cache.dir("source").join(key).display()
            )
        })
    }
}

fn key(name: &str, sha256: &str) -> String {
    format!(
        "{name}-{}",
        Key::new("source").text("sha256", sha256).finish()
    )
}

impl Tarball {
    fn file(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// The cache's name for the source, which need not be there.
    pub fn key(&self) -> String {
        key(self.file().trim_end_matches(".tar.xz"), &self.sha256)
    }

    /// The source, if it is cached.
    pub fn cached(&self, cache: &Cache) -> Option<Source> {
        Source::cached(cache, self.key())
    }

    /// The source, downloaded and unpacked unless cached.
    ///
    /// # Errors
    /// It cannot be downloaded, has another digest, or cannot be unpacked.
    pub fn obtain(&self, cache: &Cache) -> Result<Source> {
        let unpack = |file: &Path, into: &Path| {
            let compressed = File::open(file)?;
            let progress = Progress::bytes(
                format!("unpack {}", self.file()),
                Some(compressed.metadata()?.len()),
            );
            untar(unxz(Counted::new(compressed, &progress)), into)?;
            progress.finish();
            Ok(())
        };
        Source::obtain(
            cache,
            self.key(),
            |dir| download::file(&self.url, &self.sha256, &dir.join(self.file())),
            unpack,
        )
    }

    /// Why the server was out of reach when it was last asked, and how long ago that was.
    pub fn unreachable(&self, cache: &Cache) -> Option<(String, Duration)> {
        cache.recall(&self.probe_name())
    }

    /// Why the server cannot be reached, if so; asks it, unless it was out of reach within the last
    /// hour, and takes at most 3 seconds.
    ///
    /// A failure is remembered for [`Tarball::unreachable`](Self::unreachable).
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn probe(&self, cache: &Cache) -> Result<Option<String>> {
        if let Some((why, age)) = self.unreachable(cache)
            && age < PROBE_AGAIN
        {
            return Ok(Some(why));
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PROBE))
            .build()
            .into();
        if agent.head(&self.url).call().is_ok() {
            cache.forget(&self.probe_name())?;
            return Ok(None);
        }
        let why = format!("{} cannot be reached", self.host());
        cache.remember(&self.probe_name(), &why)?;
        Ok(Some(why))
    }

    fn host(&self) -> &str {
        self.url.split('/').nth(2).unwrap_or(&self.url)
    }

    fn probe_name(&self) -> String {
        format!(
            "unreachable-{}",
            Key::new("host").text("host", self.host()).finish()
        )
    }
}

impl Package {
    fn memo(&self) -> String {
        format!("package-{}", self.package)
    }

    /// The cache's name for the source in some version, which need not be there.
    pub fn key(&self, found: &apt::Package) -> String {
        key(&self.package, &found.sha256)
    }

    /// The version that was last asked for, whose source need not be in the cache.
    pub fn last(&self, cache: &Cache) -> Option<apt::Package> {
        let (memo, _) = cache.recall(&self.memo())?;
        serde_json::from_str(&memo).ok()
    }

    /// Has a version be the one that was last asked for.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn settle_on(&self, cache: &Cache, found: &apt::Package) -> Result<()> {
        cache.remember(&self.memo(), &serde_json::to_string(found)?)
    }

    /// The source, if it is cached, in the version that was last asked for.
    pub fn cached(&self, cache: &Cache) -> Option<Source> {
        Source::cached(cache, self.key(&self.last(cache)?))
    }

    /// The source in the version that apt offers now, downloaded and unpacked unless cached.
    ///
    /// # Errors
    /// apt does not know or cannot download the package, or it cannot be unpacked.
    pub fn obtain(&self, cache: &Cache) -> Result<Source> {
        let (archive, found) = self.find(cache)?;
        let what = format!("{} {}", found.name, found.version);
        let download = |dir: &Path| {
            archive
                .download(&what, std::slice::from_ref(&found), dir)
                .map(drop)
        };
        let source = Source::obtain(cache, self.key(&found), download, |deb, into| {
            self.unpack(&what, deb, into)
        })?;
        self.settle_on(cache, &found)?;
        Ok(source)
    }

    /// The package in the machine's own archive, else in the first of the catalog's suites
    /// that has it.
    fn find(&self, cache: &Cache) -> Result<(apt::Archive, apt::Package)> {
        let host = apt::Archive::host();
        if self.suites.is_empty() {
            let found = host.require(&self.package)?;
            return Ok((host, found));
        }
        if let Some(found) = host.show(&self.package)? {
            return Ok((host, found));
        }
        for suite in &self.suites {
            let archive = apt::Archive::of_suites(cache, std::slice::from_ref(suite), Arch::X86)?;
            if let Some(found) = archive.show(&self.package)? {
                return Ok((archive, found));
            }
        }
        bail!(
            "find package `{}`: neither apt here nor Debian's {} has it",
            self.package,
            self.suites.join(" or ")
        )
    }

    /// Unpacks the tarball that is in the package, `usr/src/PACKAGE.tar.xz`, on the fly.
    fn unpack(&self, what: &str, deb: &Path, into: &Path) -> Result<()> {
        let wanted = format!("{}.tar.xz", self.package);
        apt::contents(deb).read(|contents| {
            for file in tar::Archive::new(contents).entries()? {
                let file = file?;
                if file
                    .path()?
                    .file_name()
                    .is_some_and(|name| name == wanted.as_str())
                {
                    let progress = Progress::bytes(format!("unpack {what}"), Some(file.size()));
                    untar(unxz(Counted::new(file, &progress)), into)?;
                    progress.finish();
                    return Ok(());
                }
            }
            bail!("there is no `{wanted}` in it")
        })
    }
}
