//! A tree of links in which `test_progs` is built: the kernel's tree stays as it is, and what nobody
//! asked for can be left out.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::PLACE;

/// What a build in the tree itself leaves between the sources, by the ends of names. What shells and
/// modpost write to would be written to the tree, if there were a link to it.
const PRODUCTS: [&str; 11] = [
    ".o",
    ".d",
    ".ko",
    ".cmd",
    ".mod",
    ".mod.c",
    "skel.h",
    "/tests.h",
    "/modules.order",
    "/Module.symvers",
    "/FEATURE-DUMP.selftests",
];

/// Folders that such a build makes.
const FOLDERS: [&str; 6] = [
    "tools",
    "host-tools",
    "no_alu32",
    "cpuv4",
    "bpf_gcc",
    "feature",
];

/// Links all of a tree below `farm`; of the selftests those of which `keeps` is true, by their paths
/// from their folder on. Whether that was another choice before.
///
/// # Errors
/// A folder cannot be read, or written.
pub fn plant(tree: &Path, farm: &Path, keeps: &dyn Fn(&Path) -> bool) -> Result<bool> {
    let mut at = (tree.to_owned(), farm.to_owned());
    let mut is_new = false;
    for part in Path::new(PLACE) {
        let others = |entry: &DirEntry| entry.file_name() != part;
        is_new |= link(&at.0, &at.1, &others)?;
        at = (at.0.join(part), at.1.join(part));
    }
    Ok(is_new | sources(&at.0, &at.1, Path::new(""), keeps)?)
}

/// Links the sources of a folder and of those in it.
fn sources(from: &Path, to: &Path, below: &Path, keeps: &dyn Fn(&Path) -> bool) -> Result<bool> {
    let is_folder = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut is_new = link(from, to, &|entry| {
        let path = below.join(entry.file_name());
        !is_folder(entry) && !is_product(&path) && keeps(&path)
    })?;
    for entry in entries(from)?.iter().filter(|entry| is_folder(entry)) {
        let name = entry.file_name();
        if FOLDERS.iter().any(|folder| name == *folder) {
            continue;
        }
        is_new |= sources(&entry.path(), &to.join(&name), &below.join(&name), keeps)?;
    }
    Ok(is_new)
}

/// Whether a build leaves a file there.
fn is_product(path: &Path) -> bool {
    let path = format!("/{}", path.display());
    PRODUCTS.iter().any(|end| path.ends_with(end))
}

/// Has the links of a folder be those of some entries of another. Whether any was made or taken away.
fn link(from: &Path, to: &Path, keeps: &dyn Fn(&DirEntry) -> bool) -> Result<bool> {
    fs::create_dir_all(to).with_context(|| format!("make `{}`", to.display()))?;
    let mut wanted: BTreeSet<PathBuf> = BTreeSet::new();
    let mut is_new = false;
    for entry in entries(from)?.into_iter().filter(|entry| keeps(entry)) {
        let at = to.join(entry.file_name());
        match symlink(entry.path(), &at) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => {
                made.with_context(|| format!("make the link `{}`", at.display()))?;
                is_new = true;
            }
        }
        wanted.insert(at);
    }
    for entry in entries(to)? {
        let path = entry.path();
        // A build makes links of its own.
        let is_ours = fs::read_link(&path).is_ok_and(|to| to.parent() == Some(from));
        if is_ours && !wanted.contains(&path) {
            fs::remove_file(&path).with_context(|| format!("remove `{}`", path.display()))?;
            is_new = true;
        }
    }
    Ok(is_new)
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>> {
    let read = fs::read_dir(folder).and_then(Iterator::collect);
    read.with_context(|| format!("read the folder `{}`", folder.display()))
}

/// The files of a folder that end like this, without that, in the order of their names. What is
/// hidden, such as an editor's lock, is none of them, as for make.
///
/// # Errors
/// The folder cannot be read.
pub fn stems(folder: &Path, end: &str) -> Result<BTreeSet<String>> {
    let names = entries(folder)?.into_iter().map(|entry| entry.file_name());
    let stem = |name: &OsStr| Some(name.to_str()?.strip_suffix(end)?.to_owned());
    let stems = names.filter_map(|name| stem(&name));
    Ok(stems.filter(|name| !name.starts_with('.')).collect())
}
