//! The scenarios that a command is to work on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;

use super::error::{Error, Result};
use crate::project::Project;
use crate::scenario::{self, Scenario};

/// Why there are no scenarios.
const NO_PROJECT: &str = "find a project: neither the working directory nor a folder above it has \
                          a `kassay.toml`; `--scenario` names a scenario or a folder of them";

/// The scenarios of these files and directories, or of the project when there are none.
///
/// # Errors
/// A slip where one makes no sense, or nothing says where they are; one cannot be read.
pub fn scenarios(files: &[PathBuf], project: &Project) -> Result<Vec<Scenario>> {
    let read = match files {
        [] if !project.has_file => return Err(Error::Slip(NO_PROJECT.to_owned())),
        [] => scenario::read_all(&project.scenarios, project),
        files => self::files(files).and_then(|files| {
            let read = files.iter().map(|path| Scenario::read(path, project));
            read.collect()
        }),
    };
    read.map_err(Error::slip)
}

/// These files, and those of these directories: scenarios, no two of one name.
///
/// # Errors
/// Two have one name; a directory cannot be read, or has none.
pub fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let files = |path: &PathBuf| match path.is_dir() {
        true => scenario::files(path),
        false => Ok(vec![path.clone()]),
    };
    let files = paths
        .iter()
        .map(files)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let files = files.concat();
    // What a failure leaves goes by the name.
    let mut named = BTreeMap::new();
    for path in &files {
        if let Some(other) = named.insert(path.file_stem(), path) {
            let name = path.file_stem().unwrap_or_default();
            bail!(
                "two scenarios are called `{}`, `{}` and `{}`: run one after the other",
                name.display(),
                other.display(),
                path.display()
            );
        }
    }
    Ok(files)
}
