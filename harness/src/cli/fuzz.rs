//! `kassay fuzz`: kfuncs, called in sequences that nobody thought of.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::chosen::kernel;
use super::error::{Error, Result};
use super::place::{With, path_of};
use super::print;
use super::session::Session;
use super::time::time;
use crate::case::Setting;
use crate::fuzz::{self, Finding, Subject, Summary, Terms};
use crate::interrupt;
use crate::kernel::Kernel;
use crate::progress;
use crate::project;
use crate::report::{REGRESSION, UNJUDGED};
use crate::scenario::{self, Part};
use crate::vm::accelerator::Wish;
use crate::vm::slot;

const HELP: &str = "\
BTF and .BTF_ids of the modules say what their kfuncs take and give, and the kernel which programs
may call them. Programs are made of that which the verifier takes: numbers at the edges, memory of
the stack, of maps, of ring buffers and packets, strings, dynptrs, objects, iterators. What is wrong
with a run, such as a report, a panic, a hang or a leak, is a finding: it is made as small as it
gets, and kept in a folder of its own below `target/kassay/fuzz`, which `kassay repro FOLDER` runs
again, as `kassay run --scenario` does with the scenario in it.
On a kernel with KCOV, such as 6.12+kcov, programs that came to code to which none before had come
are changed further. On others it runs blind.
The same seed makes the same programs, however long it goes on and however many machines run.

Examples:
  kassay fuzz my_module --time 10m
  kassay fuzz ./core ./user --kernel 6.12+kasan --seed 7
  kassay fuzz my_module --machines 20

Exit codes:
  0    nothing was found
  1    something was found
  2    wrong usage
  125  nothing could be run
  130  interrupted; what was found till then is kept";

/// The arguments of `kassay fuzz`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct FuzzArgs {
    /// A module: a directory with a Kbuild file or a Makefile, or a name in `modules/`; each is
    /// inserted behind those before it
    #[arg(value_name = "MODULE", required = true)]
    modules: Vec<String>,
    #[command(flatten)]
    with: With,
    /// The kernel: a name of the catalog (see `kassay list`) or a path
    #[arg(long, value_name = "SPEC")]
    kernel: Option<String>,
    /// How long it goes on: a number of seconds, or such as 90s, 10m, 2h [default: until Ctrl-C]
    #[arg(long, value_name = "T", value_parser = time)]
    time: Option<Duration>,
    /// How many machines run programs, beside those that make findings smaller
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    machines: Option<u32>,
    /// A folder for programs that came to code to which none before had come; those in it are run
    /// first. It takes a kernel with KCOV, such as 6.12+kcov
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// What all programs follow from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many virtual machines run at once [default: as the host has CPUs and memory for]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
}

/// Fuzzes, and prints each finding when it is kept, and what came of it all.
///
/// # Errors
/// A slip; a kernel that cannot be had, a module that cannot be built or has no kfuncs; nothing could
/// be run; the interrupt.
pub fn run(args: &FuzzArgs) -> Result<u8> {
    let session = Session::open()?;
    let parts = args.parts(&session)?;
    let kernel = kernel(&session, args.kernel.as_deref())?;
    let setting = Setting {
        jobs: args.jobs.map_or_else(slot::default_jobs, usize::from),
        ..session.store.setting(args.accel)?
    };
    let subject = Subject {
        setting: &setting,
        kernel: &kernel,
        parts: &parts,
        project: &session.project,
        corpus: args.corpus.as_deref(),
    };
    args.check(&kernel).map_err(Error::slip)?;
    let terms = Terms {
        seed: args.seed,
        time: args.time,
        machines: args.machines,
    };
    let mut told = Ok(());
    let tell = |finding: &Finding| {
        told = show(finding);
        match told {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let summary = fuzz::run(&subject, terms, tell)?;
    told?;
    conclude(&summary)
}

impl FuzzArgs {
    /// Sees that what is found can be kept, before anything is.
    fn check(&self, kernel: &Kernel) -> anyhow::Result<()> {
        let can_write = |folder: &Path| {
            let file = fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
            file.with_context(|| format!("write to `{}`", folder.display()))
        };
        can_write(&project::target())?;
        if let Some(corpus) = &self.corpus {
            if !fuzz::is_guided(kernel)? {
                bail!(
                    "keep a corpus: {} has no KCOV, which tells what a program reached; a kernel \
                     such as `6.12+kcov` does",
                    kernel.name
                );
            }
            can_write(corpus)?;
            fuzz::check_corpus(corpus)?;
        }
        Ok(())
    }

    /// The modules that were asked for.
    fn parts(&self, session: &Session) -> Result<Vec<Part>> {
        let with = self.with.paths()?;
        let find = |asked: &String| {
            let mut part = scenario::module(&path_of(asked), &session.project)?;
            part.with.extend(with.clone());
            Ok(part)
        };
        let parts = self.modules.iter().map(find);
        let parts = parts.collect::<anyhow::Result<Vec<_>>>();
        let parts = parts.map_err(Error::slip)?;
        let is_again = |(place, part): (usize, &Part)| parts[..place].contains(part);
        match parts.iter().enumerate().find(|it| is_again(*it)) {
            Some((_, part)) => Err(Error::Slip(format!(
                "module `{}` is named twice",
                part.name
            ))),
            None => Ok(parts),
        }
    }
}

fn show(finding: &Finding) -> anyhow::Result<()> {
    print(&finding.line())?;
    let folder = finding.folder.display();
    match finding.smallest.is_again {
        true => print(&format!("  kassay repro {folder}")),
        false => print(&format!("  its programs: {folder}")),
    }
}

/// Prints what came of it all, and returns the exit code.
fn conclude(summary: &Summary) -> Result<u8> {
    print(&summary.line())?;
    for (kfunc, why) in &summary.unreached {
        progress::note(format!("without {kfunc}: {why}"));
    }
    let mut refusals: Vec<_> = summary.refusals.iter().collect();
    refusals.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (said, count) in refusals.iter().take(5) {
        progress::note(format!("refused {count} times: {said}"));
    }
    if interrupt::requested() {
        return Err(Error::Interrupted);
    }
    if let Some(trouble) = &summary.trouble {
        progress::note(format!("it ended early: {trouble:#}"));
    }
    Ok(match (summary.findings.is_empty(), summary.programs.1) {
        (false, _) => REGRESSION,
        (true, 0) => UNJUDGED,
        (true, _) if summary.trouble.is_some() => UNJUDGED,
        (true, _) => 0,
    })
}
