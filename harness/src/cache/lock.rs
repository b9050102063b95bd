//! Locks of entries, by which one process makes what others wait for.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use super::Cache;
use crate::{interrupt, progress};

/// How often a wait for another process looks whether the user wants to stop.
const TICK: Duration = Duration::from_millis(100);

impl Cache {
    /// Takes the lock of an entry; it is released when the file is dropped. The lock file says
    /// what the entry is, for [`Cache::what`].
    ///
    /// While another process holds it, waits and says so, naming `what`.
    ///
    /// # Errors
    /// The lock file cannot be written, or an interrupt while waiting.
    pub fn lock(&self, kind: &str, key: &str, what: &str) -> Result<File> {
        let mut file = self.wait_for_lock(kind, key, what)?;
        file.set_len(0)
            .and_then(|()| file.write_all(what.as_bytes()))
            .with_context(|| format!("write `{}`", self.lock_file(kind, key).display()))?;
        Ok(file)
    }

    /// What an entry is, in the words of who made it.
    pub fn what(&self, kind: &str, key: &str) -> String {
        fs::read_to_string(self.lock_file(kind, key))
            .ok()
            .filter(|what| !what.is_empty())
            .unwrap_or_else(|| key.to_owned())
    }

    pub(super) fn wait_for_lock(&self, kind: &str, key: &str, what: &str) -> Result<File> {
        let path = self.lock_file(kind, key);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("make `{}`", path.display()))?;
        wait_for(&file, FlockOperation::NonBlockingLockExclusive, || {
            format!("waiting until `{what}` is made…")
        })
        .with_context(|| format!("lock `{}`", path.display()))?;
        Ok(file)
    }

    fn lock_file(&self, kind: &str, key: &str) -> PathBuf {
        self.dir("locks").join(format!("{kind}-{key}"))
    }
}

/// Takes a lock; while others hold it, waits and says so once, in the words of `why`.
pub(super) fn wait_for(
    file: &File,
    operation: FlockOperation,
    why: impl Fn() -> String,
) -> Result<()> {
    let mut said = false;
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        if !said {
            progress::note(why());
            said = true;
        }
        interrupt::check()?;
        // A blocking flock would be restarted after a signal, and Ctrl-C go unheard.
        std::thread::sleep(TICK);
    }
}
