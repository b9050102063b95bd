//! `kassay header`: the header of a module for BPF programs.

use anyhow::Context;
use clap::Args;

use super::chosen::kernel;
use super::error::{Error, Result};
use super::place::{With, path_of};
use super::print;
use super::session::Session;
use crate::compile::{header, module};
use crate::scenario;

const HELP: &str = "\
Programs of a scenario with the module need no copy: `#include \"NAME.h\"` finds the header, unless
there is a file of that name. It includes `vmlinux.h`, and has the module's own types and kfuncs.

Examples:
  kassay header my_module                  of modules/, built for the default kernel
  kassay header ./my_module --kernel 7.2 > my_module.h";

/// The arguments of `kassay header`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct HeaderArgs {
    /// A module: a directory with a Kbuild file or a Makefile, or a name in `modules/`; of several,
    /// each is built against those before it, and the header is the last one's
    #[arg(value_name = "MODULE", required = true)]
    modules: Vec<String>,
    #[command(flatten)]
    with: With,
    /// A kernel: a name of the catalog (see `kassay list`) or a path
    /// [default: the first of what KASSAY_KERNELS says]
    #[arg(long, value_name = "SPEC")]
    kernel: Option<String>,
}

/// Prints the header of a module.
///
/// # Errors
/// A slip; a kernel that cannot be had, or a module that cannot be built or has no BTF.
pub fn run(args: &HeaderArgs) -> Result<()> {
    let session = Session::open()?;
    let with = args.with.paths()?;
    let find = |asked: &String| {
        let mut part = scenario::module(&path_of(asked), &session.project)?;
        part.with.extend(with.clone());
        Ok(part)
    };
    let parts: anyhow::Result<Vec<_>> = args.modules.iter().map(find).collect();
    let parts = parts.map_err(Error::slip)?;
    let kernel = kernel(&session, args.kernel.as_deref())?;
    let cache = &session.store.cache;
    let built = module::build(cache, &kernel, &parts)?;
    let modules = built.last().context("no module was built")?;
    for module in modules {
        print(header::text(cache, &kernel, module)?.trim_end())?;
    }
    Ok(())
}
