//! `kassay setup`: installs what kassay runs on the host.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use xshell::{Shell, cmd};

use super::error::Result;
use super::packages::{self, BENCH, Manager, NEEDS, Need, SELFTESTS};
use super::print;
use super::session::Store;
use crate::arch::Arch;
use crate::compile::guest;
use crate::kernel::{apt_unusable, tools};
use crate::tool::{Tool, find};

/// How old apt's package lists may be before something is installed by them.
const LISTS_FRESH: Duration = Duration::from_secs(24 * 3600);

/// The arguments of `kassay setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Say what would be installed, and by which commands, but run none
    #[arg(long)]
    dry_run: bool,
    /// Install what `kassay bench` needs on top
    #[arg(long)]
    bench: bool,
    /// Install what `kassay selftests` needs on top
    #[arg(long)]
    selftests: bool,
    /// Install what kernels for this processor need on top, such as arm64
    #[arg(long, value_name = "ARCH")]
    arch: Vec<Arch>,
    /// Fetch a newer pahole into the cache, by which kernels are built from then on
    #[arg(long, conflicts_with_all = ["dry_run", "bench", "selftests", "arch"])]
    pahole: bool,
}

/// Runs `kassay setup`: says per purpose what is installed and what is missing, and installs
/// that with apt-get, as root by sudo where need be. On a host without apt it says what to install
/// by hand.
///
/// # Errors
/// Nothing is known of the host, root is out of reach, or apt-get fails.
pub fn run(args: &SetupArgs) -> Result<()> {
    if args.pahole {
        let store = Store::as_it_is()?;
        let version = tools::fetch_pahole(&store.cache)?;
        print(&format!(
            "kernels that are built here, and modules for them, have pahole {version} from now on"
        ))?;
        return Ok(());
    }
    let needs = || {
        let of_arch = args.arch.iter().filter_map(|arch| packages::of(*arch));
        NEEDS
            .iter()
            .chain(args.bench.then_some(&BENCH))
            .chain(args.selftests.then_some(&SELFTESTS))
            .chain(of_arch)
    };
    match Manager::here() {
        Some(Manager::Apt) => install(needs(), args.dry_run)?,
        Some(other) => {
            let (command, remark) = (other.command(needs()), other.remark());
            print(&format!(
                "install what kassay needs, as root:\n    {command}{remark}"
            ))?;
        }
        None => Err(anyhow!(
            "set up this machine: /etc/os-release names no distribution that kassay knows; install \
             the like of\n    {}",
            Manager::Apt.command(needs())
        ))?,
    }
    for arch in &args.arch {
        let program = arch.qemu();
        if !args.dry_run && find(&program).is_none() {
            print(&format!(
                "to run {arch}: `{program}` is not on PATH: install the package of that name"
            ))?;
        }
        if let Err(lacking) = guest::require_target(*arch, Path::new(".")) {
            print(&format!("to run {arch}: {lacking:#}"))?;
        }
    }
    Ok(())
}

/// Installs what is missing.
fn install<'a>(needs: impl Iterator<Item = &'a Need>, dry_run: bool) -> anyhow::Result<()> {
    let missing = report(needs, &installed()?)?;
    let unlisted = apt_unusable().is_some();
    if unlisted || (!missing.is_empty() && lists_are_old()) {
        as_root(&["apt-get", "update", "-q"], dry_run)?;
    }
    if missing.is_empty() {
        return print("everything is installed");
    }
    let names = missing
        .into_iter()
        .map(|need| first_known(need))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"];
    as_root(&[&install[..], &names].concat(), dry_run)
}

/// Prints a line per purpose and returns the needs that no installed package meets.
fn report<'a>(
    needs: impl Iterator<Item = &'a Need>,
    installed: &HashSet<String>,
) -> anyhow::Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    for Need { purpose, apt, .. } in needs {
        let met = |need: &&str| need.split('|').any(|name| installed.contains(name));
        let lacking: Vec<&str> = apt.iter().copied().filter(|need| !met(need)).collect();
        let state = match lacking.as_slice() {
            [] => "installed".to_owned(),
            lacking => format!("missing {}", lacking.join(", ").replace('|', " or ")),
        };
        print(&format!("to {purpose}: {state}"))?;
        missing.extend(lacking);
    }
    Ok(missing)
}

/// The names of all installed packages.
fn installed() -> anyhow::Result<HashSet<String>> {
    let list = Tool::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"])
        .output()?;
    let name = |line: &str| Some(line.strip_prefix("ii ")?.trim().to_owned());
    Ok(list.lines().filter_map(name).collect())
}

/// The first package of a need that apt knows. Before apt has any lists, as in a dry run, it
/// is the first one; apt-get then says itself what it lacks.
fn first_known(need: &'static str) -> anyhow::Result<&'static str> {
    let mut names = need.split('|');
    let first = names.next().context("name a package")?;
    let known = |name: &&str| {
        let shown = Tool::new("apt-cache")
            .args(["show", "--no-all-versions", name])
            .output();
        shown.is_ok_and(|text| !text.is_empty())
    };
    Ok(std::iter::once(first)
        .chain(names)
        .find(known)
        .unwrap_or(first))
}

/// Whether apt's lists were last updated more than a day ago.
fn lists_are_old() -> bool {
    // An update that finds nothing new touches only the folder of unfinished downloads.
    let changed = ["/var/lib/apt/lists", "/var/lib/apt/lists/partial"]
        .iter()
        .filter_map(|dir| {
            Path::new(dir)
                .metadata()
                .and_then(|meta| meta.modified())
                .ok()
        })
        .max();
    let age = changed.and_then(|changed| SystemTime::now().duration_since(changed).ok());
    age.is_none_or(|age| age > LISTS_FRESH)
}

/// Runs a command as root, its output and questions passed through; only says so in a dry run.
fn as_root(command: &[&str], dry_run: bool) -> anyhow::Result<()> {
    let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive"];
    words.extend(command);
    if !rustix::process::geteuid().is_root() {
        words.insert(0, "sudo");
    }
    let line = words.join(" ");
    let does = if dry_run { "would run" } else { "run" };
    print(&format!("{does} {line}"))?;
    if dry_run {
        return Ok(());
    }
    if words[0] == "sudo" && find("sudo").is_none() {
        bail!(
            "run `{}`: this takes root, and there is no sudo",
            command.join(" ")
        );
    }
    let (program, arguments) = words.split_first().context("name a program")?;
    let shell = Shell::new().context("find the working directory")?;
    let command = cmd!(shell, "{program} {arguments...}").quiet();
    command.run().context("run as root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_of_two_packages_will_do() {
        let all = NEEDS.iter().flat_map(|need| need.apt);
        let mut installed: HashSet<String> = all
            .map(|need| need.rsplit('|').next().unwrap().to_owned())
            .collect();
        assert!(report(NEEDS.iter(), &installed).unwrap().is_empty());
        installed.remove("clang");
        let missing = report(NEEDS.iter(), &installed).unwrap();
        assert_eq!(missing, ["clang-19|clang"]);
    }
}
