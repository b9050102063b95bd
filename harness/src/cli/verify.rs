//! `kassay verify`: what it takes kernels to prove programs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::chosen::{kernel, kernels};
use super::error::{Error, Result};
use super::place::path_of;
use super::run::How;
use super::session::Session;
use super::{is_left, print};
use crate::case::{Setting, lacks};
use crate::kernel::Kernel;
use crate::report::costs::{self, Row};
use crate::report::{REGRESSION, UNJUDGED};
use crate::scenario::{Finder, Scenario};
use crate::{compile, interrupt, pool, progress, trial};

const HELP: &str = "\
Each program is loaded by itself and attached nowhere. Columns: instructions that the verifier went
through, states that it kept in all and at once, bytes of stack, the program's own instructions,
and bytes of machine code. CSV has the columns of veristat, for `veristat -C`.

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
  125  something could not be tried, or nothing was
  130  interrupted";

/// The arguments of `kassay verify`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct VerifyArgs {
    /// An object, NAME.bpf.c or a compiled one; else a word that the names of scenarios contain
    #[arg(value_name = "OBJECT|FILTER")]
    what: Vec<String>,
    /// A kernel: a name of the catalog (see `kassay list`), a path, or `all` of the catalog
    /// [default: what KASSAY_KERNELS says]
    #[arg(long, value_name = "SPEC", value_delimiter = ',')]
    kernel: Vec<String>,
    /// Insert a module first, for objects: a directory with a Kbuild file or a Makefile, or a name
    /// in `modules/`; repeatable
    #[arg(long = "module", value_name = "DIR")]
    modules: Vec<String>,
    /// A flag for clang, for objects, such as --flag=-DDEBUG; repeatable
    #[arg(long = "flag", value_name = "FLAG", allow_hyphen_values = true)]
    flags: Vec<String>,
    /// Compare with a file of `--format csv` or of veristat, or with another kernel
    #[arg(long, value_name = "FILE|SPEC")]
    against: Option<String>,
    /// By how many percent instructions and states may grow
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 0.0,
        value_parser = percent,
        requires = "against"
    )]
    threshold: f64,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    how: How,
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
    let number = text.trim_end_matches('%').parse().ok();
    let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "it is a number of percent, at least 0, such as 5".to_owned())
}

/// Tries the programs, kernel by kernel, and prints what they take.
///
/// # Errors
/// A slip; a kernel that cannot be had; an interrupt.
pub fn run(args: &VerifyArgs) -> Result<u8> {
    let session = Session::open()?;
    let scenarios = args.scenarios(&session)?;
    let names = kernels(&session, &args.kernel)?;
    if args.format == Format::Csv && names.len() > 1 {
        let why = format!("CSV is of one kernel, and {} were chosen", names.len());
        return Err(Error::Slip(why));
    }
    let setting = args.how.setting(&session.store, false)?;
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
            Some(before) => code = code.max(args.compare(&kernel, before, &rows)?),
            None => args.show(&kernel, &rows)?,
        }
        tried.is_whole &= !rows.is_empty();
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
                Ok(Ok(one)) => rows.extend(one),
                Ok(Err(why)) => progress::note(format!("without {name}: {why}")),
                Err(error) => {
                    self.is_whole = false;
                    progress::note(format!("without {name}: {error:#}"));
                }
            }
            Ok(())
        })?;
        Ok(rows)
    }
}

/// The programs of a scenario, or why it is none of this kernel's.
fn one(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
) -> anyhow::Result<Result<Vec<Row>, String>> {
    if let Some(reason) = lacks(kernel, scenario)? {
        return Ok(Err(reason));
    }
    let artifacts = compile::build(&setting.cache, kernel, scenario)?;
    let tried = trial::costs::run(setting, kernel, scenario, &artifacts)?;
    let row = |tried| Row::of(&scenario.name, tried);
    Ok(Ok(tried.iter().map(row).collect()))
}

/// Whether it is an object and no word of a filter.
fn is_object(what: &str) -> bool {
    what.contains('/') || what.ends_with(".bpf.c") || what.ends_with(".o")
}

impl VerifyArgs {
    /// What has the programs: the scenarios that have some, or one for each object.
    fn scenarios(&self, session: &Session) -> Result<Vec<Scenario>> {
        let (objects, filter): (Vec<_>, Vec<_>) =
            self.what.iter().cloned().partition(|what| is_object(what));
        let mut scenarios = Vec::new();
        for object in &objects {
            let made = self.of_object(session, object);
            scenarios.push(made.map_err(Error::slip)?);
        }
        if objects.is_empty() && !(self.modules.is_empty() && self.flags.is_empty()) {
            let why = "`--module` and `--flag` are for an object; a scenario says it itself";
            return Err(Error::Slip(why.to_owned()));
        }
        if objects.is_empty() || !filter.is_empty() {
            let mut of_project = self.how.scenarios(&session.project)?;
            of_project.retain(|it| !it.bpf.is_empty() && is_left(&filter, &it.name));
            scenarios.extend(of_project);
        }
        match scenarios.is_empty() {
            true => Err(Error::Slip(format!(
                "no scenario with a program matches `{}`; `kassay list` shows what there is, and \
                 an object is a path or ends in `.bpf.c` or `.o`",
                filter.join("`, `")
            ))),
            false => Ok(scenarios),
        }
    }

    /// A scenario with nothing but an object, and the modules that go before.
    fn of_object(&self, session: &Session, object: &str) -> anyhow::Result<Scenario> {
        let here = std::env::current_dir().context("find the working directory")?;
        let file = here.join("command-line.toml");
        let finder = Finder::new(&file, &session.project);
        let path = match Path::new(object).exists() && !object.contains('/') {
            true => format!("./{object}"),
            false => path_of(object),
        };
        let mut part = finder.program(&path)?;
        part.flags.extend(self.flags.iter().cloned());
        let module = |name: &String| finder.module(&path_of(name));
        let scenario = Scenario {
            modules: self
                .modules
                .iter()
                .map(module)
                .collect::<anyhow::Result<_>>()?,
            bpf: vec![part],
            ..Scenario::new("")
        };
        scenario.with_defaults(&session.project.defaults)
    }

    /// What the programs are compared with.
    fn before(&self, session: &Session, tried: &mut Tried) -> Result<Option<Vec<Row>>> {
        let Some(against) = &self.against else {
            return Ok(None);
        };
        let path = PathBuf::from(against);
        if path.is_file() {
            return Ok(Some(costs::read(&path).map_err(Error::slip)?));
        }
        let kernel = kernel(session, Some(against))?;
        Ok(Some(tried.on(&kernel)?))
    }

    fn show(&self, kernel: &Kernel, rows: &[Row]) -> anyhow::Result<()> {
        let (on, release) = (&kernel.name, &kernel.release);
        match self.format {
            Format::Csv => print(costs::csv(rows)?.trim_end()),
            Format::Json => rows.iter().try_for_each(|row| print(&object(kernel, row)?)),
            Format::Pretty => {
                progress::note(format!("on {on} ({release}): {} programs", rows.len()));
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
                    "on {on}: {} programs, {differ} differ, {} by more than {} %",
                    rows.len(),
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

fn object(kernel: &Kernel, row: &Row) -> anyhow::Result<String> {
    let mut object = serde_json::to_value(row)?;
    object["kernel"] = json!(kernel.name);
    object["release"] = json!(kernel.release);
    object["refusal"] = json!(row.refusal);
    Ok(object.to_string())
}
