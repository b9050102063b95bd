//! The modules and the BPF programs that a scenario is made of, and where they are found.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use object::{Architecture, Object, ObjectKind};
use serde::Deserialize;

use super::home;
use super::requires::Pinned;
use crate::project::Project;
use crate::{nearest, plain};

/// A module or a BPF program that a scenario is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What it is called: a module's directory, a program's file without its suffixes.
    pub name: String,
    /// Its directory, or its file.
    pub path: PathBuf,
    /// What a program's compiler is given beside kassay's own flags.
    pub flags: Vec<String>,
    /// Which of the modules that a directory makes are inserted, in this order; where it is
    /// empty, all of them.
    pub insert: Vec<String>,
    /// What they are given when they are inserted, as insmod(8) takes it.
    pub params: String,
    /// Files and folders elsewhere that a module's directory is built with.
    pub with: Vec<PathBuf>,
    /// Variables that make is given for it, such as `CONFIG_X=m`.
    pub make: Vec<String>,
    /// The programs that the scenario requires of the host, by which a module may be built.
    pub pip: Vec<Pinned>,
}

/// The names of parts, in order.
pub fn names(parts: &[Part]) -> Vec<String> {
    parts.iter().map(|part| part.name.clone()).collect()
}

/// How a file asks for modules.
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a module is a name, a path, or \
                 `{ path = PATH, insert = [NAME, …], params = \"KEY=VALUE …\", with = [PATH, …], \
                 make = [\"NAME=VALUE\", …] }`"
)]
pub(super) enum FileModule {
    Asked(String),
    Of {
        path: String,
        #[serde(default)]
        insert: Vec<String>,
        #[serde(default)]
        params: String,
        #[serde(default)]
        with: Vec<PathBuf>,
        #[serde(default)]
        make: Vec<String>,
    },
}

/// How a file asks for a BPF object.
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a BPF program is a name, a path, or `{ file = PATH, flags = [FLAG, …] }`"
)]
pub(super) enum FileProgram {
    Asked(String),
    Of {
        file: String,
        #[serde(default)]
        flags: Vec<String>,
    },
}

impl FileModule {
    /// The part that `find` finds, with paths from `directory`.
    pub(super) fn part(
        self,
        directory: &Path,
        find: impl Fn(&str) -> Result<Part>,
    ) -> Result<Part> {
        match self {
            FileModule::Asked(asked) => find(&asked),
            FileModule::Of {
                path,
                insert,
                params,
                with,
                make,
            } => {
                let make = make.into_iter().map(variable).collect::<Result<_>>()?;
                let mut part = Part {
                    insert,
                    params,
                    make,
                    ..find(&path)?
                };
                part.with
                    .extend(with.iter().map(|path| directory.join(path)));
                Ok(part)
            }
        }
    }
}

impl FileProgram {
    pub(super) fn part(self, find: impl Fn(&str) -> Result<Part>) -> Result<Part> {
        let (file, flags) = match self {
            FileProgram::Asked(asked) => (asked, Vec::new()),
            FileProgram::Of { file, flags } => (file, flags),
        };
        let mut part = find(&file)?;
        part.flags.extend(flags);
        named(part, &file)
    }
}

/// A program that was asked for, whose name is one for the guest's files.
fn named(part: Part, asked: &str) -> Result<Part> {
    if !is_plain(&part.name) {
        bail!("`{asked}`: a program's name is made of ASCII letters, digits, `_` and `-`");
    }
    Ok(part)
}

/// Looks for what a scenario's file names, which need not be there itself.
pub struct Finder<'a> {
    file: &'a Path,
    project: &'a Project,
}

