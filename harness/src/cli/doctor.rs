//! `kassay doctor`: what is here, what is missing, and which accelerator.

use std::path::PathBuf;

use super::error::Result;
use super::packages::Manager;
use super::print;
use crate::cache::Cache;
use crate::report::UNJUDGED;
use crate::vm::accelerator::{self, Probe, Wish};
use crate::{compile, kernel, tool};

/// The host's programs, and what each is for.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "runs the virtual machines"),
    ("setpriv", "has QEMU end with kassay"),
    ("setsid", "keeps Ctrl-C from QEMU"),
    ("make", "builds modules and kernels"),
    ("gcc", "builds modules and kernels"),
    ("pahole", "makes BTF"),
    ("flex", "builds kernels"),
    ("bison", "builds kernels"),
    ("bc", "builds kernels"),
    ("lz4", "packs kernels"),
    ("git", "searches a history"),
];

/// Those of a host that has kernels by apt.
const OF_APT: &[(&str, &str)] = &[
    ("dpkg-deb", "unpacks the distribution's kernels"),
    ("apt-get", "downloads the distribution's kernels"),
];

/// Prints what was found; the exit code is 0 when nothing is missing.
///
/// # Errors
/// It cannot be printed.
pub fn run() -> Result<u8> {
    let found = look()?;
    for (name, found) in &found {
        let (mark, text) = match found {
            Ok(text) => ("ok     ", text),
            Err(text) => ("MISSING", text),
        };
        print(&format!("{mark} {name:<20} {text}"))?;
    }
    let is_whole = found.iter().all(|(_, found)| found.is_ok());
    Ok(if is_whole { 0 } else { UNJUDGED })
}

/// The names of what is missing.
///
/// # Errors
/// The host cannot be looked at.
pub fn missing() -> Result<Vec<&'static str>> {
    let missing = look()?.into_iter().filter(|(_, found)| found.is_err());
    Ok(missing.map(|(name, _)| name).collect())
}

/// Looks for each thing.
fn look() -> Result<Vec<Found>> {
    let (cache, has_apt) = (Cache::open(), Manager::here() == Some(Manager::Apt));
    let of_apt = OF_APT.iter().filter(|_| has_apt);
    let mut found: Vec<Found> = PROGRAMS.iter().chain(of_apt).map(program).collect();
    if let Ok(cache) = &cache {
        found.push(("clang", place(compile::bpf::clang(cache))));
    }
    found.push(("bpftool", place(compile::vmlinux::bpftool())));
    found.push(("apt's lists", lists(has_apt)));
    found.push(("cache", place(cache.map(|cache| cache.root().to_owned()))));
    let (accelerator, why) = accelerator::choose(Wish::Auto, Probe::here)?;
    found.push(("accelerator", Ok(format!("{accelerator}: {why}"))));
    Ok(found)
}

/// What was looked for, and where it is, or why it is missing.
type Found = (&'static str, Result<String, String>);

fn program((name, purpose): &(&'static str, &str)) -> Found {
    let found = tool::find(name).map(|path| path.display().to_string());
    let found = found.ok_or_else(|| format!("{purpose}; `kassay setup` installs it"));
    (name, found)
}

fn place(found: anyhow::Result<PathBuf>) -> Result<String, String> {
    let found = found.map(|path| path.display().to_string());
    found.map_err(|error| format!("{error:#}"))
}

fn lists(has_apt: bool) -> Result<String, String> {
    match kernel::apt_unusable() {
        None => Ok("there".to_owned()),
        Some(why) if has_apt => Err(why.to_owned()),
        Some(why) => Ok(format!("{why}: kernels are built from tarballs, or paths")),
    }
}
