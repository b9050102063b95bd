//! `kassay list`: kernels and scenarios.

use clap::Args;
use serde_json::json;

use super::error::Result;
use super::print;
use super::run::scenarios;
use super::session::Session;
use crate::kernel::{self, Availability};
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
///
/// # Errors
/// Nothing can be said of a kernel; a scenario cannot be read.
pub fn run(args: &ListArgs) -> Result<()> {
    let session = Session::as_it_is()?;
    let cache = &session.store.cache;
    let known = |name| Ok((name, kernel::availability(cache, &session.catalog, name)?));
    let kernels: Vec<Known> = session.catalog.names().map(known).collect::<Result<_>>()?;
    match args.format {
        Format::Json => kernel_objects(&kernels)?,
        Format::Pretty => kernel_lines(&kernels)?,
    }
    // A project that has no scenario yet has kernels.
    if !session.project.has_file {
        return Ok(());
    }
    let scenarios = scenarios(&[], &session.project)?;
    match args.format {
        Format::Json => scenario_objects(&scenarios)?,
        Format::Pretty => scenario_lines(&scenarios)?,
    }
    Ok(())
}

/// A kernel's name, and whether it can be had.
type Known<'a> = (&'a str, Availability);

fn kernel_objects(kernels: &[Known]) -> anyhow::Result<()> {
    for (name, availability) in kernels {
        let (state, why) = state(availability);
        print(&json!({ "kernel": name, "state": state, "why": why }).to_string())?;
    }
    Ok(())
}

fn scenario_objects(scenarios: &[Scenario]) -> anyhow::Result<()> {
    for scenario in scenarios {
        let (name, about) = (&scenario.name, &scenario.about);
        let since = bound(scenario);
        print(&json!({ "scenario": name, "requires": since, "about": about }).to_string())?;
    }
    Ok(())
}

fn kernel_lines(kernels: &[Known]) -> anyhow::Result<()> {
    print("kernels")?;
    let width = kernels.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default();
    for (name, availability) in kernels {
        let (state, why) = state(availability);
        let colon = if why.is_empty() { "" } else { ": " };
        print(&format!("  {name:<width$} {state}{colon}{why}"))?;
    }
    Ok(())
}

fn scenario_lines(scenarios: &[Scenario]) -> anyhow::Result<()> {
    print("scenarios")?;
    for scenario in scenarios {
        let (name, since, about) = (&scenario.name, bound(scenario), &scenario.about);
        print(&format!("  {name:<20} {since:<14} {about}"))?;
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
        Availability::NotLookedUp => ("not looked up", String::new()),
        Availability::Unobtainable(why) => ("not obtainable", why.clone()),
    }
}
