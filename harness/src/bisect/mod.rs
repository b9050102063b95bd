//! Finds the commit that broke a scenario: in a kernel's tree, or in a repository of modules and
//! programs on one kernel.
//!
//! git's bisect chooses the commits; what has been judged is in a [`State`], from which git's
//! own is made again each time, so that no end of the process loses more than one commit's work.
//! One folder of the cache belongs to each repository: a worktree, and the state of the last
//! bisect. A kernel's tree has its build folder by the worktree's path, as any tree has, so that
//! each commit is built on top of the one before, and the next bisect on top of this one.

mod history;
mod mail;
mod policy;
mod question;
mod state;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::HumanDuration;

pub use history::{Commit, Repository};
pub use question::{Asked, Question};

use crate::cache::{Cache, Key};
use crate::kernel::{self, Catalog, Kernel};
use crate::normalise::visible;
use crate::progress::{Live, note};
use crate::run::{self, Outcome, Setting};
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use crate::{compile, interrupt, pool, tool};
use history::{Place, Worktree};
use policy::{Judgment, Sight};
use state::{Failure, Judged, State};

/// The cache's kind of the folders of bisects, one for each repository.
pub const KIND: &str = "bisect";

/// A bisect that cannot be done as it was asked for.
#[derive(Debug)]
pub struct Unfit(pub String);

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

/// How a bisect ended.
pub enum Answer {
    /// The first bad commit.
    Found(String),
    /// One of these is the first bad commit, and all but the last were left out.
    Among(Vec<String>),
}

/// A search between two commits.
pub struct Bisect {
    repository: Repository,
    worktree: Worktree,
    folder: PathBuf,
    question: Question,
    setting: Setting,
    catalog: Catalog,
    state: State,
    /// Nobody else works in the folder meanwhile.
    _lock: File,
}

/// What a bisect searches, and where.
pub struct Search {
    /// The repository.
    pub repository: Repository,
    /// The commit that has not the failure.
    pub good: Commit,
    /// The commit that has it.
    pub bad: Commit,
    /// What is asked of each commit.
    pub question: Question,
    /// Whether to forget what an earlier bisect has found out.
    pub restart: bool,
}

/// A commit that is built, and can be looked at.
struct Ready {
    kernel: Kernel,
    scenarios: Vec<Scenario>,
}

impl Bisect {
    /// A new bisect, or the one that was stopped, where it stood.
    ///
    /// # Errors
    /// [`Unfit`], where another bisect of the repository is under way; git's; a cache that
    /// cannot be written.
    pub fn open(search: Search, setting: Setting, catalog: Catalog) -> Result<Bisect> {
        let Search {
            repository,
            good,
            bad,
            question,
            restart,
        } = search;
        let (key, lock) = lock(&setting.cache, &repository)?;
        let folder = setting.cache.dir(KIND).join(&key);
        fs::create_dir_all(&folder).with_context(|| format!("make `{}`", folder.display()))?;
        setting.cache.touch(KIND, &key);
        let digest = question.digest()?;
        let same = |state: &State| {
            (&state.question, &state.good, &state.bad) == (&digest, &good.hash, &bad.hash)
        };
        let old = State::load(&folder).filter(|_| !restart);
        let state = match old {
            Some(old) if same(&old) => old,
            Some(old) if !old.done && old.steps().count() > 0 => {
                return Err(Unfit(under_way(&repository, &old, [&good, &bad])?).into());
            }
            old => State::new(digest, &good.hash, &bad.hash, old),
        };
        if !state.judged.is_empty() {
            let steps = state.steps().count();
            note(format!("going on, with {steps} steps judged before"));
        }
        let worktree = Worktree::obtain(&repository, folder.join("tree"), &good.hash)?;
        Ok(Bisect {
            repository,
            worktree,
            folder,
            question,
            setting,
            catalog,
            state,
            _lock: lock,
        })
    }

