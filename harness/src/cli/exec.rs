//! `kassay exec`: a program in a pristine kernel.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use kassay_guest::stream::Size;
use kassay_guest::{Live, Program};
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Architecture, Endianness, Object};

use super::error::{Error, Result};
use super::place::{More, Place};
use crate::arch::Arch;
use crate::live::Asked;
use crate::{plain, terminal, tool};

/// The size of a terminal that nobody sees.
const UNSEEN: Size = Size {
    rows: 24,
    columns: 80,
};

const EXAMPLES: &str = "\
The program is given stdin, stdout, stderr, the environment and every SIGHUP, SIGINT, SIGQUIT,
SIGTERM, SIGUSR1 and SIGUSR2. A second of those that end it, 10 seconds after the first one, and
three times Ctrl-] with --tty, end the virtual machine. After the first one, a reader of stdout
that takes nothing for a second is not waited for.

Examples:
  kassay exec --host-root -- uname -r
  kassay exec --kernel 6.1 ./static-program < input > output
  kassay exec --host-root --module modules/kfunc_sum -- bpftool prog
  CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER='kassay exec --host-root --' cargo test

Exit codes:
  0-255  the program's, 128 + N when signal N killed it, 126 when it could not be executed,
         127 when it was not found
  120    the kernel crashed or reported trouble, whatever the program said
  124    the time of --timeout had passed
  125    kassay could not run it, or the machine ended before it
  130    interrupted
  2      wrong usage";

/// The arguments of `kassay exec`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ExecArgs {
    #[command(flatten)]
    place: Place,
    /// Run in the host's root, read-only and under a layer that takes what is written, with the
    /// host's working directory
    #[arg(long)]
    host_root: bool,
    /// Give the program a terminal, which is this one if stdin is one
    #[arg(long)]
    tty: bool,
    /// The program and its arguments; without --host-root a static one, which is copied
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// Runs the program and returns its exit code.
pub fn run(args: &ExecArgs) -> Result<u8> {
    let [name, arguments @ ..] = args.program.as_slice() else {
        return Err(Error::Slip("there is no program to run".to_owned()));
    };
    let copied = match args.host_root {
        true => None,
        false => Some(find_static(Path::new(name))?),
    };
    let program = Program {
        file: copied.is_none().then(|| name.clone()),
        tty: args.tty.then(|| terminal::size().unwrap_or(UNSEEN)),
        ..of_host(name, arguments, args.host_root)?
    };
    let prepared = args.place.prepare(args.host_root, More::default())?;
    if let Some(program) = &copied {
        check_arch(program, prepared.kernel.arch).map_err(Error::slip)?;
    }
    let live = Live {
        program: Some(program),
        trace: false,
    };
    prepared.run(&Asked {
        copied,
        ..prepared.asked(live)
    })
}

/// A program with the environment of this one, and in the host's root its working directory too.
///
/// # Errors
/// There is no working directory.
pub fn of_host(name: &OsString, arguments: &[OsString], in_root: bool) -> anyhow::Result<Program> {
    let here = || std::env::current_dir().context("find the working directory");
    let cwd = if in_root {
        here()?
    } else {
        PathBuf::from("/tmp")
    };
    Ok(Program {
        file: Some(name.clone()),
        name: name.clone(),
        args: arguments.to_vec(),
        env: std::env::vars_os().collect(),
        cwd: cwd.into_os_string(),
        tty: None,
    })
}

/// A program's file, which needs no other to run.
fn find_static(name: &Path) -> Result<PathBuf> {
    let found = match name.components().count() {
        1 => tool::find(name).with_context(|| format!("it is not in PATH; {INSTEAD}")),
        _ => Ok(name.to_owned()),
    };
    let checked = found.and_then(|path| check_static(&path).map(|()| path));
    checked
        .with_context(|| format!("run `{}`", name.display()))
        .map_err(Error::slip)
}

/// Sees that a program can be copied and run.
fn check_static(path: &Path) -> anyhow::Result<()> {
    if !path.metadata()?.is_file() {
        bail!("it is no file; {INSTEAD}");
    }
    match is_static(&plain::read(path, plain::MADE)?) {
        Some(true) => Ok(()),
        Some(false) => bail!("it needs an interpreter and libraries; {INSTEAD}"),
        None => bail!("it is no 64-bit ELF file; {INSTEAD}"),
    }
}

/// Sees that a program is for the kernel's processor.
fn check_arch(program: &Path, arch: Arch) -> anyhow::Result<()> {
    let bytes = plain::read(program, plain::MADE)?;
    let of = object::File::parse(&*bytes)?.architecture();
    let wanted = match arch {
        Arch::X86 => Architecture::X86_64,
        Arch::Arm64 => Architecture::Aarch64,
        Arch::S390 => Architecture::S390x,
    };
    if of != wanted {
        bail!(
            "run `{}`: it is a program for {of:?}, and the kernel is for {arch}; build it by a \
             compiler such as `{}`, or name a kernel for its processor",
            program.display(),
            arch.tool("gcc -static")
        );
    }
    Ok(())
}

const INSTEAD: &str = "`--host-root` runs what the host can run";

/// Whether a program runs without an interpreter; none where it is no ELF file.
fn is_static(bytes: &[u8]) -> Option<bool> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let order = header.endian().ok()?;
    let segments = header.program_headers(order, bytes).ok()?;
    Some(
        segments
            .iter()
            .all(|segment| segment.p_type(order) != PT_INTERP),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_an_interpreter_is_not_static() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(is_static(&own), Some(false));
        assert_eq!(is_static(b"#!/bin/sh\n"), None);
    }
}
