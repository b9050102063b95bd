//! How a file asks for a scenario.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use kassay_guest::{Drive, Show, Step};
use rustix::thread::CapabilitySet;
use serde::Deserialize;

use super::attach::{self, FileAttach};
use super::budget::Budget;
use super::expect::{Allow, Expect};
use super::part::{DRIVER, FileModule, FileProgram, Kind, MODULE, PROGRAM, Part, is_plain};
use super::requires::Requires;
use super::unstable::Unstable;
use super::{Scenario, home, name_of, parsed};
use crate::step::{Asked, FileStep, Setting, sysctl};
use crate::{entries, nearest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    about: String,
    #[serde(default)]
    kernel_modules: Vec<String>,
    #[serde(default)]
    modules: Vec<FileModule>,
    #[serde(default)]
    built_with: Vec<String>,
    #[serde(default)]
    bpf: Vec<FileProgram>,
    #[serde(default)]
    each: bool,
    #[serde(default)]
    globals: toml::Table,
    #[serde(default)]
    maps: entries::Wanted,
    #[serde(default)]
    host_root: bool,
    #[serde(default)]
    requires: Requires,
    expect: Option<Expect>,
    unstable: Option<Unstable>,
    timeout: Option<u16>,
    cpus: Option<u8>,
    memory: Option<u32>,
    #[serde(default)]
    sysctl: BTreeMap<String, Setting>,
    #[serde(default)]
    linger: Linger,
    fail_allocation: Option<u32>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    allow: Vec<Allow>,
    #[serde(default)]
    may_not_run: Vec<String>,
    #[serde(default)]
    budget: Budget,
    #[serde(default)]
    attach: BTreeMap<String, FileAttach>,
    #[serde(default)]
    step: Vec<FileStep>,
    #[serde(default)]
    show: Show,
}

impl File {
    /// The scenario, of parts that `find` finds.
    pub(super) fn scenario(
        self,
        path: &Path,
        find: impl Fn(&Kind, &str) -> Result<Part>,
    ) -> Result<Scenario> {
        let name = name_of(path)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let mut steps = steps(self.step, directory, self.host_root)?;
        let drivers = drivers(&mut steps, |asked| find(&DRIVER, asked))?;
        let module = |module: FileModule| {
            let part = module.part(directory, |asked| find(&MODULE, asked))?;
            let pip = self.requires.pip.clone();
            Ok(Part { pip, ..part })
        };
        if self.each && !self.show.maps.is_empty() {
            bail!("`show.maps` has nothing to show: with `each`, each program has maps of its own");
        }
        if self.allow.contains(&Allow::NoSnapshot)
            && (steps.is_empty() || self.allow.contains(&Allow::FailedStep))
        {
            bail!(
                "`no_snapshot` leaves nothing that can fail, but for steps without `failed_step`"
            );
        }
        let program = |program: FileProgram| program.part(|asked| find(&PROGRAM, asked));
        Ok(Scenario {
            path: path.to_owned(),
            about: self.about,
            kernel_modules: each(self.kernel_modules, kernel_module)?,
            modules: each(self.modules, module)?,
            built_with: self.built_with,
            bpf: each(self.bpf, program)?,
            drivers,
            each: self.each,
            globals: self.globals,
            maps: self.maps,
            host_root: self.host_root,
            requires: self.requires,
            expect: self.expect,
            unstable: self.unstable,
            timeout: self.timeout.map(|secs| Duration::from_secs(secs.into())),
            cpus: self.cpus,
            memory_mib: self.memory,
            sysctl: each(self.sysctl, sysctl)?,
            linger: self.linger.0,
            fail_allocation: self.fail_allocation,
            without: each(self.without, capability)?,
            allow: self.allow,
            may_not_run: self.may_not_run,
            budget: self.budget,
            attach: attach::read(self.attach)?,
            steps,
            show: self.show,
            snapshots: home(path).join("snapshots"),
            ..Scenario::new(&name)
        })
    }
}

/// What comes of each, or the first error.
fn each<T, U>(all: impl IntoIterator<Item = T>, of: impl Fn(T) -> Result<U>) -> Result<Vec<U>> {
    all.into_iter().map(of).collect()
}

/// The name of a module of the kernel, as the kernel has it.
///
/// # Errors
/// No module has such a name.
pub fn kernel_module(name: String) -> Result<String> {
    match is_plain(&name) {
        true => Ok(name.replace('-', "_")),
        false => bail!("`{name}` is no name of a module of the kernel, such as `nf_conntrack`"),
    }
}

/// A time such as `5s` or `200ms`.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
struct Linger(Duration);

impl TryFrom<String> for Linger {
    type Error = String;

    fn try_from(text: String) -> Result<Linger, String> {
        let ms = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(ms), _) => ms.parse::<u16>().map(u64::from),
            (None, s) => s
                .unwrap_or_default()
                .parse::<u16>()
                .map(|s| u64::from(s) * 1000),
        };
        ms.map(|ms| Linger(Duration::from_millis(ms)))
            .map_err(|_| format!("`{text}` is no time such as `5s` or `200ms`"))
    }
}

/// A step as the user words it, which is a `[[step]]` of a scenario in a directory.
///
/// # Errors
/// It is no step; the nearest one is told.
pub fn step(text: &str, directory: &Path) -> Result<Asked> {
    let step: FileStep = parsed(text)?;
    step.asked(directory)
}

/// The steps of a file in a directory. Only with the host's root is there a program to run.
fn steps(steps: Vec<FileStep>, directory: &Path, host_root: bool) -> Result<Vec<Asked>> {
    let steps = each(steps, |step| step.asked(directory))?;
    if !host_root && steps.iter().any(|asked| asked.step.is_command()) {
        bail!("what a step runs is a program of the host: this takes `host_root = true`");
    }
    Ok(steps)
}

/// The drivers of these steps, which then name them as the guest does.
fn drivers(steps: &mut [Asked], find: impl Fn(&str) -> Result<Part>) -> Result<Vec<Part>> {
    let mut drivers: Vec<Part> = Vec::new();
    for asked in steps {
        let Step::Drive(Drive { driver, .. }) = &mut asked.step else {
            continue;
        };
        let part = find(driver)?;
        if !is_plain(&part.name) {
            bail!("`{driver}`: a driver's name is made of ASCII letters, digits, `_` and `-`");
        }
        driver.clone_from(&part.name);
        if !drivers.contains(&part) {
            drivers.push(part);
        }
    }
    Ok(drivers)
}

/// A capability's name, as capabilities(7) has it.
fn capability(name: String) -> Result<String> {
    let known = CapabilitySet::all().iter_names();
    let known: Vec<String> = known.map(|(name, _)| format!("CAP_{name}")).collect();
    if !known.contains(&name) {
        let hint = nearest::hint(&name, known.iter().map(String::as_str));
        bail!("there is no capability `{name}`{hint}");
    }
    Ok(name)
}
