//! `kassay man`: the manual.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::Cli;
use super::error::Result;

/// The arguments of `kassay man`.
#[derive(Args)]
pub struct ManArgs {
    /// The folder for a page for each command
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the manual's pages.
///
/// # Errors
/// The folder cannot be made or written.
pub fn run(args: &ManArgs) -> Result<()> {
    let write = || format!("write the manual into `{}`", args.folder.display());
    fs::create_dir_all(&args.folder).with_context(write)?;
    clap_mangen::generate_to(Cli::command(), &args.folder).with_context(write)?;
    Ok(())
}
