//! `kassay shell`: a shell in a pristine kernel.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin};
use std::path::Path;

use clap::Args;
use kassay_guest::{Live, Program};

use super::error::Result;
use super::exec::of_host;
use super::place::{More, Place};
use crate::live::Asked;
use crate::terminal;

const EXAMPLES: &str = "\
The shell is $SHELL, or /bin/sh, in the host's root: read-only, under a layer that takes what is
written and is gone with the virtual machine. Three times Ctrl-] ends the machine, whatever it does.

Examples:
  kassay shell
  kassay shell --kernel 6.1 kfunc_sum kfunc_strstr
  echo 'cat /proc/version' | kassay shell";

/// The arguments of `kassay shell`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct ShellArgs {
    #[command(flatten)]
    place: Place,
    /// Modules to insert, after those of --module
    #[arg(value_name = "MODULE")]
    others: Vec<String>,
}

/// Runs the shell and returns its exit code.
pub fn run(args: &ShellArgs) -> Result<u8> {
    let mut place = args.place.clone();
    place.modules.extend(args.others.iter().cloned());
    let prepared = place.prepare(true, More::default())?;
    let shell = std::env::var_os("SHELL").filter(|shell| Path::new(shell).is_file());
    let shell = shell.unwrap_or_else(|| OsString::from("/bin/sh"));
    let size = terminal::size().filter(|_| stdin().is_terminal());
    let program = Program {
        tty: size,
        ..of_host(&shell, &[], true)?
    };
    let live = Live {
        program: Some(program),
        trace: false,
    };
    prepared.run(&Asked {
        is_idle: size.is_some(),
        ..prepared.asked(live)
    })
}
