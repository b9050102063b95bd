//! `kassay verify`: what it takes kernels to prove programs.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::chosen::{kernel, kernels};
use super::error::{Error, Result};
use super::objects::{Objects, is_object};
use super::print;
use super::session::Session;
use crate::case::{Setting, lacks};
use crate::kernel::Kernel;
use crate::report::costs::{self, Row};
use crate::report::{REGRESSION, UNJUDGED};
use crate::scenario::{Scenario, budget};
use crate::{compile, interrupt, pool, progress, trial};

const HELP: &str = "\
Each program is loaded by itself and attached nowhere. Columns: instructions that the verifier went
through, states that it kept in all and at once, bytes of stack, the program's instructions with
those of the functions that it calls, and bytes of machine code. CSV has the columns of veristat,
for `veristat -C`.

Examples:
  kassay verify                                     every program of the project's scenarios
  kassay verify kfunc --kernel 6.1,6.12,7.2
  kassay verify my.bpf.c --module ./my --flag=-DDEBUG
  kassay verify --format csv > before.csv; kassay verify --against before.csv --threshold 5
  kassay verify --kernel 7.2 --against 6.12         how 7.2 differs

Exit codes:
  0    all was tried
  1    compared: a program is refused that was taken, or takes more by more than the threshold
  2    wrong usage
  125  something could not be tried or compared, or nothing was
  130  interrupted";

/// The arguments of `kassay verify`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct VerifyArgs {
    #[command(flatten)]
    objects: Objects,
    /// Compare with a file of `--format csv` or of veristat, or with another kernel
    #[arg(long, value_name = "FILE|SPEC")]
    against: Option<String>,
    /// By how many percent instructions and states may grow
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 0.0,
        value_parser = percent,
        allow_negative_numbers = true,
        requires = "against"
    )]
    threshold: f64,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Pretty,
    /// What veristat reads; of one kernel.
    Csv,
    /// One JSON object a line.
    Json,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = budget::number(text.strip_suffix('%').unwrap_or(text));
    number.ok_or_else(|| "it is a number of percent, at least 0, such as 5".to_owned())
}

/// Tries the programs, kernel by kernel, and prints what they take.
///
/// # Errors
/// A slip; a kernel that cannot be had; an interrupt.
pub fn run(args: &VerifyArgs) -> Result<u8> {
    let session = Session::open()?;
    let scenarios = args.objects.scenarios(&session, |it| !it.bpf.is_empty())?;
    let names = kernels(&session, &args.objects.kernel)?;
    if args.format == Format::Csv && names.len() > 1 {
        let why = format!("CSV is of one kernel, and {} were chosen", names.len());
        return Err(Error::Slip(why));
    }
    let setting = args.objects.how.setting(&session.store, false)?;
    let mut tried = Tried {
        setting: &setting,
        scenarios: &scenarios,
        is_whole: true,
    };
    let before = args.before(&session, &mut tried)?;
    let mut code = 0;
    for name in names {
        let kernel = kernel(&session, Some(&name))?;
        let rows = tried.on(&kernel)?;
        match &before {
            Some(before) => {
                code = code.max(args.compare(&kernel, before, &rows)?);
                if let Some(why) = costs::apart(before, &rows) {
                    tried.is_whole = false;
                    progress::note(format!("on {}: {why}", kernel.name));
                }
            }
            None => args.show(&kernel, &rows)?,
        }
        if rows.is_empty() {
            tried.is_whole = false;
            progress::note(format!("on {}: there was no program to try", kernel.name));
        }
    }
    Ok(match (code, tried.is_whole) {
        (0, false) => UNJUDGED,
        (code, _) => code,
    })
}

/// What is tried, and whether all of it could be.
struct Tried<'a> {
    setting: &'a Setting,
    scenarios: &'a [Scenario],
    is_whole: bool,
}

