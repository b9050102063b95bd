//! Whether kernels of the catalog can be had, and which one is the default.

use std::time::Duration;

use anyhow::{Result, bail};

use super::kinds::{Prebuilt, Source};
use super::{Catalog, Kernel, apt, build};
use crate::cache::Cache;

/// Whether a kernel of the catalog can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It is in the cache.
    Ready,
    /// It is not in the cache, and whoever has it was asked just now.
    Obtainable,
    /// It is not in the cache, and nobody was asked for it, or it has answered since.
    NotLookedUp,
    /// It cannot be had, or no machine of it be reached, for this reason.
    Unobtainable(String),
}

/// The default kernel.
#[derive(Debug)]
pub struct Chosen {
    /// Its name in the catalog.
    pub name: String,
    /// Why it was chosen, as a clause: `6.11 is not cached and cdn.kernel.org cannot be reached`.
    pub why: String,
}

/// What is known of whether a kernel of the catalog can be had; takes milliseconds and asks
/// nobody.
///
/// # Errors
/// There is no such kernel.
pub fn availability(cache: &Cache, catalog: &Catalog, name: &str) -> Result<Availability> {
    use Availability::{NotLookedUp, Ready, Unobtainable};
    let from_apt = || apt::unusable().map_or(NotLookedUp, |why| Unobtainable(why.to_owned()));
    let (source, fragments) = &catalog.get(name)?;
    let (_, arch) = Catalog::processor(name);
    let is_built = |from| -> Result<Availability> {
        let base = match catalog.base(source)? {
            Some((name, prebuilt)) => match prebuilt.cached(cache, name, &catalog.lock) {
                Some(kernel) => Some(Prebuilt::config_file(&kernel?)),
                None => return Ok(from_apt()),
            },
            None => None,
        };
        let config = build::Config::read(arch, base.as_deref(), fragments)?;
        let is_cached = build::cached(cache, name, &from, &config)?;
        Ok(if is_cached { Ready } else { NotLookedUp })
    };
    let built = |from| is_built(from).unwrap_or_else(|error| Unobtainable(format!("{error:#}")));
    Ok(match source {
        Source::Tarball(tarball) => match tarball.cached(cache) {
            Some(source) => built(source),
            None => tarball
                .unreachable(cache)
                .map_or(NotLookedUp, |(why, age)| Unobtainable(ago(why, age))),
        },
        Source::Package(package) => match package.cached(cache) {
            Some(source) => built(source),
            None => from_apt(),
        },
        Source::Remote(remote) => match remote.cached(cache, name) {
            Some(kernel) => reached(kernel),
            None => NotLookedUp,
        },
        Source::Prebuilt(prebuilt) => match prebuilt.cached(cache, name, &catalog.lock) {
            Some(kernel) => reached(kernel),
            None => match prebuilt.unusable(cache) {
                Some((why, age)) => Unobtainable(ago(why, age)),
                None => from_apt(),
            },
        },
    })
}

/// What a kernel is that is cached: ready, unless no machine of it can be reached.
fn reached(kernel: Result<Kernel>) -> Availability {
    match kernel.map(|kernel| kernel.unreachable) {
        Ok(None) => Availability::Ready,
        Ok(Some(why)) => Availability::Unobtainable(why),
        Err(error) => Availability::Unobtainable(format!("{error:#}")),
    }
}

/// As [`availability`], but a server is asked, for up to 3 seconds; after a failure not again
/// for an hour.
///
/// # Errors
/// There is no such kernel, or the cache cannot be written.
pub fn attainable(cache: &Cache, catalog: &Catalog, name: &str) -> Result<Availability> {
    match catalog.get(name)?.0 {
        Source::Tarball(tarball) if tarball.cached(cache).is_none() => {
            Ok(match tarball.probe(cache)? {
                Some(why) => Availability::Unobtainable(why),
                None => Availability::Obtainable,
            })
        }
        _ => availability(cache, catalog, name),
    }
}

/// What was found some time ago.
fn ago(why: String, age: Duration) -> String {
    match age.as_secs() / 3600 {
        0 => why,
        1 => format!("{why}, as of an hour ago"),
        hours => format!("{why}, as of {hours} hours ago"),
    }
}

/// The first kernel of the catalog's `default` that is cached or can be had; may ask a server
/// for up to 3 seconds, and after a failure not again for an hour.
///
/// # Errors
/// None can be had, or the cache cannot be written.
pub fn default(cache: &Cache, catalog: &Catalog) -> Result<Chosen> {
    let mut reasons = Vec::new();
    for name in &catalog.default {
        let state = attainable(cache, catalog, name)?;
        match state {
            Availability::Unobtainable(why) => {
                reasons.push(format!("{name} is not cached and {why}"))
            }
            Availability::Ready | Availability::Obtainable | Availability::NotLookedUp => {
                if reasons.is_empty() {
                    let had = match state {
                        Availability::Ready => "is cached",
                        Availability::Obtainable => "can be had",
                        _ => "is looked for",
                    };
                    reasons.push(format!("{name} is the first choice and {had}"));
                }
                return Ok(Chosen {
                    name: name.clone(),
                    why: reasons.join(", "),
                });
            }
        }
    }
    bail!("choose a kernel: {}", reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_that_cannot_be_had_says_why_and_is_not_asked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let text = format!("default = ['a']\n[tarball.a]\nurl = 'http://{closed}/a'\nsha256 = '0'");
        let catalog = Catalog::parse(&text, dir.path()).unwrap();
        assert_eq!(
            availability(&cache, &catalog, "a").unwrap(),
            Availability::NotLookedUp
        );
        let error = default(&cache, &catalog).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("choose a kernel: a is not cached and {closed} cannot be reached")
        );
        let why = Availability::Unobtainable(format!("{closed} cannot be reached"));
        assert_eq!(availability(&cache, &catalog, "a").unwrap(), why);
    }
}
