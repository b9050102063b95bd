//! What a pack says of itself, and whether the kernel is of use where it is to be unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::super::apt::Package;
use super::super::availability::config;
use super::super::kinds::Source;
use super::super::prebuilt::Found;
use super::super::{Catalog, KIND, Kernel, build, read, toolchain, tools};
use super::content::{KERNEL, STATES, TOOLS, take};
use super::tree;
use crate::arch::{Arch, HOST};
use crate::cache::Cache;
use crate::progress;
use crate::state;
use crate::tool::{self, Tool};

/// The format that packs have.
const FORMAT: u32 = 1;

/// What a pack says of itself in front of its content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    format: u32,
    /// The version of kassay that packed it.
    kassay: String,
    /// The kernel's spec.
    pub name: String,
    /// The cache's name for it.
    pub key: String,
    /// What `uname -r` says in it.
    pub release: String,
    /// The processor that it is made for.
    processor: Arch,
    /// The processor that modules for it are built on.
    host: Arch,
    /// The programs that modules must be built by, which do not come along, and the first line of
    /// what each says of its version.
    compilers: BTreeMap<String, String>,
    /// The version of the package that it was built from, if it was.
    package: Option<Package>,
    /// The packages that it was unpacked from, if it was.
    found: Option<Found>,
    /// The cache's name for the tools that come along.
    pub tools: Option<String>,
    /// The saved states that come along, if any do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<States>,
    pub content: Content,
}

/// Saved states of a kernel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct States {
    /// The host that they are of, and of use on.
    host: String,
    /// The cache's names for them.
    keys: BTreeSet<String>,
}

/// What there is of a content.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    /// Compressed.
    pub bytes: u64,
    /// Of the compressed bytes.
    pub sha256: String,
    /// Decompressed.
    pub unpacked: u64,
}

impl Header {
    /// What is known of a kernel before it is packed.
    ///
    /// # Errors
    /// A program that it was built by is gone.
    pub fn of(cache: &Cache, catalog: &Catalog, spec: &str, kernel: &Kernel) -> Result<Header> {
        let source = catalog.get(spec)?.0;
        let (package, found) = match &source {
            Source::Package(package) => (package.last(cache), None),
            Source::Prebuilt(prebuilt) => (None, prebuilt.found(cache, spec, &catalog.lock)),
            Source::Tarball(_) | Source::Remote(_) => (None, None),
        };
        let is_built = matches!(source, Source::Tarball(_) | Source::Package(_));
        let compilers = match (is_built, &kernel.tools) {
            (true, _) => build::programs(kernel.arch)?,
            (false, Some(_)) => Vec::new(),
            (false, None) => {
                let program = compiler(&read(&kernel.config)?);
                let version = version(&program);
                version
                    .map(|version| (program, version))
                    .into_iter()
                    .collect()
            }
        };
        let first = |(program, says): (String, String)| (program, first_line(&says));
        Ok(Header {
            format: FORMAT,
            kassay: env!("CARGO_PKG_VERSION").to_owned(),
            name: spec.to_owned(),
            key: kernel.key.clone(),
            release: kernel.release.clone(),
            processor: kernel.arch,
            host: HOST,
            compilers: compilers.into_iter().map(first).collect(),
            package,
            found,
            tools: tools::key(kernel.tools.as_deref()).map(str::to_owned),
            states: None,
            content: Content {
                bytes: 0,
                sha256: String::new(),
                unpacked: 0,
            },
        })
    }

    /// Takes note of the saved states of a kernel, which there are.
    ///
    /// # Errors
    /// There are none.
    pub fn add_states(&mut self, cache: &Cache, kernel: &Kernel) -> Result<&BTreeSet<String>> {
        let host = state::host(kernel.arch)?;
        let mut keys = BTreeSet::new();
        for key in state::of(cache, &kernel.key, &host) {
            // Nobody could unpack the kernel with one that is damaged.
            match state::verify(&cache.dir(state::KIND).join(&key), &key)? {
                true => drop(keys.insert(key)),
                false => {
                    progress::note(format!("the saved state `{key}` is damaged; it stays out"))
                }
            }
        }
        if keys.is_empty() {
            let name = &kernel.name;
            bail!(
                "it has no saved state here: `kassay run --kernel {name}` makes those that it wants"
            );
        }
        Ok(&self.states.insert(States { host, keys }).keys)
    }

