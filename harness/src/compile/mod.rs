//! What goes into a virtual machine: modules, BPF objects and the guest
//! program, each built once per content and kept in the cache.

pub mod bpf;
mod driver;
pub mod guest;
pub mod header;
pub mod imports;
pub mod initramfs;
pub mod libelf;
mod makefile;
pub mod module;
mod reads;
pub mod vmlinux;

use std::collections::BTreeSet;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, bail};
use kassay_guest::{Consume, Detach, Entry, Global, Step, Submit};

use crate::assets;
use crate::cache::Cache;
use crate::entries;
use crate::globals;
use crate::kernel::{self, Catalog, Kernel};
use crate::nearest;
use crate::scenario::{Part, Scenario, attach};

/// Everything that one scenario needs on one kernel.
pub struct Artifacts {
    /// The guest program.
    pub guest: PathBuf,
    /// The guest program and the kernel's own modules, packed.
    pub initramfs: PathBuf,
    /// Modules of the kernel that go in before, by name, in order.
    pub kernel_modules: Vec<(String, PathBuf)>,
    /// The scenario's modules, in order. The plan has these, not those that the scenario names:
    /// what a directory makes is known only after kbuild has built it.
    pub modules: Vec<module::Module>,
    /// The scenario's BPF objects by name, in order.
    pub objects: Vec<(String, PathBuf)>,
    /// What their global variables are set to.
    pub globals: Vec<Global>,
    /// What their maps have from the start.
    pub entries: Vec<Entry>,
    /// The drivers of its steps, by name.
    pub drivers: Vec<(String, PathBuf)>,
    /// The object that fails an allocation, where one is to fail.
    pub failing: Option<PathBuf>,
}

/// Builds what is not in the cache yet.
pub fn build(cache: &Cache, kernel: &Kernel, scenario: &Scenario) -> Result<Artifacts> {
    let guest::Guest {
        init: guest,
        headers,
    } = guest::build(cache, kernel.arch)?;
    let initramfs = initramfs::build(cache, kernel, &guest)?;
    let (modules, objects) = parts(cache, kernel, scenario, &headers)?;
    let kernel_modules = kernel::modules(cache, kernel, &wanted(scenario, &modules))
        .map_err(|error| explain(error, kernel, &modules))
        .with_context(|| format!("get modules of {} itself", kernel.name))?;
    let driver = |part: &Part| Ok((part.name.clone(), driver::build(cache, part, kernel.arch)?));
    let drivers = scenario.drivers.iter().map(driver);
    let files = || {
        let named = objects.iter();
        named.map(|(name, file)| (name.as_str(), file.as_path()))
    };
    entries::shown(files(), &scenario.show.maps)?;
    let artifacts = Artifacts {
        guest,
        initramfs,
        globals: globals::set(files(), &scenario.globals)?,
        entries: entries::set(files(), &scenario.maps)?,
        kernel_modules,
        modules,
        objects,
        drivers: drivers.collect::<Result<_>>()?,
        failing: match scenario.fail_allocation {
            None => None,
            Some(_) => Some(failing(cache, kernel, &headers)?),
        },
    };
    artifacts.check()?;
    speaks_of_programs(scenario, &artifacts.objects)?;
    steps_find_theirs(scenario, &artifacts.objects)?;
    Ok(artifacts)
}

impl Artifacts {
    /// Sees that no two of a kind have one name.
    fn check(&self) -> Result<()> {
        let of_kernel = self.kernel_modules.iter().map(|(name, _)| name);
        let own = self.modules.iter().map(|module| &module.name);
        once("module", of_kernel.chain(own))?;
        once("BPF program", self.objects.iter().map(|(name, _)| name))?;
        once("driver", self.drivers.iter().map(|(name, _)| name))
    }
}

/// The object that sees the allocations of modules and fails one.
fn failing(cache: &Cache, kernel: &Kernel, headers: &Path) -> Result<PathBuf> {
    let part = Part {
        name: "failing".to_owned(),
        path: assets::headers(cache)?.join("failing.bpf.c"),
        // Before it, clang has no instruction that counts and tells the number.
        flags: vec!["-mcpu=v3".to_owned()],
        ..Part::default()
    };
    bpf::build(cache, kernel, &part, headers, None)
}

/// BPF objects, by the names of their programs.
type Objects = Vec<(String, PathBuf)>;

/// Programs, each with its section.
type Programs = Vec<(String, String)>;

/// The scenario's modules and BPF objects. kbuild and clang need nothing of each other, unless a
/// program includes a module's header.
fn parts(
    cache: &Cache,
    kernel: &Kernel,
    scenario: &Scenario,
    headers: &Path,
) -> Result<(Vec<module::Module>, Objects)> {
    // Both want them.
    assets::headers(cache)?;
    let build = |of_modules: Option<&Path>| {
        let object = |part: &Part| {
            let object = bpf::build(cache, kernel, part, headers, of_modules)?;
            Ok((part.name.clone(), object))
        };
        scenario.bpf.iter().map(object).collect::<Result<Objects>>()
    };
    let other = match other_build(kernel, scenario) {
        None => None,
        Some(spec) => Some(kernel::obtain(cache, &Catalog::load(cache)?, &spec)?),
    };
    let (modules, objects) = thread::scope(|scope| {
        let objects = scope.spawn(|| build(None));
        let modules = module::build(cache, other.as_ref().unwrap_or(kernel), &scenario.modules);
        let objects = objects.join();
        (
            modules,
            objects.unwrap_or_else(|panic| panic::resume_unwind(panic)),
        )
    });
    let modules = modules?.concat();
    let objects = match objects {
        Err(error) if header::is_missing(&error, &modules) => {
            build(Some(&header::folder(cache, kernel, &modules)?))?
        }
        objects => objects.map_err(|error| header::explain(error, &modules))?,
    };
    Ok((modules, objects))
}

