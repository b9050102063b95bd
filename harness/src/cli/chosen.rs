//! The kernels that a command is to work on: those that it names, else those of the environment or
//! of the project, else the default one.

use std::collections::BTreeSet;

use anyhow::anyhow;

use super::error::{Error, Result};
use super::session::Session;
use crate::cache::Cache;
use crate::kernel::{self, Availability, Catalog, Kernel};
use crate::{interrupt, progress};

/// The kernels that were asked for by name, else those of `KASSAY_KERNELS`, else the project's,
/// else the default one, of which the first line on stderr says why it was chosen.
///
/// # Errors
/// Nothing can be said of a kernel.
pub fn kernels(session: &Session, asked: &[String]) -> Result<Vec<String>> {
    let asked = match asked {
        [] => of_environment(),
        asked => asked.to_vec(),
    };
    let asked = match asked.is_empty() {
        true => session.project.kernels.clone(),
        false => asked,
    };
    if asked.is_empty() {
        return Ok(vec![default(session)?]);
    }
    let mut names = Vec::new();
    for name in asked {
        match name.as_str() {
            ALL if !session.catalog.knows(ALL) => names.extend(all(session)?),
            _ => names.push(Catalog::shortest(&name).to_owned()),
        }
    }
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(name.clone()));
    Ok(names)
}

/// The names in `KASSAY_KERNELS`. An empty one is none.
fn of_environment() -> Vec<String> {
    let names = std::env::var_os("KASSAY_KERNELS").unwrap_or_default();
    let names = names.to_string_lossy();
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The default kernel, of which a line on stderr says why it was chosen.
fn default(session: &Session) -> Result<String> {
    let chosen = kernel::default(&session.store.cache, &session.catalog)?;
    progress::note(format!("kernel {}: {}", chosen.name, chosen.why));
    Ok(chosen.name)
}

/// The name that stands for every kernel of the catalog that can be had.
const ALL: &str = "all";

/// Every kernel of the catalog but those that are known not to be had or take long to build,
/// of which a line on stderr says why.
fn all(session: &Session) -> Result<Vec<String>> {
    let (cache, catalog) = (&session.store.cache, &session.catalog);
    let (mut names, mut apart) = (Vec::new(), Vec::new());
    for name in catalog.names() {
        if catalog.has_base(name) {
            progress::note(format!(
                "without {name}: it takes long to build, so it is asked for by name"
            ));
            continue;
        }
        if !catalog.suites(name).is_empty() {
            apart.push(name);
            continue;
        }
        match kernel::attainable(cache, catalog, name)? {
            Availability::Unobtainable(why) => progress::note(format!("without {name}: {why}")),
            Availability::Ready | Availability::Obtainable | Availability::NotLookedUp => {
                names.push(name.to_owned());
            }
        }
    }
    if !apart.is_empty() {
        progress::note(format!(
            "without {}: each is a download of its own, so they are asked for by name",
            apart.join(", ")
        ));
    }
    Ok(names)
}

/// A kernel, or why it could not be had.
pub type Obtained = Result<Kernel, String>;

/// Gets a kernel. That it cannot be had is an outcome of each of its cases, but
/// for a name that nobody knows, which is a slip.
///
/// # Errors
/// The slip, or an interrupt.
pub fn obtain(cache: &Cache, catalog: &Catalog, name: &str) -> Result<Obtained> {
    match kernel::obtain(cache, catalog, name) {
        Ok(kernel) => Ok(Ok(kernel)),
        Err(error) => {
            interrupt::check()?;
            match slip(catalog, name, error) {
                Error::Failure(error) => Ok(Err(format!("{error:#}"))),
                slip => Err(slip),
            }
        }
    }
}

/// What went wrong with a kernel, which is the user's slip where nobody knows it.
pub fn slip(catalog: &Catalog, name: &str, error: anyhow::Error) -> Error {
    match kernel::is_known(catalog, name) {
        true => error.into(),
        false => Error::slip(error),
    }
}

/// Gets a kernel without which there is nothing to do: the one that is named, else the project's
/// first, else the default one.
///
/// # Errors
/// Those of [`obtain`]; it cannot be had.
pub fn kernel(session: &Session, name: Option<&str>) -> Result<Kernel> {
    let of_project = session.project.kernels.first().map(String::as_str);
    let name = match name.or(of_project) {
        Some(name) => name.to_owned(),
        None => default(session)?,
    };
    let obtained = obtain(&session.store.cache, &session.catalog, &name)?;
    Ok(obtained.map_err(|why| anyhow!(why))?)
}
