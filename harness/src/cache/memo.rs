//! Texts under names: what was found out, and what tools print.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::Cache;

impl Cache {
    /// An empty file for what a tool prints, kept whether the work succeeds or not.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn log(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir("logs").join(format!("{name}.log"));
        fs::create_dir_all(self.dir("logs"))
            .and_then(|()| fs::write(&path, ""))
            .with_context(|| format!("write `{}`", path.display()))?;
        Ok(path)
    }

    /// Keeps a short text under a name, for [`Cache::recall`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&self, name: &str, text: &str) -> Result<()> {
        let dir = self.dir("memo");
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&dir)?;
            let file = tempfile::NamedTempFile::new_in(&dir)?;
            fs::write(file.path(), text)?;
            file.persist(dir.join(name))
                .map(drop)
                .map_err(|error| error.error)
        };
        write().with_context(|| format!("write `{}`", dir.join(name).display()))
    }

    /// What was last remembered under a name, and how long ago.
    pub fn recall(&self, name: &str) -> Option<(String, Duration)> {
        let path = self.dir("memo").join(name);
        let written = path.metadata().and_then(|meta| meta.modified()).ok()?;
        let age = SystemTime::now()
            .duration_since(written)
            .unwrap_or_default();
        Some((fs::read_to_string(path).ok()?, age))
    }

    /// Drops what was remembered under a name.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(&self, name: &str) -> Result<()> {
        let path = self.dir("memo").join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove `{}`", path.display()))
            }
            _ => Ok(()),
        }
    }
}
