//! What modules ran of their lines, for people and for programs.

mod lcov;
mod page;
mod summary;

use std::fs;
use std::path::Path;

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
        bail!("count what runs: no run with a module came to its end, so that none has told");
    }
    let folder = project::target().join("coverage");
    fs::create_dir_all(&folder).with_context(|| format!("make `{}`", folder.display()))?;
    let keep = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
        anyhow::Ok(format!("`{}`", path.display()))
    };
    let read = |path: &str| plain::text(&root.join(path), plain::TEXT).ok();
    let summary = Summary::of(total, &files, read);
    let mut lines = summary.lines();
    let page = keep("index.html", page::html(&files, &summary, read))?;
    let tracefile = keep("lcov.info", lcov::tracefile(&files))?;
    lines.push(format!("with the sources: {page}; for lcov: {tracefile}"));
    Ok(Told {
        lines,
        percent: summary.percent(),
    })
}
