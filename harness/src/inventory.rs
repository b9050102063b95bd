//! What the cache holds, what of it may go, and its limit.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::assets;
use crate::bisect;
use crate::cache::Cache;
use crate::history;
use crate::kernel::tools;
use crate::progress;
use crate::state;

/// Kinds of entries that take a minute at most to make again, and no kernel build.
const CHEAP: [&str; 13] = [
    state::KIND,
    assets::KIND,
    "modules",
    "own-module",
    "build",
    "bpf",
    "vmlinux",
    "initramfs",
    "guest",
    "driver",
    "libelf",
    "target",
    "qemu",
];

/// Kinds that take a download or minutes of compiling, or that somebody wants to go on with.
const DEAR: [&str; 8] = [
    "kernel",
    tools::KIND,
    "own-modules",
    "source",
    "download",
    "tree",
    "apt",
    bisect::KIND,
];

/// The limit where `KASSAY_CACHE_LIMIT` does not say another, in bytes.
const LIMIT: u64 = 10 << 30;

/// How long a state is kept that a newer one may have replaced. Two versions of kassay, or of a
/// kernel, may take turns, and each has its own.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// One entry of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its kind, such as `state`.
    pub kind: &'static str,
    /// Its name among those of its kind.
    pub key: String,
    /// What it is, in words.
    pub what: String,
    /// What it takes on the disk, in bytes.
    pub bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
}

impl Entry {
    /// Whether it takes a minute at most to make again, so that the limit applies to it.
    pub fn is_cheap(&self) -> bool {
        CHEAP.contains(&self.kind)
    }
}

/// All entries, kind by kind, the last used first. The history is one of them, which stays.
pub fn entries(cache: &Cache) -> Vec<Entry> {
    let kinds = DEAR.iter().chain(&CHEAP);
    let entries = kinds.flat_map(|kind| of_kind(cache, kind));
    entries.chain(of_history(cache)).collect()
}

