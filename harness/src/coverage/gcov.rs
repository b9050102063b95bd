//! gcov, which reads what gcc noted of an object file and what the object has counted. Both formats
//! are those of one version of gcc; the objects of JSON that gcov writes have been alike since 9.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use walkdir::WalkDir;

use super::{File, Files, Function, Line};
use crate::tool::Tool;

/// What gcov writes of an object file.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    /// The folder that the compiler ran in.
    #[serde(default)]
    current_working_directory: PathBuf,
    files: Vec<ListedFile>,
}

#[derive(Debug, Deserialize)]
struct ListedFile {
    file: PathBuf,
    functions: Vec<ListedFunction>,
    lines: Vec<ListedLine>,
}

#[derive(Debug, Deserialize)]
struct ListedFunction {
    name: String,
    start_line: u32,
    execution_count: u64,
}

#[derive(Debug, Deserialize)]
struct ListedLine {
    line_number: u32,
    count: u64,
    #[serde(default)]
    branches: Vec<ListedBranch>,
}

#[derive(Debug, Deserialize)]
struct ListedBranch {
    count: u64,
}

/// The notes in a folder, each under the path of its object file where that was built; none where
/// there is no folder.
pub(super) fn notes(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut notes = Vec::new();
    if !folder.is_dir() {
        return Ok(notes);
    }
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let path = entry
            .with_context(|| format!("find what gcc noted, in `{}`", folder.display()))?
            .into_path();
        if path.is_file() {
            let object = Path::new("/").join(path.strip_prefix(folder)?);
            let object = object.with_extension("o");
            notes.push((object.to_string_lossy().into_owned(), path));
        }
    }
    Ok(notes)
}

/// What an object file has counted, of that under the paths that the compiler gave them. None where
/// it was not inserted.
pub(super) fn counts_of<'a>(object: &str, counted: &'a [(String, Vec<u8>)]) -> Option<&'a [u8]> {
    let mut counted = counted.iter();
    let (_, counts) = counted.find(|(path, _)| self::object(path) == object)?;
    Some(counts)
}

/// The path of the object file that has counted under this path.
pub(super) fn object(path: &str) -> String {
    let object = Path::new(path).with_extension("o");
    object.to_string_lossy().into_owned()
}

/// Whether it is one of those that modpost adds to a module, which have no code.
pub(super) fn is_of_modpost(path: &str) -> bool {
    path.ends_with(".mod.gcda") || path.ends_with("/.module-common.gcda")
}

/// What gcov says of an object file without code.
const NO_CODE: &str = ":no functions found";

/// What gcov says of an object file by its notes and what it has counted.
///
/// # Errors
/// It complains of them: they are not of one build, or not of its version of gcc.
pub(super) fn read(gcov: &str, notes: &Path, counts: Option<&[u8]>) -> Result<Listed> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    fs::copy(notes, folder.path().join("it.gcno"))
        .with_context(|| format!("copy `{}`", notes.display()))?;
    if let Some(counts) = counts {
        fs::write(folder.path().join("it.gcda"), counts).context("write the counts")?;
    }
    let (mut json, mut complaints) = (None, Vec::new());
    let ran = Tool::new(gcov)
        .args(["--json-format", "--stdout", "--branch-probabilities"])
        .arg("it.gcno")
        .cwd(folder.path())
        .run_logged(&folder.path().join("log"), |line| {
            match line.starts_with('{') {
                true => json = Some(line.to_owned()),
                false if line.is_empty() => {}
                false if counts.is_none() && line.contains("assuming not executed") => {}
                // What modpost adds to a module has data alone.
                false if line.ends_with(NO_CODE) => json = Some(r#"{"files":[]}"#.to_owned()),
                false => complaints.push(line.to_owned()),
            }
        });
    // What it says is told in its own words, without all that it could list.
    if !complaints.is_empty() {
        bail!(
            "run `{gcov}`: {}; its version must be that of the gcc which compiled the module, and \
             what was counted of the same build",
            complaints.join("; ")
        );
    }
    ran?;
    let json: String = json.with_context(|| format!("run `{gcov}`: it wrote nothing"))?;
    serde_json::from_str(&json).with_context(|| format!("parse what `{gcov}` wrote"))
}

