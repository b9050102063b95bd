//! Work that is worth keeping: one folder per entry, whole or absent.
//!
//! An entry is made in a folder beside its place and renamed when it is whole, so a run that
//! is killed leaves nothing that could be taken for an entry. A file lock per entry lets one
//! process make it while others wait; the kernel drops the lock of a process that dies.
//! What could not be made is not tried again by the same user of the cache: it is needed by many.
//! Who works with the cache shares a lock on all of it, so that only one that is alone
//! clears away what others may be using.

mod key;
mod lock;
mod memo;
mod sums;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use rustix::fs::{
    AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, flock, utimensat,
};

pub use key::{Key, digest, hex, is_scratch};
use lock::wait_for;
use sums::{CHECKED, SUMS, is_sound, sums};

use crate::progress;

/// The folder of all entries, `ROOT/KIND/KEY/`. Its clones are one user of the cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// The lock that all users share.
    in_use: Arc<File>,
    /// Whether an entry was made.
    grew: Arc<AtomicBool>,
    /// Why entries could not be made, by their places.
    failed: Arc<Mutex<BTreeMap<PathBuf, String>>>,
}

impl Cache {
    /// Opens `$KASSAY_CACHE`, else `$XDG_CACHE_HOME/kassay`, else `~/.cache/kassay`.
    ///
    /// # Errors
    /// None of the variables is set, or the folder cannot be made or written.
    pub fn open() -> Result<Cache> {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("KASSAY_CACHE")
            .or_else(|| Some(set("XDG_CACHE_HOME")?.join("kassay")))
            .or_else(|| Some(set("HOME")?.join(".cache/kassay")))
            .context("find a cache folder: neither HOME nor KASSAY_CACHE is set")?;
        Cache::at(&root)
    }

    /// Opens the cache in the folder `root`, which is made if absent.
    ///
    /// # Errors
    /// The folder cannot be made or written, or an interrupt while another kassay clears it up.
    pub fn at(root: &Path) -> Result<Cache> {
        let advice = || {
            format!(
                "write the cache folder `{}`: make it writable, or set KASSAY_CACHE to another",
                root.display()
            )
        };
        fs::create_dir_all(root.join("locks")).with_context(advice)?;
        let in_use = File::create(root.join("locks/in-use")).with_context(advice)?;
        wait_for(&in_use, FlockOperation::NonBlockingLockShared, || {
            "waiting for another kassay that clears up the cache…".to_owned()
        })?;
        // Build trees hold their paths, so these must not depend on the current folder.
        Ok(Cache {
            root: root.canonicalize().with_context(advice)?,
            in_use: Arc::new(in_use),
            grew: Arc::default(),
            failed: Arc::default(),
        })
    }

    /// Whether an entry was made since the cache was opened.
    pub fn grew(&self) -> bool {
        self.grew.load(Ordering::Relaxed)
    }

