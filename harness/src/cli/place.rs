//! Where a program runs for a user: the kernel, what is in it, and on what terms. `exec`, `shell`
//! and `load` have that in common.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use kassay_guest::Live;

use super::Usage;
use super::cache::limit;
use super::chosen;
use crate::cache::Cache;
use crate::case::Setting;
use crate::compile::{self, Artifacts};
use crate::kernel::{self, Catalog, Kernel};
use crate::live::{self, Asked};
use crate::project::Project;
use crate::scenario::Scenario;
use crate::vm::accelerator::{self, Probe, Wish};
use crate::vm::size::{LEAST_MIB, MEMORY_MIB, MOST_CPUS, Size};
use crate::vm::slot;
use crate::{inventory, progress};

/// The arguments that say where.
#[derive(Args, Clone)]
pub struct Place {
    /// The kernel: a name of the catalog (see `kassay list`) or a path
    #[arg(long, value_name = "SPEC")]
    kernel: Option<String>,
    /// Insert a module first: a directory with a Kbuild file or a Makefile, or a name in
    /// `modules/`; repeatable
    #[arg(long = "module", value_name = "DIR")]
    pub modules: Vec<String>,
    #[command(flatten)]
    with: With,
    /// Insert a module of the kernel itself first, such as `nf_conntrack`, and those that it needs;
    /// repeatable
    #[arg(long = "kernel-module", value_name = "NAME")]
    kernel_modules: Vec<String>,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
    /// CPUs of the virtual machine
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_CPUS))
    )]
    cpus: u8,
    /// Memory of the virtual machine, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = MEMORY_MIB,
        value_parser = clap::value_parser!(u32).range(i64::from(LEAST_MIB)..)
    )]
    memory: u32,
    /// How long the virtual machine may take, in seconds [default: no limit]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Boot the virtual machine instead of restoring a saved state
    #[arg(long)]
    cold: bool,
}

/// What modules are built with, beside what their directories have.
#[derive(Args, Clone)]
pub struct With {
    /// A file or folder elsewhere that the modules' directories are built with; repeatable
    #[arg(long = "with", value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl With {
    /// The paths, from the root on.
    ///
    /// # Errors
    /// There is no working directory.
    pub fn paths(&self) -> Result<Vec<PathBuf>> {
        let whole = |path| std::path::absolute(path).context("find the working directory");
        self.paths.iter().map(whole).collect()
    }
}

/// A place that is ready.
pub struct Prepared {
    setting: Setting,
    /// The kernel.
    pub kernel: Kernel,
    scenario: Scenario,
    /// What is in it, built.
    pub artifacts: Artifacts,
    limit: u64,
}

impl Place {
    /// Gets the kernel and builds what is asked for: these modules, and what else a scenario's
    /// file would say; in the host's root where that is wanted.
    ///
    /// # Errors
    /// [`Usage`] for what nobody knows; else something cannot be had or built.
    pub fn prepare(&self, host_root: bool, more: &str) -> Result<Prepared> {
        progress::hush();
        self.check_memory()?;
        let (cache, limit) = (Cache::open()?, limit()?);
        let catalog = super::chosen::catalog(&cache)?;
        let scenario = self
            .scenario(host_root, more)
            // The file that the rest of it names is none of the user's.
            .map_err(|error| Usage(error.root_cause().to_string()))?;
        let (accelerator, _) = accelerator::choose(self.accel, Probe::here)?;
        let name = match &self.kernel {
            Some(name) => name.clone(),
            None => default(&cache, &catalog)?,
        };
        let kernel = chosen::kernel(&cache, &catalog, Some(&name))?;
        let artifacts = compile::build(&cache, &kernel, &scenario)?;
        let setting = Setting {
            size: Size {
                cpus: self.cpus,
                memory_mib: self.memory,
            },
            timeout: Some(self.timeout.map_or(Duration::MAX, Duration::from_secs)),
            cold: self.cold,
            ..Setting::new(cache, accelerator)
        };
        Ok(Prepared {
            setting,
            kernel,
            scenario,
            artifacts,
            limit,
        })
    }

    /// Sees that the host can give more than the usual memory. What is usual waits for it.
    fn check_memory(&self) -> Result<()> {
        let (needed, free) = (slot::needed_mib(self.memory), slot::free_memory_mib());
        if self.memory > MEMORY_MIB && needed > free {
            return Err(Usage(format!(
                "start a machine of {} MiB: with QEMU it takes up to {needed} MiB, and the host \
                 has {free} MiB free; give `--memory` less",
                self.memory
            ))
            .into());
        }
        Ok(())
    }

    /// What is asked for, as a scenario's file would have it.
    fn scenario(&self, host_root: bool, more: &str) -> Result<Scenario> {
        let project = Project::or_here()?;
        let with = self.with.paths()?;
        let with: Vec<_> = with
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        let with = toml::Value::from(with);
        let modules: Vec<String> = self.modules.iter().map(|name| path_of(name)).collect();
        let modules = modules.into_iter().map(toml::Value::from);
        let modules = modules.map(|path| format!("{{ path = {path}, with = {with} }}"));
        let modules: Vec<String> = modules.collect();
        let text = format!(
            "about = ''\nhost_root = {host_root}\nmodules = [{}]\n\
             allow = ['no_steps', 'no_programs', 'no_kfuncs', 'failed_step']\n{more}",
            modules.join(", "),
        );
        Scenario::parse(
            &text,
            &std::env::current_dir()?.join("command-line.toml"),
            &project,
        )
    }
}

impl Prepared {
    /// What goes on here; who asks for more adds it.
    pub fn asked(&self, live: Live) -> Asked<'_> {
        Asked {
            kernel: &self.kernel,
            scenario: &self.scenario,
            artifacts: &self.artifacts,
            programs: Vec::new(),
            live,
            copied: None,
            is_idle: false,
            word: None,
        }
    }

    /// Runs what is asked, clears the cache up, and returns the exit code.
    ///
    /// # Errors
    /// Those of [`live::run`].
    pub fn run(&self, asked: &Asked) -> Result<u8> {
        let code = live::run(&self.setting, asked)?;
        inventory::clear_up(&self.setting.cache, self.limit);
        Ok(code)
    }
}

/// What is there is a path; all else is a name.
pub fn path_of(name: &str) -> String {
    match !name.contains('/') && Path::new(name).exists() {
        true => format!("./{name}"),
        false => name.trim_end_matches('/').to_owned(),
    }
}

/// The project's kernel, else the default one. That it is not the first choice is said on stderr.
fn default(cache: &Cache, catalog: &Catalog) -> Result<String> {
    if let Some(name) = chosen::of_project()? {
        return Ok(name);
    }
    let chosen = kernel::default(cache, catalog)?;
    if catalog.default.first() != Some(&chosen.name) {
        progress::note(format!("kassay: kernel {}: {}", chosen.name, chosen.why));
    }
    Ok(chosen.name)
}