impl<'a> Finder<'a> {
    /// For the file of a project, or a file elsewhere that may use what the project has.
    pub fn new(file: &'a Path, project: &'a Project) -> Finder<'a> {
        Finder { file, project }
    }

    /// A module, by its name or by a path from the file's directory.
    ///
    /// # Errors
    /// There is none; the nearest name is told.
    pub fn module(&self, asked: &str) -> Result<Part> {
        self.find(&MODULE, asked)
    }

    /// A BPF program, likewise.
    ///
    /// # Errors
    /// As [`Finder::module`].
    pub fn program(&self, asked: &str) -> Result<Part> {
        named(self.find(&PROGRAM, asked)?, asked)
    }

    pub(super) fn find(&self, kind: &Kind, asked: &str) -> Result<Part> {
        let directory = self.file.parent().unwrap_or(Path::new(""));
        let beside = [directory, home(self.file)].map(|place| place.join(kind.folder));
        let of_project = [(kind.of_project)(self.project).to_owned()];
        let folders = match directory == self.project.scenarios {
            true => [&of_project[..], &beside].concat(),
            false => [&beside[..], &of_project].concat(),
        };
        kind.find(asked, directory, &folders)
    }
}

/// What kassay itself tells make, or what the kernel's config does.
const TAKEN: [&str; 9] = [
    "M",
    "O",
    "ARCH",
    "CC",
    "LD",
    "LLVM",
    "PWD",
    "MAKEFLAGS",
    "SHELL",
];

/// A variable for make, `NAME=VALUE`.
pub(super) fn variable(text: String) -> Result<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let parts = text.split_once('=').filter(|(name, value)| {
        let begins = name.starts_with(|letter: char| !letter.is_ascii_digit());
        let is_value = |letter: char| !letter.is_control() && !"$#'".contains(letter);
        begins && name.chars().all(is_plain) && value.chars().all(is_value)
    });
    match parts {
        Some((name, _)) if TAKEN.contains(&name) || name.starts_with("KBUILD_") => {
            bail!("`{text}`: {name} is not for `make` to set")
        }
        Some(_) => Ok(text),
        None => bail!("`{text}`: `make` takes plain variables such as `CONFIG_X=m`"),
    }
}

/// Finds a module by its name in `modules/` or the project's folder, or by a path with a `/`.
///
/// # Errors
/// There is none; the nearest name is told.
pub fn module(asked: &str, project: &Project) -> Result<Part> {
    let folders = [PathBuf::from(MODULE.folder), project.modules.clone()];
    MODULE.find(asked, Path::new(""), &folders)
}

/// A kind of [`Part`].
pub(super) struct Kind {
    what: &'static str,
    folder: &'static str,
    of_project: fn(&Project) -> &Path,
    /// A folder that is for all of them.
    beside: Option<&'static str>,
    /// What its names leave out; the first is that of what is found by its name.
    suffixes: &'static [&'static str],
    /// What a path leads to.
    is: &'static str,
    is_there: fn(&Path) -> io::Result<bool>,
    /// Flags for what is named by a path, and so somebody else's.
    flags: &'static [&'static str],
}

pub(super) const MODULE: Kind = Kind {
    what: "module",
    folder: "modules",
    of_project: |project| &project.modules,
    beside: Some("include"),
    suffixes: &[""],
    is: "a directory with a Kbuild file or a Makefile",
    is_there: |path| {
        Ok(plain::is_file(&path.join("Kbuild"))? || plain::is_file(&path.join("Makefile"))?)
    },
    flags: &[],
};

pub(super) const PROGRAM: Kind = Kind {
    what: "BPF program",
    folder: "bpf",
    of_project: |project| &project.programs,
    beside: None,
    suffixes: &[".bpf.c", ".bpf.o", ".c", ".o"],
    is: "a C file (`.c`) or a BPF object (made by clang with `-target bpf -c`)",
    is_there: |path| {
        let is_c = path.extension() == Some("c".as_ref());
        Ok(plain::is_file(path)? && (is_c || has_object(path)?))
    },
    flags: &["-Wno-error"],
};

pub(super) const DRIVER: Kind = Kind {
    what: "driver",
    folder: "drivers",
    of_project: |project| &project.drivers,
    beside: None,
    suffixes: &[""],
    is: "a directory with a Cargo.toml",
    is_there: |path| plain::is_file(&path.join("Cargo.toml")),
    flags: &[],
};

