//! `kassay man` and `kassay completions`: what packages of kassay install beside it.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

/// The arguments of `kassay man`.
#[derive(Args)]
pub struct ManArgs {
    /// The folder for a page for each command
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// The arguments of `kassay completions`.
#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Writes the manual's pages.
///
/// # Errors
/// The folder cannot be made or written.
pub fn run(args: &ManArgs) -> Result<()> {
    let write = || format!("write the manual into `{}`", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(write)?;
    clap_mangen::generate_to(Cli::command(), &args.folder).with_context(write)
}

/// Prints a script by which a shell completes kassay's command line.
pub fn complete(args: &CompletionsArgs) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kassay", &mut script);
    // A reader that has gone away wants no more of it.
    let _ = io::copy(&mut script.as_slice(), &mut io::stdout());
}
