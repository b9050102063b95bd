//! What goes into a pack, by its path there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// One thing.
pub enum Part {
    Folder,
    /// What a file of the cache has.
    File(PathBuf),
    /// What no file has.
    Text(String),
    Link(PathBuf),
}

/// All of it, a folder before what is in it.
#[derive(Default)]
pub struct Parts(BTreeMap<PathBuf, Part>);

impl Parts {
    /// Adds one thing, and the folders that it is in.
    pub fn add(&mut self, path: &Path, part: Part) {
        for folder in path.ancestors().skip(1) {
            if !folder.as_os_str().is_empty() {
                self.0.entry(folder.to_owned()).or_insert(Part::Folder);
            }
        }
        self.0.insert(path.to_owned(), part);
    }

    /// Adds all of a folder.
    ///
    /// # Errors
    /// Something in it cannot be read.
    pub fn tree(&mut self, folder: &Path, to: &str) -> Result<()> {
        self.some(folder, to, |_| true)
    }

    /// Adds what is wanted of a folder, by its path in it. Links that lead to something else, or
    /// nowhere, are of no use elsewhere and stay.
    ///
    /// # Errors
    /// Something in it cannot be read.
    pub fn some(
        &mut self,
        folder: &Path,
        to: &str,
        is_wanted: impl Fn(&Path) -> bool,
    ) -> Result<()> {
        let read = || format!("read `{}`", folder.display());
        let root = folder.canonicalize().with_context(read)?;
        let (to, mut links) = (Path::new(to), Vec::new());
        for entry in WalkDir::new(&root).sort_by_file_name() {
            let entry = entry.with_context(read)?;
            let (path, kind) = (entry.path(), entry.file_type());
            let inside = path.strip_prefix(&root).with_context(read)?;
            if entry.depth() == 0 || !is_wanted(inside) {
                continue;
            }
            if kind.is_dir() {
                self.add(&to.join(inside), Part::Folder);
            } else if kind.is_file() {
                self.add(&to.join(inside), Part::File(path.to_owned()));
            } else if kind.is_symlink() {
                let target = fs::read_link(path).with_context(read)?;
                let leads = path.canonicalize().ok();
                let leads = leads.and_then(|it| Some(to.join(it.strip_prefix(&root).ok()?)));
                links.push((to.join(inside), target, leads));
            }
        }
        for (path, target, leads) in links {
            let is_of_use = leads.is_some_and(|leads| self.0.contains_key(&leads));
            if is_of_use && target.is_relative() {
                self.add(&path, Part::Link(target));
            }
        }
        Ok(())
    }

    /// Each thing by its path.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Part)> {
        self.0.iter().map(|(path, part)| (path.as_path(), part))
    }
}