/// Whether a file is a BPF object.
pub fn is_object(path: &Path) -> bool {
    has_object(path).unwrap_or(false)
}

/// Likewise, unless it cannot be read.
fn has_object(path: &Path) -> io::Result<bool> {
    let data = plain::read(path, plain::MADE)?;
    Ok(object::File::parse(&*data).is_ok_and(|object| {
        object.architecture() == Architecture::Bpf && object.kind() == ObjectKind::Relocatable
    }))
}

impl Kind {
    /// Finds what a scenario in a directory names: a path from there, or what lies in the first
    /// of these folders that has it.
    fn find(&self, asked: &str, directory: &Path, folders: &[PathBuf]) -> Result<Part> {
        if asked.contains('/') || asked == "." {
            return self.at(&directory.join(asked));
        }
        let name = asked.strip_suffix(self.suffixes[0]).unwrap_or(asked);
        let file = format!("{name}{}", self.suffixes[0]);
        // A folder may be named twice, with others between.
        let mut seen = BTreeSet::new();
        let mut folders = folders.to_vec();
        folders.retain(|folder| seen.insert(folder.clone()));
        for path in folders.iter().map(|folder| folder.join(&file)) {
            if is_plain(name) && self.is_at(&path)? {
                return Ok(Part {
                    name: name.to_owned(),
                    with: self.shared(&path),
                    path,
                    ..Part::default()
                });
            }
        }
        Err(self.unknown(asked, &folders))
    }

    /// Why there is nothing of a name in folders. Those that are not there are told only where none
    /// is.
    fn unknown(&self, asked: &str, folders: &[PathBuf]) -> anyhow::Error {
        let shown = |folder: &PathBuf| folder.display().to_string();
        let there = folders.iter().filter(|folder| folder.is_dir());
        let mut there: Vec<_> = there.map(shown).collect();
        if there.is_empty() {
            there = folders.iter().map(shown).collect();
        }
        let names: Vec<_> = folders.iter().flat_map(|at| self.names(at)).collect();
        let hint = nearest::hint(asked, names.iter().map(String::as_str));
        let (what, there) = (self.what, there.join("` or `"));
        anyhow!("there is no {what} `{asked}` in `{there}`{hint}")
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        (self.is_there)(path)
            .with_context(|| format!("look for a {} at `{}`", self.what, path.display()))
    }

    /// What lies beside all of its folder, and is for all of them.
    fn shared(&self, path: &Path) -> Vec<PathBuf> {
        let beside = self.beside.map(|name| path.with_file_name(name));
        beside
            .filter(|folder| folder.is_dir())
            .into_iter()
            .collect()
    }

    /// What a path of a scenario leads to.
    pub(super) fn at(&self, path: &Path) -> Result<Part> {
        let (shown, folder) = (path.display(), path.parent().unwrap_or(Path::new("")));
        let is_at = self.is_at(path)?;
        let Some(whole) = path.canonicalize().ok().filter(|_| is_at) else {
            let hint = nearest::hint(
                &self.name(path),
                self.names(folder).iter().map(String::as_str),
            );
            bail!(
                "there is no {} at `{shown}`, where {} should be{hint}",
                self.what,
                self.is
            );
        };
        // What is linked to is called as the link is; `.` is called as what it leads to.
        let name = self.name(path.file_name().map_or(&whole, |_| path));
        Ok(Part {
            name,
            path: path.to_owned(),
            flags: self.flags.iter().map(|&flag| flag.to_owned()).collect(),
            ..Part::default()
        })
    }

    /// What something is called that lies there.
    pub(super) fn name(&self, path: &Path) -> String {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let mut names = self
            .suffixes
            .iter()
            .filter_map(|suffix| file.strip_suffix(suffix));
        names.next().unwrap_or(&file).to_owned()
    }

    /// The names of what a folder has.
    fn names(&self, folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with(self.suffixes[0]))
            .filter(|path| (self.is_there)(path).unwrap_or(false))
            .map(|path| self.name(&path))
            .collect()
    }
}

/// Whether a name is one that files in the guest can have.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
}
