//! The files that a page links to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Links;
use crate::outcome::Outcome;
use crate::plain;
use crate::report::place::FILES;

/// What only a program reads, or what is too large to be handed around.
const LEFT_OUT: [&str; 2] = ["initramfs.cpio", "dump"];

/// Copies what cases left into a folder, `KERNEL/SCENARIO/FILE.txt`, and returns what the page links
/// to, for each outcome. A browser takes a file of this name for text, whatever a guest sent.
///
/// # Errors
/// A file cannot be copied.
pub fn keep(outcomes: &[Outcome], folder: &Path) -> Result<Vec<Links>> {
    let mut taken = BTreeSet::new();
    let mut kept = Vec::new();
    for outcome in outcomes {
        let links = match outcome.artifacts() {
            Some(from) => {
                let name = free(&mut taken, outcome);
                copy(from, &folder.join(&name), &name)?
            }
            None => Links::new(),
        };
        kept.push(links);
    }
    Ok(kept)
}

/// A name that no outcome before has.
fn free(taken: &mut BTreeSet<String>, outcome: &Outcome) -> String {
    let plain = |name: &str| name.replace(['/', '\\'], "_").replace("..", "_");
    let (kernel, scenario) = (plain(&outcome.case.kernel), plain(&outcome.case.scenario));
    let names = (1..).map(|number| match number {
        1 => format!("{kernel}/{scenario}"),
        number => format!("{kernel}/{scenario}-{number}"),
    });
    let mut names = names.filter(|name| !taken.contains(name));
    let name = names.next().unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// Copies the plain files of a folder, and those of the snapshots in it.
fn copy(from: &Path, to: &Path, name: &str) -> Result<Links> {
    let mut links = Links::new();
    for inside in ["", "snapshots"] {
        for file in files(&from.join(inside)) {
            let source = from.join(inside).join(&file);
            let Ok(bytes) = plain::read(&source, plain::MADE) else {
                continue;
            };
            let copy = to.join(format!("{file}.txt"));
            fs::create_dir_all(to)
                .and_then(|()| fs::write(&copy, bytes))
                .with_context(|| format!("copy `{}`", source.display()))?;
            links.push((file.clone(), address(&format!("{FILES}/{name}/{file}.txt"))));
        }
    }
    Ok(links)
}

/// The names of the plain files in a folder that are worth a look.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let names = entries.filter(is_file);
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names
        .filter(|name| !LEFT_OUT.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

/// A path as it stands in a link.
fn address(path: &str) -> String {
    let mut address = String::new();
    for byte in path.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            true => address.push(char::from(byte)),
            false => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{leave, outcome};
    use crate::verdict::Verdict;

    #[test]
    fn what_a_case_left_lies_beside_the_page_as_text() {
        let (left, page) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let case = |kernel| {
            let mut outcome = outcome(kernel, "a", Verdict::Panic);
            let files = [("console", "<script>"), ("initramfs.cpio", "x")];
            leave(&mut outcome, left.path(), &files);
            outcome
        };
        let outcomes = [
            case("../x y"),
            case("_/x y"),
            outcome("6.1", "a", Verdict::Pass),
        ];
        let kept = keep(&outcomes, page.path()).unwrap();
        let hrefs: Vec<Vec<&str>> = kept
            .iter()
            .map(|links| links.iter().map(|(_, href)| &**href).collect())
            .collect();
        let expected = [
            vec!["cases/__x%20y/a/console.txt"],
            vec!["cases/__x%20y/a-2/console.txt"],
            vec![],
        ];
        assert_eq!(hrefs, expected);
        let copy = page.path().join("__x y/a/console.txt");
        assert_eq!(fs::read_to_string(copy).unwrap(), "<script>");
    }
}
