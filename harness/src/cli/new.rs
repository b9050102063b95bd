//! `kassay new`: makes a project that passes.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;

use super::{print, usage};
use crate::template;

/// The arguments of `kassay new`.
#[derive(Args)]
pub struct NewArgs {
    /// The folder to make; its name is that of the module in it
    #[arg(value_name = "NAME")]
    folder: PathBuf,
}

/// Makes the folder, with a module of one kfunc, a program that calls it, a scenario and the
/// snapshot of what the kernel then says.
///
/// # Errors
/// Wrong usage: a name that no module can have, or a folder that is there. It cannot be written.
pub fn run(args: &NewArgs) -> Result<()> {
    let name = args.folder.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    template::check(&name).map_err(usage)?;
    let folder = args.folder.display();
    if args.folder.exists() {
        return Err(usage(anyhow!(
            "make `{folder}`: it is there already; `kassay init` in it adds tests"
        )));
    }
    let files = [template::common(), template::example(&name)].concat();
    template::put(&args.folder, &files)?;
    for (path, _) in &files {
        print(&format!("made {folder}/{}", path.display()))?;
    }
    print(&format!("next: cd {folder} && kassay run"))
}
