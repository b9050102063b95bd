//! Packs: a kernel of the cache in one file, with all that modules for it are built with, for the
//! cache of another machine.

mod content;
mod file;
mod header;
mod parts;
mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use oci_spec::distribution::Reference;
use tempfile::NamedTempFile;

use super::registry::artifact;
use super::{Catalog, KIND, Kernel, obtain};
use crate::cache::{self, Cache};
use crate::state;

pub use header::Header;
pub use tree::source_name;

/// A kernel that has been packed.
#[derive(Debug)]
pub struct Packed {
    /// What `uname -r` says in it.
    pub release: String,
    /// The length of the file, in bytes.
    pub bytes: u64,
    /// The file's SHA-256, in hexadecimal digits.
    pub sha256: String,
    header: Vec<u8>,
}

/// Where a kernel is to be packed: a file that is not there before it is whole.
pub struct Place {
    file: NamedTempFile,
    path: PathBuf,
}

impl Place {
    /// The place of a path.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn of(path: &Path) -> Result<Place> {
        let write = || format!("write `{}`", path.display());
        if path.is_dir() {
            return Err(anyhow!("it is a folder; name a file")).with_context(write);
        }
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(write)?;
        Ok(Place {
            file,
            path: path.to_owned(),
        })
    }
}

/// Packs a kernel of the catalog, which is obtained unless it is cached.
///
/// # Errors
/// It is a path, or cannot be had; it is to have saved states, and there are none; something in it
/// is of use in this cache alone; the disk is full.
pub fn pack(
    cache: &Cache,
    catalog: &Catalog,
    spec: &str,
    with_states: bool,
    place: Place,
) -> Result<Packed> {
    let spec = Catalog::shortest(spec);
    let kernel = obtain(cache, catalog, spec)?;
    let Place { mut file, path } = place;
    let packed = Header::of(cache, catalog, spec, &kernel)
        .and_then(|header| fill(cache, header, &kernel, with_states, &mut file))
        .with_context(|| format!("pack kernel `{spec}`"))?;
    // A temporary file is its owner's alone.
    let mode = PermissionsExt::from_mode(0o644);
    fs::set_permissions(file.path(), mode)
        .and_then(|()| file.persist(&path).map_err(|error| error.error))
        .with_context(|| format!("write `{}`", path.display()))?;
    Ok(packed)
}

fn fill(
    cache: &Cache,
    mut header: Header,
    kernel: &Kernel,
    with_states: bool,
    file: &mut NamedTempFile,
) -> Result<Packed> {
    let entry = cache.dir(KIND).join(&kernel.key);
    let mut all = parts::Parts::default();
    match entry.join(tree::BUILD).is_dir() {
        true => tree::collect(cache, &entry, kernel.arch, &mut all)?,
        false => all.tree(&entry, content::KERNEL)?,
    }
    if let Some(tools) = &kernel.tools {
        all.tree(tools, content::TOOLS)?;
    }
    if with_states {
        for key in header.add_states(cache, kernel)? {
            let state = cache.dir(state::KIND).join(key);
            all.tree(&state, &format!("{}/{key}", content::STATES))?;
        }
    }
    let folder = file.path().parent().unwrap_or(Path::new("."));
    let written = content::write(&all, &header.name, folder)?;
    header.content = written.content;
    let header = serde_json::to_vec(&header)?;
    file::write(&header, written.file, file.as_file_mut())?;
    Ok(Packed {
        release: kernel.release.clone(),
        bytes: file.as_file().metadata()?.len(),
        sha256: cache::digest(file.path())?,
        header,
    })
}

/// Sees that a spec is one of a kernel that can be packed.
///
/// # Errors
/// It names none of the catalog.
pub fn check(catalog: &Catalog, spec: &str) -> Result<()> {
    if catalog.spec(spec)?.is_path {
        bail!(
            "pack `{spec}`: it is a path, which means another kernel elsewhere; one of the catalog, \
             or of a project's `kassay.toml`, can be packed"
        );
    }
    catalog.get(spec).map(drop)
}

