//! `kassay list`: kernels and scenarios.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::print;
use super::run::scenarios;
use crate::cache::Cache;
use crate::kernel::{self, Availability};
use crate::project::Project;
use crate::report::Format;
use crate::scenario::Scenario;

/// The arguments of `kassay list`.
#[derive(Args)]
pub struct ListArgs {
    /// How the list is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the catalog's kernels and, in a project, its scenarios.
pub fn run(args: &ListArgs) -> Result<()> {
    let cache = Cache::open()?;
    let catalog = super::chosen::catalog(&cache)?;
    let kernels = catalog
        .names()
        .map(|name| Ok((name, kernel::availability(&cache, &catalog, name)?)))
        .collect::<Result<Vec<_>>>()?;
    let scenarios = match Project::here()? {
        Some(_) => scenarios(&[])?,
        None => Vec::new(),
    };
    if args.format == Format::Json {
        for (name, availability) in kernels {
            let (state, why) = state(&availability);
            print(&json!({ "kernel": name, "state": state, "why": why }).to_string())?;
        }
        for scenario in scenarios {
            let since = bound(&scenario);
            let line =
                json!({ "scenario": scenario.name, "requires": since, "about": scenario.about });
            print(&line.to_string())?;
        }
        return Ok(());
    }
    print("kernels")?;
    for (name, availability) in kernels {
        let (state, why) = state(&availability);
        let colon = if why.is_empty() { "" } else { ": " };
        print(&format!("  {name:<14} {state}{colon}{why}"))?;
    }
    if !scenarios.is_empty() {
        print("scenarios")?;
    }
    for scenario in scenarios {
        let since = bound(&scenario);
        print(&format!(
            "  {:<20} {since:<14} {}",
            scenario.name, scenario.about
        ))?;
    }
    Ok(())
}

/// The kernels that a scenario is for; empty where it is for all.
fn bound(scenario: &Scenario) -> String {
    let kernel = scenario.requires.kernel.as_ref();
    kernel.map_or(String::new(), ToString::to_string)
}

fn state(availability: &Availability) -> (&'static str, String) {
    match availability {
        Availability::Ready => ("ready", String::new()),
        Availability::Obtainable => ("obtainable", String::new()),
        Availability::Unobtainable(why) => ("not obtainable", why.clone()),
    }
}
