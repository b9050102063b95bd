//! The objects and modules that a command is about: those that are named, or those of scenarios.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;

use super::error::{Error, Result};
use super::how::How;
use super::is_left;
use super::place::path_of;
use super::session::Session;
use crate::scenario::{Finder, Part, Scenario};

/// The arguments that say which.
#[derive(Args)]
pub struct Objects {
    /// An object, NAME.bpf.c or a compiled one; else a word that the names of scenarios contain
    #[arg(value_name = "OBJECT|FILTER")]
    pub what: Vec<String>,
    /// A kernel: a name of the catalog (see `kassay list`), a path, or `all` of the catalog
    /// [default: what KASSAY_KERNELS says]
    #[arg(long, value_name = "SPEC", value_delimiter = ',')]
    pub kernel: Vec<String>,
    /// Insert a module first, for objects: a directory with a Kbuild file or a Makefile, or a name
    /// in `modules/`; repeatable
    #[arg(long = "module", value_name = "DIR")]
    modules: Vec<String>,
    /// A flag for clang, for objects, such as --flag=-DDEBUG; repeatable
    #[arg(long = "flag", value_name = "FLAG", allow_hyphen_values = true)]
    flags: Vec<String>,
    /// Which scenarios to choose from, and how machines run.
    #[command(flatten)]
    pub how: How,
}

/// Whether it is an object and no word of a filter, or of a scenario's name.
pub fn is_object(what: &str) -> bool {
    what.contains('/') || what.ends_with(".bpf.c") || what.ends_with(".o")
}

impl Objects {
    /// The chosen scenarios of a kind, and one for each object or module that is named.
    ///
    /// # Errors
    /// A slip, such as a choice that leaves none.
    pub fn scenarios(
        &self,
        session: &Session,
        is_meant: fn(&Scenario) -> bool,
    ) -> Result<Vec<Scenario>> {
        let (objects, filter): (Vec<_>, Vec<_>) =
            self.what.iter().cloned().partition(|what| is_object(what));
        let mut scenarios: Vec<Scenario> = Vec::new();
        for object in &objects {
            let made = self.of_object(session, object).map_err(Error::slip)?;
            if is_new(&scenarios, &made)? {
                scenarios.push(made);
            }
        }
        if objects.is_empty() && !(self.modules.is_empty() && self.flags.is_empty()) {
            let why = "`--module` and `--flag` are for an object; a scenario says it itself";
            return Err(Error::Slip(why.to_owned()));
        }
        if objects.is_empty() || !filter.is_empty() {
            let mut of_project = self.how.scenarios(&session.project)?;
            of_project.retain(|it| is_left(&filter, &it.name));
            if of_project.is_empty() && !filter.is_empty() && !objects.is_empty() {
                let why = format!("no scenario has `{}` in its name", filter.join("` or `"));
                return Err(Error::Slip(why));
            }
            scenarios.extend(of_project);
        }
        scenarios.retain(is_meant);
        match scenarios.is_empty() {
            true => Err(Error::Slip(format!(
                "nothing to try in `{}`; `kassay list` shows scenarios, and an object is a path \
                 or ends in `.bpf.c` or `.o`",
                self.what.join("`, `")
            ))),
            false => Ok(scenarios),
        }
    }

    /// A scenario with nothing but an object, or a module, and the modules that go before. It is
    /// called as it was asked for, which no scenario of a project can be.
    fn of_object(&self, session: &Session, object: &str) -> anyhow::Result<Scenario> {
        let here = std::env::current_dir().context("find the working directory")?;
        let file = here.join("command-line.toml");
        let finder = Finder::new(&file, &session.project);
        // Each program is tried by itself, so that one which takes a word of a scenario keeps none of
        // the others from it.
        let mut scenario = Scenario {
            each: true,
            ..Scenario::new(object)
        };
        for name in &self.modules {
            add(&mut scenario.modules, finder.module(&path_of(name))?);
        }
        let is_source = object.ends_with(".c");
        if !is_source && let Some(flag) = self.flags.first() {
            bail!("`{object}` is not compiled by clang, so that it cannot have the flag `{flag}`");
        }
        if Path::new(object).is_dir() {
            add(&mut scenario.modules, finder.module(&path_of(object))?);
        } else {
            let mut part = finder.program(&path_of(object))?;
            part.flags.extend(self.flags.iter().cloned());
            scenario.bpf.push(part);
        }
        scenario.with_defaults(&session.project.defaults)
    }
}

/// Adds a module, which may be named twice: once to be tried, and once to go before what is tried.
fn add(modules: &mut Vec<Part>, module: Part) {
    if !modules.iter().any(|other| is_same(other, &module)) {
        modules.push(module);
    }
}

/// Whether two parts are of one directory or file.
fn is_same(one: &Part, other: &Part) -> bool {
    let place = |part: &Part| fs::canonicalize(&part.path).unwrap_or_else(|_| part.path.clone());
    place(one) == place(other)
}

/// Whether what is named is not there yet. It has no name in common with another: by theirs results
/// are told apart.
fn is_new(others: &[Scenario], made: &Scenario) -> Result<bool> {
    fn last(it: &Scenario) -> Option<&Part> {
        it.bpf.first().or(it.modules.last())
    }
    let Some(part) = last(made) else {
        return Ok(true);
    };
    let alike = |other: &&Scenario| {
        other.bpf.is_empty() == made.bpf.is_empty()
            && last(other).is_some_and(|it| it.name == part.name)
    };
    match others.iter().find(alike) {
        None => Ok(true),
        Some(other) if last(other).is_some_and(|it| is_same(it, part)) => Ok(false),
        Some(other) => Err(Error::Slip(format!(
            "`{}` and `{}` are both called `{}`: try them one after the other",
            other.name, made.name, part.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_is_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("m")).unwrap();
        let part = |path: &str| Part {
            name: "m".to_owned(),
            path: folder.path().join(path),
            ..Part::default()
        };
        let mut modules = vec![part("m")];
        for path in ["./m", "m/../m", "other"] {
            add(&mut modules, part(path));
        }
        assert_eq!(modules, [part("m"), part("other")]);
        let tried = |path: &str| Scenario {
            modules: vec![part(path)],
            ..Scenario::new(path)
        };
        assert!(!is_new(&[tried("m")], &tried("./m")).unwrap());
        assert!(is_new(&[tried("m")], &tried("other")).is_err());
    }
}
