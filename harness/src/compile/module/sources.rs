//! What a directory of modules is built of, and copied to.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{RESOLVED, SYMVERS};
use crate::assets;
use crate::cache::{Cache, Key, is_scratch};
use crate::plain;
use crate::project::{self, Project};
use crate::scenario::Part;

/// What spells the kernel's macros alike, in modules that bring none of their own.
const HEADER: &str = "kassay_kfunc.h";

/// How much a directory may hold, in bytes: more is none of a module's sources.
const MOST: u64 = 256 << 20;

/// A digest of all that a directory of modules is built of, but for the kernel and what others
/// export.
///
/// # Errors
/// Something of it cannot be read.
pub fn digest(cache: &Cache, part: &Part) -> Result<String> {
    Sources::of(cache, part, &[])?.key("")
}

/// What a directory of modules is built of.
pub(super) struct Sources {
    /// The folder that all of it lies in.
    pub(super) root: PathBuf,
    /// The modules' directory, from there.
    pub(super) directory: PathBuf,
    /// Each file, and its path from there.
    pub(super) files: Vec<(PathBuf, PathBuf)>,
    /// What modules elsewhere export, a file of each directory.
    pub(super) symvers: Vec<PathBuf>,
    /// The programs of PyPI that write some of it, with their versions.
    pub(super) programs: String,
    /// Variables that make is given.
    pub(super) make: Vec<String>,
}

impl Sources {
    pub(super) fn of(cache: &Cache, part: &Part, symvers: &[PathBuf]) -> Result<Sources> {
        let Place {
            root,
            directory,
            with,
        } = Place::of(part)?;
        let source = root.join(&directory);
        let inside = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_owned();
        let shown = directory.to_string_lossy();
        if shown.contains(|letter: char| letter.is_whitespace() || ":$#\\\"'".contains(letter)) {
            bail!(
                "build module {}: make takes no such path as `{}`",
                part.name,
                source.display()
            );
        }
        let mut files = Vec::new();
        for path in with.iter().chain([&source]) {
            list(path, &inside(path), &mut files)?;
        }
        let beside = source.with_file_name("include");
        let include = directory.with_file_name("include");
        match beside.join(HEADER).is_file() {
            true => list(&beside, &include, &mut files)?,
            false => files.push((assets::headers(cache)?.join(HEADER), include.join(HEADER))),
        }
        files.sort();
        files.dedup();
        Ok(Sources {
            root,
            directory,
            files,
            symvers: symvers.to_owned(),
            programs: part
                .pip
                .iter()
                .map(|pinned| format!("{pinned}\n"))
                .collect(),
            make: part.make.clone(),
        })
    }

    /// A digest of all of it, and of what it is built by.
    ///
    /// It has the lists of symbols that modules elsewhere export and not those modules: whatever
    /// else changes in them leaves this one as it is. It has the versions of programs of PyPI
    /// because make does not see that one has changed.
    pub(super) fn key(&self, by: &str) -> Result<String> {
        let key = Key::new("modules")
            .text("keeps", SYMVERS)
            .text("without", RESOLVED)
            .text("by", by)
            .text("programs", &self.programs)
            .text("make", &self.make.join("\0"))
            .text("directory", &self.directory.to_string_lossy());
        let mut symvers = self.symvers.iter();
        let key = symvers.try_fold(key, |key, file| key.file(SYMVERS, file))?;
        let mut files = self.files.iter();
        let key = files.try_fold(key, |key, (from, to)| key.file(&to.to_string_lossy(), from))?;
        Ok(key.finish())
    }
}

/// Where a directory of modules lies.
pub(super) struct Place {
    /// The folder that all of what it is built of lies in.
    pub(super) root: PathBuf,
    /// The directory, from there.
    pub(super) directory: PathBuf,
    /// What it is built with.
    pub(super) with: Vec<PathBuf>,
}

