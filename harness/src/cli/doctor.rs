//! `kassay doctor`: what is here, what is missing, and which accelerator.

use std::path::{Path, PathBuf};

use super::error::Result;
use super::packages::Manager;
use super::print;
use crate::arch::Arch;
use crate::cache::Cache;
use crate::compile::guest;
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
    // Who has no kernel of another processor misses nothing.
    for arch in Arch::ALL.into_iter().filter(|arch| arch.is_foreign()) {
        let (mark, text) = match processor(arch) {
            Ok(text) => ("ok     ", text),
            Err(text) => ("absent ", text),
        };
        print(&format!("{mark} {:<20} {text}", arch.name()))?;
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

/// What kernels of another processor are built and run by, or what of it is missing, and how to get
/// that.
fn processor(arch: Arch) -> Result<String, String> {
    let (emulator, compiler) = (tool::find(arch.qemu()), tool::find(arch.tool("gcc")));
    let library = compiler.as_deref().map(guest::has_library);
    let folder = Cache::open().map(|cache| cache.root().to_owned());
    let has_target = guest::has_target(arch, folder.as_deref().unwrap_or(Path::new(".")));
    let (setup, target) = (format!("`kassay setup --arch {arch}`"), arch.target());
    let rustup = format!("`rustup target add {target}`");
    let needs = [
        (emulator.is_some(), format!("`{}`", arch.qemu()), &setup),
        (
            compiler.is_some(),
            format!("`{}`", arch.tool("gcc")),
            &setup,
        ),
        (
            !matches!(library, Some(Ok(false))),
            format!("the C library of `{}`", arch.tool("gcc")),
            &setup,
        ),
        (
            matches!(has_target, Ok(true)),
            format!("Rust's library for `{target}`"),
            &rustup,
        ),
    ];
    let lacking: Vec<_> = needs.iter().filter(|(is_here, ..)| !is_here).collect();
    if lacking.is_empty() {
        let paths = [emulator, compiler].into_iter().flatten();
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        return Ok(format!("{}, Rust's {target}", paths.join(", ")));
    }
    let what: Vec<&str> = lacking.iter().map(|(_, what, _)| what.as_str()).collect();
    let mut mends: Vec<&str> = lacking.iter().map(|(.., mend)| mend.as_str()).collect();
    mends.dedup();
    Err(format!(
        "kernels such as `6.12/{arch}` need {}: {}",
        what.join(", "),
        mends.join(" and ")
    ))
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
