//! `kassay bench`: how fast it is, as a table of ratios.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::chosen::kernel;
use super::error::{Error, Result};
use super::print;
use super::run::scenarios;
use super::session::Session;
use crate::bench::{Bench, Row, bloom, median};
use crate::case::Setting;
use crate::kernel::Kernel;
use crate::progress;
use crate::project::{self, Project};
use crate::report::Format;
use crate::scenario::Scenario;
use crate::vm::accelerator::{self, Probe, Wish};

/// The arguments of `kassay bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_value_t)]
    what: What,
    /// The kernel: a name of the catalog (see `kassay list`) or a path
    #[arg(long, value_name = "SPEC")]
    kernel: Option<String>,
    /// The scenario to measure the speed of
    #[arg(long, value_name = "NAME", default_value = "kfunc_sum")]
    scenario: String,
    /// How often each thing is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where the picture goes [default: target/kassay/growth.svg, or bloom.svg]
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What is measured.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum What {
    /// How fast kassay is, and how that grows with the number of scenarios
    #[default]
    Speed,
    /// What a bloom filter saves lookups in a hash map
    Bloom,
}

/// Measures, prints a row each, and draws a picture.
///
/// # Errors
/// A slip, such as a scenario that nobody knows; a kernel that cannot be had; a run that is not in
/// order; a picture that cannot be written.
pub fn run(args: &BenchArgs) -> Result<()> {
    let session = Session::open()?;
    let kernel = kernel(&session, args.kernel.as_deref())?;
    let (accelerator, why) = accelerator::choose(args.accel, Probe::here)?;
    let setting = Setting::new(session.store.cache.clone(), accelerator);
    if args.format == Format::Pretty {
        print(&format!("on {} ({accelerator}: {why})", kernel.release))?;
    }
    let (picture, file) = match args.what {
        What::Speed => {
            let scenario = scenario(&args.scenario, &session.project)?;
            (speed(args, &setting, &kernel, &scenario)?, "growth.svg")
        }
        What::Bloom => (bloom(args, &setting, &kernel)?, "bloom.svg"),
    };
    let path = match &args.svg {
        Some(path) => path.clone(),
        None => project::target().join(file),
    };
    write(&path, &picture)?;
    Ok(())
}

fn write(path: &Path, picture: &str) -> anyhow::Result<()> {
    let parent = path.parent().context("find the picture's directory")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, picture))
        .with_context(|| format!("write `{}`", path.display()))?;
    progress::note(format!("the same as a picture: {}", path.display()));
    Ok(())
}

/// The project's scenario of a name.
fn scenario(name: &str, project: &Project) -> Result<Scenario> {
    let mut all = scenarios(&[], project)?;
    all.retain(|scenario| scenario.name == name);
    all.pop()
        .ok_or_else(|| Error::Slip(format!("there is no scenario `{name}`")))
}

/// A scenario beside the bare boot; the picture is how the time grows.
fn speed(
    args: &BenchArgs,
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
) -> anyhow::Result<String> {
    let bench = Bench {
        setting,
        kernel,
        scenario,
        runs: usize::from(args.runs),
    };
    if args.format == Format::Pretty {
        print_head(&scenario.name)?;
    }
    let mut rows = Vec::new();
    bench.measure(|row| {
        print(&line(&row, args.format))?;
        rows.push(row);
        Ok(())
    })?;
    let peak = bench.peak_mib()?;
    print(&match args.format {
        Format::Pretty => format!("{:<18} {peak} MiB at most, QEMU and guest", "memory"),
        Format::Json => json!({ "row": "memory", "peak_mib": peak, "runs": 1 }).to_string(),
    })?;
    bench.picture(&rows)
}

fn print_head(scenario: &str) -> anyhow::Result<()> {
    print(&format!(
        "`{scenario}`, each row in turn with the bare boot; ratios per scenario, medians"
    ))?;
    print(&format!(
        "{:<18} {:>7} {:>10} {:>10} {:>10} {:>5}",
        "", "ratio", "median ms", "min", "max", "runs"
    ))
}

/// Lookups with a bloom filter and without.
fn bloom(args: &BenchArgs, setting: &Setting, kernel: &Kernel) -> anyhow::Result<String> {
    if args.format == Format::Pretty {
        print("lookups of what is not in a hash map, without a bloom filter and with it in turn")?;
        print(&format!(
            "{:<10} {:>11} {:>9} {:>8} {:>9} {:>5}",
            "entries", "ns without", "ns with", "faster", "tutorial", "runs"
        ))?;
    }
    let mut rows = Vec::new();
    bloom::measure(setting, kernel, usize::from(args.runs), |row| {
        print(&bloom_line(&row, args.format))?;
        rows.push(row);
        Ok(())
    })?;
    bloom::picture(&rows, &kernel.name)
}

fn bloom_line(row: &bloom::Row, format: Format) -> String {
    let bloom::Row {
        entries,
        tutorial,
        faster,
        ..
    } = row;
    let [without, with] = row.ns.each_ref().map(|ns| median(ns));
    let runs = row.ns[0].len();
    match format {
        Format::Pretty => format!(
            "{entries:<10} {without:>11.0} {with:>9.0} {faster:>7.0}% {tutorial:>8.0}% {runs:>5}"
        ),
        Format::Json => json!({
            "entries": entries,
            "without_ns": without,
            "with_ns": with,
            "faster_percent": faster,
            "tutorial_percent": tutorial,
            "runs": runs,
        })
        .to_string(),
    }
}

fn line(row: &Row, format: Format) -> String {
    let (least, most) = (
        row.ms.first().copied().unwrap_or(0.0),
        row.ms.last().copied().unwrap_or(0.0),
    );
    let (median, runs) = (row.median_ms(), row.ms.len());
    match format {
        Format::Pretty => format!(
            "{:<18} {:>7.2} {median:>10.0} {least:>10.0} {most:>10.0} {runs:>5}",
            row.name, row.ratio
        ),
        Format::Json => json!({
            "row": row.name,
            "ratio": row.ratio,
            "median_ms": median,
            "min_ms": least,
            "max_ms": most,
            "runs": runs,
        })
        .to_string(),
    }
}
