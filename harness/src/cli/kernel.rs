//! `kassay kernel`: downloads, builds and removes kernels.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::chosen::slip;
use super::{cache::line, print};
use crate::cache::Cache;
use crate::inventory::{self, Entry};
use crate::kernel::{self, Catalog};
use crate::vm::state;

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
    let cache = Cache::open()?;
    let catalog = super::chosen::catalog(&cache)?;
    match &args.action {
        Action::Fetch(Specs { specs }) => specs.iter().try_for_each(|spec| {
            kernel::fetch(&cache, &catalog, spec).map_err(|error| slip(&catalog, spec, error))?;
            print(&format!("{spec}: fetched"))
        }),
        Action::Build(Specs { specs }) => specs.iter().try_for_each(|spec| {
            let kernel = kernel::obtain(&cache, &catalog, spec)
                .map_err(|error| slip(&catalog, spec, error))?;
            let (release, image) = (kernel.release, kernel.image.display());
            print(&format!("{spec}: {release} is ready, {image}"))
        }),
        Action::Remove(Specs { specs }) => specs
            .iter()
            .try_for_each(|spec| remove(&cache, &catalog, spec)),
    }
}

/// Removes a kernel, its source unless another needs it, and its saved states; says what went.
fn remove(cache: &Cache, catalog: &Catalog, spec: &str) -> Result<()> {
    let before = inventory::entries(cache);
    kernel::remove(cache, catalog, spec).map_err(|error| slip(catalog, spec, error))?;
    for key in cache.keys(state::KIND) {
        if state::owner(cache, &key).is_some_and(|(kernel, ..)| kernel == spec) {
            cache.remove(state::KIND, &key)?;
        }
    }
    let went = |entry: &&Entry| cache.get(entry.kind, &entry.key).is_none();
    let gone: Vec<&Entry> = before.iter().filter(went).collect();
    let said = if gone.is_empty() {
        "was not cached"
    } else {
        "removed"
    };
    print(&format!("{spec}: {said}"))?;
    gone.into_iter()
        .try_for_each(|entry| print(&format!("  {}", line(entry))))
}
