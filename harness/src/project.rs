//! A project: a folder with a `kassay.toml`, which says where its scenarios lie and on which
//! kernels they run. Everything that it leaves out has a default, so that an empty file makes one.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::verdict::bounded;
use crate::{nearest, plain};

/// What makes a folder a project.
const FILE: &str = "kassay.toml";

/// A project.
#[derive(Debug, PartialEq, Eq)]
pub struct Project {
    /// Its folder, in which `modules/`, `bpf/` and `target/` are.
    pub root: PathBuf,
    /// The folder of its scenarios; their snapshots lie beside it, or in it.
    pub scenarios: PathBuf,
    /// The kernels that its cases run on where nothing else is said; none for kassay's default.
    pub kernels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    scenarios: PathBuf,
    kernels: Vec<String>,
}

impl Default for File {
    fn default() -> File {
        File {
            scenarios: "scenarios".into(),
            kernels: Vec::new(),
        }
    }
}

impl Project {
    /// The project that the working directory is in, found upwards as cargo finds its manifest.
    ///
    /// # Errors
    /// There is no working directory, or a `kassay.toml` that cannot be understood.
    pub fn here() -> Result<Option<Project>> {
        let here = env::current_dir().context("find the working directory")?;
        let mut folders = here.ancestors();
        let root = folders.find(|folder| folder.join(FILE).exists());
        root.map(Project::at).transpose()
    }

    fn at(root: &Path) -> Result<Project> {
        let path = root.join(FILE);
        let read = || -> Result<File> {
            let text = plain::text(&path, plain::TEXT)?;
            toml::from_str(&text).map_err(|error| nearest::explain(&bounded(&error.to_string())))
        };
        let file = read().with_context(|| format!("read the project `{}`", path.display()))?;
        Ok(Project {
            root: root.to_owned(),
            scenarios: root.join(file.scenarios),
            kernels: file.kernels.iter().map(|spec| from(root, spec)).collect(),
        })
    }
}

/// A kernel of a project, where it is a path, from the project's folder.
fn from(root: &Path, spec: &str) -> String {
    match spec.contains('/') || spec == "." {
        true => root.join(spec).to_string_lossy().into_owned(),
        false => spec.to_owned(),
    }
}

/// The folder that paths are named from and names are looked up in: the project's, else the
/// working directory.
///
/// # Errors
/// Those of [`Project::here`].
pub fn root() -> Result<PathBuf> {
    match Project::here()? {
        Some(project) => Ok(project.root),
        None => env::current_dir().context("find the working directory"),
    }
}

/// Where kassay puts what it leaves for its user: `KASSAY_TARGET`, or `kassay` in cargo's target
/// directory, which is the project's. A project that cannot be read has been told of.
pub fn target() -> PathBuf {
    let of_cargo = || match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root().unwrap_or_default().join("target"),
    };
    env::var_os("KASSAY_TARGET").map_or_else(|| of_cargo().join("kassay"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_project_has_what_it_says_and_else_what_is_usual() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            fs::write(folder.path().join(FILE), text).unwrap();
            Project::at(folder.path())
        };
        let project = read("").unwrap();
        assert_eq!(project.scenarios, folder.path().join("scenarios"));
        assert!(project.kernels.is_empty());
        let project = read("scenarios = 'tests/a'\nkernels = ['6.12', '../linux']").unwrap();
        assert_eq!(project.scenarios, folder.path().join("tests/a"));
        let linux = folder.path().join("../linux");
        assert_eq!(project.kernels, ["6.12", linux.to_str().unwrap()]);
        let error = format!("{:#}", read("scenario = 'a'").unwrap_err());
        assert!(error.contains("did you mean `scenarios`?"), "{error}");
    }
}
