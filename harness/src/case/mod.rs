//! A case, a scenario on a kernel, with all that it is made of, before a machine runs it.

mod requires;
mod setting;
pub mod share;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::compile::Artifacts;
use crate::compile::module::Module;
use crate::kernel::Kernel;
use crate::scenario::Scenario;
use crate::streams::Streams;
use crate::verdict::Verdict;
use crate::{btf, detector, flaw, project, verdict};

pub use requires::{lacks, lacks_built, lacks_probe, left_out};
pub use setting::{Setting, TIMEOUT};

/// Lays out in a share what the guest reads.
pub type Fill<'a> = Box<dyn Fn(&Path) -> Result<()> + 'a>;

/// Says into which folder goes what a run leaves that came to this verdict and title, if it is to
/// leave anything.
pub type Place<'a> = Box<dyn Fn(Verdict, &str) -> Option<PathBuf> + 'a>;

/// A case with all that it is made of.
pub struct Case<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its modules, built.
    pub modules: &'a [Module],
    /// The guest program, packed.
    pub initramfs: &'a Path,
    /// Lays out what the guest reads.
    pub fill: Fill<'a>,
    /// Where what a failure leaves goes.
    pub place: Place<'a>,
    /// Who attends to the program in it, if somebody does.
    pub streams: Option<Streams>,
    /// Whether it mostly waits for a person, and so keeps no other machine from running.
    pub is_idle: bool,
    /// Whether it has been run before, and what is said of it each time was said then.
    pub is_again: bool,
}

impl<'a> Case<'a> {
    /// The case of what was built.
    pub fn of(kernel: &'a Kernel, scenario: &'a Scenario, artifacts: &'a Artifacts) -> Case<'a> {
        Case {
            kernel,
            scenario,
            modules: &artifacts.modules,
            initramfs: &artifacts.initramfs,
            fill: Box::new(|folder| share::fill(folder, scenario, artifacts)),
            place: Box::new(|_, _| Some(folder(&kernel.name, &scenario.name))),
            streams: None,
            is_idle: false,
            is_again: false,
        }
    }

    /// What it is judged by beside the evidence.
    ///
    /// # Errors
    /// The kernel's BTF or configuration cannot be read.
    pub fn known(&self) -> Result<verdict::Case<'a>> {
        // Only the BTF of modules is read with it, and a kernel's may be missing.
        let base_strings = match self.modules {
            [] => Vec::new(),
            _ => btf::base_strings(&self.kernel.btf)?,
        };
        let is_of_another = !self.scenario.built_with.is_empty();
        let flaws = |module: &Module| {
            let flaws = match is_of_another {
                // Its BTF goes with another base, which is not at hand.
                true => Vec::new(),
                false => flaw::of(self.kernel, module, &base_strings)?,
            };
            anyhow::Ok((module.name.clone(), flaws))
        };
        Ok(verdict::Case {
            scenario: self.scenario,
            modules: self.modules,
            release: &self.kernel.release,
            flaws: self.modules.iter().map(flaws).collect::<Result<_>>()?,
            base_strings,
            is_traced_alone: self.streams.is_none(),
            has_kmemleak: detector::has_kmemleak(self.kernel)?,
        })
    }
}

/// The folder for what a failure of a case leaves.
pub fn folder(kernel: &str, scenario: &str) -> PathBuf {
    project::target()
        .join(kernel.replace('/', "_"))
        .join(scenario.replace('/', "_"))
}