impl Tried<'_> {
    /// The programs on a kernel, in the order of the scenarios.
    fn on(&mut self, kernel: &Kernel) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        let setting = self.setting;
        let work = |scenario: &Scenario| {
            let rows = one(setting, kernel, scenario);
            interrupt::check()?;
            Ok((scenario.name.clone(), rows))
        };
        pool::each(self.scenarios, setting.jobs, work, |(name, one)| {
            match one {
                Ok(Ok(one)) => {
                    for why in &one.notes {
                        self.is_whole &= !is_object(&name);
                        progress::note(format!("{name}: {why}"));
                    }
                    rows.extend(one.rows);
                }
                Ok(Err(why)) => progress::note(format!("without {name}: {why}")),
                Err(error) => {
                    self.is_whole = false;
                    progress::note(format!("without {name}: {error:#}"));
                }
            }
            Ok(())
        })?;
        // What was not counted would be no worse than anything.
        for row in rows.iter().filter(|row| row.is_uncounted()) {
            self.is_whole = false;
            let (file, program) = (&row.file_name, &row.prog_name);
            progress::note(format!("{file}: what {program} takes was not counted"));
        }
        Ok(rows)
    }
}

/// The programs of a scenario, and what there is to know of them.
struct Counted {
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// The same, or why the scenario is none of this kernel's.
fn one(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
) -> anyhow::Result<Result<Counted, String>> {
    if let Some(reason) = lacks(&setting.cache, kernel, scenario)? {
        return Ok(Err(reason));
    }
    let artifacts = compile::build(&setting.cache, kernel, scenario)?;
    let facts = trial::costs::run(setting, kernel, scenario, &artifacts)?;
    let name = Some(scenario.name.as_str()).filter(|name| !is_object(name));
    let tried = facts.iter().filter_map(trial::costs::tried);
    Ok(Ok(Counted {
        rows: tried.map(|tried| Row::of(name, &tried)).collect(),
        notes: facts.iter().filter_map(trial::costs::left_out).collect(),
    }))
}

impl VerifyArgs {
    /// What the programs are compared with.
    fn before(&self, session: &Session, tried: &mut Tried) -> Result<Option<Vec<Row>>> {
        let Some(against) = &self.against else {
            return Ok(None);
        };
        let path = Path::new(against);
        if path.exists() && !path.is_dir() {
            return Ok(Some(costs::read(path).map_err(Error::slip)?));
        }
        let kernel =
            kernel(session, Some(against)).map_err(|error| match (path.exists(), error) {
                (false, Error::Slip(why)) => {
                    Error::Slip(format!("there is no file `{against}`, and {why}"))
                }
                (_, error) => error,
            })?;
        Ok(Some(tried.on(&kernel)?))
    }

    fn show(&self, kernel: &Kernel, rows: &[Row]) -> anyhow::Result<()> {
        let (on, release) = (&kernel.name, &kernel.release);
        match self.format {
            Format::Csv => print(costs::csv(rows)?.trim_end()),
            Format::Json => rows.iter().try_for_each(|row| print(&object(kernel, row)?)),
            Format::Pretty => {
                print(&format!("on {on} ({release}): {}", programs(rows.len())))?;
                costs::table(rows).iter().try_for_each(|line| print(line))
            }
        }
    }

    /// Prints how the programs differ, and returns the exit code.
    fn compare(&self, kernel: &Kernel, before: &[Row], rows: &[Row]) -> anyhow::Result<u8> {
        let compared = costs::compare(before, rows, self.threshold);
        let on = &kernel.name;
        match self.format {
            Format::Pretty => {
                compared.lines.iter().try_for_each(|line| print(line))?;
                let differ = compared.lines.len().saturating_sub(1);
                print(&format!(
                    "on {on}: {}, of which {differ} differ, {} for the worse by more than {} %",
                    programs(compared.programs),
                    compared.worse.len(),
                    self.threshold
                ))?;
            }
            Format::Csv | Format::Json => self.show(kernel, rows)?,
        }
        for worse in &compared.worse {
            progress::note(format!("on {on}, {worse} is worse"));
        }
        Ok(if compared.worse.is_empty() {
            0
        } else {
            REGRESSION
        })
    }
}

fn programs(count: usize) -> String {
    match count {
        1 => "1 program".to_owned(),
        count => format!("{count} programs"),
    }
}

fn object(kernel: &Kernel, row: &Row) -> anyhow::Result<String> {
    let mut object = serde_json::to_value(row)?;
    object["kernel"] = json!(kernel.name);
    object["release"] = json!(kernel.release);
    object["refusal"] = json!(row.refusal);
    Ok(object.to_string())
}
