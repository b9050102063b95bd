//! Debian packages by apt, without installing them; works as an ordinary user.
//!
//! apt checks each file against the archive's signatures.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
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
        return Some("apt has no package lists: run `sudo apt-get update`, or `kassay setup`");
    }
    None
}

/// What apt knows: the machine's own sources, or one suite of Debian beside them.
pub struct Archive {
    /// apt's options, in front of all others.
    options: Vec<String>,
    /// What brings its lists up to date, for a user.
    refresh: &'static str,
}

impl Archive {
    /// The machine's own.
    pub fn host() -> Archive {
        Archive {
            options: Vec::new(),
            refresh: "run `sudo apt-get update`",
        }
    }

    /// A suite of Debian, such as `sid`, with its lists brought up to date in a folder of the
    /// cache. It comes from the mirror, and is checked with the keys, of the Debian suite that
    /// the machine's apt has; nothing of the machine's apt is changed.
    ///
    /// # Errors
    /// The machine's apt has no suite of Debian, or the mirror cannot be reached or has no
    /// such suite.
    pub fn of_suite(cache: &Cache, suite: &str) -> Result<Archive> {
        if let Some(why) = unusable() {
            bail!("read the lists of Debian's {suite}: {why}");
        }
        let (mirror, keys) =
            mirror().with_context(|| format!("find a mirror of Debian, to get at its {suite}"))?;
        let state = cache.dir("apt").join(suite);
        let _lock = cache.lock("apt", suite, &format!("the lists of {suite}"))?;
        let sources = state.join("sources.list");
        for folder in ["lists/partial", "archives/partial"] {
            let folder = state.join(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("make directory `{}`", folder.display()))?;
        }
        let keys = keys.map_or(String::new(), |keys| format!("[signed-by={keys}] "));
        std::fs::write(&sources, format!("deb {keys}{mirror} {suite} main\n"))
            .with_context(|| format!("write `{}`", sources.display()))?;
        let set = |name: &str, path: &Path| format!("-o{name}={}", path.display());
        let archive = Archive {
            options: vec![
                set("Dir::Etc::sourcelist", &sources),
                set("Dir::Etc::sourceparts", Path::new("-")),
                set("Dir::State::lists", &state.join("lists")),
                set("Dir::Cache", &state),
                set("APT::Sandbox::User", Path::new("root")),
            ],
            refresh: "see whether the network is there",
        };
        let progress = Progress::steps(format!("read the lists of Debian's {suite}"), None);
        Tool::new("apt-get")
            .args(&archive.options)
            .args([
                "update",
                "-qq",
                "-oAcquire::Languages=none",
                "--error-on=any",
            ])
            .output()?;
        progress.finish();
        Ok(archive)
    }

    /// The version of a package that apt would install; `None` when apt does not know the
    /// package.
    ///
    /// # Errors
    /// apt cannot be asked, or its answer lacks a field.
    pub fn show(&self, package: &str) -> Result<Option<Package>> {
        if let Some(why) = unusable() {
            bail!("find package `{package}`: {why}");
        }
        // apt-cache fails for an unknown name, and has no other reason to fail here.
        let Ok(text) = Tool::new("apt-cache")
            .args(&self.options)
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

    /// As [`show`](Self::show), where an unknown package is an error.
    ///
    /// # Errors
    /// apt does not know the package, or those of [`show`](Self::show).
    pub fn require(&self, package: &str) -> Result<Package> {
        self.show(package)?.with_context(|| {
            format!(
                "find package `{package}`: apt does not know it; {}, \
                 and see whether /etc/apt has the archive that holds it",
                self.refresh
            )
        })
    }

    /// The names of the packages that a package depends on.
    ///
    /// # Errors
    /// apt cannot be asked.
    pub fn depends(&self, package: &str) -> Result<Vec<String>> {
        let text = Tool::new("apt-cache")
            .args(&self.options)
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
    pub fn download(&self, what: &str, packages: &[Package], into: &Path) -> Result<Vec<PathBuf>> {
        let progress = Progress::steps(format!("download {what}"), Some(100));
        Tool::new("apt-get")
            .args(&self.options)
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
                    "download {what}: is there a network, and are apt's lists fresh? ({})",
                    self.refresh
                )
            })?;
        progress.finish();
        let files = std::fs::read_dir(into)?.map(|entry| Ok(entry?.path()));
        files
            .collect::<std::io::Result<_>>()
            .with_context(|| format!("read `{}`", into.display()))
    }
}

/// The address of the machine's mirror of Debian, and the file of keys that its entry in
/// apt's sources names, if it names one.
fn mirror() -> Result<(String, Option<String>)> {
    let targets = Tool::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(SOURCESENTRY)"])
        .args(["Created-By: Packages", "Label: Debian", "Component: main"])
        .output()?;
    let (mirror, entry) = targets
        .lines()
        .find_map(|line| line.split_once(' '))
        .context("apt here has no archive of Debian")?;
    let file = entry.rsplit_once(':').map_or(entry, |(file, _)| file);
    let sources = std::fs::read_to_string(file).unwrap_or_default();
    Ok((mirror.to_owned(), signed_by(&sources)))
}

/// The first file of keys that a file of apt's sources names (sources.list(5), either form).
fn signed_by(sources: &str) -> Option<String> {
    let lines = sources.lines().map(str::trim);
    let rests = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let at = line.to_ascii_lowercase().find("signed-by")?;
            line[at + "signed-by".len()..]
                .trim_start_matches([':', '=', ' '])
                .split([' ', ']', ','])
                .next()
        });
    rests
        .filter(|path| path.starts_with('/'))
        .map(str::to_owned)
        .next()
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
    fn keys_are_named_in_either_form() {
        let of = |text| signed_by(text);
        let keys = Some("/usr/share/keyrings/a.gpg".to_owned());
        assert_eq!(
            of("# Signed-By: /no\nURIs: x\nSigned-By: /usr/share/keyrings/a.gpg\n"),
            keys
        );
        assert_eq!(
            of("deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://x sid main"),
            keys
        );
        assert_eq!(of("deb http://x sid main"), None);
    }

    #[test]
    fn status_lines_have_a_percentage() {
        assert_eq!(
            percent("dlstatus:1:34.5641:Retrieving file 1 of 1"),
            Some(34)
        );
        assert_eq!(percent("Get:1 somewhere [107 MB]"), None);
    }
}
