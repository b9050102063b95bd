//! Where a program runs for a user: the kernel, what is in it, and on what terms. `exec`, `shell`
//! and `load` have that in common.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use kassay_guest::Live;

use super::chosen;
use super::error::{Error, Result};
use super::session::{Session, Store};
use crate::case::Setting;
use crate::compile::{self, Artifacts};
use crate::kernel::{self, Kernel};
use crate::live::{self, Asked};
use crate::progress;
use crate::scenario::{self, Allow, Finder, Part, Scenario};
use crate::size::{LEAST_MIB, MEMORY_MIB, MOST_CPUS, Size};
use crate::vm::accelerator::Wish;
use crate::vm::slot;

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
    pub fn paths(&self) -> anyhow::Result<Vec<PathBuf>> {
        let whole = |path| std::path::absolute(path).context("find the working directory");
        self.paths.iter().map(whole).collect()
    }

    fn module(&self, name: &str, finder: &Finder) -> anyhow::Result<Part> {
        let mut part = finder.module(&path_of(name))?;
        part.with.extend(self.paths()?);
        Ok(part)
    }
}

/// What `load` asks for on top.
#[derive(Default)]
pub struct More {
    /// The BPF object, and flags for clang.
    pub object: Option<(String, Vec<String>)>,
    /// What its global variables are set to.
    pub globals: toml::Table,
    /// Steps, as a scenario's file words them.
    pub steps: Vec<String>,
}

/// A place that is ready.
pub struct Prepared {
    setting: Setting,
    /// The kernel.
    pub kernel: Kernel,
    scenario: Scenario,
    /// What is in it, built.
    pub artifacts: Artifacts,
    /// It is cleared up when all is over.
    _store: Store,
}

impl Place {
    /// Gets the kernel and builds what is asked for: these modules and more, in the host's root
    /// where that is wanted.
    ///
    /// # Errors
    /// A slip for what nobody knows; else something cannot be had or built.
    pub fn prepare(&self, host_root: bool, more: More) -> Result<Prepared> {
        progress::hush();
        self.check_memory()?;
        let session = Session::open()?;
        let scenario = self.scenario(&session, host_root, more);
        let scenario = scenario.map_err(Error::slip)?;
        let setting = self.setting(&session.store)?;
        let name = match &self.kernel {
            Some(name) => name.clone(),
            None => default(&session)?,
        };
        let kernel = chosen::kernel(&session, Some(&name))?;
        if host_root && kernel.arch.is_foreign() {
            return Err(Error::Slip(format!(
                "run in the host's root: what is there is for this machine's processor, and `{name}` \
                 is for {}; `kassay exec --kernel {name} PROGRAM` runs a static program that was \
                 built for that",
                kernel.arch
            )));
        }
        let artifacts = compile::build(&setting.cache, &kernel, &scenario)?;
        Ok(Prepared {
            setting,
            kernel,
            scenario,
            artifacts,
            _store: session.store,
        })
    }

    fn setting(&self, store: &Store) -> Result<Setting> {
        Ok(Setting {
            size: Size {
                cpus: self.cpus,
                memory_mib: self.memory,
            },
            timeout: Some(self.timeout.map_or(Duration::MAX, Duration::from_secs)),
            cold: self.cold,
            ..store.setting(self.accel)?
        })
    }

    /// Sees that the host can give more than the usual memory. What is usual waits for it.
    fn check_memory(&self) -> Result<()> {
        let (needed, free) = (slot::needed_mib(self.memory), slot::free_memory_mib());
        if self.memory > MEMORY_MIB && needed > free {
            return Err(Error::Slip(format!(
                "start a machine of {} MiB: with QEMU it takes up to {needed} MiB, and the host \
                 has {free} MiB free; give `--memory` less",
                self.memory
            )));
        }
        Ok(())
    }

    /// What is asked for, with paths from the working directory on.
    fn scenario(&self, session: &Session, host_root: bool, more: More) -> anyhow::Result<Scenario> {
        let here = std::env::current_dir().context("find the working directory")?;
        let file = here.join("command-line.toml");
        let finder = Finder::new(&file, &session.project);
        let mut scenario = Scenario {
            host_root,
            globals: more.globals,
            allow: ALLOWED.to_vec(),
            ..Scenario::new("command-line")
        };
        for name in &self.kernel_modules {
            let name = scenario::kernel_module(name.clone())?;
            scenario.kernel_modules.push(name);
        }
        for name in &self.modules {
            scenario.modules.push(self.with.module(name, &finder)?);
        }
        if let Some((name, flags)) = more.object {
            let mut part = finder.program(&path_of(&name))?;
            part.flags.extend(flags);
            scenario.bpf.push(part);
        }
        for text in &more.steps {
            scenario.steps.push(scenario::step(text, &here)?);
        }
        scenario.with_defaults(&session.project.defaults)
    }
}

/// What a person who watches sees for themselves.
const ALLOWED: [Allow; 4] = [
    Allow::NoSteps,
    Allow::NoPrograms,
    Allow::NoKfuncs,
    Allow::FailedStep,
];

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

    /// Runs what is asked, and returns the exit code.
    ///
    /// # Errors
    /// Those of [`live::run`].
    pub fn run(&self, asked: &Asked) -> Result<u8> {
        Ok(live::run(&self.setting, asked)?)
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
fn default(session: &Session) -> Result<String> {
    if let Some(name) = session.project.kernels.first() {
        return Ok(name.clone());
    }
    let chosen = kernel::default(&session.store.cache, &session.catalog)?;
    if session.catalog.default.first() != Some(&chosen.name) {
        progress::note(format!("kassay: kernel {}: {}", chosen.name, chosen.why));
    }
    Ok(chosen.name)
}
