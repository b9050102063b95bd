//! What is kept of the failures of a case: the first one of each kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::tally::MOST;
use crate::case::folder;
use crate::verdict::Verdict;

/// The folders of a case's failures, numbered, in the folder that a failure of it has otherwise.
pub struct Kept {
    folder: PathBuf,
    known: Mutex<BTreeSet<(&'static str, String)>>,
}

impl Kept {
    /// None yet of this case.
    pub fn of(kernel: &str, scenario: &str) -> Kept {
        Kept {
            folder: folder(kernel, scenario),
            known: Mutex::default(),
        }
    }

    /// The folder of a failure that is the first of its kind.
    pub fn claim(&self, verdict: Verdict, title: &str) -> Option<PathBuf> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST || !known.insert((verdict.name(), title.to_owned())) {
            return None;
        }
        if known.len() == 1 {
            // What an earlier run has left says nothing of this one. Whoever writes tells of what
            // cannot be written.
            let _ = fs::remove_dir_all(&self.folder);
        }
        Some(self.folder.join(known.len().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_has_a_folder() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept {
            folder: directory.path().join("case"),
            known: Mutex::default(),
        };
        fs::create_dir_all(kept.folder.join("old")).unwrap();
        let claim = |verdict, title: &str| {
            let folder = kept.claim(verdict, title)?;
            Some(folder.file_name()?.to_str()?.to_owned())
        };
        assert_eq!(claim(Verdict::Panic, "a").as_deref(), Some("1"));
        assert_eq!(claim(Verdict::Panic, "a"), None);
        assert_eq!(claim(Verdict::Panic, "b").as_deref(), Some("2"));
        assert_eq!(claim(Verdict::Leak, "a").as_deref(), Some("3"));
        assert!(!kept.folder.join("old").exists());
    }

    #[test]
    fn kinds_without_end_do_not_fill_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept {
            folder: directory.path().join("case"),
            known: Mutex::default(),
        };
        let claims = (0..10 * MOST).filter_map(|at| kept.claim(Verdict::Leak, &at.to_string()));
        assert_eq!(claims.count(), MOST);
    }
}
