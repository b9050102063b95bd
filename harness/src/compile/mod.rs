//! What goes into a virtual machine: modules, BPF objects and the guest
//! program, each built once per content and kept in the cache.

pub mod bpf;
pub mod guest;
pub mod initramfs;
mod makefile;
pub mod libelf;
pub mod module;
mod reads;
pub mod vmlinux;

use std::collections::BTreeSet;
use std::panic;
use std::path::PathBuf;
use std::thread;

use anyhow::{Result, bail};
use kassay_guest::Global;

use crate::cache::Cache;
use crate::globals;
use crate::kernel::Kernel;
use crate::scenario::{Part, Scenario};

/// Everything that one scenario needs on one kernel.
pub struct Artifacts {
    /// The guest program.
    pub guest: PathBuf,
    /// The guest program and the kernel's own modules, packed.
    pub initramfs: PathBuf,
    /// The scenario's modules, in order.
    pub modules: Vec<module::Module>,
    /// The scenario's BPF objects by name, in order.
    pub objects: Vec<(String, PathBuf)>,
    /// What their global variables are set to.
    pub globals: Vec<Global>,
}

/// Builds what is not in the cache yet.
pub fn build(cache: &Cache, kernel: &Kernel, scenario: &Scenario) -> Result<Artifacts> {
    let guest::Guest {
        init: guest,
        headers,
    } = guest::build(cache)?;
    let initramfs = initramfs::build(cache, kernel, &guest)?;
    let object = |part: &Part| {
        let object = bpf::build(cache, kernel, part, &headers)?;
        anyhow::Ok((part.name.clone(), object))
    };
    // kbuild and clang need nothing of each other.
    let (modules, objects) = thread::scope(|scope| {
        let objects = scope.spawn(|| scenario.bpf.iter().map(object).collect::<Result<Vec<_>>>());
        let modules = module::build(cache, kernel, &scenario.modules);
        let objects = objects.join();
        (
            modules,
            objects.unwrap_or_else(|panic| panic::resume_unwind(panic)),
        )
    });
    let (modules, objects) = (modules?.concat(), objects?);
    once("module", modules.iter().map(|module| &module.name))?;
    once("BPF program", objects.iter().map(|(name, _)| name))?;
    let files = objects
        .iter()
        .map(|(name, file)| (name.as_str(), file.as_path()));
    let globals = globals::set(files, &scenario.globals)?;
    Ok(Artifacts {
        guest,
        initramfs,
        modules,
        objects,
        globals,
    })
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
