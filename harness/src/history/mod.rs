//! What cases came to before: a small database in the cache, which tells how they have done and how
//! long they take. Nothing depends on it: where it cannot be had, that is said once, and runs go on.

mod case;
mod database;
mod run;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::cache::Cache;
use crate::case::Setting;
use crate::outcome::{End, Outcome};
use crate::progress;
use crate::project::Project;
use crate::scenario::{Scenario, Unstable};
use crate::verdict::Verdict;

pub use case::{Last, Past};
use database::Trouble;
pub use database::files;
use run::Run;
pub use run::{Slow, is_on_ci};

/// Whether the environment says that no run is to be kept: `KASSAY_NO_HISTORY` is not empty.
pub fn is_off() -> bool {
    std::env::var_os("KASSAY_NO_HISTORY").is_some_and(|value| !value.is_empty())
}

/// The results of runs, by project, kernel and scenario.
pub struct History {
    cache: Cache,
    /// The project's folder, and that of its scenarios.
    root: PathBuf,
    scenarios: PathBuf,
    /// Nothing where there is no history, as was said.
    connection: Mutex<Option<Connection>>,
}

impl History {
    /// Opens the history of a cache, for the scenarios of a project and others. `is_off` is whether
    /// the user wants none. What keeps it from being used is said.
    pub fn open(cache: &Cache, project: &Project, is_off: bool) -> History {
        let opened = (!is_off).then(|| database::open(cache));
        let canonical = |folder: &PathBuf| folder.canonicalize().unwrap_or(folder.clone());
        History {
            cache: cache.clone(),
            root: canonical(&project.root),
            scenarios: canonical(&project.scenarios),
            connection: Mutex::new(opened.and_then(or_said)),
        }
    }

    /// Whether there is one.
    pub fn is_on(&self) -> bool {
        self.connection().is_some()
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the database. Where it turns out to be damaged, a new one is begun.
    /// Without one, nothing is done; after an error, which is said, there is none.
    fn with<T>(&self, act: impl Fn(&mut Connection) -> rusqlite::Result<T>) -> Option<T> {
        let mut held = self.connection();
        let first = act(held.as_mut()?);
        let done = match first {
            Err(error) if database::is_damage(&error) => {
                *held = None;
                *held = database::renew(&self.cache, &error.into()).map_or_else(said, Some);
                act(held.as_mut()?)
            }
            done => done,
        };
        done.map_or_else(
            |error| {
                *held = None;
                said(Trouble::Other(error.into()))
            },
            Some,
        )
    }

    /// Keeps what a case came to, if anything was found out.
    pub fn note(&self, setting: &Setting, scenario: &Scenario, outcome: &Outcome) {
        if matches!(outcome.end, End::Unchanged) {
            return;
        }
        let key = self.key(&outcome.case.kernel, scenario);
        let run = Run::of(setting, outcome);
        self.with(|connection| run::insert(connection, &key, &run));
    }

    /// What a case came to when it was last run.
    pub fn last(&self, kernel: &str, scenario: &Scenario) -> Option<Last> {
        let key = self.key(kernel, scenario);
        self.with(|connection| case::last(connection, &key))
            .flatten()
    }

    /// How long a case usually takes: the median of its recent runs that passed, and no time where it
    /// was last skipped.
    pub fn usual(&self, kernel: &str, scenario: &Scenario) -> Option<Duration> {
        let key = self.key(kernel, scenario);
        self.with(|connection| case::usual(connection, &key))
            .flatten()
    }

    /// How often a case has passed in a row on CI since it has had this mark.
    pub fn passed_in_a_row(
        &self,
        kernel: &str,
        scenario: &Scenario,
        mark: &Unstable,
    ) -> Option<usize> {
        let key = self.key(kernel, scenario);
        self.with(|connection| run::passed_in_a_row(connection, &key, &mark.until.to_string()))
    }

    /// How much slower a case has become, where it has, on this machine and by the same setting.
    pub fn slowed(
        &self,
        setting: &Setting,
        scenario: &Scenario,
        outcome: &Outcome,
    ) -> Option<Slow> {
        if outcome.verdict() != Verdict::Pass || outcome.duration().is_zero() {
            return None;
        }
        let key = self.key(&outcome.case.kernel, scenario);
        let run = Run::of(setting, outcome);
        self.with(|connection| run::slowed(connection, &key, &run))
            .flatten()
    }

    /// What is known of the cases of the project and of what lies in its folder, or of all.
    pub fn cases(&self, of_all: bool) -> Vec<Past> {
        let cases = self
            .with(|connection| case::all(connection))
            .unwrap_or_default();
        let is_wanted = |past: &Past| of_all || past.project.starts_with(&self.root);
        cases.into_iter().filter(is_wanted).collect()
    }

    fn key(&self, kernel: &str, scenario: &Scenario) -> case::Key {
        let folder = scenario.path.parent().unwrap_or(&scenario.path);
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let folder = folder.canonicalize().unwrap_or(folder);
        let is_own = folder == self.scenarios;
        let project = if is_own { self.root.clone() } else { folder };
        case::Key {
            project: project.to_string_lossy().into_owned(),
            kernel: kernel.to_owned(),
            scenario: scenario.name.clone(),
        }
    }
}

fn or_said(opened: Result<Connection, Trouble>) -> Option<Connection> {
    opened.map_or_else(said, Some)
}

/// Says why there is no history, which there then is not.
fn said<T>(trouble: Trouble) -> Option<T> {
    progress::note(format!("{trouble}; going on without a history"));
    None
}

#[cfg(test)]
mod tests;
