//! The files of a new project. `NAME` in them is the project's, and a module's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tool;

/// A file, by its path in the project.
pub type File = (PathBuf, String);

/// The longest name of a module. The kernel's limit is 55 (include/linux/moduleparam.h), and
/// functions are called by it, too.
const LONGEST: usize = 40;

const EXAMPLE: [(&str, &str); 5] = [
    ("modules/NAME/NAME.c", include_str!("../template/NAME.c")),
    ("modules/NAME/Kbuild", include_str!("../template/Kbuild")),
    ("bpf/NAME.bpf.c", include_str!("../template/NAME.bpf.c")),
    ("scenarios/NAME.toml", include_str!("../template/NAME.toml")),
    ("snapshots/NAME.snap", include_str!("../template/NAME.snap")),
];

const COMMON: [(&str, &str); 4] = [
    ("kassay.toml", include_str!("../template/kassay.toml")),
    (".gitignore", include_str!("../template/gitignore")),
    (
        ".config/nextest.toml",
        include_str!("../template/nextest.toml"),
    ),
    (
        ".github/workflows/kassay.yml",
        include_str!("../template/workflow.yml"),
    ),
];

/// A module with one kfunc, a program that calls it, a scenario and its snapshot.
pub fn example(name: &str) -> Vec<File> {
    let named = |text: &str| text.replace("NAME", name);
    let files = EXAMPLE.iter();
    files
        .map(|(path, text)| (named(path).into(), named(text)))
        .collect()
}

/// What each project has.
pub fn common() -> Vec<File> {
    let filled = |text: &str| {
        text.replace("@KERNEL@", kernel())
            .replace("VERSION", env!("CARGO_PKG_VERSION"))
    };
    let files = COMMON.iter();
    files
        .map(|(path, text)| ((*path).into(), filled(text)))
        .collect()
}

/// The kernel of a new project: the distribution's, or where there is no apt one that is built.
pub fn kernel() -> &'static str {
    match tool::find("apt-get") {
        Some(_) => "distro",
        None => "6.11",
    }
}

/// Sees that a name can be a module's, a file's and a part of functions' names.
///
/// # Errors
/// It cannot.
pub fn check(name: &str) -> Result<()> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_good = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(letters);
    // scripts/Makefile.modpost takes a vmlinux.ko for the kernel's own.
    if !is_good || name.len() > LONGEST || name == "vmlinux" {
        bail!(
            "`{name}`: a module's name is made of small letters, digits and `_`, at most \
             {LONGEST}, begins with a letter, and is not `vmlinux`"
        );
    }
    Ok(())
}

/// Writes the files that a folder does not have yet, and returns those that it has.
///
/// # Errors
/// A file cannot be written.
pub fn put(folder: &Path, files: &[File]) -> Result<Vec<PathBuf>> {
    let mut there = Vec::new();
    for (path, text) in files {
        let whole = folder.join(path);
        if whole.exists() {
            there.push(path.clone());
            continue;
        }
        fs::create_dir_all(whole.parent().unwrap_or(folder))
            .and_then(|()| fs::write(&whole, text))
            .with_context(|| format!("write `{}`", whole.display()))?;
    }
    Ok(there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_of_a_module_and_of_functions() {
        for name in ["a", "my_kfuncs2"] {
            check(name).unwrap();
        }
        for name in [
            "",
            "2a",
            "my-kfuncs",
            "A",
            "a/b",
            "vmlinux",
            &"a".repeat(41),
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| vec![(PathBuf::from("a/b"), text.to_owned())];
        assert!(put(folder.path(), &file("one")).unwrap().is_empty());
        let there = put(folder.path(), &file("two")).unwrap();
        assert_eq!(there, [PathBuf::from("a/b")]);
        let text = fs::read_to_string(folder.path().join("a/b")).unwrap();
        assert_eq!(text, "one");
    }
}
