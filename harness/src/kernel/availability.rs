//! Whether kernels of the catalog can be had, and which one is the default.

use std::time::Duration;

use anyhow::{Result, bail};

use super::kinds::{Prebuilt, Source};
use super::{Catalog, KIND, Kernel, apt, build, is_of};
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
    let source = &catalog.get(name)?.0;
    let cached = built(cache, catalog, name);
    if let Ok(Some(_)) = cached {
        return Ok(Ready);
    }
    let has_base = match catalog.base(source)? {
        Some((name, base)) => base.cached(cache, name, &catalog.lock).is_some(),
        None => true,
    };
    let unbuilt = || match &cached {
        Err(error) => Unobtainable(format!("{error:#}")),
        Ok(_) if has_base => NotLookedUp,
        Ok(_) => from_apt(),
    };
    Ok(match source {
        Source::Tarball(tarball) => match tarball.cached(cache) {
            Some(_) => unbuilt(),
            None => tarball
                .unreachable(cache)
                .map_or(NotLookedUp, |(why, age)| Unobtainable(ago(why, age))),
        },
        Source::Package(package) => match package.cached(cache) {
            Some(_) => unbuilt(),
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

/// The kernel of the catalog that was built from source, if it is cached; it may have been unpacked,
/// so that its source is not there.
///
/// # Errors
/// There is no such kernel, or no compiler; the build tree is not whole.
pub fn built(cache: &Cache, catalog: &Catalog, spec: &str) -> Result<Option<Kernel>> {
    let (source, _) = catalog.get(spec)?;
    // To ask compilers for their versions takes long where it tells nothing.
    if !cache.keys(KIND).iter().any(|key| is_of(key, spec)) {
        return Ok(None);
    }
    let from = match &source {
        Source::Tarball(tarball) => Some(tarball.key()),
        Source::Package(package) => package.last(cache).map(|found| package.key(&found)),
        Source::Prebuilt(_) | Source::Remote(_) => None,
    };
    match (from, config(cache, catalog, spec)?) {
        (Some(from), Some(config)) => build::cached(cache, spec, &from, &config),
        _ => Ok(None),
    }
}

/// What a kernel of the catalog is configured with; nothing as long as the kernel that it starts
/// from is not cached.
///
/// # Errors
/// There is no such kernel; a fragment cannot be read.
pub fn config(cache: &Cache, catalog: &Catalog, spec: &str) -> Result<Option<build::Config>> {
    let (source, fragments) = catalog.get(spec)?;
    let base = match catalog.base(&source)? {
        Some((name, prebuilt)) => match prebuilt.cached(cache, name, &catalog.lock) {
            Some(kernel) => Some(Prebuilt::config_file(&kernel?)),
            None => return Ok(None),
        },
        None => None,
    };
    let (_, arch) = Catalog::processor(spec);
    build::Config::read(arch, base.as_deref(), &fragments).map(Some)
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
    let known = availability(cache, catalog, name)?;
    match catalog.get(name)?.0 {
        Source::Tarball(tarball)
            if known != Availability::Ready && tarball.cached(cache).is_none() =>
        {
            Ok(match tarball.probe(cache)? {
                Some(why) => Availability::Unobtainable(why),
                None => Availability::Obtainable,
            })
        }
        _ => Ok(known),
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