    /// Whether nobody else uses the cache, and nobody will until this user is gone. It is asked
    /// when the user's own work is done.
    pub fn is_alone(&self) -> bool {
        flock(&*self.in_use, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Waits until nobody else uses the cache; nobody will until this user is gone.
    ///
    /// # Errors
    /// An interrupt while waiting.
    pub fn wait_until_alone(&self) -> Result<()> {
        wait_for(
            &self.in_use,
            FlockOperation::NonBlockingLockExclusive,
            || "waiting for another kassay that uses the cache…".to_owned(),
        )
    }

    /// The cache's folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of all entries of a kind; it need not exist.
    pub fn dir(&self, kind: &str) -> PathBuf {
        self.root.join(kind)
    }

    /// The folder of an entry that is whole.
    pub fn get(&self, kind: &str, key: &str) -> Option<PathBuf> {
        Some(self.dir(kind).join(key)).filter(|entry| entry.is_dir())
    }

    /// The folder of an entry that is whole and, where its kind is checked, as it was made; takes
    /// note that it is used. One that somebody or something has damaged is removed.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn take(&self, kind: &str, key: &str) -> Result<Option<PathBuf>> {
        let Some(entry) = self.get(kind, key) else {
            return Ok(None);
        };
        if CHECKED.contains(&kind) && !is_sound(&entry) {
            let what = self.what(kind, key);
            progress::note(format!("{what} is damaged in the cache, and is made again"));
            let gone =
                tempfile::tempdir_in(self.dir("locks")).context("make a temporary folder")?;
            // Another process may have removed it, and made it again, meanwhile.
            let _ = fs::rename(&entry, gone.path().join(key));
            return Ok(None);
        }
        self.touch(kind, key);
        Ok(Some(entry))
    }

    /// Takes note that an entry is being used, in its folder's time of modification.
    pub fn touch(&self, kind: &str, key: &str) {
        let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps {
            last_access: time(UTIME_OMIT),
            last_modification: time(UTIME_NOW),
        };
        // A cache that can be read and not written is as good.
        let _ = utimensat(CWD, self.dir(kind).join(key), &times, AtFlags::empty());
    }

    /// The keys of all whole entries of a kind, sorted.
    pub fn keys(&self, kind: &str) -> Vec<String> {
        let mut keys = names(&self.dir(kind));
        keys.retain(|name| !name.starts_with('.'));
        keys.sort();
        keys
    }

    /// The folder of an entry, made by `make` if absent; `make` gets an empty folder to fill,
    /// which is renamed to the entry's name when it returns.
    ///
    /// While another process makes the same entry, waits for it and says so, naming `what`.
    ///
    /// # Errors
    /// Those of `make`, which then leaves nothing, and is not called again for the same entry; a
    /// full disk; an interrupt while waiting.
    pub fn get_or_make(
        &self,
        kind: &str,
        key: &str,
        what: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        if let Some(entry) = self.take(kind, key)? {
            return Ok(entry);
        }
        let _lock = self.lock(kind, key, what)?;
        if let Some(entry) = self.take(kind, key)? {
            return Ok(entry);
        }
        let (entry, partial) = (self.dir(kind).join(key), self.partial(kind, key));
        let failed = || self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = failed().get(&entry) {
            return Err(anyhow!("{why}"));
        }
        self.grew.store(true, Ordering::Relaxed);
        // Whoever made the leftover is dead: it would hold the lock.
        clear(&partial)?;
        if let Err(error) = fill(kind, &partial, &entry, make) {
            clear(&partial)?;
            let error = self.explain(error);
            failed().insert(entry, format!("{error:#}"));
            return Err(error);
        }
        Ok(entry)
    }

    /// Removes an entry, and says whether there was one.
    ///
    /// # Errors
    /// The folder cannot be removed; what is left is not taken for an entry.
    pub fn remove(&self, kind: &str, key: &str) -> Result<bool> {
        let _lock = self.wait_for_lock(kind, key, key)?;
        let (entry, partial) = (self.dir(kind).join(key), self.partial(kind, key));
        clear(&partial)?;
        match fs::rename(&entry, &partial) {
            Ok(()) => clear(&partial).map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("remove `{}`", entry.display())),
        }
    }

    /// Removes what makers that died have left of entries of these kinds, and the locks of
    /// entries that are no more. Nobody else may use the cache; a lock that is held all the
    /// same, by a kassay that knows of no common lock, is respected.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn sweep(&self, kinds: &[&str]) -> Result<()> {
        // Temporary folders of those that were killed.
        for left in names(&self.dir("locks")) {
            if left.starts_with(".tmp") {
                clear(&self.dir("locks").join(left))?;
            }
        }
        for kind in kinds {
            for lock in names(&self.dir("locks")) {
                let Some(key) = lock.strip_prefix(&format!("{kind}-")) else {
                    continue;
                };
                let lock = self.dir("locks").join(&lock);
                let is_free = |lock| flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok();
                if self.get(kind, key).is_none() && File::open(&lock).is_ok_and(is_free) {
                    clear(&self.partial(kind, key))?;
                    let _ = fs::remove_file(lock);
                }
            }
        }
        Ok(())
    }

    fn partial(&self, kind: &str, key: &str) -> PathBuf {
        self.dir(kind).join(format!(".partial-{key}"))
    }

    /// Adds what to do to an error that comes of a full disk, be it a tool's or our own.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}");
        // An entry may be made while another is, and one advice is enough.
        if !text.contains("No space left on device") || text.starts_with("the disk of") {
            return error;
        }
        error.context(format!(
            "the disk of `{}` is full: free some with `kassay kernel remove NAME`, \
             or set KASSAY_CACHE to a folder elsewhere",
            self.root.display()
        ))
    }
}

