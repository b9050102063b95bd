//! `kassay bench`: how fast it is, as a table of ratios, and what drivers measure.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::chosen::kernel;
use super::error::{Error, Result};
use super::print;
use super::scenarios::scenarios;
use super::session::Session;
use crate::bench::{Bench, Row, facts, growth, phases, picture};
use crate::case::Setting;
use crate::kernel::Kernel;
use crate::normalise::visible;
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
    /// The scenario to measure [default: kfunc_sum, but for `facts`]
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// How many cases are run for each line of `growth` [default: 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    cases: Option<u16>,
    /// Another kassay, whose command `run` is measured in turn with this one's, for `speed`
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Whether `phases` boots rather than restores
    #[arg(long)]
    cold: bool,
    /// How often each thing is measured, but for `growth` [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where the picture goes of `speed` [default: target/kassay/growth.svg] or `phases` [default:
    /// target/kassay/phases.svg]
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// The scenario that the speed is measured with unless the user names another one.
const SPEED: &str = "kfunc_sum";

/// How often each thing is measured.
const RUNS: u16 = 5;

/// How many cases there are for a line of `growth`.
const CASES: u16 = 200;

/// What is measured.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum What {
    /// How fast kassay is, and how that grows with the number of scenarios
    #[default]
    Speed,
    /// Where the time of one run of a scenario goes
    Phases,
    /// What a case takes, in time and memory, by how many machines there are at once
    Growth,
    /// What the drivers of a scenario report by `fact NAME NUMBER`
    Facts,
}

impl BenchArgs {
    fn runs(&self) -> usize {
        usize::from(self.runs.unwrap_or(RUNS))
    }

    /// The other kassay, by a path that is not looked for in PATH.
    fn other(&self) -> Result<Option<PathBuf>> {
        let Some(file) = &self.against else {
            return Ok(None);
        };
        let is_program = |meta: fs::Metadata| meta.is_file() && meta.mode() & 0o111 != 0;
        match fs::metadata(file).is_ok_and(is_program) {
            true => Ok(Some(
                std::path::absolute(file).context("find the other kassay")?,
            )),
            false => {
                let file = file.display();
                Err(Error::Slip(format!(
                    "`--against` wants another kassay, and `{file}` is no program"
                )))
            }
        }
    }

    /// The name of the scenario that is measured.
    fn scenario(&self) -> Result<&str> {
        let slip = |why: String| Err(Error::Slip(why));
        let given = [
            ("--against", self.against.is_some(), "speed", What::Speed),
            ("--cold", self.cold, "phases", What::Phases),
            ("--cases", self.cases.is_some(), "growth", What::Growth),
        ];
        let is_astray =
            |(_, is_given, _, what): &&(_, bool, _, What)| *is_given && *what != self.what;
        if self.runs.is_some() && self.what == What::Growth {
            return slip("`bench growth` runs each case once: leave `--runs` out".to_owned());
        }
        let is_drawn = matches!(self.what, What::Speed | What::Phases);
        if self.svg.is_some() && !is_drawn {
            return slip(
                "`--svg` is for `bench speed` and `bench phases`: leave it out".to_owned(),
            );
        }
        if let Some((option, _, name, _)) = given.iter().find(is_astray) {
            return slip(format!("`{option}` is for `bench {name}`: leave it out"));
        }
        match (self.what, &self.scenario) {
            (What::Facts, None) => {
                slip("`bench facts` measures one scenario: name it by `--scenario NAME`".to_owned())
            }
            (_, None) => Ok(SPEED),
            (_, Some(name)) => Ok(name),
        }
    }
}

/// Measures, and prints a row each. The speed is drawn as a picture too.
///
/// # Errors
/// A slip, such as a scenario that nobody knows; a kernel that cannot be had; a run that does not
/// pass; a picture that cannot be written.
pub fn run(args: &BenchArgs) -> Result<()> {
    let name = args.scenario()?;
    let other = args.other()?;
    let session = Session::open()?;
    let scenario = scenario(name, &session.project)?;
    let kernel = kernel(&session, args.kernel.as_deref())?;
    let (accelerator, why) = accelerator::choose(args.accel, Probe::here)?;
    let setting = Setting {
        insists: args.accel == Wish::Kvm,
        ..Setting::new(session.store.cache.clone(), accelerator)
    };
    let (accelerator, why) = match setting.accelerator_for(kernel.arch)? {
        same if same == accelerator => (accelerator, why),
        other => (other, format!("the kernel is for {}", kernel.arch)),
    };
    if args.format == Format::Pretty {
        print(&format!("on {} ({accelerator}: {why})", kernel.release))?;
    }
    let bench = Bench {
        setting: &setting,
        kernel: &kernel,
        scenario: &scenario,
        runs: args.runs(),
    };
    match args.what {
        What::Speed => speed(args, &bench, other.as_deref())?,
        What::Phases => phases(args, &setting, &kernel, &scenario)?,
        What::Growth => growth(args, &bench)?,
        What::Facts => facts(args, &setting, &kernel, &scenario)?,
    }
    Ok(())
}

