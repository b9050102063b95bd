//! Cases, run again and again: how often each of them is no pass, and in which ways.

mod kept;
mod tally;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::case::{Case, Setting};
use crate::interrupt::Interrupted;
use crate::kernel::Kernel;
use crate::outcome::Outcome;
use crate::pool;
use crate::progress::{self, Progress};
use crate::run::{self, Ready, unstable};
use crate::scenario::Scenario;
use crate::verdict::Verdict;

use kept::Kept;
pub use tally::{Group, Tally};

/// A case that is to be repeated.
pub struct Asked<'a> {
    /// The name of its kernel.
    pub name: &'a str,
    /// The kernel, or why it could not be had.
    pub kernel: Result<&'a Kernel, &'a str>,
    /// The scenario.
    pub scenario: &'a Scenario,
}

/// When it ends. The cases take turns, so that they come to as many runs however it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// After so many runs of each case.
    pub runs: Option<u32>,
    /// After the first run of any case that is no pass.
    pub until_fail: bool,
    /// When so much time has passed. What runs then comes to its end.
    pub time: Option<Duration>,
}

/// Builds each case once and runs it until it is to end. Each outcome is told as soon as it is
/// there, with the number of its case, and then forgotten. Returns what each case has come to,
/// though it was interrupted.
pub fn run(
    setting: &Setting,
    asked: &[Asked],
    terms: Terms,
    tell: impl FnMut(usize, &Outcome) -> Result<()> + Send,
) -> (Vec<Tally>, Result<()>) {
    let begun = Instant::now();
    let cases: Vec<Repeated> = asked.iter().map(Repeated::new).collect();
    let told = Mutex::new(Told {
        tallies: asked.iter().map(Asked::tally).collect(),
        tell,
    });
    let (is_failed, live) = (AtomicBool::new(false), AtomicUsize::new(cases.len()));
    let is_over = || {
        (terms.until_fail && is_failed.load(Ordering::Relaxed))
            || live.load(Ordering::Relaxed) == 0
            || terms.time.is_some_and(|time| begun.elapsed() >= time)
    };
    let rounds = 0..terms.runs.map_or(u64::MAX, u64::from);
    let turns = rounds.flat_map(|round| (0..cases.len()).map(move |case| (round, case)));
    let turns = turns.take_while(|_| !is_over());
    let total = terms.runs.map(|runs| u64::from(runs) * cases.len() as u64);
    let what = match cases.len() {
        1 => "repeat 1 case".to_owned(),
        count => format!("repeat {count} cases"),
    };
    let progress = Progress::steps(what, total);
    let work = |(round, place): (u64, usize)| {
        let Some(outcome) = cases[place].turn(setting, round)? else {
            return Ok(());
        };
        let is_left = outcome.judged().is_none();
        live.fetch_sub(usize::from(is_left), Ordering::Relaxed);
        let is_fine = matches!(outcome.verdict(), Verdict::Pass | Verdict::Skipped);
        is_failed.fetch_or(!is_fine, Ordering::Relaxed);
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = told.add(place, &outcome)?;
        progress.inc(1);
        progress.message(&format!("({failed} no pass)"));
        Ok(())
    };
    let ended = pool::each(turns, setting.jobs, work, |()| Ok(()));
    drop(progress);
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (case, tally) in cases.iter().zip(&told.tallies) {
        case.settle(setting, tally);
    }
    (told.tallies, ended)
}

/// What is told of outcomes as they come.
struct Told<T> {
    tallies: Vec<Tally>,
    tell: T,
}

impl<T: FnMut(usize, &Outcome) -> Result<()>> Told<T> {
    /// Counts and tells an outcome, and returns how many of all were no pass.
    fn add(&mut self, place: usize, outcome: &Outcome) -> Result<u64> {
        self.tallies[place].add(outcome);
        (self.tell)(place, outcome)?;
        Ok(self.tallies.iter().map(|tally| tally.rate().hits).sum())
    }
}

impl Asked<'_> {
    /// No run of it yet.
    fn tally(&self) -> Tally {
        let kernel = self.kernel.ok();
        let mark = kernel.and_then(|kernel| unstable::mark(self.scenario, kernel));
        let release = kernel.map(|kernel| kernel.release.clone());
        Tally::new(
            self.name,
            &self.scenario.name,
            release.unwrap_or_default(),
            mark.cloned(),
        )
    }
}

/// A case, what is built of it when its first turn comes, and what its failures have left.
struct Repeated<'a> {
    asked: &'a Asked<'a>,
    /// Nothing where the user interrupted.
    ready: OnceLock<Option<Result<Ready<'a>, Box<Outcome>>>>,
    kept: Kept,
}

impl<'a> Repeated<'a> {
    fn new(asked: &'a Asked<'a>) -> Repeated<'a> {
        Repeated {
            asked,
            ready: OnceLock::new(),
            kept: Kept::of(asked.name, &asked.scenario.name),
        }
    }

    /// Runs it once more. What cannot be run at all has an outcome in the first turn.
    fn turn(&self, setting: &Setting, round: u64) -> Result<Option<Outcome>> {
        let Asked {
            name,
            kernel,
            scenario,
        } = self.asked;
        let ready = self.ready.get_or_init(|| match kernel {
            Ok(kernel) => Ready::make(setting, kernel, scenario).ok(),
            Err(why) => {
                let outcome = run::unbuilt(setting, name, scenario, (*why).to_owned());
                Some(Err(Box::new(outcome)))
            }
        });
        let ready = match ready {
            None => return Err(Interrupted.into()),
            Some(Err(outcome)) => return Ok((round == 0).then(|| Outcome::clone(outcome))),
            Some(Ok(ready)) => ready,
        };
        let scenario = ready.scenario.reseeded()?;
        let case = Case {
            place: Box::new(|verdict, title| self.kept.claim(verdict, title)),
            is_again: round > 0,
            ..Case::of(ready.kernel, &scenario, &ready.artifacts)
        };
        let mut outcome = run::built(setting, &case)?;
        if let Some(mark) = unstable::mark(&scenario, ready.kernel) {
            unstable::note(&mut outcome, mark);
        }
        Ok(Some(outcome))
    }

    /// Takes note that it passes, if all of its runs did.
    fn settle(&self, setting: &Setting, tally: &Tally) {
        if let Some(Some(Ok(ready))) = self.ready.get()
            && tally.rate().of > 0
            && tally.rate().hits == 0
            && let Err(error) = ready.keep(setting)
        {
            progress::note(format!("{error:#}"));
        }
    }
}