/// The files that people know, by the names that `named` gives them.
pub(super) fn files(listed: &Listed, named: impl Fn(&Path) -> Option<String>) -> Files {
    let mut files = Files::new();
    for of in &listed.files {
        let path = plain(&listed.current_working_directory.join(&of.file));
        if let Some(name) = named(&path) {
            files.entry(name).or_default().join(&of.file());
        }
    }
    files
}

impl ListedFile {
    fn file(&self) -> File {
        let mut file = File::default();
        for function in &self.functions {
            let known = file.functions.entry(function.name.clone()).or_default();
            *known = Function {
                line: function.start_line,
                calls: known.calls.saturating_add(function.execution_count),
            };
        }
        // A line comes once for each function that it is part of.
        for listed in &self.lines {
            let line: &mut Line = file.lines.entry(listed.line_number).or_default();
            line.runs = line.runs.saturating_add(listed.count);
            line.branches
                .extend(listed.branches.iter().map(|branch| branch.count));
        }
        file
    }
}

/// A path without `..`, as far as its own text tells.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(AsRef::<OsStr>::as_ref(&part)),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program's notes and counts, as the host's compiler makes them.
    fn counted(folder: &Path, text: &str) -> Option<Vec<u8>> {
        fs::write(folder.join("it.c"), text).unwrap();
        let gcc = |args: &str| Tool::new("gcc").args(args.split(' ')).cwd(folder).output();
        gcc("--coverage -c it.c").unwrap();
        gcc("--coverage it.o -o it").unwrap();
        Tool::new(folder.join("it")).cwd(folder).output().unwrap();
        fs::read(folder.join("it.gcda")).ok()
    }

    const PROGRAM: &str = "static int f(int x)\n{\n\tif (x < 0)\n\t\treturn -1;\n\treturn x;\n}\n\n\
                           int main(void)\n{\n\treturn f(0);\n}\n";

    #[test]
    fn lines_branches_and_functions_are_those_that_ran() {
        let folder = tempfile::tempdir().unwrap();
        let counts = counted(folder.path(), PROGRAM);
        let listed = read("gcov", &folder.path().join("it.gcno"), counts.as_deref()).unwrap();
        let files = files(&listed, |path| {
            Some(path.file_name()?.to_string_lossy().into_owned())
        });
        let file = &files["it.c"];
        let runs = |line: u32| file.lines[&line].runs;
        assert_eq!([runs(3), runs(4), runs(5)], [1, 0, 1]);
        assert_eq!(file.lines[&3].branches, [0, 1]);
        assert_eq!(file.functions["f"], Function { line: 1, calls: 1 });
    }

    #[test]
    fn what_was_not_counted_did_not_run_and_what_another_build_counted_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let counts = counted(folder.path(), PROGRAM);
        let notes = folder.path().join("it.gcno");
        let listed = read("gcov", &notes, None).unwrap();
        assert!(listed.files[0].lines.iter().all(|line| line.count == 0));
        let other = tempfile::tempdir().unwrap();
        counted(other.path(), &PROGRAM.replace("-1", "-2 * x"));
        let stale = read("gcov", &other.path().join("it.gcno"), counts.as_deref());
        let why = format!("{:#}", stale.unwrap_err());
        assert!(
            why.contains("stamp mismatch") && !why.contains('{'),
            "{why}"
        );
    }

    #[test]
    fn counts_are_found_by_their_whole_path() {
        let counted = [
            ("/build/0/a/m.gcda".to_owned(), vec![1]),
            ("/build/0/b/m.gcda".to_owned(), vec![2]),
        ];
        assert_eq!(counts_of("/build/0/b/m.o", &counted), Some(&[2][..]));
        assert_eq!(counts_of("/build/1/b/m.o", &counted), None);
        assert_eq!(plain(Path::new("/a/b/../c.h")), Path::new("/a/c.h"));
    }
}