/// Writes a picture where the user says, or by this name among what kassay makes.
fn write(args: &BenchArgs, name: &str, picture: &str) -> anyhow::Result<()> {
    let path = args.svg.clone();
    let path = path.unwrap_or_else(|| project::target().join(name));
    let parent = path.parent().context("find the picture's directory")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(&path, picture))
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
fn speed(args: &BenchArgs, bench: &Bench, other: Option<&Path>) -> anyhow::Result<()> {
    if args.format == Format::Pretty {
        print_head(&bench.scenario.name)?;
    }
    let mut rows = Vec::new();
    bench.measure(|row| {
        print(&line(&row, args.format))?;
        rows.push(row);
        Ok(())
    })?;
    if let Some(other) = other {
        bench.beside(other, |row| print(&line(&row, args.format)))?;
    }
    let peak = bench.peak_mib()?;
    print(&match args.format {
        Format::Pretty => format!("{:<18} {peak} MiB at most, QEMU and guest", "memory"),
        Format::Json => json!({ "row": "memory", "peak_mib": peak, "runs": 1 }).to_string(),
    })?;
    let picture = bench.picture(&rows)?;
    write(args, "growth.svg", &picture)
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

/// What one run reaches, and how long each takes.
fn phases(
    args: &BenchArgs,
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
) -> anyhow::Result<()> {
    let setting = Setting {
        cold: args.cold,
        ..setting.clone()
    };
    let phases = phases::measure(&setting, kernel, scenario, args.runs())?;
    let whole: f64 = phases.iter().map(|phase| phase.ms).sum();
    if args.format == Format::Pretty {
        print(&format!(
            "{:>9} {:>6}  of `{}`, until",
            "median ms", "share", scenario.name
        ))?;
    }
    for phase in &phases {
        let (name, ms) = (&phase.name, phase.ms);
        let share = ms / whole;
        print(&match args.format {
            Format::Pretty => format!("{ms:>9.1} {:>5.1}%  {name}", share * 100.0),
            Format::Json => {
                json!({ "phase": name, "median_ms": ms, "share": share, "runs": args.runs() })
                    .to_string()
            }
        })?;
    }
    let parts: Vec<(&str, f64)> = phases
        .iter()
        .map(|phase| (&*phase.name, phase.ms))
        .collect();
    let caption = format!("One run of {} on {}", scenario.name, kernel.name);
    write(
        args,
        "phases.svg",
        &picture::draw_parts(&caption, "ms", &parts)?,
    )
}

/// What a case takes, by the number of machines at once.
fn growth(args: &BenchArgs, bench: &Bench) -> anyhow::Result<()> {
    let cases = usize::from(args.cases.unwrap_or(CASES));
    if args.format == Format::Pretty {
        let name = &bench.scenario.name;
        print(&format!(
            "{cases} cases of `{name}`; memory is of all machines together, their own"
        ))?;
        print(&format!("{:>5} {:>10} {:>8}", "jobs", "ms a case", "MiB"))?;
    }
    growth::measure(bench, cases, |row| {
        let growth::Row { jobs, ms, own_mib } = row;
        print(&match args.format {
            Format::Pretty => format!("{jobs:>5} {ms:>10.0} {own_mib:>8}"),
            Format::Json => {
                json!({ "jobs": jobs, "ms_a_case": ms, "own_mib": own_mib, "cases": cases })
                    .to_string()
            }
        })
    })
}

/// The numbers that the drivers of a scenario report.
fn facts(
    args: &BenchArgs,
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
) -> anyhow::Result<()> {
    let rows = facts::measure(setting, kernel, scenario, args.runs())?;
    if args.format == Format::Json {
        let mut rows = rows.iter();
        return rows.try_for_each(|row| print(&fact_object(row)));
    }
    let lengths = rows.iter().map(|row| row.name.chars().count());
    let width = lengths.max().unwrap_or(0);
    print(&format!(
        "{:<width$} {:>12} {:>12} {:>12} {:>5}",
        "", "median", "min", "max", "runs"
    ))?;
    rows.iter()
        .try_for_each(|row| print(&fact_line(row, width)))
}

fn fact_line(row: &facts::Row, width: usize) -> String {
    let [median, least, most] = [row.median(), row.least(), row.most()].map(short);
    // A driver may be anyone's.
    let name = visible(&row.name);
    let runs = row.runs;
    format!("{name:<width$} {median:>12} {least:>12} {most:>12} {runs:>5}")
}

/// A number with at most three decimal places.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn fact_object(row: &facts::Row) -> String {
    json!({
        "fact": row.name,
        "median": row.median(),
        "min": row.least(),
        "max": row.most(),
        "runs": row.runs,
    })
    .to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_short_as_it_can_be() {
        let shown = [5000.0, 0.15000000000000002, -1.5, 1234.5678, 0.0].map(short);
        assert_eq!(shown, ["5000", "0.15", "-1.5", "1234.568", "0"]);
    }
}
