//! Programs that went further than others, kept in a folder between runs: a file of JSON for each.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::argument::Argument;
use super::callee::Callee;
use super::program::{Call, Program};
use super::way::{WAYS, Way};
use crate::cache::Key;
use crate::plain;
use crate::progress;

/// The longest file that is read, in bytes.
const MOST: u64 = 1 << 20;

/// A program in a file, in which kfuncs have their names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    way: String,
    calls: Vec<KeptCall>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptCall {
    kfunc: String,
    arguments: Vec<Argument>,
}

/// The programs in a folder that call these kfuncs, in the order of their files' names. How many
/// there are of others is said.
///
/// # Errors
/// As [`check`].
pub fn read(folder: &Path, callees: &[Callee]) -> Result<Vec<(&'static Way, Program)>> {
    let kept = all(folder)?;
    let count = kept.len();
    let programs = kept.into_iter().filter_map(|kept| kept.program(callees));
    let programs: Vec<_> = programs.collect();
    let others = count - programs.len();
    if others > 0 {
        progress::note(format!(
            "{others} of {count} programs in the corpus `{}` are of other kfuncs, and left out",
            folder.display()
        ));
    }
    Ok(programs)
}

/// Sees whether a folder is a corpus.
///
/// # Errors
/// The folder or a file cannot be read, or a file is none of these.
pub fn check(folder: &Path) -> Result<()> {
    all(folder).map(drop)
}

fn all(folder: &Path) -> Result<Vec<Kept>> {
    let list = || format!("read the corpus `{}`", folder.display());
    let files = fs::read_dir(folder).with_context(list)?;
    let files = files.map(|file| Ok(file.with_context(list)?.path()));
    let mut files = files.collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "json"));
    files.sort();
    let read = |file: &PathBuf| {
        let read = || format!("read `{}` of the corpus", file.display());
        let text = plain::text(file, MOST).with_context(read)?;
        serde_json::from_str(&text).with_context(read)
    };
    files.iter().map(read).collect()
}

/// Keeps a program in a folder.
///
/// # Errors
/// It cannot be written.
pub fn keep(folder: &Path, callees: &[Callee], way: &Way, program: &Program) -> Result<()> {
    let call = |call: &Call| KeptCall {
        kfunc: callees[call.callee].name.clone(),
        arguments: call.arguments.clone(),
    };
    let kept = Kept {
        way: way.name(),
        calls: program.calls.iter().map(call).collect(),
    };
    let text = serde_json::to_string_pretty(&kept)? + "\n";
    let name = Key::new("program").text("text", &text).finish();
    let file = folder.join(format!("{name}.json"));
    fs::write(&file, text).with_context(|| format!("write `{}`", file.display()))
}

impl Kept {
    /// The program; nothing where it is one of other kfuncs than these, or of other parameters.
    fn program(self, callees: &[Callee]) -> Option<(&'static Way, Program)> {
        let way = WAYS.iter().find(|way| way.name() == self.way)?;
        let mut calls = Vec::new();
        for (place, KeptCall { kfunc, arguments }) in self.calls.into_iter().enumerate() {
            let callee = callees.iter().position(|it| it.name == kfunc)?;
            let Callee {
                roles, nullable, ..
            } = &callees[callee];
            let mut pairs = arguments.iter().zip(roles.iter().zip(nullable));
            let fits = pairs.all(|(it, (role, nullable))| it.fits(role, *nullable, place));
            if arguments.len() != roles.len() || !fits {
                return None;
            }
            calls.push(Call { callee, arguments });
        }
        (!calls.is_empty()).then_some((way, Program { calls }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::callee::{Gives, Part, Role};
    use super::super::value::Width;
    use super::*;
    use crate::btf::{Shape, Signature, Type};

    const INT: Width = Width {
        bytes: 4,
        is_signed: true,
    };

    fn callee(name: &str) -> Callee {
        Callee {
            name: name.to_owned(),
            signature: Signature {
                result: Type::Void,
                parameters: Vec::new(),
            },
            shape: Shape {
                result: "void".to_owned(),
                arguments: Vec::new(),
            },
            roles: vec![Role::Number(INT, Vec::new())],
            nullable: vec![false],
            gives: Gives::Number,
            part: Part::Uses,
            types: vec!["SYSCALL"],
        }
    }

    fn call(callee: usize, argument: Argument) -> Call {
        Call {
            callee,
            arguments: vec![argument],
        }
    }

    #[test]
    fn a_program_is_read_as_it_was_kept_where_its_kfuncs_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let callees = [callee("a"), callee("b")];
        let calls = vec![call(1, Argument::Number(7)), call(0, Argument::Earlier(0))];
        let program = Program { calls };
        keep(folder.path(), &callees, &WAYS[0], &program).unwrap();
        let found = read(folder.path(), &callees).unwrap();
        assert_eq!(found, [(&WAYS[0], program.clone())]);
        assert!(read(folder.path(), &callees[..1]).unwrap().is_empty());
    }

    #[test]
    fn a_program_that_uses_what_is_not_there_yet_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let callees = [callee("a")];
        for argument in [Argument::Earlier(0), Argument::Map] {
            let calls = vec![call(0, argument)];
            keep(folder.path(), &callees, &WAYS[0], &Program { calls }).unwrap();
        }
        assert!(read(folder.path(), &callees).unwrap().is_empty());
        fs::write(folder.path().join("x.json"), "{}").unwrap();
        assert!(read(folder.path(), &callees).is_err());
    }
}