fn of_history(cache: &Cache) -> Option<Entry> {
    let files = history::files(cache);
    let modified = files
        .iter()
        .filter_map(|file| file.metadata().ok()?.modified().ok());
    Some(Entry {
        kind: "history",
        key: file_name(files.first()?),
        what: "results of runs".to_owned(),
        used: modified.max()?,
        bytes: files.iter().map(|file| size(file)).sum(),
    })
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn of_kind(cache: &Cache, kind: &'static str) -> Vec<Entry> {
    let entry = |key: String| {
        let dir = cache.get(kind, &key)?;
        Some(Entry {
            kind,
            what: cache.what(kind, &key),
            bytes: size(&dir),
            used: dir.metadata().and_then(|meta| meta.modified()).ok()?,
            key,
        })
    };
    let mut entries: Vec<Entry> = cache.keys(kind).into_iter().filter_map(entry).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
    entries
}

/// What a file or a folder takes on the disk, in bytes; what cannot be read counts as nothing.
fn size(path: &Path) -> u64 {
    let Ok(meta) = path.symlink_metadata() else {
        return 0;
    };
    let inside = fs::read_dir(path).ok().filter(|_| meta.is_dir());
    let inside = inside.into_iter().flatten().flatten();
    meta.blocks() * 512 + inside.map(|entry| size(&entry.path())).sum::<u64>()
}

/// How many bytes the cheap entries may take: `KASSAY_CACHE_LIMIT`, else 10 GiB.
///
/// # Errors
/// The variable is no size.
pub fn limit() -> Result<u64> {
    match std::env::var("KASSAY_CACHE_LIMIT") {
        Ok(text) if !text.is_empty() => parse(&text).with_context(|| {
            format!("read KASSAY_CACHE_LIMIT: `{text}` is no size such as `20G` or `500M`")
        }),
        _ => Ok(LIMIT),
    }
}

/// A number of bytes, or of KiB, MiB, GiB or TiB by its last letter.
fn parse(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Clears up after work that made something new, if nobody else uses the cache; else that is
/// left to the next who is alone. That it fails takes nothing from the work, and is only said.
pub fn clear_up(cache: &Cache, limit: u64) {
    if cache.grew()
        && cache.is_alone()
        && let Err(error) = evict(cache, limit)
    {
        progress::note(format!("clear up the cache: {error:#}"));
    }
}

/// Removes what nobody needs: leftovers of the dead, states that a newer one replaced a
/// day ago, and the cheap entries that do not fit into `limit` bytes beside those used later. Returns the
/// entries that went. Nobody else may use the cache.
///
/// # Errors
/// An entry cannot be removed.
pub fn evict(cache: &Cache, limit: u64) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = CHEAP.iter().flat_map(|kind| of_kind(cache, kind)).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
    let (mut seen, mut total, mut gone) = (BTreeSet::new(), 0, Vec::new());
    for entry in entries {
        let replaced = entry.kind == state::KIND
            && !seen.insert(state::owner(cache, &entry.key))
            && entry.used.elapsed().is_ok_and(|unused| unused > KEPT);
        if !replaced && total + entry.bytes <= limit {
            total += entry.bytes;
            continue;
        }
        cache.remove(entry.kind, &entry.key)?;
        gone.push(entry);
    }
    cache.sweep(&[&DEAR[..], &CHEAP].concat())?;
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        (dir, cache)
    }

    /// Makes an entry of 64 KiB that was last used some minutes ago.
    fn make(cache: &Cache, kind: &str, key: &str, minutes: u64) {
        let fill = |dir: &Path| Ok(fs::write(dir.join("file"), vec![1; 64 << 10])?);
        cache.get_or_make(kind, key, key, fill).unwrap();
        set_used(cache, kind, key, minutes);
    }

    fn set_used(cache: &Cache, kind: &str, key: &str, minutes: u64) {
        let then = SystemTime::now() - Duration::from_secs(60 * minutes);
        let dir = fs::File::open(cache.dir(kind).join(key)).unwrap();
        dir.set_modified(then).unwrap();
    }

    fn keys(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.key.as_str()).collect()
    }

    #[test]
    fn a_size_has_a_unit_or_none() {
        let sizes = [
            ("512", Some(512)),
            ("20G", Some(20 << 30)),
            ("1m", Some(1 << 20)),
        ];
        for (text, size) in sizes {
            assert_eq!(parse(text), size);
        }
        for text in ["", "G", "20 G", "20GB", "-1", "99999999999T"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_unused_goes_first_and_kernels_stay() {
        let (_dir, cache) = cache();
        for (kind, key, minutes) in [("bpf", "new", 1), ("modules", "old", 3), ("bpf", "mid", 2)] {
            make(&cache, kind, key, minutes);
        }
        make(&cache, "kernel", "oldest", 9);
        assert_eq!(keys(&evict(&cache, 160 << 10).unwrap()), ["old"]);
        assert_eq!(keys(&evict(&cache, 0).unwrap()), ["new", "mid"]);
        assert_eq!(keys(&entries(&cache)), ["oldest"]);
    }

    #[test]
    fn the_history_is_listed_and_never_goes() {
        let (_dir, cache) = cache();
        let project = crate::Project::of(cache.root()).unwrap();
        drop(history::History::open(&cache, &project, false));
        assert!(evict(&cache, 0).unwrap().is_empty());
        let listed = entries(&cache);
        assert_eq!(keys(&listed), ["history.sqlite"]);
        assert!(listed[0].bytes > 0 && !listed[0].is_cheap());
    }

    #[test]
    fn what_is_used_is_the_last_used() {
        let (_dir, cache) = cache();
        make(&cache, "bpf", "one", 2);
        make(&cache, "bpf", "two", 1);
        cache.get_or_make("bpf", "one", "one", |_| Ok(())).unwrap();
        assert_eq!(keys(&entries(&cache)), ["one", "two"]);
    }

    #[test]
    fn nothing_goes_while_another_uses_the_cache() {
        let (dir, cache) = cache();
        make(&cache, "bpf", "one", 1);
        let other = Cache::at(dir.path()).unwrap();
        clear_up(&cache, 0);
        assert_eq!(entries(&cache).len(), 1);
        drop(other);
        clear_up(&cache, 0);
        assert_eq!(entries(&cache).len(), 0);
    }

    #[test]
    fn what_is_gone_leaves_nothing() {
        let (_dir, cache) = cache();
        make(&cache, "bpf", "one", 1);
        cache.lock("bpf", "two", "two").unwrap();
        fs::create_dir(cache.dir("bpf").join(".partial-two")).unwrap();
        evict(&cache, 0).unwrap();
        let left = |kind| fs::read_dir(cache.dir(kind)).unwrap().flatten();
        assert_eq!(left("bpf").count(), 0);
        assert!(left("locks").all(|lock| lock.file_name() == "in-use"));
    }

    #[test]
    fn a_state_goes_a_day_after_a_newer_one_took_its_place() {
        let (_dir, cache) = cache();
        let states = [
            ("a", "6.12", "tcg", 1, 25 * 60),
            ("b", "6.12", "tcg", 1, 1),
            ("c", "6.12", "kvm", 1, 90 * 60),
            ("d", "6.12", "tcg", 2, 80 * 60),
            ("e", "6.12", "tcg", 1, 23 * 60),
        ];
        for (key, kernel, accelerator, memory_mib, minutes) in states {
            make(&cache, state::KIND, key, 0);
            let label = serde_json::json!({
                "key": key, "kernel": kernel, "kernel_key": "", "host": "",
                "accelerator": accelerator, "size": { "cpus": 1, "memory_mib": memory_mib },
                "bytes": [0, memory_mib << 20], "digests": ["", ""],
                "incoming": state::FROM_FILE
            });
            let dir = cache.dir(state::KIND).join(key);
            fs::write(dir.join("label.json"), label.to_string()).unwrap();
            for (file, length) in [("state", 0), ("ram", memory_mib << 20)] {
                let file = fs::File::create(dir.join(file)).unwrap();
                file.set_len(length).unwrap();
            }
            set_used(&cache, state::KIND, key, minutes);
        }
        assert_eq!(keys(&evict(&cache, LIMIT).unwrap()), ["a"]);
    }
}