impl Place {
    pub(super) fn of(part: &Part) -> Result<Place> {
        let whole = |path: &PathBuf| {
            path.canonicalize().with_context(|| {
                format!("find `{}`, which {} is built of", path.display(), part.name)
            })
        };
        let source = whole(&part.path)?;
        let with: Vec<PathBuf> = part.with.iter().map(whole).collect::<Result<_>>()?;
        let holds = |root: &&Path| with.iter().all(|path| path.starts_with(root));
        let root = source
            .ancestors()
            .skip(1)
            .find(holds)
            .unwrap_or(Path::new("/"));
        Ok(Place {
            directory: source.strip_prefix(root).unwrap_or(&source).to_owned(),
            root: root.to_owned(),
            with,
        })
    }

    /// The root as messages name it.
    pub(super) fn shown(root: &Path) -> &Path {
        let project = Project::here().ok().flatten();
        let inside = project.and_then(|project| root.strip_prefix(&project.root).ok());
        inside.unwrap_or(root)
    }
}

/// A text of the kernel's in which the files that modules were built of are the user's, not our
/// copies. Those of a directory that is no more are named from where it lay.
pub fn name_sources(text: &str, cache: &Cache, parts: &[Part]) -> String {
    let copies = format!("{}/", cache.dir("build").display());
    if !text.contains(&copies) {
        return text.to_owned();
    }
    let places: Vec<Place> = parts
        .iter()
        .filter_map(|part| Place::of(part).ok())
        .collect();
    let mut texts = text.split(&copies);
    let mut named = texts.next().unwrap_or_default().to_owned();
    for text in texts {
        let file = text.split_once('/').map_or(text, |(_, file)| file);
        let is_in = |place: &&Place| Path::new(file).starts_with(&place.directory);
        // Headers that are shared lie beside each directory.
        let place = places.iter().find(is_in).or(places.first());
        let root = place.map_or(Path::new(""), |place| Place::shown(&place.root));
        named.push_str(&root.join(file).to_string_lossy());
    }
    named
}

/// Adds a file, or all files of a folder, to those that are copied to a path.
pub(super) fn list(from: &Path, to: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    let (mut size, targets) = (0, project::targets());
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        let read = || format!("read `{}`", from.display());
        if !from.is_dir() {
            size += from.metadata().with_context(read)?.len();
            files.push((from, to));
            continue;
        }
        for entry in fs::read_dir(&from).with_context(read)? {
            let path = entry.with_context(read)?.path();
            // A link to a folder may lead back.
            let is_one = path.is_file() || (path.is_dir() && !path.is_symlink());
            if is_one && !is_scratch(&path) && !is_made(&path) && !targets.contains(&path) {
                let to = to.join(path.file_name().unwrap_or_default());
                left.push((path, to));
            }
        }
    }
    if size > MOST {
        bail!(
            "copy `{}`: it holds more than {} MiB; give the module a directory of its own",
            from.display(),
            MOST >> 20
        );
    }
    Ok(())
}

/// Whether a file is no source: one that kbuild has made there, which leaves a note of how beside
/// each, a scenario or a snapshot.
fn is_made(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_ours = name.ends_with(".toml") || name.ends_with(".snap");
    is_ours || path.with_file_name(format!(".{name}.cmd")).exists()
}

/// Brings copies of files in a folder up to date: by the times of those that changed make tells
/// what to make again. Where a file came or went, the copy is made anew, for what was made of
/// one that is gone must go too.
pub(super) fn renew(files: &[(PathBuf, PathBuf)], to: &Path) -> Result<()> {
    let names: Vec<_> = files.iter().map(|(_, to)| to.to_string_lossy()).collect();
    let (list, names) = (to.join(".files"), names.join("\n"));
    let copy = || -> std::io::Result<()> {
        if fs::read_to_string(&list).ok().as_ref() != Some(&names) {
            if to.exists() {
                fs::remove_dir_all(to)?;
            }
            fs::create_dir_all(to)?;
        }
        for (from, inside) in files {
            let (content, to) = (plain::read(from, plain::MADE)?, to.join(inside));
            if fs::read(&to).ok().as_ref() != Some(&content) {
                fs::create_dir_all(to.parent().unwrap_or(&to))?;
                if to.exists() {
                    fs::remove_file(&to)?;
                }
                // With its mode: a script that kbuild runs has to stay one.
                fs::copy(from, to)?;
            }
        }
        fs::write(&list, &names)
    };
    copy().with_context(|| format!("copy sources to `{}`", to.display()))
}