    /// Searches to the end.
    ///
    /// # Errors
    /// [`Unfit`], where an end is not what it is said to be; an end that cannot be judged;
    /// git's; an interruption by the user, after which all that was judged is kept.
    pub fn run(&mut self) -> Result<Answer> {
        let (good, bad) = (self.state.good.clone(), self.state.bad.clone());
        if self.state.of(&good).is_none() {
            self.good_end(&good)?;
        }
        if self.state.of(&bad).is_none() {
            self.bad_end(&bad)?;
        }
        self.worktree.start(&bad, &good)?;
        for step in self.state.steps() {
            self.worktree.mark(step.judgment, &step.commit)?;
        }
        let answer = loop {
            match self.worktree.place()? {
                Place::At(hash) => self.step(&hash)?,
                Place::Found(hash) => break Answer::Found(hash),
                Place::Among(hashes) => break Answer::Among(hashes),
            }
        };
        self.state.done = true;
        self.state.save(&self.folder)?;
        Ok(answer)
    }

    /// How many steps were judged.
    pub fn steps(&self) -> usize {
        self.state.steps().count()
    }

    /// What came of it, to be pasted into a mail; kept in a file as well, whose path comes
    /// with it.
    ///
    /// # Errors
    /// git's; the file cannot be written.
    pub fn mail(&self, answer: &Answer, command: &str) -> Result<(String, PathBuf)> {
        let (text, path) = (mail::text(self, answer, command)?, self.folder.join("mail"));
        fs::write(&path, &text).with_context(|| format!("write `{}`", path.display()))?;
        Ok((text, path))
    }

