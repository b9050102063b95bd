//! `kassay list`: kernels and scenarios.

use clap::Args;
use serde_json::json;

use super::error::Result;
use super::print;
use super::scenarios::scenarios;
use super::session::Session;
use crate::arch::Arch;
use crate::cache::Cache;
use crate::kernel::{self, Availability, Catalog};
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
    let known = |name| {
        Ok(Known {
            name,
            availability: kernel::availability(cache, &session.catalog, name)?,
            others: others(cache, &session.catalog, name)?,
        })
    };
    let kernels: Vec<Known> = session.catalog.names().map(known).collect::<Result<_>>()?;
    match args.format {
        Format::Json => kernel_objects(&kernels)?,
        Format::Pretty => {
            kernel_lines(&kernels)?;
            processor_lines(&kernels)?;
        }
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

/// A kernel, and whether it can be had.
struct Known<'a> {
    name: &'a str,
    availability: Availability,
    /// The same of the other processors that it comes for.
    others: Vec<(Arch, Availability)>,
}

/// Whether a kernel can be had for each of the other processors that it comes for.
fn others(
    cache: &Cache,
    catalog: &Catalog,
    name: &str,
) -> anyhow::Result<Vec<(Arch, Availability)>> {
    let foreign = Arch::ALL.into_iter().filter(|arch| arch.is_foreign());
    let spec = |arch| (arch, format!("{name}/{arch}"));
    let comes = foreign
        .map(spec)
        .filter(|(_, spec)| catalog.get(spec).is_ok());
    comes
        .map(|(arch, spec)| Ok((arch, kernel::availability(cache, catalog, &spec)?)))
        .collect()
}

fn kernel_objects(kernels: &[Known]) -> anyhow::Result<()> {
    for kernel in kernels {
        let (state_of_own, why) = state(&kernel.availability);
        let other = |(arch, availability): &(Arch, Availability)| {
            let (state, why) = state(availability);
            (arch.to_string(), json!({ "state": state, "why": why }))
        };
        let others: serde_json::Map<_, _> = kernel.others.iter().map(other).collect();
        let object = json!({
            "kernel": kernel.name, "state": state_of_own, "why": why, "processors": others,
        });
        print(&object.to_string())?;
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
    let width = kernels.iter().map(|kernel| kernel.name.len()).max();
    let width = width.unwrap_or_default();
    for kernel in kernels {
        let (name, (state, why)) = (kernel.name, state(&kernel.availability));
        let colon = if why.is_empty() { "" } else { ": " };
        print(&format!("  {name:<width$} {state}{colon}{why}"))?;
    }
    Ok(())
}

/// Of each other processor which kernels are ready. All kernels again would be a list three times
/// as long.
fn processor_lines(kernels: &[Known]) -> anyhow::Result<()> {
    let (come, stay): (Vec<&Known>, Vec<&Known>) =
        kernels.iter().partition(|kernel| !kernel.others.is_empty());
    let Some(first) = come.first() else {
        return Ok(());
    };
    let example = format!("{}/{}", first.name, first.others[0].0);
    let stay: Vec<&str> = stay.iter().map(|kernel| kernel.name).collect();
    let but = match stay.is_empty() {
        true => String::new(),
        false => format!(" but {}", stay.join(", ")),
    };
    print(&format!(
        "kernels for other processors: all{but}, by names such as `{example}`; `kassay doctor` \
         tells what they need"
    ))?;
    for arch in Arch::ALL.into_iter().filter(|arch| arch.is_foreign()) {
        let is_ready = |kernel: &&&Known| kernel.others.contains(&(arch, Availability::Ready));
        let ready: Vec<&str> = come
            .iter()
            .filter(is_ready)
            .map(|kernel| kernel.name)
            .collect();
        let told = match ready.is_empty() {
            true => "none is ready".to_owned(),
            false => format!("ready: {}", ready.join(", ")),
        };
        print(&format!("  {:<6} {told}", arch.name()))?;
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
