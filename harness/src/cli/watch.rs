//! `kassay watch`: runs cases, and again those that a saved file touches.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::error::{Error, Result};
use super::print;
use super::run::{Choice, Named, each, show};
use super::session::{Session, Store};
use crate::history::{self, History};
use crate::progress;
use crate::project::{self, Project};
use crate::report::pretty;
use crate::scenario::Scenario;
use crate::watch::{Watch, is_of, parts};

/// The arguments of `kassay watch`.
#[derive(Args)]
pub struct WatchArgs {
    #[command(flatten)]
    choice: Choice,
}

/// Runs the cases, then waits for saved files, until the user interrupts.
///
/// # Errors
/// A slip, a cache that cannot be written, or the interrupt. A scenario that a save has broken is
/// only said: the next save may mend it.
pub fn run(args: &WatchArgs) -> Result<()> {
    let choice = &args.choice;
    let project = Project::or_here().map_err(Error::slip)?;
    let first = choice.how.scenarios(&project)?;
    // Nothing that is saved during the first run is to be missed.
    let watch = Watch::on(folders(&project, &first))?;
    let kernels = choice.kernels(&Session::open()?, &first)?;
    if choice.cases(&kernels, &first).is_empty() {
        return Err(choice.no_case());
    }
    batch(choice, &project, &kernels, &first, Instant::now())?;
    let targets = project::targets();
    loop {
        let saved = saved(&watch, &targets)?;
        let began = Instant::now();
        tell(&saved, &project);
        match touched(choice, &watch, &saved) {
            Ok(scenarios) => batch(choice, &project, &kernels, &scenarios, began)?,
            Err(error) => progress::note(format!("{error}")),
        }
    }
}

/// Waits for files to be saved that are no targets: what a failure leaves is nobody's source.
fn saved(watch: &Watch, targets: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    loop {
        progress::note("waiting for a file to be saved; Ctrl-C ends");
        let mut saved = watch.next()?;
        saved.retain(|path| !targets.iter().any(|target| path.starts_with(target)));
        if !saved.is_empty() {
            return Ok(saved);
        }
    }
}

fn tell(saved: &BTreeSet<PathBuf>, project: &Project) {
    for path in saved {
        let shown = path.strip_prefix(&project.root).unwrap_or(path);
        progress::note(format!("saved {}", shown.display()));
    }
}

/// The scenarios, as they are now, that saved files are a part of.
fn touched(choice: &Choice, watch: &Watch, saved: &BTreeSet<PathBuf>) -> Result<Vec<Scenario>> {
    let project = Project::or_here().map_err(Error::slip)?;
    let mut scenarios = choice.how.scenarios(&project)?;
    let lost_track = saved.iter().any(|path| watch.folders().contains(path));
    scenarios
        .retain(|scenario| lost_track || saved.iter().any(|path| is_of(scenario, path, &project)));
    Ok(scenarios)
}

/// Where the files are that cases are made of.
fn folders(project: &Project, scenarios: &[Scenario]) -> BTreeSet<PathBuf> {
    let shared = [project.modules.clone(), project.programs.clone()];
    let shared = shared.into_iter().filter(|folder| folder.is_dir());
    let files = scenarios.iter().flat_map(|scenario| {
        let beside = scenario.path.parent().map(PathBuf::from);
        // A file that an editor puts another in place of is seen by its folder alone.
        let own = parts(scenario).filter_map(|part| match part.is_dir() {
            true => Some(part.to_owned()),
            false => part.parent().map(PathBuf::from),
        });
        let others = [Some(scenario.snapshots.clone()), beside]
            .into_iter()
            .flatten();
        own.chain(others)
    });
    shared.chain(files).collect()
}

/// Runs the chosen cases of these scenarios. The cache is opened anew each time: as long as we
/// only wait, others may clear it up.
fn batch(
    choice: &Choice,
    project: &Project,
    kernels: &[Named],
    scenarios: &[Scenario],
    began: Instant,
) -> Result<()> {
    let cases = choice.cases(kernels, scenarios);
    if cases.is_empty() {
        return Ok(());
    }
    let store = Store::open()?;
    let setting = choice.how.setting(&store, false)?;
    let history = History::open(&store.cache, project, history::is_off());
    let told = pretty::Told::default();
    let outcomes = each(&setting, &cases, false, &history, |outcome| {
        show(&told, outcome)
    })?;
    let (summary, seconds) = (pretty::summary(&outcomes), began.elapsed().as_secs_f64());
    print(&format!("{summary}, {seconds:.2} s"))?;
    Ok(())
}
