//! What modules that are compiled for it have counted of their lines (kernel/gcov, 6.1 to 7.2). The
//! kernel keeps the counts of a module that is gone.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// The folder of the counts. Below it is the path of each object file on the machine that compiled it.
const FOLDER: &str = "/sys/kernel/debug/gcov";

/// The files of counts, by the paths that the compiler gave them.
pub fn counts() -> Result<Vec<(String, Vec<u8>)>> {
    let (mut left, mut files) = (vec![PathBuf::from(FOLDER)], Vec::new());
    while let Some(folder) = left.pop() {
        let read = || format!("read `{}`", folder.display());
        for entry in fs::read_dir(&folder).with_context(read)? {
            let entry = entry.with_context(read)?;
            let (path, kind) = (entry.path(), entry.file_type().with_context(read)?);
            if kind.is_dir() {
                left.push(path);
            } else if kind.is_file() && path.extension() == Some(OsStr::new("gcda")) {
                let data = fs::read(&path).with_context(|| format!("read `{}`", path.display()))?;
                let name = path.to_string_lossy();
                files.push((name.trim_start_matches(FOLDER).to_owned(), data));
            }
        }
    }
    files.sort();
    Ok(files)
}