    /// Whatever passes here is asked of the bad end. A failure is a surprise, and is looked at
    /// again.
    fn good_end(&mut self, hash: &str) -> Result<()> {
        let (commit, began) = (self.repository.show(hash)?, Instant::now());
        let _line = announce("the good end", &commit);
        let ready = self.ready_end(&commit)?;
        let mut looks = Vec::new();
        let outcomes = loop {
            let outcomes = self.look(&ready, |_| true)?;
            let failures = failures(&outcomes);
            looks.push(describe(&failures));
            if failures.is_empty() || looks.len() == 2 {
                break outcomes;
            }
            note(format!(
                "    {}: surprising, looking again",
                describe(&failures)
            ));
        };
        let failures = failures(&outcomes);
        if !failures.is_empty() {
            return Err(not_good(&commit, &outcomes, &failures));
        }
        let passed = outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Pass);
        self.state.passed = passed.map(|outcome| outcome.scenario.clone()).collect();
        if self.state.passed.is_empty() {
            let why = outcomes.first().map_or("", |outcome| &outcome.reason);
            bail!(
                "judge the good end {}: nothing was run: {why}",
                commit.short
            );
        }
        self.keep(&commit, Judgment::Good, Some(&ready), looks, began)
    }

    /// Whatever fails here, and fails so again, is what is looked for.
    fn bad_end(&mut self, hash: &str) -> Result<()> {
        let (commit, began) = (self.repository.show(hash)?, Instant::now());
        let _line = announce("the bad end", &commit);
        let ready = self.ready_end(&commit)?;
        let target = failures(&self.look(&ready, |_| true)?);
        if target.is_empty() {
            let why = format!(
                "the bad end {} is not bad: what passes at the good end does not fail here",
                commit.short
            );
            return Err(Unfit(why).into());
        }
        let again = failures(&self.look(&ready, |name| target.contains_key(name))?);
        if again != target {
            bail!(
                "judge the bad end {}: its failure does not come again: first {}, then {}",
                commit.short,
                describe(&target),
                describe(&again)
            );
        }
        let looks = vec![describe(&target); 2];
        self.state.target = target;
        self.keep(&commit, Judgment::Bad, Some(&ready), looks, began)
    }

    fn ready_end(&self, commit: &Commit) -> Result<Ready> {
        self.ready(commit)?
            .map_err(|why| anyhow!("judge the end {}: {why}", commit.short))
    }

    /// Judges a commit between the ends.
    fn step(&mut self, hash: &str) -> Result<()> {
        let (commit, began) = (self.repository.show(hash)?, Instant::now());
        let (left, more) = self.worktree.left()?;
        let number = self.state.steps().count() + 1;
        let rest = Duration::from_secs_f64(self.state.mean() * (more + 1) as f64);
        let what = format!(
            "step {number} of about {}, {left} commits left, about {}",
            number + more,
            HumanDuration(rest)
        );
        let _line = announce(&what, &commit);
        let (mut looks, mut said) = (Vec::new(), Vec::new());
        let ready = self.ready(&commit)?;
        let judgment = loop {
            let (sight, seen) = match &ready {
                Err(why) => (Sight::Unbuilt(why.clone()), why.clone()),
                Ok(ready) => self.sight(ready)?,
            };
            looks.push(sight);
            said.push(seen);
            if let Some(judgment) = policy::judge(&looks) {
                break judgment;
            }
            note(format!("    {}: surprising, looking again", said[0]));
        };
        self.keep(&commit, judgment, ready.as_ref().ok(), said, began)?;
        self.worktree.mark(judgment, hash)
    }

    /// One look at a commit, and what it showed in words.
    fn sight(&self, ready: &Ready) -> Result<(Sight, String)> {
        let target = &self.state.target;
        let outcomes = self.look(ready, |_| true)?;
        let skipped = outcomes
            .iter()
            .find(|outcome| outcome.verdict == Verdict::Skipped);
        if let Some(skipped) = skipped {
            let why = format!("skipped: {}", skipped.reason);
            return Ok((Sight::Unbuilt(why.clone()), why));
        }
        let failures = failures(&outcomes);
        let seen = describe(&failures);
        Ok(match failures {
            _ if failures.is_empty() => (Sight::Pass, seen),
            _ if failures == *target => (Sight::Same, seen),
            _ => (Sight::Other(seen.clone()), seen),
        })
    }

    /// Takes note of what a commit was taken for, and says it.
    fn keep(
        &mut self,
        commit: &Commit,
        judgment: Judgment,
        ready: Option<&Ready>,
        looks: Vec<String>,
        began: Instant,
    ) -> Result<()> {
        let judged = Judged {
            commit: commit.hash.clone(),
            judgment,
            release: ready.map(|ready| ready.kernel.release.clone()),
            flaky: looks.windows(2).any(|pair| pair[0] != pair[1]),
            looks,
            seconds: began.elapsed().as_secs_f64(),
        };
        let flaky = if judged.flaky { ", flaky" } else { "" };
        let (word, told) = (judgment.word(), judged.told());
        note(format!(
            "    {word}{flaky} ({:.1} s): {told}",
            judged.seconds
        ));
        self.state.judged.push(judged);
        self.state.save(&self.folder)
    }

    /// Builds a commit with all that is needed to look at it, or says why that does not work.
    ///
    /// # Errors
    /// git's; an interruption by the user; [`Unfit`], where what is asked has changed meanwhile.
    fn ready(&self, commit: &Commit) -> Result<Result<Ready, String>> {
        if self.question.digest()? != self.state.question {
            let why = "scenarios, snapshots, modules or programs have changed since the bisect \
                       began; put them back to go on, or begin anew with `--restart`";
            return Err(Unfit(why.to_owned()).into());
        }
        self.worktree.go(&commit.hash)?;
        let built = self.build(commit);
        interrupt::check()?;
        // The compiler's lines are about the commit's files, wherever we have them.
        let here = format!("{}/", self.worktree.path.display());
        Ok(built.map_err(|error| format!("{error:#}").replace(&here, "")))
    }

    fn build(&self, commit: &Commit) -> Result<Ready> {
        let tree = &self.worktree.path;
        let kernel = match &self.question {
            Question::Parts { kernel, .. } => (**kernel).clone(),
            Question::Kernel { added, .. } => Kernel {
                name: commit.short.clone(),
                ..kernel::obtain(&self.setting.cache, &self.catalog, &spec(tree, added))?
            },
        };
        let mut scenarios = self
            .question
            .scenarios(tree, &self.folder.join("question"))?;
        // Of the good end all is wanted, of the bad one what passed there.
        let State { passed, target, .. } = &self.state;
        scenarios.retain(|Scenario { name, .. }| match target.is_empty() {
            true => passed.is_empty() || passed.contains(name),
            false => target.contains_key(name),
        });
        for scenario in &scenarios {
            if run::lacks(&kernel, scenario)?.is_none() {
                compile::build(&self.setting.cache, &kernel, scenario)?;
            }
        }
        Ok(Ready { kernel, scenarios })
    }

    /// Runs those of a commit's scenarios that are wanted.
    fn look(&self, ready: &Ready, wanted: impl Fn(&str) -> bool) -> Result<Vec<Outcome>> {
        let scenarios = ready.scenarios.iter();
        let chosen: Vec<&Scenario> = scenarios
            .filter(|scenario| wanted(&scenario.name))
            .collect();
        let mut outcomes = Vec::new();
        pool::each(
            &chosen,
            self.setting.jobs,
            |scenario| run::run(&self.setting, &ready.kernel, scenario),
            |outcome| {
                outcomes.push(outcome);
                Ok(())
            },
        )?;
        Ok(outcomes)
    }
}

