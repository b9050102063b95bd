//! What is asked of each commit, which is the same of all of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::compile::{bpf, module};
use crate::kernel::Kernel;
use crate::plain;
use crate::project::{Defaults, Project};
use crate::scenario::{self, Scenario};

/// What is tested at each commit, and by what.
pub enum Question {
    /// The kernel that is built from the commit, by scenarios that lie elsewhere.
    Kernel {
        /// What is added to the tree's path, such as `+kasan/arm64`, or nothing.
        added: String,
        /// The processor that it is built for.
        arch: Arch,
        /// The fragments that its config is made of.
        fragments: Vec<PathBuf>,
        /// The scenarios, with modules and programs that are the same for all commits.
        scenarios: Vec<Scenario>,
        /// The seed of generated packets that they have, where the user gives one.
        seed: Option<u32>,
    },
    /// The commit's modules and programs, on one kernel.
    Parts {
        /// The kernel.
        kernel: Box<Kernel>,
        /// The scenarios and their snapshots.
        asked: Vec<Asked>,
        /// The seed of generated packets, where the user gives one.
        seed: Option<u32>,
    },
}

/// A scenario's file and snapshots as they are now, to be laid over each commit.
pub struct Asked {
    /// Whether they lie in the repository, at the same place in each commit.
    inside: bool,
    /// The file, from the repository's top; only its name where it lies outside.
    file: PathBuf,
    /// The folder of the snapshots, likewise.
    snapshots: PathBuf,
    /// All their texts, likewise.
    texts: Vec<(PathBuf, String)>,
}

impl Asked {
    /// The scenario in a file, beside a repository whose working tree is `top`.
    ///
    /// # Errors
    /// The file is no scenario, or cannot be read; neither can a snapshot.
    pub fn read(file: &Path, top: Option<&Path>) -> Result<Asked> {
        let file = fs::canonicalize(file).with_context(|| format!("find `{}`", file.display()))?;
        // What it is made of may be there in other commits only.
        Scenario::read_alone(&file, &Defaults::default())?;
        let its = scenario::snapshots(&file, &Project::or_here()?);
        let beside = file.parent().unwrap_or(Path::new("/"));
        let inside = top.filter(|top| file.starts_with(top) && its.starts_with(top));
        let from_base = |path: &Path| match inside {
            Some(top) => path.strip_prefix(top).unwrap_or(path).to_owned(),
            None if path == file => path.strip_prefix(beside).unwrap_or(path).to_owned(),
            None => Path::new("snapshots").join(path.file_name().unwrap_or_default()),
        };
        let mut texts = Vec::new();
        for path in std::iter::once(file.clone()).chain(snapshots(&its, &file)) {
            let text = plain::text(&path, plain::MADE)
                .with_context(|| format!("read `{}`", path.display()))?;
            texts.push((from_base(&path), text));
        }
        Ok(Asked {
            inside: inside.is_some(),
            snapshots: match inside {
                Some(_) => from_base(&its),
                None => "snapshots".into(),
            },
            file: from_base(&file),
            texts,
        })
    }

    /// Lays the scenario and its snapshots over what is in a worktree, or into the folder
    /// `outside`, and reads it, with parts that lie in `root`. Snapshots that only the commit
    /// has go away.
    ///
    /// # Errors
    /// The commit has not what the scenario is made of, or a file cannot be written.
    fn lay(&self, worktree: &Path, root: &Path, outside: &Path) -> Result<Scenario> {
        let base = if self.inside { worktree } else { outside };
        for path in snapshots(&base.join(&self.snapshots), &self.file) {
            fs::remove_file(&path).with_context(|| format!("remove `{}`", path.display()))?;
        }
        for (path, text) in &self.texts {
            let path = base.join(path);
            fs::create_dir_all(path.parent().unwrap_or(base))
                .and_then(|()| fs::write(&path, text))
                .with_context(|| format!("write `{}`", path.display()))?;
        }
        let mut scenario = Scenario::read(&base.join(&self.file), &Project::of(root)?)?;
        scenario.snapshots = base.join(&self.snapshots);
        Ok(scenario)
    }
}

/// The snapshots of a scenario's file in a folder, for all kernels and for single ones.
fn snapshots(folder: &Path, file: &Path) -> Vec<PathBuf> {
    let scenario = file.file_stem().unwrap_or_default().to_string_lossy();
    let is_its = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(".snap");
        name.is_some_and(|name| name.split('@').next() == Some(&*scenario))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| is_its(path))
        .collect();
    paths.sort();
    paths
}

