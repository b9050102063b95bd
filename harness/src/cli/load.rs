//! `kassay load`: a BPF program in a pristine kernel, and what it prints.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use kassay_guest::Live;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::error::{Error, Result};
use super::exec::of_host;
use super::place::{More, Place};
use crate::live::Asked;
use crate::{nearest, plain};

const EXAMPLES: &str = "\
Each program of OBJECT, or only PROGRAM, is attached where its section says. What is then printed
to the trace goes to stdout, until Ctrl-C, or until COMMAND ends, which runs in the host's root.
Then the programs are detached, the modules are removed, and what stayed is told on stderr.

Examples:
  kassay load bpf/kfunc_sum.bpf.c --module modules/kfunc_sum --step 'unlink = { times = 2 }'
  kassay load bpf/kfunc_sum.bpf.c --module modules/kfunc_sum -- sh -c 'touch a; rm a'
  kassay load my.bpf.o my_program --kernel 6.1
  kassay load my.bpf.c --flag=-DDEBUG --flag=-Iinclude --global limit=5 --global name=eth0

Exit codes:
  0    ended by Ctrl-C, or COMMAND's own code
  1    a program was refused, with the verifier's log on stderr, or something stayed behind
  120  the kernel crashed or reported trouble
  2, 124, 125, 130  as those of `kassay exec`";

/// The arguments of `kassay load`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct LoadArgs {
    #[command(flatten)]
    place: Place,
    /// The BPF object: a C file, NAME.bpf.c, which is compiled, or a compiled one
    object: String,
    /// The only program of it that is loaded
    program: Option<String>,
    /// A flag for clang, such as --flag=-DDEBUG, with paths from the C file's directory; repeatable
    #[arg(long = "flag", value_name = "FLAG", allow_hyphen_values = true)]
    flags: Vec<String>,
    /// The value that a global variable has when the object is loaded, such as limit=5; repeatable
    #[arg(long = "global", value_name = "NAME=VALUE", value_parser = global)]
    globals: Vec<(String, toml::Value)>,
    /// Do this once everything is attached: a step, as a scenario's file words it; repeatable
    #[arg(long = "step", value_name = "STEP")]
    steps: Vec<String>,
    /// A command that triggers the programs, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Loads, streams and returns the exit code.
pub fn run(args: &LoadArgs) -> Result<u8> {
    let host_root = !args.steps.is_empty() || !args.command.is_empty();
    let prepared = args.place.prepare(host_root, args.wanted())?;
    let (_, object) = &prepared.artifacts.objects[0];
    args.check(object)?;
    let command = match args.command.as_slice() {
        [] => None,
        [name, arguments @ ..] => Some(of_host(name, arguments, true)?),
    };
    let word = format!(
        "kassay: attached on {}; Ctrl-C ends it",
        prepared.kernel.name
    );
    let is_alone = command.is_none();
    let live = Live {
        program: command,
        trace: true,
    };
    prepared.run(&Asked {
        programs: args.program.iter().cloned().collect(),
        is_idle: is_alone,
        word: is_alone.then_some(word),
        ..prepared.asked(live)
    })
}

/// A global variable and its value: one that is none of TOML's is text.
fn global(text: &str) -> Result<(String, toml::Value), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    let parsed = toml::from_str(&format!("value = {value}"));
    let parsed = parsed
        .ok()
        .and_then(|mut table: toml::Table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| value.into());
    Ok((name.to_owned(), value))
}

impl LoadArgs {
    /// What is loaded, and what is then done.
    fn wanted(&self) -> More {
        More {
            object: Some((self.object.clone(), self.flags.clone())),
            globals: self.globals.iter().cloned().collect(),
            steps: self.steps.clone(),
        }
    }

    /// Sees that the object, which was built, has a program, of the name that is asked for.
    fn check(&self, built: &Path) -> Result<()> {
        let names = programs(built).with_context(|| format!("read `{}`", built.display()))?;
        let object = &self.object;
        if names.is_empty() {
            return Err(Error::Slip(format!(
                "there is no program in `{object}`: one is a function that SEC(\"…\") puts into a \
                 section of its kind"
            )));
        }
        let Some(program) = self.program.as_ref().filter(|name| !names.contains(name)) else {
            return Ok(());
        };
        let hint = nearest::hint(program, names.iter().map(String::as_str));
        let all = names.join("`, `");
        Err(Error::Slip(format!(
            "there is no program `{program}` in `{object}`, but `{all}`{hint}"
        )))
    }
}

/// The functions in sections of their own, which is what libbpf takes for programs.
fn programs(object: &Path) -> anyhow::Result<Vec<String>> {
    let bytes = plain::read(object, plain::MADE)?;
    let file = object::File::parse(&*bytes)?;
    let is_program = |symbol: &object::Symbol<'_, '_>| {
        let section = symbol.section_index();
        let section = section.and_then(|index| file.section_by_index(index).ok());
        let is_own = section.is_some_and(|section| section.name() != Ok(".text"));
        is_own && symbol.is_global() && symbol.kind() == SymbolKind::Text
    };
    let symbols = file.symbols().filter(is_program);
    Ok(symbols
        .filter_map(|symbol| Some(symbol.name().ok()?.to_owned()))
        .collect())
}