/// Removes all that belongs to a repository's bisects: the worktree, the build folder and the
/// state. Says whether there was anything.
///
/// # Errors
/// git's; the cache cannot be written.
pub fn abandon(
    cache: &Cache,
    catalog: &Catalog,
    repository: &Repository,
    added: &str,
) -> Result<bool> {
    let (key, lock) = lock(cache, repository)?;
    let path = cache.dir(KIND).join(&key).join("tree");
    if path.is_dir() {
        kernel::remove(cache, catalog, &spec(&path, added))?;
    }
    Worktree { path }.remove(repository)?;
    drop(lock);
    cache.remove(KIND, &key)
}

/// The key of a repository's folder, and its lock.
fn lock(cache: &Cache, repository: &Repository) -> Result<(String, File)> {
    let dir = repository.git_dir.to_string_lossy();
    let key = Key::new(KIND).text("tree", &dir).finish();
    let top = repository.top.as_ref().unwrap_or(&repository.git_dir);
    let lock = cache.lock(KIND, &key, &format!("the bisect of {}", top.display()))?;
    Ok((key, lock))
}

/// The kernel of a tree with fragments.
fn spec(tree: &Path, added: &str) -> String {
    format!("{}{added}", tree.display())
}

/// Why a bisect of another question cannot begin.
fn under_way(repository: &Repository, state: &State, ends: [&Commit; 2]) -> Result<String> {
    let (good, bad) = (repository.show(&state.good)?, repository.show(&state.bad)?);
    let what = match ends == [&good, &bad] {
        true => {
            "it began with other scenarios, snapshots, modules, programs, another kernel or seed; \
             put them back to go on"
                .to_owned()
        }
        false => format!(
            "it is between {} and {}; its command goes on with it",
            good.short, bad.short
        ),
    };
    Ok(format!(
        "a bisect of `{}` is under way, with {} steps judged: {what}, or forget it with \
         `--restart`",
        repository.git_dir.display(),
        state.steps().count()
    ))
}

/// Says what is done with a commit, above a line that stands on a terminal meanwhile.
fn announce(what: &str, commit: &Commit) -> Live {
    note(format!("{what}: {} {}", commit.short, commit.subject));
    Live::new(commit.short.clone())
}

/// The scenarios that failed, and how.
fn failures(outcomes: &[Outcome]) -> BTreeMap<String, Failure> {
    let failed = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome.verdict, Verdict::Pass | Verdict::Skipped));
    failed
        .map(|outcome| {
            let transcript = outcome
                .transcript
                .as_ref()
                .filter(|_| outcome.is_comparison);
            let failure = Failure {
                verdict: outcome.verdict.to_string(),
                // It is shown, and a guest may have written any of it.
                title: visible(&outcome.title),
                transcript: transcript.map(|(_, text)| text.clone()),
                reason: outcome.reason.clone(),
            };
            (outcome.scenario.clone(), failure)
        })
        .collect()
}

/// Failures in a line.
fn describe(failures: &BTreeMap<String, Failure>) -> String {
    let one = |(name, failure): (&String, &Failure)| format!("{name}: {failure}");
    match failures.len() {
        0 => "pass".to_owned(),
        _ => failures.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

/// The error of a good end that fails, which is the user's slip where a run came to a regression.
fn not_good(
    commit: &Commit,
    outcomes: &[Outcome],
    failures: &BTreeMap<String, Failure>,
) -> anyhow::Error {
    let (what, reasons) = (
        describe(failures),
        failures.values().map(|failure| &*failure.reason),
    );
    let reasons = tool::last_lines(&reasons.collect::<Vec<_>>().join("\n"));
    let why = format!("the good end {} is not good: {what}{reasons}", commit.short);
    match outcomes
        .iter()
        .any(|outcome| outcome.verdict.is_regression())
    {
        true => Unfit(why).into(),
        false => anyhow!(why),
    }
}
