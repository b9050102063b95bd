//! A project: a folder with a `kassay.toml`, which says where its scenarios lie and on which
//! kernels they run. Everything that it leaves out has a default, so that an empty file makes one.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::excerpt::bounded;
use crate::{nearest, plain};

/// What makes a folder a project.
const FILE: &str = "kassay.toml";

/// A project.
#[derive(Debug, PartialEq)]
pub struct Project {
    /// Its folder, in which `target/` is.
    pub root: PathBuf,
    /// Whether it has a `kassay.toml`.
    pub has_file: bool,
    /// The folder of its scenarios.
    pub scenarios: PathBuf,
    /// The folder of their snapshots, where it is not the one beside them.
    pub snapshots: Option<PathBuf>,
    /// The folder of its modules.
    pub modules: PathBuf,
    /// The folder of its BPF programs.
    pub programs: PathBuf,
    /// The folder of its drivers.
    pub drivers: PathBuf,
    /// The kernels that its cases run on where nothing else is said; none for kassay's default.
    pub kernels: Vec<String>,
    /// What is so for its scenarios that do not say otherwise.
    pub defaults: Defaults,
    /// Kernels of its own, as the catalog's file has them.
    pub catalog: toml::Table,
}

/// What a project says for all of its scenarios. A scenario that says something else is right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// How long a machine may take, in seconds.
    pub timeout: Option<u16>,
    /// CPUs of a guest.
    pub cpus: Option<u8>,
    /// Memory of a guest, in MiB.
    pub memory: Option<u32>,
    /// What clang is given for programs, before the flags that a scenario names.
    pub flags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    scenarios: PathBuf,
    snapshots: Option<PathBuf>,
    modules: Option<PathBuf>,
    programs: Option<PathBuf>,
    drivers: Option<PathBuf>,
    kernels: Vec<String>,
    defaults: Defaults,
    tarball: toml::Table,
    package: toml::Table,
    prebuilt: toml::Table,
    deb: toml::Table,
    oci: toml::Table,
}

impl Default for File {
    fn default() -> File {
        File {
            scenarios: "scenarios".into(),
            snapshots: None,
            modules: None,
            programs: None,
            drivers: None,
            kernels: Vec::new(),
            defaults: Defaults::default(),
            tarball: toml::Table::new(),
            package: toml::Table::new(),
            prebuilt: toml::Table::new(),
            deb: toml::Table::new(),
            oci: toml::Table::new(),
        }
    }
}

impl Project {
    /// The project that the working directory is in, found upwards as cargo finds its manifest.
    ///
    /// # Errors
    /// There is no working directory, or a `kassay.toml` that cannot be understood.
    pub fn here() -> Result<Option<Project>> {
        for folder in working_directory()?.ancestors() {
            if has_file(folder)? {
                return Project::of(folder).map(Some);
            }
        }
        Ok(None)
    }

    /// The project that the working directory is in, else the directory itself as one that says
    /// nothing.
    ///
    /// # Errors
    /// Those of [`Project::here`].
    pub fn or_here() -> Result<Project> {
        match Project::here()? {
            Some(project) => Ok(project),
            None => Ok(Project::with(&working_directory()?, File::default())),
        }
    }

    /// The project of a folder, which may do without a file.
    ///
    /// # Errors
    /// The file cannot be understood.
    pub fn of(root: &Path) -> Result<Project> {
        let has_file = has_file(root)?;
        let file = match has_file {
            true => File::read(root)
                .with_context(|| format!("read the project `{}`", root.join(FILE).display()))?,
            false => File::default(),
        };
        Ok(Project {
            has_file,
            ..Project::with(root, file)
        })
    }

    fn with(root: &Path, file: File) -> Project {
        let kinds = [
            ("tarball", file.tarball),
            ("package", file.package),
            ("prebuilt", file.prebuilt),
            ("deb", file.deb),
            ("oci", file.oci),
        ];
        let kinds = kinds.into_iter().filter(|(_, kernels)| !kernels.is_empty());
        Project {
            root: root.to_owned(),
            has_file: false,
            scenarios: root.join(file.scenarios),
            snapshots: file.snapshots.map(|folder| root.join(folder)),
            modules: root.join(file.modules.unwrap_or_else(|| "modules".into())),
            programs: root.join(file.programs.unwrap_or_else(|| "bpf".into())),
            drivers: root.join(file.drivers.unwrap_or_else(|| "drivers".into())),
            kernels: file.kernels.iter().map(|spec| from(root, spec)).collect(),
            defaults: file.defaults,
            catalog: kinds
                .map(|(kind, kernels)| (kind.to_owned(), kernels.into()))
                .collect(),
        }
    }

    /// The folder of config fragments of its own.
    pub fn fragments(&self) -> PathBuf {
        self.root.join("kernel-config")
    }
}

impl File {
    /// The file of a folder, whose own folders are there.
    fn read(root: &Path) -> Result<File> {
        let text = plain::text(&root.join(FILE), plain::TEXT)?;
        let file: File = toml::from_str(&text)
            .map_err(|error| nearest::explain(&bounded(&error.to_string())))?;
        for (key, folder) in [
            ("modules", &file.modules),
            ("programs", &file.programs),
            ("drivers", &file.drivers),
        ] {
            let Some(folder) = folder.as_ref().map(|folder| root.join(folder)) else {
                continue;
            };
            let shown = folder.display();
            let found = plain::metadata(&folder).with_context(|| format!("look at `{shown}`"))?;
            if !found.is_some_and(|found| found.is_dir()) {
                bail!("its `{key}` are to be in `{shown}`, which is no folder");
            }
        }
        Ok(file)
    }
}

/// Whether a folder has a project's file, which one that cannot be read is as well.
fn has_file(folder: &Path) -> Result<bool> {
    let path = folder.join(FILE);
    let found = plain::metadata(&path).with_context(|| format!("look for `{}`", path.display()))?;
    Ok(found.is_some())
}

fn working_directory() -> Result<PathBuf> {
    env::current_dir().context("find the working directory")
}

/// A kernel of a project, where it is a path, from the project's folder.
fn from(root: &Path, spec: &str) -> String {
    match spec.contains('/') || spec == "." {
        true => root.join(spec).to_string_lossy().into_owned(),
        false => spec.to_owned(),
    }
}

/// Where kassay puts what it leaves for its user: `KASSAY_TARGET`, or `kassay` in cargo's target
/// directory, which is the project's. A project that cannot be read has been told of.
pub fn target() -> PathBuf {
    let of_cargo = || match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => {
            let root = Project::or_here().map(|project| project.root);
            root.unwrap_or_default().join("target")
        }
    };
    env::var_os("KASSAY_TARGET").map_or_else(|| of_cargo().join("kassay"), PathBuf::from)
}

/// The folders of what is made here, by kassay and by cargo: no part of any module, although they
/// may lie in the folder of one.
pub fn targets() -> Vec<PathBuf> {
    let of_project = Project::or_here().map(|project| project.root.join("target"));
    let all = [Some(target()), of_project.ok()].into_iter().flatten();
    all.map(|folder| folder.canonicalize().unwrap_or(folder))
        .collect()
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
            Project::of(folder.path())
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
