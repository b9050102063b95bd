//! `kassay new`: makes a project that passes.

use std::path::PathBuf;

use clap::Args;

use super::error::{Error, Result};
use super::print;
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
    let path: PathBuf = args.folder.components().collect();
    let folder = path.display();
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        return Err(Error::Slip(format!(
            "make `{folder}`: name a folder that is to be made; `kassay init` makes a project of \
             one that is there"
        )));
    };
    template::check(&name).map_err(Error::slip)?;
    if path.exists() {
        return Err(Error::Slip(format!(
            "make `{folder}`: it is there already; `kassay init` in it adds tests"
        )));
    }
    let files = [template::common(), template::example(&name)].concat();
    template::put(&path, &files)?;
    for (file, _) in &files {
        print(&format!("made {folder}/{}", file.display()))?;
    }
    print(&format!("next: cd {folder} && kassay run"))?;
    Ok(())
}