    /// Reads a header.
    ///
    /// # Errors
    /// It is none, or of another format.
    pub fn read(bytes: &[u8]) -> Result<Header> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
            kassay: String,
        }
        let read = || "read the header of a packed kernel";
        let Format { format, kassay } = serde_json::from_slice(bytes).with_context(read)?;
        if format != FORMAT {
            bail!(
                "it has format {format}, of kassay {kassay}, and this kassay reads format {FORMAT}: \
                 use that one"
            );
        }
        let header: Header = serde_json::from_slice(bytes).with_context(read)?;
        let states = header.states.iter().flat_map(|states| &states.keys);
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric())
        };
        let mut names = header.tools.iter().chain(states);
        if let Some(name) = names.find(|name| !is_name(name)) {
            bail!("its tools, or a saved state, have a name that is none: `{name}`");
        }
        Ok(header)
    }

    /// The saved states that are of use here, and not there.
    pub fn new_states(&self, cache: &Cache) -> Vec<String> {
        let Some(States { host, keys }) = &self.states else {
            return Vec::new();
        };
        let why = match state::host(self.processor) {
            Ok(here) if here == *host => {
                let is_new = |key: &&String| cache.get(state::KIND, key).is_none();
                return keys.iter().filter(is_new).cloned().collect();
            }
            Ok(here) => format!("they are of another QEMU or CPU, `{host}`; here it is `{here}`"),
            Err(error) => format!("{error:#}"),
        };
        progress::note(format!(
            "the saved states of `{}` stay out: {why}",
            self.name
        ));
        Vec::new()
    }

    /// Sees that all is in a folder, into which the content was unpacked, that goes into the cache.
    ///
    /// # Errors
    /// It is not, or a state is not as it was saved, or of another kernel or host.
    pub fn look_at(&self, folder: &Path, states: &[String]) -> Result<()> {
        for part in [KERNEL]
            .into_iter()
            .chain(self.tools.as_ref().map(|_| TOOLS))
        {
            if !folder.join(part).is_dir() {
                bail!("the folder `{part}` is not in it");
            }
        }
        let host = self.states.as_ref().map_or("", |states| &states.host);
        for key in states {
            let state = folder.join(STATES).join(key);
            let is_ours =
                state::label(&state, key).is_some_and(|label| label.is_of(&self.key, host));
            if !is_ours || !state::verify(&state, key)? {
                bail!(
                    "the saved state `{key}` is missing, not what was saved, or not of this kernel"
                );
            }
        }
        Ok(())
    }

    /// Puts the parts of a content into the cache, with these states. A kernel without its tools is
    /// none, and a state without its kernel is in the way.
    ///
    /// # Errors
    /// The disk is full.
    pub fn place(&self, cache: &Cache, folder: &Path, states: &[String]) -> Result<()> {
        let name = &self.name;
        if let Some(tools) = &self.tools {
            let take = |to: &Path| take(&folder.join(TOOLS), to);
            cache.get_or_make(tools::KIND, tools, &format!("the tools of {name}"), take)?;
        }
        let kernel = folder.join(KERNEL);
        tree::settle(&kernel, &cache.dir(KIND).join(&self.key))?;
        cache.get_or_make(KIND, &self.key, name, |to| take(&kernel, to))?;
        for key in states {
            let take = |to: &Path| take(&folder.join(STATES).join(key), to);
            cache.get_or_make(state::KIND, key, &state::called(name), take)?;
        }
        Ok(())
    }

    /// Whether the kernel is in the cache.
    pub fn is_there(&self, cache: &Cache) -> bool {
        let has_tools = self.tools.as_ref();
        let has_tools = has_tools.is_none_or(|tools| cache.get(tools::KIND, tools).is_some());
        has_tools && cache.get(KIND, &self.key).is_some()
    }

    /// Sees that the kernel is of use here: that modules can be built for it, and that it is what
    /// its name stands for.
    ///
    /// # Errors
    /// It is not, and why.
    pub fn check(&self, cache: &Cache, catalog: &Catalog) -> Result<()> {
        let name = &self.name;
        if self.host != HOST {
            bail!(
                "the programs in it, which modules are built with, run on {}, and this machine is \
                 {HOST}; `kassay kernel build {name}` makes the kernel here",
                self.host
            );
        }
        for (program, wanted) in &self.compilers {
            let here = version(program).map(|says| first_line(&says));
            let here = match &here {
                Some(here) if here == wanted => continue,
                Some(here) => format!("here it is `{here}`"),
                None => "it is not installed here".to_owned(),
            };
            bail!(
                "modules for it are built by `{program}` as in `{wanted}`, and {here}: install that \
                 version, or make the kernel here with `kassay kernel build {name}`"
            );
        }
        if self.key_here(cache, catalog)? != self.key {
            bail!(
                "`{name}` is another kernel here: its table in the catalog, its config fragments, or \
                 what `kassay setup --pahole` has fetched, are not as where kassay {} packed it; \
                 have them alike, or make the kernel here with `kassay kernel build {name}`",
                self.kassay
            );
        }
        Ok(())
    }

    /// The key that the kernel would have if it had been made here, of the same packages.
    fn key_here(&self, cache: &Cache, catalog: &Catalog) -> Result<String> {
        let name = &self.name;
        let unknown = || format!("`{name}` comes from elsewhere here than where it was packed");
        let from = match catalog.get(name)?.0 {
            Source::Remote(remote) => return Ok(remote.key(name)),
            Source::Prebuilt(prebuilt) => {
                let found = self.found.as_ref().with_context(unknown)?;
                let locked = catalog.lock.get(name)?;
                if let Some(locked) = locked.filter(|locked| locked != found) {
                    bail!(
                        "kassay.lock has `{name}` stand for {}, and this is {}",
                        locked.version(),
                        found.version()
                    );
                }
                return Ok(prebuilt.key(name, found));
            }
            Source::Tarball(tarball) => tarball.key(),
            Source::Package(package) => {
                let found = self.package.as_ref();
                let found = found.filter(|found| found.name == package.package);
                package.key(found.with_context(unknown)?)
            }
        };
        let config = config(cache, catalog, name)?.with_context(|| {
            format!(
                "`{name}` starts from the config of a kernel that is not in the cache; unpack that \
                 one first"
            )
        })?;
        let pahole = tools::cached(cache, tools::PAHOLE);
        let pahole = tools::key(pahole.as_deref()).or(self.tools.as_deref());
        build::key_by(pahole, name, &from, &config)
    }

    /// Has the kernel's name stand for it.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn settle(&self, cache: &Cache, catalog: &Catalog) -> Result<()> {
        let source = catalog.get(&self.name)?.0;
        let is_built = matches!(source, Source::Tarball(_) | Source::Package(_));
        match (&self.tools, is_built) {
            (Some(tools), true) if tools::cached(cache, tools::PAHOLE).is_none() => {
                progress::note(
                    "kernels that are built here, and modules for them, have the pahole of the pack \
                     from now on",
                );
                tools::adopt(cache, tools::PAHOLE, tools)?;
            }
            (Some(tools), false) => tools::adopt(cache, &self.key, tools)?,
            _ => {}
        }
        match (source, &self.package, &self.found) {
            (Source::Package(package), Some(found), _) => {
                let before = package.last(cache).filter(|before| before != found);
                if let Some(before) = before {
                    progress::note(format!(
                        "`{}` stands for its version {} from now on, and did for {}",
                        found.name, found.version, before.version
                    ));
                }
                package.settle_on(cache, found)
            }
            (Source::Prebuilt(prebuilt), _, Some(found)) => prebuilt.settle_on(cache, found),
            _ => Ok(()),
        }
    }
}

/// What a program says of its version, if it is there.
fn version(program: &str) -> Option<String> {
    let program = tool::find(program)?;
    Tool::new(program).arg("--version").output().ok()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The compiler that headers have modules built by: the one that the config names, where it is
/// installed.
fn compiler(config: &str) -> String {
    let (_, names) = toolchain(config);
    let is_here = |name: &&String| name.contains("gcc") && tool::find(name).is_some();
    let named = names.iter().rev().find(is_here);
    named.map_or("clang", |name| name).to_owned()
}
