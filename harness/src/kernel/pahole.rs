//! What kernels want of pahole, which writes their BTF.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::tool::Tool;

/// What an old pahole costs a kernel, whose source says which one it wants.
///
/// # Errors
/// pahole is not installed.
pub fn lost(source: &Path) -> Result<Option<String>> {
    let changes = source.join("Documentation/process/changes.rst");
    let wanted = fs::read_to_string(changes).unwrap_or_default();
    let Some(wanted) = wanted_pahole(&wanted) else {
        return Ok(None);
    };
    let said = Tool::new("pahole").arg("--version").output()?;
    let here = version(said.trim().trim_start_matches('v'));
    Ok(here.filter(|here| *here < wanted).map(|(major, minor)| {
        format!(
            "it wants pahole {}.{}, and here is {major}.{minor}: its BTF lacks what the newer one \
             writes (1.26: which functions are kfuncs, so kfuncs with implicit arguments cannot \
             be called and `bpftool btf dump` shows no prototypes of kfuncs); `kassay setup \
             --pahole` fetches a newer one",
            wanted.0, wanted.1
        )
    }))
}

/// The row of pahole in the table of tools (Documentation/process/changes.rst).
fn wanted_pahole(changes: &str) -> Option<(u32, u32)> {
    let mut rows = changes.lines().map(str::split_whitespace);
    rows.find_map(|mut row| (row.next() == Some("pahole")).then(|| version(row.next()?))?)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_pahole_is_read_from_the_table() {
        let table = "bison                  2.0              bison --version\n\
                     pahole                 1.26             pahole --version\n\
                     pahole\n------\n";
        assert_eq!(wanted_pahole(table), Some((1, 26)));
        assert_eq!(wanted_pahole("pahole\n------\n"), None);
        assert!(version("1.9") < version("1.26"));
    }
}
