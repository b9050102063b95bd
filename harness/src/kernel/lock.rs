//! `kassay.lock`: what the names of kernels that move stood for in a project, so that each of its
//! users tests on the same ones. Those are the kernels of Debian's suites; `distro`, and source
//! packages, are by their meaning what the machine's own apt has.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::prebuilt::Found;
use crate::plain;

/// The file's name, beside the project's own.
const FILE: &str = "kassay.lock";

/// What the file begins with.
const HEAD: &str = "\
# What the kernels of Debian's suites are here. `kassay kernel update` moves them; commit this file.
";

/// Whether the command line says `--locked`.
static LOCKED: AtomicBool = AtomicBool::new(false);

/// From now on no lock is written.
pub fn refuse_changes() {
    LOCKED.store(true, Ordering::Relaxed);
}

/// Whether a lock must stay as it is: `--locked`, or `KASSAY_LOCKED` set to what is not empty.
pub fn is_fixed() -> bool {
    let asked = std::env::var_os("KASSAY_LOCKED").is_some_and(|value| !value.is_empty());
    asked || LOCKED.load(Ordering::Relaxed)
}

/// The lock of a project; one of nowhere holds nothing, and is never written.
#[derive(Debug, Default)]
pub struct Lock {
    path: Option<PathBuf>,
}

/// A kernel of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(flatten)]
    found: Found,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    kernel: Vec<Entry>,
}

impl Lock {
    /// The lock in a project's folder, whose file may be absent.
    pub fn of(project: &Path) -> Lock {
        Lock {
            path: Some(project.join(FILE)),
        }
    }

    /// What a name stands for.
    ///
    /// # Errors
    /// The file is no lock.
    pub fn get(&self, name: &str) -> Result<Option<Found>> {
        let entries = self.read()?.kernel.into_iter();
        let mut found = entries.filter(|entry| entry.name == name);
        Ok(found.next().map(|entry| entry.found))
    }

    /// The names that it has.
    ///
    /// # Errors
    /// The file is no lock.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = self.read()?.kernel.into_iter();
        Ok(entries.map(|entry| entry.name).collect())
    }

    /// Takes note of what a name stands for now; says, in words, that another had that name.
    ///
    /// # Errors
    /// The file is no lock, or cannot be written, or would change and must not.
    pub fn set(&self, name: &str, now: &Found) -> Result<Option<String>> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let mut file = self.read()?;
        let before = file.kernel.iter_mut().find(|entry| entry.name == name);
        let said = match &before {
            Some(before) if before.found == *now => return Ok(None),
            Some(before) => moved(&before.found, now),
            None => format!("it has no `{name}` yet, which is {}", now.version()),
        };
        if is_fixed() {
            bail!(
                "lock kernel `{name}`: `{}` is to stay as it is, and {said}; \
                 `kassay kernel update {name}` changes it",
                path.display()
            );
        }
        let has_moved = before.is_some();
        match before {
            Some(before) => before.found = now.clone(),
            None => file.kernel.push(Entry {
                name: name.to_owned(),
                found: now.clone(),
            }),
        }
        file.kernel.sort_by(|a, b| a.name.cmp(&b.name));
        write(path, &file).with_context(|| format!("write `{}`", path.display()))?;
        Ok(has_moved.then_some(said))
    }

    fn read(&self) -> Result<File> {
        let Some(path) = &self.path else {
            return Ok(File::default());
        };
        let read = || format!("read the lock `{}`", path.display());
        if plain::metadata(path).with_context(read)?.is_none() {
            return Ok(File::default());
        }
        let text = plain::text(path, plain::TEXT).with_context(read)?;
        toml::from_str(&text).with_context(read)
    }
}

/// In words, that a name has moved.
fn moved(before: &Found, now: &Found) -> String {
    match before.version() == now.version() {
        true => format!("a package of {} is another one now", now.version()),
        false => format!("{} has moved to {}", before.version(), now.version()),
    }
}

fn write(path: &Path, file: &File) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(new.path(), HEAD.to_owned() + &toml::to_string(file)?)?;
    // A temporary file is its owner's alone.
    fs::set_permissions(
        new.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )?;
    new.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::apt::Package;
    use super::*;

    fn found(version: &str) -> Found {
        Found {
            release: "6.12.1-amd64".into(),
            compiler: Some("gcc-14".into()),
            packages: vec![Package {
                name: "linux-image-6.12.1-amd64".into(),
                version: version.into(),
                sha256: "0a".into(),
            }],
            programs: Vec::new(),
        }
    }

    #[test]
    fn a_lock_has_what_was_set_last_sorted_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::of(dir.path());
        assert_eq!(lock.get("b").unwrap(), None);
        for (name, version) in [("b", "1"), ("a", "1"), ("b", "2")] {
            lock.set(name, &found(version)).unwrap();
        }
        assert_eq!(lock.get("b").unwrap(), Some(found("2")));
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(text.starts_with(HEAD) && text.find("\"a\"") < text.find("\"b\""));
    }

    #[test]
    fn what_has_moved_is_said() {
        let said = moved(&found("1"), &found("2"));
        assert_eq!(said, "6.12.1-amd64 (1) has moved to 6.12.1-amd64 (2)");
    }

    #[test]
    fn a_lock_of_nowhere_holds_nothing() {
        let lock = Lock::default();
        lock.set("a", &found("1")).unwrap();
        assert_eq!(lock.get("a").unwrap(), None);
    }
}
