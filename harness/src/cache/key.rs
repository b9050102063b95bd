//! The names of entries, and digests.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{interrupt, plain};

/// The name of a cache entry: a digest of everything that shapes its content.
///
/// Each part goes in with its label and length, so no two lists of parts read the same.
#[derive(Debug, Clone)]
pub struct Key(Sha256);

impl Key {
    /// A key with no parts but the kind of its entry.
    pub fn new(kind: &str) -> Key {
        Key(Sha256::new()).text("kind", kind)
    }

    /// Adds a text, such as a config or a version.
    pub fn text(self, label: &str, text: &str) -> Key {
        self.bytes(label, text.as_bytes())
    }

    /// Adds bytes, such as those of a file that lies nowhere.
    pub fn bytes(mut self, label: &str, bytes: &[u8]) -> Key {
        for part in [label.as_bytes(), bytes] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds a file's content; neither its path nor its time counts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn file(self, label: &str, path: &Path) -> Result<Key> {
        Ok(self.text(label, &digest(path)?))
    }

    /// Adds all files of a folder with their paths inside it, but for editors' own.
    ///
    /// # Errors
    /// Something in it cannot be read.
    pub fn tree(self, label: &str, dir: &Path) -> Result<Key> {
        let read = || format!("read `{}`", dir.display());
        let entries: std::io::Result<Vec<_>> = fs::read_dir(dir).with_context(read)?.collect();
        let mut entries: Vec<PathBuf> = entries
            .with_context(read)?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|path| !is_scratch(path))
            .collect();
        entries.sort();
        entries
            .into_iter()
            .try_fold(self.text(label, "folder"), |key, path| {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let inside = format!("{label}/{name}");
                if path.is_dir() {
                    key.tree(&inside, &path)
                } else {
                    key.file(&inside, &path)
                }
            })
    }

    /// The key: 16 hexadecimal digits, the first 64 bits of a SHA-256.
    pub fn finish(self) -> String {
        hex(&self.0.finalize()[..8])
    }
}

/// Whether a file is an editor's own: hidden, or a backup.
pub fn is_scratch(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with('~')
}

/// The SHA-256 of a file's content, as 64 hexadecimal digits.
///
/// # Errors
/// The file cannot be read; an interrupt.
pub fn digest(path: &Path) -> Result<String> {
    let read = || format!("read `{}`", path.display());
    let mut file = plain::open(path).with_context(read)?;
    let (mut sha, mut chunk) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        interrupt::check()?;
        match file.read(&mut chunk).with_context(read)? {
            0 => return Ok(hex(&sha.finalize())),
            n => sha.update(&chunk[..n]),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
