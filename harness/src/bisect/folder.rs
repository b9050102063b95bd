//! The folder of a repository's bisects in the cache.

use std::fs::File;
use std::path::Path;

use anyhow::Result;

use super::history::{Repository, Worktree};
use crate::cache::{Cache, Key};
use crate::kernel::{self, Catalog};

/// The cache's kind of the folders of bisects, one for each repository.
pub const KIND: &str = "bisect";

/// Removes all that belongs to a repository's bisects: the worktree, the build folder and the
/// state. Says whether there was anything.
///
/// # Errors
/// git's; the cache cannot be written.
pub fn abandon(
    cache: &Cache,
    catalog: &Catalog,
    repository: &Repository,
    added: &str,
) -> Result<bool> {
    let (key, lock) = lock(cache, repository)?;
    let path = cache.dir(KIND).join(&key).join("tree");
    for tree in [path.clone(), path.join(&repository.inside)] {
        if tree.is_dir() {
            kernel::remove(cache, catalog, &spec(&tree, added))?;
        }
    }
    Worktree { path }.remove(repository)?;
    drop(lock);
    cache.remove(KIND, &key)
}

/// The key of a repository's folder, and its lock.
pub(super) fn lock(cache: &Cache, repository: &Repository) -> Result<(String, File)> {
    let dir = repository.git_dir.to_string_lossy();
    let key = Key::new(KIND).text("tree", &dir).finish();
    let top = repository.top.as_ref().unwrap_or(&repository.git_dir);
    let lock = cache.lock(KIND, &key, &format!("the bisect of {}", top.display()))?;
    Ok((key, lock))
}

/// The kernel of a tree with fragments.
pub(super) fn spec(tree: &Path, added: &str) -> String {
    format!("{}{added}", tree.display())
}
