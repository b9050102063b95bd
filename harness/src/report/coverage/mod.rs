//! What modules ran of their lines, for people and for programs.

mod lcov;
mod page;
mod summary;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::coverage::Total;
use crate::{plain, project};
use summary::Summary;

/// What a terminal shows.
pub struct Told {
    /// Line by line.
    pub lines: Vec<String>,
    /// How many of a hundred lines ran.
    pub percent: f64,
}

/// The folder of both files.
fn folder() -> PathBuf {
    project::target().join("coverage")
}

const PAGE: &str = "index.html";
const TRACEFILE: &str = "lcov.info";

/// Takes away what an earlier run has written, and sees that there can be something new.
///
/// # Errors
/// It cannot be written there.
pub fn clear() -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| format!("make `{}`", folder.display()))?;
    for name in [PAGE, TRACEFILE] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done.with_context(|| format!("remove `{}`", path.display())),
        }?;
    }
    let file = tempfile::tempfile_in(&folder);
    file.with_context(|| format!("write to `{}`", folder.display()))?;
    Ok(())
}

/// Writes a tracefile and a page with the sources, which lie in the project's folder `root`, into
/// the folder of what runs leave, and returns what a terminal shows.
///
/// # Errors
/// No module has counted anything; it cannot be written.
pub fn write(total: &Total, root: &Path) -> Result<Told> {
    let mut files = total.covered.files();
    // Headers that kassay lends, and what a Makefile writes, are none of the user's.
    files.retain(|path, _| root.join(path).is_file());
    if files.is_empty() {
        bail!(match total.runs > total.silent {
            true =>
                "count what runs: these scenarios' modules have no file of the project that counts",
            false => "count what runs: no run came to its end, so that no module has told",
        });
    }
    let folder = folder();
    let keep = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
        anyhow::Ok(format!("`{}`", path.display()))
    };
    let read = |path: &str| {
        let bytes = plain::read(&root.join(path), plain::TEXT).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let summary = Summary::of(total, &files, read);
    let mut lines = summary.lines();
    let page = keep(PAGE, page::html(&files, &summary, read))?;
    let tracefile = keep(TRACEFILE, lcov::tracefile(&files))?;
    lines.push(format!(
        "{:.1} % of the lines ran; with the sources: {page}; for lcov: {tracefile}",
        summary::down(summary.percent())
    ));
    Ok(Told {
        lines,
        percent: summary.percent(),
    })
}
