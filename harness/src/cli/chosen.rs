//! The kernels that a command is to work on: those that it names, else those of the environment or
//! of the project, else the default one.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};

use super::{Usage, usage};
use crate::cache::Cache;
use crate::kernel::{self, Availability, Catalog, Kernel};
use crate::progress;
use crate::project::Project;

/// The kernels that were asked for by name, else those of `KASSAY_KERNELS`, else the project's,
/// else the default one, of which the first line on stderr says why it was chosen.
pub fn kernels(cache: &Cache, catalog: &Catalog, asked: &[String]) -> Result<Vec<String>> {
    let asked = match asked {
        [] => of_environment(),
        asked => asked.to_vec(),
    };
    let asked = match Project::here()? {
        Some(project) if asked.is_empty() => project.kernels,
        _ => asked,
    };
    if asked.is_empty() {
        return Ok(vec![default(cache, catalog)?]);
    }
    let mut names = Vec::new();
    for name in asked {
        match name.as_str() {
            ALL if !catalog.knows(ALL) => names.extend(all(cache, catalog)?),
            _ => names.push(name),
        }
    }
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(name.clone()));
    Ok(names)
}

/// The project's first kernel, for what runs on one.
pub fn of_project() -> Result<Option<String>> {
    let project = Project::here()?;
    Ok(project.and_then(|project| project.kernels.first().cloned()))
}

/// The names in `KASSAY_KERNELS`. An empty one is none.
fn of_environment() -> Vec<String> {
    let names = std::env::var_os("KASSAY_KERNELS").unwrap_or_default();
    let names = names.to_string_lossy();
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The default kernel, of which a line on stderr says why it was chosen.
fn default(cache: &Cache, catalog: &Catalog) -> Result<String> {
    let chosen = kernel::default(cache, catalog)?;
    progress::note(format!("kernel {}: {}", chosen.name, chosen.why));
    Ok(chosen.name)
}

/// The name that stands for every kernel of the catalog that can be had.
const ALL: &str = "all";

/// Every kernel of the catalog but those that are known not to be had or take long to build,
/// of which a line on stderr says why.
fn all(cache: &Cache, catalog: &Catalog) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in catalog.names() {
        if catalog.has_base(name) {
            progress::note(format!(
                "without {name}: it takes long to build, so it is asked for by name"
            ));
            continue;
        }
        match kernel::attainable(cache, catalog, name)? {
            Availability::Unobtainable(why) => progress::note(format!("without {name}: {why}")),
            Availability::Ready | Availability::Obtainable => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

/// A kernel, or why it could not be had.
pub type Obtained = Result<Kernel, String>;

/// Gets a kernel. That it cannot be had is an outcome of each of its cases, but
/// for a name that nobody knows, which is wrong usage.
pub fn obtain(cache: &Cache, catalog: &Catalog, name: &str) -> Result<Obtained> {
    match kernel::obtain(cache, catalog, name) {
        Ok(kernel) => Ok(Ok(kernel)),
        Err(error) => {
            crate::interrupt::check()?;
            let error = slip(catalog, name, error);
            if error.is::<Usage>() {
                return Err(error);
            }
            Ok(Err(format!("{error:#}")))
        }
    }
}

/// What went wrong with a kernel, which is the user's slip where nobody knows it.
pub fn slip(catalog: &Catalog, name: &str, error: anyhow::Error) -> anyhow::Error {
    match kernel::is_known(catalog, name) {
        true => error,
        false => usage(error),
    }
}

/// Gets a kernel without which there is nothing to do, or the default one where none is named.
pub fn kernel(cache: &Cache, catalog: &Catalog, name: Option<&str>) -> Result<Kernel> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => match of_project()? {
            Some(name) => name,
            None => default(cache, catalog)?,
        },
    };
    obtain(cache, catalog, &name)?.map_err(|why| anyhow!(why))
}

/// The catalog, with the kernels of the project.
///
/// # Errors
/// [`Usage`] where the project's file cannot be understood; else those of [`Catalog::load`].
pub fn catalog(cache: &Cache) -> Result<Catalog> {
    Project::here().map_err(usage)?;
    Catalog::load(cache)
}
