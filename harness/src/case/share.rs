//! What the guest reads: the plan, modules and objects.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use kassay_guest::{FAILING, Plan};

use crate::cache::hex;
use crate::compile::module::Module;
use crate::compile::{Artifacts, imports};
use crate::scenario::{self, Scenario};

/// Lays out what the guest reads: the plan, the modules and the objects.
///
/// # Errors
/// As [`lay_out`], [`plan`] and [`write_plan`].
pub fn fill(share: &Path, scenario: &Scenario, artifacts: &Artifacts) -> Result<()> {
    lay_out(share, artifacts)?;
    write_plan(share, &plan(scenario, artifacts)?)
}

/// Lays out modules and objects in a share.
///
/// # Errors
/// A file cannot be copied.
pub fn lay_out(share: &Path, artifacts: &Artifacts) -> Result<()> {
    let copy = |from: &Path, directory: &str, name: String| {
        let directory = share.join(directory);
        fs::create_dir_all(&directory)
            .and_then(|()| fs::copy(from, directory.join(&name)))
            .with_context(|| format!("copy `{}` into the share", from.display()))
    };
    for (name, file) in &artifacts.kernel_modules {
        copy(file, "modules", format!("{name}.ko"))?;
    }
    for (name, file) in &artifacts.drivers {
        copy(file, "drivers", name.clone())?;
    }
    for module in &artifacts.modules {
        copy(&module.file, "modules", format!("{}.ko", module.name))?;
    }
    for (name, object) in &artifacts.objects {
        copy(object, "bpf", format!("{name}.bpf.o"))?;
    }
    if let Some(object) = &artifacts.failing {
        copy(object, "", FAILING.to_owned())?;
    }
    Ok(())
}

/// The plan of a scenario.
///
/// # Errors
/// A module's imports cannot be read; as [`fresh`].
pub fn plan(scenario: &Scenario, artifacts: &Artifacts) -> Result<Plan> {
    let Fresh {
        clock_ns,
        entropy,
        mark,
    } = fresh()?;
    let kernel_modules = artifacts.kernel_modules.iter();
    Ok(Plan {
        kernel_modules: kernel_modules.map(|(name, _)| name.clone()).collect(),
        modules: module_names(&artifacts.modules),
        params: params(&artifacts.modules),
        objects: scenario::names(&scenario.bpf),
        each: scenario.each,
        attaches: scenario.attaches,
        sifts: scenario.sifts,
        counts: scenario.counts,
        globals: artifacts.globals.clone(),
        entries: artifacts.entries.clone(),
        programs: Vec::new(),
        attach: scenario.attach.clone(),
        live: None,
        steps: scenario
            .steps
            .iter()
            .map(|asked| asked.step.clone())
            .collect(),
        host_root: scenario.host_root,
        show: scenario.show.clone(),
        sysctl: scenario.sysctl.clone(),
        without: scenario.without.clone(),
        may_stay: imports::may_stay(&artifacts.modules)?,
        watch: imports::watched(artifacts)?,
        linger_ms: scenario.linger.as_millis() as u64,
        failing: scenario.fail_allocation,
        covers: scenario.covers,
        clock_ns,
        entropy,
        mark,
    })
}

/// Lays out a plan in a share.
///
/// # Errors
/// It cannot be written.
pub fn write_plan(share: &Path, plan: &Plan) -> Result<()> {
    fs::write(share.join("plan.json"), serde_json::to_vec(plan)?).context("write the plan")
}

fn params(modules: &[Module]) -> BTreeMap<String, String> {
    let with = modules.iter().filter(|module| !module.params.is_empty());
    with.map(|module| (module.name.clone(), module.params.clone()))
        .collect()
}

fn module_names(modules: &[Module]) -> Vec<String> {
    modules.iter().map(|module| module.name.clone()).collect()
}

/// What a plan has of its own each time.
pub struct Fresh {
    /// The wall clock, in nanoseconds since 1970.
    pub clock_ns: u64,
    /// Randomness for the guest.
    pub entropy: Vec<u8>,
    /// The plan's mark, of which the guest's randomness tells nothing.
    pub mark: String,
}

/// What another plan does not have.
///
/// # Errors
/// The host's clock or its randomness cannot be had.
pub fn fresh() -> Result<Fresh> {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut bytes = vec![0; 72];
    getrandom::fill(&mut bytes).context("get random bytes of the host")?;
    let (mark, entropy) = bytes.split_at(8);
    Ok(Fresh {
        clock_ns: clock.as_nanos() as u64,
        entropy: entropy.to_vec(),
        mark: hex(mark),
    })
}

/// The mark of a plan that was laid out.
///
/// # Errors
/// It is no plan.
pub fn mark_of(plan: &str) -> Result<String> {
    let plan: Plan = serde_json::from_str(plan).context("parse the plan")?;
    Ok(plan.mark)
}
