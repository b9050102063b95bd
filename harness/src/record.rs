//! What a case was made of when it last passed, for `kassay run --changed`.

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::compile::Artifacts;
use crate::kernel::Kernel;
use crate::scenario::Scenario;
use crate::snapshot::Snapshot;
use crate::vm::Accelerator;

/// The record of one case. There is one only as long as the case's last run was a pass.
pub struct Record {
    name: String,
    passed: Option<String>,
}

impl Record {
    /// Takes the record out of the cache: until it is put back, the case has not passed.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn take(
        cache: &Cache,
        kernel: &Kernel,
        scenario: &Scenario,
        accelerator: Accelerator,
    ) -> Result<Record> {
        let path = std::path::absolute(&scenario.path)
            .with_context(|| format!("find scenario `{}`", scenario.path.display()))?;
        let key = Key::new("case")
            .text("kernel", &kernel.name)
            .text("scenario", &path.to_string_lossy())
            .text("accelerator", &accelerator.to_string());
        let name = format!("passed-{}", key.finish());
        let passed = cache.recall(&name).map(|(inputs, _)| inputs);
        cache.forget(&name)?;
        Ok(Record { name, passed })
    }

    /// Whether the case passed when it was last run, and was made of these inputs.
    pub fn has_passed(&self, inputs: &str) -> bool {
        self.passed.as_deref() == Some(inputs)
    }

    /// Puts a record into the cache: the case passes, made of these inputs.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn keep(&self, cache: &Cache, inputs: &str) -> Result<()> {
        cache.remember(&self.name, inputs)
    }
}

/// A digest of all that shapes a case's verdict. What was compiled lies in cache entries, whose
/// names are digests of their sources.
///
/// # Errors
/// The scenario, its snapshot or kassay's own program cannot be read.
pub fn inputs(kernel: &Kernel, scenario: &Scenario, artifacts: &Artifacts) -> Result<String> {
    // By this link the file is found even when it was built anew meanwhile.
    let kassay = std::fs::metadata("/proc/self/exe").context("look at kassay's own program")?;
    let modules = artifacts.modules.iter().map(|module| &module.file);
    let objects = artifacts.objects.iter().map(|(_, object)| object);
    let drivers = artifacts.drivers.iter().map(|(_, driver)| driver);
    let compiled = modules.chain(objects).chain(drivers);
    let compiled = compiled.chain([&artifacts.initramfs]);
    let mut key = Key::new("inputs")
        .text(
            "kassay",
            &format!("{:?} {}", kassay.modified().ok(), kassay.len()),
        )
        .text("kernel", &kernel.key)
        .file("scenario", &scenario.path)?;
    for file in compiled {
        key = key.text("compiled", &file.to_string_lossy());
    }
    for (name, file) in &artifacts.kernel_modules {
        // One that lies in a build tree may be built again there.
        key = key.file(name, file)?;
    }
    let snapshot = Snapshot::of(scenario, kernel).path();
    if snapshot.exists() {
        key = key.file("snapshot", &snapshot)?;
    }
    Ok(key.finish())
}
