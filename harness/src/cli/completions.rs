//! `kassay completions`: a script by which a shell completes the command line.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

/// The arguments of `kassay completions`.
#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kassay", &mut script);
    // A reader that has gone away wants no more of it.
    let _ = io::copy(&mut script.as_slice(), &mut io::stdout());
}
