//! Debian packages by apt, without installing them; works as an ordinary user.
//!
//! apt checks each file against the archive's signatures.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::cache::Cache;
use crate::interrupt;
use crate::progress::{self, Progress};
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
    let lists = fs::read_dir("/var/lib/apt/lists")
        .into_iter()
        .flatten()
        .flatten();
    let mut lists = lists.map(|list| list.file_name());
    if !lists.any(|name| name.to_string_lossy().contains("_Packages")) {
        return Some("apt has no package lists: run `sudo apt-get update`, or `kassay setup`");
    }
    None
}

/// Where Debian's keys are, which other distributions have as a package of this name.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const KEYRING: &str = "debian-archive-keyring";

/// What apt says of a name that it does not know.
const UNKNOWN: &str = "No packages found";

/// What apt knows: the machine's own sources, or suites of Debian beside them.
pub struct Archive {
    /// apt's options, in front of all others.
    options: Vec<String>,
    /// What brings its lists up to date, for a user.
    refresh: &'static str,
    /// Held as long as its lists are to stay as they are.
    _lock: Option<fs::File>,
}

impl Archive {
    /// The machine's own.
    pub fn host() -> Archive {
        Archive {
            options: Vec::new(),
            refresh: "run `sudo apt-get update`",
            _lock: None,
        }
    }

    /// Suites of Debian, such as `sid`, with what they have for a processor, and their lists brought
    /// up to date in a folder of the cache; of what several of them have, the newest counts, or the
    /// first suite's where that is one of backports. They come from the mirror, and are checked with
    /// the keys, that the machine's apt has for Debian, and for its security updates; where it has
    /// none, as on Ubuntu, from Debian's own, with the keys of the package `debian-archive-keyring`.
    /// Nothing of the machine's apt is changed, and no package counts as installed.
    ///
    /// # Errors
    /// The machine has no such keys, or the mirror cannot be reached or has no such suite, which is
    /// remembered for [`unreachable`].
    pub fn of_suites(cache: &Cache, suites: &[String], arch: Arch) -> Result<Archive> {
        let of = match arch.is_foreign() {
            true => format!(" for {arch}"),
            false => String::new(),
        };
        let what = format!("read the lists of Debian's {}{of}", suites.join(" and "));
        if let Some(why) = unusable() {
            bail!("{what}: {why}");
        }
        let sources = suites.iter().map(|suite| source(suite));
        let sources: String = sources
            .collect::<Result<_>>()
            .with_context(|| what.clone())?;
        let name = place(suites, arch);
        let state = cache.dir("apt").join(&name);
        let lock = cache.lock("apt", &name, &what)?;
        let mut options = beside(&state, &sources, &suites[0])?;
        if arch.is_foreign() {
            let debian = arch.debian();
            options.push(format!("-oAPT::Architecture={debian}"));
            options.push(format!("-oAPT::Architectures::={debian}"));
        }
        let archive = Archive {
            options,
            refresh: "see whether the network is there",
            _lock: Some(lock),
        };
        match archive.update(&what) {
            Ok(()) => cache.forget(&memo(suites, arch))?,
            Err(error) => {
                interrupt::check()?;
                cache.remember(
                    &memo(suites, arch),
                    "the lists of its suites could not be read",
                )?;
                return Err(error.context(what));
            }
        }
        Ok(archive)
    }

    /// Brings the lists up to date. A mirror that is copied now and then may have lists that are
    /// past the day until which they are valid. They are signed all the same, so that is said
    /// and they are used.
    fn update(&self, what: &str) -> Result<()> {
        let progress = Progress::steps(what.to_owned(), None);
        let update = |more: &[&str]| {
            let update = Tool::new("apt-get").args(&self.options).args(more);
            update
                .args(["update", "-qq", "--error-on=any"])
                .arg("-oAcquire::Languages=none")
                .output()
                .map(drop)
        };
        let updated = update(&[]).or_else(|error| match expired(&format!("{error:#}")) {
            Some(said) => {
                progress::note(format!("{what}: {said}, so there may be newer versions"));
                update(&["-oAcquire::Check-Valid-Until=false"])
            }
            None => Err(error),
        });
        updated.map(|()| progress.finish())
    }

