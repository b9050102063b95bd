//! How scenarios are run: on what, and for how long. Many commands take that.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::error::Result;
use super::scenarios::scenarios;
use super::session::Store;
use crate::case::Setting;
use crate::project::Project;
use crate::scenario::Scenario;
use crate::vm::accelerator::Wish;
use crate::vm::slot;

/// How to run what was chosen.
#[derive(Args)]
pub struct How {
    /// A scenario file, or a directory of such, instead of those of the project
    #[arg(long, value_name = "FILE|DIR")]
    pub scenario: Vec<PathBuf>,
    #[command(flatten)]
    pub machines: Machines,
    /// The seed of generated packets, instead of the scenario's or a fresh one
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
}

/// What cases are run on.
#[derive(Args)]
pub struct Machines {
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
    /// How long one virtual machine may take, in seconds [default: what its scenario says, or 60]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
    /// How many virtual machines run at once [default: by CPUs and free memory]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Boot every virtual machine instead of restoring a saved state
    #[arg(long)]
    cold: bool,
}

impl How {
    /// The scenarios to choose from, with the seed that was given.
    ///
    /// # Errors
    /// Those of [`scenarios`].
    pub fn scenarios(&self, project: &Project) -> Result<Vec<Scenario>> {
        let mut scenarios = scenarios(&self.scenario, project)?;
        if let Some(seed) = self.seed {
            scenarios
                .iter_mut()
                .for_each(|scenario| scenario.set_seed(seed));
        }
        Ok(scenarios)
    }

    /// The setting of these options.
    ///
    /// # Errors
    /// Those of [`Machines::setting`].
    pub fn setting(&self, store: &Store, changed: bool) -> Result<Setting> {
        Ok(Setting {
            changed,
            ..self.machines.setting(store)?
        })
    }
}

impl Machines {
    /// The setting of these options.
    ///
    /// # Errors
    /// Those of [`Store::setting`].
    pub fn setting(&self, store: &Store) -> Result<Setting> {
        Ok(Setting {
            timeout: self.timeout.map(Duration::from_secs),
            cold: self.cold,
            jobs: self.jobs.map_or_else(slot::default_jobs, usize::from),
            ..store.setting(self.accel)?
        })
    }
}