impl Question {
    /// The scenarios at the commit that is in the worktree, with parts of its folder `root`.
    ///
    /// # Errors
    /// The commit has not what one of them is made of, or a file cannot be written.
    pub fn scenarios(&self, worktree: &Path, root: &Path, outside: &Path) -> Result<Vec<Scenario>> {
        match self {
            Question::Kernel { scenarios, .. } => Ok(scenarios.clone()),
            Question::Parts { asked, seed, .. } => asked
                .iter()
                .map(|asked| {
                    let mut scenario = asked.lay(worktree, root, outside)?;
                    seed.iter().for_each(|seed| scenario.set_seed(*seed));
                    Ok(scenario)
                })
                .collect(),
        }
    }

    /// A digest of all of it, so that a bisect goes on with the same question only: texts of
    /// scenarios and snapshots, and the kernel; where that is what differs, the fragments of its
    /// config, modules and programs with all that they include. `libbpf` has the headers that
    /// programs are compiled with.
    ///
    /// # Errors
    /// A file cannot be read; clang's, of a program that lacks a header.
    pub fn digest(&self, cache: &Cache, libbpf: &Path) -> Result<String> {
        let texts = |key: Key, asked: &Asked| {
            asked.texts.iter().fold(key, |key, (path, text)| {
                key.text("path", &path.to_string_lossy()).text("text", text)
            })
        };
        let mut key = Key::new("question");
        let (Question::Kernel { seed, .. } | Question::Parts { seed, .. }) = self;
        if let Some(seed) = seed {
            key = key.text("seed", &seed.to_string());
        }
        match self {
            Question::Kernel {
                added,
                fragments,
                scenarios,
                ..
            } => {
                key = key.text("added", added);
                for fragment in fragments {
                    key = key.file("fragment", fragment)?;
                }
                for scenario in scenarios {
                    key = texts(key, &Asked::read(&scenario.path, None)?);
                    for part in &scenario.modules {
                        key = key.text("module", &module::digest(cache, part)?);
                    }
                    for part in &scenario.bpf {
                        key = key.text(
                            "program",
                            &bpf::digest(cache, part, &scenario.modules, libbpf)?,
                        );
                    }
                }
            }
            Question::Parts { kernel, asked, .. } => {
                key = asked.iter().fold(key.text("kernel", &kernel.key), texts);
            }
        }
        Ok(key.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_scenario_and_its_snapshots_are_laid_over_a_commit_at_their_place() {
        let (now, then) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let top = now.path().canonicalize().unwrap();
        let scenario = "about = 'now'\nmodules = ['m']";
        write(
            &top,
            &[
                ("t/scenarios/a.toml", scenario),
                ("t/snapshots/a.snap", "1"),
                ("t/snapshots/ab.snap", "not its own"),
            ],
        );
        let asked = Asked::read(&top.join("t/scenarios/a.toml"), Some(&top)).unwrap();
        write(
            then.path(),
            &[
                ("t/scenarios/a.toml", "about = 'then'"),
                ("t/snapshots/a@6.1.snap", "0"),
                ("modules/m/Kbuild", ""),
            ],
        );
        let laid = asked
            .lay(then.path(), then.path(), Path::new("/none"))
            .unwrap();
        assert_eq!((&*laid.about, laid.modules.len()), ("now", 1));
        let snapshots = snapshots(&laid.snapshots, &laid.path);
        assert_eq!(snapshots, [then.path().join("t/snapshots/a.snap")]);
    }

    #[test]
    fn a_scenario_from_outside_stays_outside_and_takes_parts_of_the_commit() {
        let (here, then) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = [
            ("a.toml", "about = 'x'\nbpf = ['p']"),
            ("snapshots/a.snap", "1"),
        ];
        write(here.path(), &files);
        write(then.path(), &[("bpf/p.bpf.c", "")]);
        let asked = Asked::read(&here.path().join("a.toml"), Some(then.path())).unwrap();
        let outside = tempfile::tempdir().unwrap();
        let laid = asked.lay(then.path(), then.path(), outside.path()).unwrap();
        assert_eq!(laid.bpf[0].path, then.path().join("bpf/p.bpf.c"));
        assert!(outside.path().join("snapshots/a.snap").is_file());
        assert!(!then.path().join("snapshots").exists());
    }
}
