//! Debian packages by apt, without installing them; works as an ordinary user.
//!
//! apt checks each file against the archive's signatures.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::interrupt;
use crate::progress::Progress;
use crate::tool::{Tool, find};

/// One version of a package in the archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its .deb file, in hexadecimal digits.
    pub sha256: String,
}

/// Why apt cannot be asked, if it cannot; looks at files only.
pub fn unusable() -> Option<&'static str> {
    if find("apt-get").is_none() {
        return Some("there is no apt-get on this machine");
    }
    let lists = std::fs::read_dir("/var/lib/apt/lists")
        .into_iter()
        .flatten()
        .flatten();
    let mut lists = lists.map(|list| list.file_name());
    if !lists.any(|name| name.to_string_lossy().contains("_Packages")) {
        return Some(
            "apt has no package lists: run `sudo apt-get update`, or `cargo kassay setup`",
        );
    }
    None
}

/// The version of a package that apt would install; `None` when apt does not know the package.
///
/// # Errors
/// apt cannot be asked, or its answer lacks a field.
pub fn show(package: &str) -> Result<Option<Package>> {
    if let Some(why) = unusable() {
        bail!("find package `{package}`: {why}");
    }
    // apt-cache fails for an unknown name, and has no other reason to fail here.
    let Ok(text) = Tool::new("apt-cache")
        .args(["show", "--no-all-versions", package])
        .output()
    else {
        interrupt::check()?;
        return Ok(None);
    };
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::to_owned)
            .with_context(|| format!("find `{name}` in what apt says of `{package}`"))
    };
    let (version, sha256) = (field("Version")?, field("SHA256")?);
    Ok(Some(Package {
        name: package.to_owned(),
        version,
        sha256,
    }))
}

/// As [`show`], where an unknown package is an error.
///
/// # Errors
/// apt does not know the package, or those of [`show`].
pub fn require(package: &str) -> Result<Package> {
    show(package)?.with_context(|| {
        format!(
            "find package `{package}`: apt does not know it; run `sudo apt-get update`, \
             and see whether /etc/apt has the archive that holds it"
        )
    })
}

/// The names of the packages that a package depends on.
///
/// # Errors
/// apt cannot be asked.
pub fn depends(package: &str) -> Result<Vec<String>> {
    let text = Tool::new("apt-cache")
        .args(["depends", "--important", package])
        .output()?;
    let name = |line: &str| {
        line.trim_start_matches([' ', '|'])
            .strip_prefix("Depends: ")
            .map(str::to_owned)
    };
    Ok(text.lines().filter_map(name).collect())
}

/// Downloads packages into an empty folder and returns the paths of their files, in no
/// certain order.
///
/// # Errors
/// apt cannot download them, or the user interrupted.
pub fn download(what: &str, packages: &[Package], into: &Path) -> Result<Vec<PathBuf>> {
    let progress = Progress::steps(format!("download {what}"), Some(100));
    Tool::new("apt-get")
        .args(["download", "-qq", "-o", "APT::Status-Fd=1"])
        // Root's apt downloads as another user, who cannot write here, and warns of that.
        .args(["-o", "APT::Sandbox::User=root"])
        .args(
            packages
                .iter()
                .map(|package| format!("{}={}", package.name, package.version)),
        )
        .cwd(into)
        .read(|status| {
            for line in BufReader::new(status).lines() {
                interrupt::check()?;
                percent(&line?)
                    .into_iter()
                    .for_each(|percent| progress.position(percent));
            }
            Ok(())
        })
        .with_context(|| {
            format!(
                "download {what}: is there a network, and are apt's lists fresh? \
                 (`sudo apt-get update`)"
            )
        })?;
    progress.finish();
    let files = std::fs::read_dir(into)?.map(|entry| Ok(entry?.path()));
    files
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("read `{}`", into.display()))
}

/// The percentage in a status line, such as `dlstatus:1:34.5:Retrieving file 1 of 1`.
fn percent(line: &str) -> Option<u64> {
    let percent: f64 = line
        .strip_prefix("dlstatus:")?
        .split(':')
        .nth(1)?
        .parse()
        .ok()?;
    Some(percent as u64)
}

/// The command that prints a package file's content as a tar stream.
pub fn contents(deb: &Path) -> Tool {
    Tool::new("dpkg-deb").arg("--fsys-tarfile").arg(deb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_have_a_percentage() {
        assert_eq!(
            percent("dlstatus:1:34.5641:Retrieving file 1 of 1"),
            Some(34)
        );
        assert_eq!(percent("Get:1 somewhere [107 MB]"), None);
    }
}