/// What was not in a cache before a pack was put into it.
#[derive(Debug, Clone, Copy)]
pub struct News {
    /// Whether the kernel was not.
    pub is_new: bool,
    /// How many of its saved states were not, and are of use.
    pub states: usize,
}

/// A pack that was opened.
pub struct Pack {
    /// What it says of itself.
    pub header: Header,
    file: fs::File,
}

impl Pack {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be read, or is no pack, or of a format that is not known.
    pub fn open(path: &Path) -> Result<Pack> {
        let (header, file) = file::open(path)?;
        let header = Header::read(&header).with_context(|| format!("read `{}`", path.display()))?;
        Ok(Pack { header, file })
    }

    /// Unpacks it into the cache, and says what of it was not there before.
    ///
    /// # Errors
    /// It is of no use here; it is not what its header says; the disk is full.
    pub fn unpack(mut self, cache: &Cache, catalog: &Catalog) -> Result<News> {
        let does = format!("unpack kernel `{}`", self.header.name);
        let news = self.put(cache, catalog).context(does)?;
        self.header.settle(cache, catalog)?;
        Ok(news)
    }

    fn put(&mut self, cache: &Cache, catalog: &Catalog) -> Result<News> {
        let header = &self.header;
        header.check(cache, catalog)?;
        let states = header.new_states(cache);
        let news = News {
            is_new: !header.is_there(cache),
            states: states.len(),
        };
        if !news.is_new && states.is_empty() {
            return Ok(news);
        }
        content::check(&mut self.file, &header.content)?;
        let folder = temporary(cache)?;
        content::unpack(&mut self.file, &header.content, folder.path())
            .map_err(|error| cache.explain(error))?;
        // Nothing of a pack that is refused stays, so that all of it is looked at first.
        header.look_at(folder.path(), &states)?;
        header.place(cache, folder.path(), &states)?;
        Ok(news)
    }
}

/// Packs a kernel and puts it into a registry; returns its digest there.
///
/// # Errors
/// Those of [`pack`]; the registry does not take it.
pub fn push(
    cache: &Cache,
    catalog: &Catalog,
    spec: &str,
    with_states: bool,
    to: &Reference,
) -> Result<String> {
    let folder = temporary(cache)?;
    let path = folder.path().join("pack");
    let packed = pack(cache, catalog, spec, with_states, Place::of(&path)?)?;
    artifact::push(to, &packed.header, &path).with_context(|| format!("push kernel `{spec}`"))
}

/// Gets a packed kernel from a registry and unpacks it into the cache, unless it is there; returns
/// what it is, its digest, and what of it was not there before.
///
/// # Errors
/// The registry does not have it; those of [`Pack::unpack`].
pub fn pull(cache: &Cache, catalog: &Catalog, from: &Reference) -> Result<(Header, String, News)> {
    let mut artifact = artifact::find(from)?;
    let digest = artifact.digest.clone();
    let header = Header::read(&artifact.header).with_context(|| format!("pull `{from}`"))?;
    // What is of no use here is not downloaded.
    header
        .check(cache, catalog)
        .with_context(|| format!("pull kernel `{}`", header.name))?;
    if header.is_there(cache) && header.new_states(cache).is_empty() {
        header.settle(cache, catalog)?;
        let nothing = News {
            is_new: false,
            states: 0,
        };
        return Ok((header, digest, nothing));
    }
    let folder = temporary(cache)?;
    let path = folder.path().join("pack");
    artifact.download(&path)?;
    let pack = Pack::open(&path)?;
    // What is told is what the file says, not what the registry says of it.
    let header = pack.header.clone();
    let news = pack.unpack(cache, catalog)?;
    Ok((header, digest, news))
}

/// A folder where there is room for a pack: that of the cache.
fn temporary(cache: &Cache) -> Result<tempfile::TempDir> {
    let folder = cache.dir("locks");
    tempfile::tempdir_in(&folder)
        .with_context(|| format!("make a temporary folder in `{}`", folder.display()))
}
