//! `kassay kernel`: downloads, builds and removes kernels.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cache::Cache;
use crate::kernel::{self, Catalog};

/// The arguments of `kassay kernel`.
#[derive(Debug, Args)]
pub struct KernelArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download and unpack kernels, packages in the version that apt offers now
    Fetch(Specs),
    /// Build kernels that are not cached
    Build(Specs),
    /// Remove kernels from the cache
    Remove(Specs),
}

#[derive(Debug, Args)]
struct Specs {
    /// Names of the catalog, or paths of kernel trees
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<String>,
}

/// Runs `kassay kernel`; results go to stdout, a line each.
///
/// # Errors
/// Those of the first kernel that fails.
pub fn run(args: &KernelArgs) -> Result<()> {
    let (cache, catalog) = (Cache::open()?, Catalog::load()?);
    match &args.action {
        Action::Fetch(Specs { specs }) => specs.iter().try_for_each(|spec| {
            kernel::fetch(&cache, &catalog, spec)?;
            println!("{spec}: fetched");
            Ok(())
        }),
        Action::Build(Specs { specs }) => specs.iter().try_for_each(|spec| {
            let kernel = kernel::obtain(&cache, &catalog, spec)?;
            println!(
                "{spec}: {} is ready, {}",
                kernel.release,
                kernel.image.display()
            );
            Ok(())
        }),
        Action::Remove(Specs { specs }) => specs.iter().try_for_each(|spec| {
            let removed = kernel::remove(&cache, &catalog, spec)?;
            println!(
                "{spec}: {}",
                if removed { "removed" } else { "was not cached" }
            );
            Ok(())
        }),
    }
}
