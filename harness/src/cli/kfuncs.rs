//! `kassay kfuncs`: the kfuncs of a kernel or of a module.

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;

use super::run::{kernels, obtain};
use super::{Usage, print};
use crate::cache::Cache;
use crate::compile::module;
use crate::kernel::{Catalog, Kernel};
use crate::kfuncs::{self, Kfunc, Listing};
use crate::progress;
use crate::report::Format;
use crate::scenario::{self, Part};

const EXAMPLES: &str = "\
Examples:
  kassay kfuncs --kernel 6.12                 what 6.12 itself has
  kassay kfuncs --kernel 6.12,7.2 kfunc_sum   what a module of modules/ has, built for each
  kassay kfuncs ./my/module --format json     a module by its folder";

/// The arguments of `kassay kfuncs`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct KfuncsArgs {
    /// A module: a name in modules/, or a path with a `/` [default: the kernel itself]
    module: Option<String>,
    /// A kernel: a name of the catalog (see `kassay list`), a path, or `all` of the catalog
    #[arg(
        long,
        value_name = "SPEC",
        value_delimiter = ',',
        env = "KASSAY_KERNELS"
    )]
    kernel: Vec<String>,
    /// How the list is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the kfuncs, kernel by kernel.
///
/// # Errors
/// Wrong usage; a kernel that cannot be had, a module that cannot be built, or a kernel that does
/// not tell of its kfuncs.
pub fn run(args: &KfuncsArgs) -> Result<()> {
    let (cache, catalog) = (Cache::open()?, Catalog::load()?);
    let asked = args.module.as_deref();
    let part = asked.map(|asked| scenario::module(asked, &crate::repository()));
    let part = part
        .transpose()
        .map_err(|error| Usage(format!("{error:#}")))?;
    for name in kernels(&cache, &catalog, &args.kernel)? {
        let kernel = obtain(&cache, &catalog, &name)?.map_err(|why| anyhow!(why))?;
        let listing = listing(&cache, &kernel, part.as_ref())?;
        show(&kernel, part.as_ref(), &listing, args.format)?;
    }
    Ok(())
}

/// The kfuncs of a module, built for the kernel, or else of the kernel itself.
pub fn listing(cache: &Cache, kernel: &Kernel, part: Option<&Part>) -> Result<Listing> {
    match part {
        Some(part) => kfuncs::of_module(kernel, &module::build(cache, kernel, part)?),
        None => kfuncs::of_kernel(kernel),
    }
}

fn show(kernel: &Kernel, part: Option<&Part>, listing: &Listing, format: Format) -> Result<()> {
    let whose = part.map_or("vmlinux", |part| &part.name);
    if format == Format::Json {
        return listing.kfuncs.iter().try_for_each(|kfunc| {
            let line = json!({
                "kernel": kernel.name,
                "release": kernel.release,
                "module": part.map(|part| &part.name),
                "kfunc": kfunc.name,
                "prototype": kfunc.prototype,
                "flags": kfunc.flags(),
                "sets": kfunc.sets,
            });
            print(&line.to_string())
        });
    }
    let count = listing.kfuncs.len();
    progress::note(format!(
        "kfuncs of {whose} on {} ({}): {count}, by {}",
        kernel.name, kernel.release, listing.source
    ));
    let rows: Vec<[String; 3]> = listing.kfuncs.iter().map(Kfunc::words).collect();
    let width = |n: usize| rows.iter().map(|row| row[n].len()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    rows.iter()
        .try_for_each(|[flags, sets, c]| print(&format!("{flags:first$}  {sets:second$}  {c}")))
}
