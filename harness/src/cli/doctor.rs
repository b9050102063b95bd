//! `kassay doctor`: what is here, what is missing, and which accelerator.

use anyhow::Result;

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
pub fn run() -> Result<u8> {
    let mut code = 0;
    look(|name, found| {
        let (mark, text) = match found {
            Ok(text) => ("ok     ", text),
            Err(text) => {
                code = UNJUDGED;
                ("MISSING", text)
            }
        };
        print(&format!("{mark} {name:<20} {text}"))
    })?;
    Ok(code)
}

/// The names of what is missing.
///
/// # Errors
/// The host cannot be looked at.
pub fn missing() -> Result<Vec<&'static str>> {
    let mut names = Vec::new();
    look(|name, found| {
        names.extend(found.is_err().then_some(name));
        Ok(())
    })?;
    Ok(names)
}

/// Looks for each thing, and hands on its name and what was found, or what to do.
fn look(mut say: impl FnMut(&'static str, Result<String, String>) -> Result<()>) -> Result<()> {
    let cache = Cache::open();
    let has_apt = Manager::here() == Some(Manager::Apt);
    let of_apt = OF_APT.iter().filter(|_| has_apt);
    for (name, purpose) in PROGRAMS.iter().chain(of_apt) {
        let found = tool::find(name).map(|path| path.display().to_string());
        say(
            name,
            found.ok_or_else(|| format!("{purpose}; `kassay setup` installs it")),
        )?;
    }
    if let Ok(cache) = &cache {
        let clang = compile::bpf::clang(cache).map(|path| path.display().to_string());
        say("clang", clang.map_err(|error| format!("{error:#}")))?;
    }
    let bpftool = compile::vmlinux::bpftool().map(|path| path.display().to_string());
    say("bpftool", bpftool.map_err(|error| format!("{error:#}")))?;
    let lists = match kernel::apt_unusable() {
        None => Ok("there".to_owned()),
        Some(why) if has_apt => Err(why.to_owned()),
        Some(why) => Ok(format!("{why}: kernels are built from tarballs, or paths")),
    };
    say("apt's lists", lists)?;
    let place = cache.map(|cache| cache.root().display().to_string());
    say("cache", place.map_err(|error| format!("{error:#}")))?;
    let (accelerator, why) = accelerator::choose(Wish::Auto, Probe::here)?;
    say("accelerator", Ok(format!("{accelerator}: {why}")))
}
