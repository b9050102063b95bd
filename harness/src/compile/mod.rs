//! What goes into a virtual machine: modules, BPF objects and the guest
//! program, each built once per content and kept in the cache.

pub mod bpf;
pub mod guest;
pub mod initramfs;
pub mod module;

use std::path::PathBuf;

use anyhow::Result;

use crate::cache::Cache;
use crate::kernel::Kernel;
use crate::scenario::Scenario;

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
}

/// Builds what is not in the cache yet.
pub fn build(cache: &Cache, kernel: &Kernel, scenario: &Scenario) -> Result<Artifacts> {
    let guest = guest::build(cache)?;
    let initramfs = initramfs::build(cache, kernel, &guest)?;
    let modules = scenario
        .modules
        .iter()
        .map(|name| module::build(cache, kernel, name))
        .collect::<Result<_>>()?;
    let objects = scenario
        .bpf
        .iter()
        .map(|name| Ok((name.clone(), bpf::build(cache, name)?)))
        .collect::<Result<_>>()?;
    Ok(Artifacts {
        guest,
        initramfs,
        modules,
        objects,
    })
}
