//! `kassay watch`: runs cases, and again those that a saved file touches.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use super::cache::limit;
use super::run::{Choice, Named, each};
use super::{print, usage};
use crate::inventory;
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
/// Wrong usage, a cache that cannot be written, or the interrupt. A scenario that a save has
/// broken is only said: the next save may mend it.
pub fn run(args: &WatchArgs) -> Result<()> {
    let (choice, limit) = (&args.choice, limit()?);
    let read = || choice.how.scenarios();
    let first = read().map_err(usage)?;
    let project = Project::or_here()?;
    // Nothing that is saved during the first run is to be missed.
    let watch = Watch::on(folders(&project, &first))?;
    let targets = project::targets();
    let kernels = {
        let setting = choice.how.setting(false)?;
        let catalog = super::chosen::catalog(&setting.cache)?;
        choice.kernels(&setting.cache, &catalog, &first)?
    };
    if choice.cases(&kernels, &first).is_empty() {
        return Err(choice.no_case().into());
    }
    batch(choice, &kernels, &first, limit, Instant::now())?;
    loop {
        progress::note("waiting for a file to be saved; Ctrl-C ends");
        let mut saved = watch.next()?;
        // What a failure leaves is nobody's source.
        saved.retain(|path| !targets.iter().any(|target| path.starts_with(target)));
        if saved.is_empty() {
            continue;
        }
        let began = Instant::now();
        for path in &saved {
            let shown = path.strip_prefix(&project.root).unwrap_or(path);
            progress::note(format!("saved {}", shown.display()));
        }
        let is_touched = |scenario: &Scenario| {
            let lost_track = saved.iter().any(|path| watch.folders().contains(path));
            lost_track || saved.iter().any(|path| is_of(scenario, path, &project))
        };
        match read() {
            Ok(mut all) => {
                all.retain(is_touched);
                batch(choice, &kernels, &all, limit, began)?;
            }
            Err(error) => progress::note(format!("{error:#}")),
        }
    }
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
    kernels: &[Named],
    scenarios: &[Scenario],
    limit: u64,
    began: Instant,
) -> Result<()> {
    let cases = choice.cases(kernels, scenarios);
    if cases.is_empty() {
        return Ok(());
    }
    let setting = choice.how.setting(false)?;
    let told = pretty::Told::default();
    let outcomes = each(&setting, &cases, false, |outcome| {
        told.case(&setting, outcome)
            .map_or(Ok(()), |text| print(&pretty::painted(&text)))
    })?;
    let summary = pretty::summary(&outcomes);
    print(&format!(
        "{summary}, {:.2} s",
        began.elapsed().as_secs_f64()
    ))?;
    inventory::clear_up(&setting.cache, limit);
    Ok(())
}
