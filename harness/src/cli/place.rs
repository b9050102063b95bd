//! Where a program runs for a user: the kernel, what is in it, and on what terms. `exec`, `shell`
//! and `load` have that in common.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use kassay_guest::Live;

use super::Usage;
use super::cache::limit;
use super::run;
use crate::cache::Cache;
use crate::compile::{self, Artifacts};
use crate::kernel::{self, Catalog, Kernel};
use crate::live::{self, Asked};
use crate::run::Setting;
use crate::scenario::Scenario;
use crate::vm::accelerator::{self, Probe, Wish};
use crate::vm::machine::{LEAST_MIB, MEMORY_MIB, MOST_CPUS, Size};
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
    /// Gets the kernel and builds what is asked for: these modules, this BPF object
    /// and these steps, each a line of a scenario; in the host's root where that is wanted.
    ///
    /// # Errors
    /// [`Usage`] for what nobody knows; else something cannot be had or built.
    pub fn prepare(
        &self,
        host_root: bool,
        bpf: Option<&str>,
        steps: &[String],
    ) -> Result<Prepared> {
        progress::hush();
        self.check_memory()?;
        let (cache, catalog, limit) = (Cache::open()?, Catalog::load()?, limit()?);
        let scenario = self
            .scenario(host_root, bpf, steps)
            // The file that the rest of it names is none of the user's.
            .map_err(|error| Usage(error.root_cause().to_string()))?;
        let (accelerator, _) = accelerator::choose(self.accel, Probe::here)?;
        let name = match &self.kernel {
            Some(name) => name.clone(),
            None => default(&cache, &catalog)?,
        };
        let kernel = run::kernel(&cache, &catalog, Some(&name))?;
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
    fn scenario(&self, host_root: bool, bpf: Option<&str>, steps: &[String]) -> Result<Scenario> {
        let root = crate::repository();
        let list = |names: Vec<String>| toml::Value::from(names).to_string();
        let modules = self.modules.iter().map(|name| path_of(name)).collect();
        let bpf = bpf.iter().map(|file| path_of(file)).collect();
        let mut text = format!(
            "about = ''\nhost_root = {host_root}\nmodules = {}\nbpf = {}\n\
             allow = ['no_steps', 'no_programs', 'failed_step']\n",
            list(modules),
            list(bpf)
        );
        for step in steps {
            text.push_str(&format!("[[step]]\n{step}\n"));
        }
        Scenario::parse(
            &text,
            &std::env::current_dir()?.join("command-line.toml"),
            &root,
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

/// The default kernel. That it is not the first choice is said on stderr.
fn default(cache: &Cache, catalog: &Catalog) -> Result<String> {
    let chosen = kernel::default(cache, catalog)?;
    if catalog.default.first() != Some(&chosen.name) {
        progress::note(format!("kassay: kernel {}: {}", chosen.name, chosen.why));
    }
    Ok(chosen.name)
}