    /// The packages that a machine would have to have for these to be installed, and these, as
    /// apt chooses them.
    ///
    /// # Errors
    /// apt knows one of them not, or finds no set that fits.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<Package>> {
        let text = Tool::new("apt-get")
            .args(&self.options)
            .args(["install", "--print-uris", "-qq", "--no-install-recommends"])
            .arg("-oAcquire::ForceHash=SHA256")
            .args(names)
            .output()?;
        let read = |line| package(line).with_context(|| format!("read apt's line `{line}`"));
        text.lines()
            .filter(|line| line.starts_with('\''))
            .map(read)
            .collect()
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
        let shown = Tool::new("apt-cache")
            .args(&self.options)
            .args(["show", "--no-all-versions", package])
            .output();
        let text = match shown {
            // A name that only others provide.
            Ok(text) if text.trim().is_empty() => return Ok(None),
            Ok(text) => text,
            Err(error) if format!("{error:#}").contains(UNKNOWN) => return Ok(None),
            Err(error) => return Err(error),
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

    /// Whether all of these are there in these very versions.
    ///
    /// # Errors
    /// apt cannot be asked.
    pub fn offers(&self, packages: &[Package]) -> Result<bool> {
        for package in packages {
            let version = format!("{}={}", package.name, package.version);
            let offered = self.show(&version)?;
            if offered.is_none_or(|offered| offered.sha256 != package.sha256) {
                return Ok(false);
            }
        }
        Ok(true)
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
        let files = fs::read_dir(into)?.map(|entry| Ok(entry?.path()));
        files
            .collect::<std::io::Result<_>>()
            .with_context(|| format!("read `{}`", into.display()))
    }
}

/// Why the lists of suites cannot be had, as it was found when they were last asked for, and how
/// long ago that was.
pub fn unreachable(cache: &Cache, suites: &[String], arch: Arch) -> Option<(String, Duration)> {
    cache.recall(&memo(suites, arch))
}

fn memo(suites: &[String], arch: Arch) -> String {
    format!("unreachable-debian-{}", place(suites, arch))
}

/// The name of what there is of suites for a processor.
fn place(suites: &[String], arch: Arch) -> String {
    let suites = suites.join("+");
    match arch.is_foreign() {
        true => format!("{suites}-{arch}"),
        false => suites,
    }
}

/// Options of an apt that has these sources alone, with its files in a folder, which is made.
fn beside(state: &Path, sources: &str, first: &str) -> Result<Vec<String>> {
    for folder in ["lists/partial", "archives/partial"] {
        let folder = state.join(folder);
        fs::create_dir_all(&folder)
            .with_context(|| format!("make directory `{}`", folder.display()))?;
    }
    for (name, text) in [("sources.list", sources), ("installed", "")] {
        let file = state.join(name);
        fs::write(&file, text).with_context(|| format!("write `{}`", file.display()))?;
    }
    let set = |name: &str, path: &Path| format!("-o{name}={}", path.display());
    // apt takes nothing of backports by itself.
    let preferred = match first.ends_with("-backports") {
        true => first,
        false => "",
    };
    Ok(vec![
        set("Dir::Etc::sourcelist", &state.join("sources.list")),
        set("Dir::Etc::sourceparts", Path::new("-")),
        set("Dir::State::lists", &state.join("lists")),
        set("Dir::State::status", &state.join("installed")),
        set("Dir::Cache", state),
        set("APT::Sandbox::User", Path::new("root")),
        // What the machine prefers is of its own suites.
        set("Dir::Etc::preferences", Path::new("/dev/null")),
        set("Dir::Etc::preferencesparts", Path::new("/dev/null")),
        format!("-oAPT::Default-Release={preferred}"),
    ])
}

/// The line of a sources.list(5) for a suite of Debian: from the mirror that the machine's apt has,
/// else from that of kernel.org.
fn source(suite: &str) -> Result<String> {
    let (label, own) = match suite.ends_with("-security") {
        true => (
            "Debian-Security",
            "http://mirrors.kernel.org/debian-security",
        ),
        false => ("Debian", "http://mirrors.kernel.org/debian"),
    };
    let targets = Tool::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(SOURCESENTRY)"])
        .args(["Created-By: Packages", "Component: main"])
        .arg(format!("Label: {label}"))
        .output()?;
    let (mirror, keys) = match targets.lines().find_map(|line| line.split_once(' ')) {
        Some((mirror, entry)) => {
            let file = entry.rsplit_once(':').map_or(entry, |(file, _)| file);
            let keys = signed_by(&fs::read_to_string(file).unwrap_or_default());
            (mirror, keys)
        }
        None if Path::new(KEYS).is_file() => (own, Some(KEYS.to_owned())),
        None => bail!(
            "apt here has no archive that is labelled `{label}`, and `{KEYS}` is not there, by \
             which one is checked: install the package `{KEYRING}`, as `kassay setup` does"
        ),
    };
    let keys = keys.map_or(String::new(), |keys| format!("[signed-by={keys}] "));
    Ok(format!("deb {keys}{mirror} {suite} main\n"))
}

/// What apt says of lists that are past their day: `Release file for … is expired (invalid since
/// 3d 2h 1min 5s). Updates for this repository will not be applied.`
fn expired(said: &str) -> Option<&str> {
    let from = said.find("Release file for ")?;
    let said = said[from..].lines().next()?;
    let (said, _) = said.split_once(". Updates")?;
    said.contains(" is expired ").then_some(said)
}

/// The package in a line of `--print-uris`: `'URI' NAME_VERSION_ARCHITECTURE.deb BYTES
/// SHA256:DIGEST`, where a colon of the version is `%3a`.
fn package(line: &str) -> Option<Package> {
    let mut words = line.split(' ').skip(1);
    let mut file = words.next()?.split('_');
    let (name, version) = (file.next()?, file.next()?);
    Some(Package {
        name: name.to_owned(),
        version: version.replace("%3a", ":"),
        sha256: words.nth(1)?.strip_prefix("SHA256:")?.to_owned(),
    })
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
    fn lists_that_are_past_their_day_are_told_from_other_trouble() {
        let said = "run `apt-get update`: exit status: 100\n    E: Release file for http://x/InRelease \
                    is expired (invalid since 3d 2h). Updates for this repository will not be applied.";
        let expected = "Release file for http://x/InRelease is expired (invalid since 3d 2h)";
        assert_eq!(expired(said), Some(expected));
        let early = said.replace(
            "is expired (invalid since",
            "is not valid yet (invalid for another",
        );
        assert_eq!(expired(&early), None);
    }

    #[test]
    fn a_line_of_a_download_has_a_package() {
        let line =
            "'http://x/z/zlib1g_1%253a1.3_amd64.deb' zlib1g_1%3a1.3+b1_amd64.deb 88720 SHA256:0a";
        let zlib = package(line).unwrap();
        let found = (&*zlib.name, &*zlib.version, &*zlib.sha256);
        assert_eq!(found, ("zlib1g", "1:1.3+b1", "0a"));
        assert_eq!(
            package("'http://x/a_1_amd64.deb' a_1_amd64.deb 1 MD5Sum:0a"),
            None
        );
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