/// The names in a folder, in no order; none where there is no folder.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Removes a folder and all that is in it, if it exists.
fn clear(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove `{}`", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Has an entry made in a folder beside its place, and puts it there.
fn fill(
    kind: &str,
    partial: &Path,
    entry: &Path,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    fs::create_dir_all(partial).with_context(|| format!("make `{}`", partial.display()))?;
    make(partial)?;
    if CHECKED.contains(&kind) {
        let list = partial.join(SUMS);
        fs::write(&list, sums(partial)?).with_context(|| format!("write `{}`", list.display()))?;
    }
    fs::rename(partial, entry).with_context(|| format!("make `{}`", entry.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    use anyhow::bail;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        (dir, cache)
    }

    fn key(parts: &[(&str, &str)]) -> String {
        parts
            .iter()
            .fold(Key::new("test"), |key, (label, text)| key.text(label, text))
            .finish()
    }

    #[test]
    fn a_key_tells_where_one_part_ends() {
        assert_eq!(key(&[("a", "bc")]), key(&[("a", "bc")]));
        assert_ne!(key(&[("a", "bc")]), key(&[("ab", "c")]));
        assert_ne!(key(&[("a", "b"), ("c", "d")]), key(&[("a", "bcd")]));
    }

    #[test]
    fn a_tree_counts_names_and_contents() {
        let (dir, _) = cache();
        let tree = || Key::new("test").tree("t", dir.path()).unwrap().finish();
        let empty = tree();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a"), "1").unwrap();
        let one = tree();
        fs::write(dir.path().join("sub/.a.swp"), "2").unwrap();
        assert_eq!(one, tree());
        fs::rename(dir.path().join("sub/a"), dir.path().join("sub/b")).unwrap();
        assert!(empty != one && one != tree());
    }

    #[test]
    fn two_who_want_the_same_entry_make_it_once() {
        let (_dir, cache) = cache();
        let made = AtomicUsize::new(0);
        let want = || {
            cache.get_or_make("k", "one", "one", |dir| {
                made.fetch_add(1, Ordering::SeqCst);
                Ok(fs::write(dir.join("file"), "whole")?)
            })
        };
        std::thread::scope(|scope| {
            let both = [scope.spawn(want), scope.spawn(want)];
            for entry in both {
                let entry = entry.join().unwrap().unwrap();
                assert_eq!(fs::read_to_string(entry.join("file")).unwrap(), "whole");
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn what_was_damaged_is_made_again() {
        let (_dir, cache) = cache();
        let want = |kind: &str| {
            let make = |dir: &Path| {
                fs::create_dir(dir.join("sub"))?;
                Ok(fs::write(dir.join("sub/file"), "whole")?)
            };
            let file = cache
                .get_or_make(kind, "one", "one", make)
                .unwrap()
                .join("sub/file");
            let found = fs::read_to_string(&file).unwrap_or_default();
            fs::write(&file, "WHOLE").unwrap();
            found
        };
        assert_eq!(
            (want("modules"), want("modules")),
            ("whole".into(), "whole".into())
        );
        assert_eq!(
            (want("kernel"), want("kernel")),
            ("whole".into(), "WHOLE".into())
        );
        fs::remove_dir_all(cache.dir("modules").join("one/sub")).unwrap();
        assert_eq!(want("modules"), "whole");
    }

    #[test]
    fn a_make_that_fails_leaves_nothing() {
        let (_dir, cache) = cache();
        let failed = cache.get_or_make("k", "one", "one", |dir| {
            fs::write(dir.join("half"), "")?;
            bail!("no")
        });
        assert!(failed.is_err() && cache.get("k", "one").is_none());
        assert_eq!(fs::read_dir(cache.dir("k")).unwrap().count(), 0);
        let again = cache.get_or_make("k", "one", "one", |_| panic!("it was tried"));
        assert_eq!(again.unwrap_err().to_string(), "no");
    }

    #[test]
    fn what_a_killed_run_left_is_neither_taken_nor_kept() {
        let (_dir, cache) = cache();
        fs::create_dir_all(cache.partial("k", "one")).unwrap();
        fs::write(cache.partial("k", "one").join("half"), "").unwrap();
        assert!(cache.get("k", "one").is_none() && cache.keys("k").is_empty());
        let entry = cache.get_or_make("k", "one", "one", |_| Ok(())).unwrap();
        assert_eq!(fs::read_dir(entry).unwrap().count(), 0);
    }

    #[test]
    fn who_shares_the_cache_is_not_alone() {
        let (dir, cache) = cache();
        assert!(cache.clone().is_alone());
        drop(cache);
        let (one, other) = (
            Cache::at(dir.path()).unwrap(),
            Cache::at(dir.path()).unwrap(),
        );
        assert!(!one.is_alone());
        drop(one);
        assert!(other.is_alone());
    }

    #[test]
    fn an_entry_is_known_by_what_it_was_made_as() {
        let (_dir, cache) = cache();
        let make = |_: &Path| Ok(());
        cache.get_or_make("k", "0123", "the one", make).unwrap();
        assert_eq!(cache.what("k", "0123"), "the one");
        assert_eq!(cache.what("k", "4567"), "4567");
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let (_dir, cache) = cache();
        let full = || Err(std::io::Error::from(rustix::io::Errno::NOSPC).into());
        let error = cache
            .get_or_make("k", "one", "one", |_| full())
            .unwrap_err();
        assert!(error.to_string().contains("kernel remove"), "{error:#}");
    }

    #[test]
    fn what_is_removed_is_gone() {
        let (_dir, cache) = cache();
        cache.get_or_make("k", "one", "one", |_| Ok(())).unwrap();
        assert!(cache.remove("k", "one").unwrap() && cache.get("k", "one").is_none());
        assert!(!cache.remove("k", "one").unwrap());
    }
}
