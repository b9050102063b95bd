//! `--shard` of `kassay run`.

use std::path::PathBuf;

use clap::Args;

use super::chosen;
use super::error::{Error, Result};
use super::session::Session;
use crate::outcome::Name;
use crate::progress;
use crate::scenario::Scenario;
use crate::shard::{Part, Plan, Shard, Weighed};
use crate::size::Size;

/// Which part of the run is this machine's.
#[derive(Args)]
pub struct ShardArgs {
    /// Run only the cases of one of N shards, which are split by the names of all cases
    #[arg(long, value_name = "K/N", conflicts_with_all = ["failed", "gdb", "fail_under"])]
    shard: Option<Shard>,
    /// Split by a plan instead, which also says what is run on which kernels: a file of what
    /// `kassay shards N --format github` printed
    #[arg(long, value_name = "FILE", requires = "shard", conflicts_with_all = ["filter", "kernel"])]
    plan: Option<PathBuf>,
}

impl ShardArgs {
    /// The plan, if there is one.
    ///
    /// # Errors
    /// It cannot be read, or has another number of shards.
    pub fn plan(&self) -> Result<Option<Plan>> {
        let (Some(path), Some(shard)) = (&self.plan, self.shard) else {
            return Ok(None);
        };
        let plan = Plan::read(path, shard).map_err(Error::slip)?;
        Ok(Some(plan))
    }

    /// The shard, if there is one, of these cases of the whole run or of those of a plan.
    ///
    /// # Errors
    /// A slip where a case of the plan is not there.
    pub fn part(
        &self,
        plan: Option<&Plan>,
        all: &[Name],
        scenarios: &[Scenario],
    ) -> Result<Option<Part>> {
        let Some(shard) = self.shard else {
            return Ok(None);
        };
        let part = match plan {
            Some(plan) => plan.part(shard),
            None => Plan::make(&alike(all), shard.of).part(shard),
        };
        let is_there = |name: &Name| scenarios.iter().any(|it| it.name == name.scenario);
        if let Some(name) = part.all.iter().find(|name| !is_there(name)) {
            return Err(Error::Slip(format!(
                "the plan has `{name}`, and there is no such scenario: make the plan of the same \
                 files"
            )));
        }
        if part.own.is_empty() {
            progress::note(format!("shard {shard} has no cases"));
        }
        Ok(Some(part))
    }
}

/// Cases of which nothing is known but their names, which are the same on all machines.
fn alike(all: &[Name]) -> Vec<Weighed> {
    let weighed = |name: &Name| Weighed {
        name: name.clone(),
        size: Size::default(),
        took: None,
    };
    all.iter().map(weighed).collect()
}

/// The names of the kernels to choose from: those of a plan, or those that were asked for.
///
/// # Errors
/// Nothing can be said of a kernel.
pub fn kernels(session: &Session, plan: Option<&Plan>, asked: &[String]) -> Result<Vec<String>> {
    match plan {
        Some(plan) => Ok(plan.kernels()),
        None => chosen::kernels(session, asked),
    }
}