/// The other build of a kernel that a scenario has its modules built for, if it is another.
pub fn other_build(kernel: &Kernel, scenario: &Scenario) -> Option<String> {
    match scenario.built_with.as_slice() {
        [] => None,
        added => {
            let (plain, arch) = Catalog::processor(&kernel.name);
            let other = format!("{plain}+{}", added.join("+"));
            Some(match plain == kernel.name {
                true => other,
                false => format!("{other}/{arch}"),
            })
        }
    }
}

/// The kernel's modules that a scenario names, and those that its own modules need.
fn wanted(scenario: &Scenario, modules: &[module::Module]) -> Vec<String> {
    let is_own = |name: &String| modules.iter().any(|module| module.name == *name);
    let needed = modules.iter().flat_map(|module| &module.needs);
    let needed = needed.filter(|name| !is_own(name));
    scenario
        .kernel_modules
        .iter()
        .chain(needed)
        .cloned()
        .collect()
}

/// Adds to an error what modules need of others, and for which symbols of the kernel's.
fn explain(error: anyhow::Error, kernel: &Kernel, modules: &[module::Module]) -> anyhow::Error {
    let needs = |module: &module::Module| {
        let tell = |need: &String| {
            let symbols = module::uses(kernel, module, need).unwrap_or_default();
            match symbols.is_empty() {
                true => format!("{} needs {need}, which is not named before", module.name),
                false => {
                    let symbols = symbols.join(", ");
                    format!("{} uses {symbols} of the kernel's {need}", module.name)
                }
            }
        };
        let others = |need: &&String| !modules.iter().any(|other| other.name == **need);
        let told = module.needs.iter().filter(others).map(tell);
        told.collect::<Vec<_>>()
    };
    let told: Vec<String> = modules.iter().flat_map(needs).collect();
    match told.is_empty() {
        true => error,
        false => anyhow::anyhow!("{error:#}; {}", told.join("; ")),
    }
}

/// Each of these, which a key of the scenario names, is one of those that objects have.
fn known<'a>(
    what: &str,
    key: &str,
    asked: &[String],
    there: impl Iterator<Item = &'a str> + Clone,
) -> Result<()> {
    let is_one = |asked: &&String| there.clone().any(|name| name == *asked);
    match asked.iter().find(|asked| !is_one(asked)) {
        None => Ok(()),
        Some(asked) => bail!(
            "there is no {what} `{asked}`, which `{key}` names{}",
            nearest::hint(asked, there)
        ),
    }
}

/// Sees that what the scenario says of programs can be of these objects.
fn speaks_of_programs(scenario: &Scenario, objects: &Objects) -> Result<()> {
    for (name, object) in objects.iter().filter(|_| !scenario.each) {
        let maps = entries::maps(object).with_context(|| format!("read the maps of `{name}`"))?;
        let maps: Vec<String> = maps.into_iter().map(|map| map.name).collect();
        attach::has_maps(&scenario.attach, &bpf::programs(object)?, &maps)?;
    }
    let of_steps = scenario
        .steps
        .iter()
        .filter_map(|asked| asked.step.program());
    let of_steps: Vec<String> = of_steps.map(str::to_owned).collect();
    if scenario.may_not_run.is_empty() && scenario.attach.is_empty() && of_steps.is_empty() {
        return Ok(());
    }
    let programs = objects.iter().map(|(_, object)| bpf::programs(object));
    let programs: Programs = programs.collect::<Result<Vec<_>>>()?.concat();
    let names = programs.iter().map(|(name, _)| name.as_str());
    let of_attach = attach::programs(&scenario.attach);
    for (key, asked) in [
        ("may_not_run", &scenario.may_not_run),
        ("attach", &of_attach),
        ("step", &of_steps),
    ] {
        known("program", key, asked, names.clone())?;
    }
    for asked in &of_steps {
        if names.clone().filter(|name| name == asked).count() > 1 {
            bail!(
                "there are two programs `{asked}`, which `step` names: it needs a name of its own"
            );
        }
    }
    attach::fits(&scenario.attach, &programs)
}

/// Sees that the maps and structures which steps name are in these objects.
fn steps_find_theirs(scenario: &Scenario, objects: &Objects) -> Result<()> {
    let (mut maps, mut structures) = (Vec::new(), Vec::new());
    for asked in &scenario.steps {
        match &asked.step {
            Step::Submit(Submit { map, .. }) | Step::Consume(Consume { map, .. }) => {
                maps.push(map.as_str());
            }
            Step::Detach(Detach { structure }) => structures.push(structure.clone()),
            _ => {}
        }
    }
    let files = objects.iter();
    let files = files.map(|(name, file)| (name.as_str(), file.as_path()));
    entries::used(files.clone(), &maps)?;
    if structures.is_empty() {
        return Ok(());
    }
    let there = files.map(|(_, file)| bpf::structures(file));
    let there = there.collect::<Result<Vec<_>>>()?.concat();
    let there = there.iter().map(String::as_str);
    known("structure", "step", &structures, there)
}

/// By its name each is known in the guest.
fn once<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            bail!("there are two of {what} `{name}`, and a scenario takes one of a name");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_object_has_names_the_nearest() {
        let see = |asked: &str| {
            let there = ["reno", "cubic"].into_iter();
            known("structure", "step", &[asked.to_owned()], there)
        };
        assert!(see("reno").is_ok());
        let error = see("remo").unwrap_err().to_string();
        let why = "there is no structure `remo`, which `step` names; did you mean `reno`?";
        assert_eq!(error, why);
    }
}
