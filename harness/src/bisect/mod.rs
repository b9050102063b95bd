//! Finds the commit that broke a scenario: in a kernel's tree, or in a repository of modules and
//! programs on one kernel.
//!
//! git's bisect chooses the commits; what has been judged is in a `State`, from which git's
//! own is made again each time, so that no end of the process loses more than one commit's work.
//! One folder of the cache belongs to each repository: a worktree, and the state of the last
//! bisect. A kernel's tree has its build folder by the worktree's path, as any tree has, so that
//! each commit is built on top of the one before, and the next bisect on top of this one.

mod ends;
mod failures;
mod folder;
mod history;
mod mail;
mod policy;
mod question;
mod state;

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::HumanDuration;

pub use folder::{KIND, abandon};
pub use history::{Commit, Repository};
pub use question::{Asked, Question};

use crate::arch::Arch;
use crate::cache::Cache;
use crate::case::Setting;
use crate::kernel::{self, Catalog, Kernel};
use crate::outcome::Outcome;
use crate::progress::{Live, note};
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use crate::{compile, interrupt, pool, run};
use failures::{describe, failures};
use folder::{lock, spec};
use history::{Place, Worktree};
use policy::{Judgment, Sight};
use state::{Judged, State};

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
    base: PathBuf,
    worktree: Worktree,
    folder: PathBuf,
    question: Question,
    repeat: usize,
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
    /// The folder in it that is the kernel's tree, or has modules and programs, from the top.
    pub base: PathBuf,
    /// The commit that has not the failure.
    pub good: Commit,
    /// The commit that has it.
    pub bad: Commit,
    /// What is asked of each commit.
    pub question: Question,
    /// How often an end is looked at, and how often a commit passes before it is called good;
    /// at least 1.
    pub repeat: usize,
    /// Whether to forget what an earlier bisect has found out.
    pub restart: bool,
}

/// A commit that can be looked at.
struct Ready {
    commit: Commit,
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
            base,
            good,
            bad,
            question,
            repeat,
            restart,
        } = search;
        let (key, lock) = lock(&setting.cache, &repository)?;
        let folder = setting.cache.dir(KIND).join(&key);
        fs::create_dir_all(&folder).with_context(|| format!("make `{}`", folder.display()))?;
        setting.cache.touch(KIND, &key);
        let digest = digest(&question, &setting.cache)?;
        let same = |state: &State| {
            (&state.question, &state.good, &state.bad) == (&digest, &good.hash, &bad.hash)
        };
        let old = State::load(&folder).filter(|_| !restart);
        let mut state = match old {
            Some(old) if same(&old) => old,
            Some(old) if !old.done && old.steps().count() > 0 => {
                return Err(Unfit(under_way(&repository, &old, [&good, &bad])?).into());
            }
            old => State::new(digest, &good.hash, &bad.hash, old),
        };
        if state.forget_below(repeat) {
            note(format!(
                "what was called good after fewer than {repeat} passes is forgotten"
            ));
            state.done = false;
        }
        if !state.judged.is_empty() {
            let steps = state.steps().count();
            note(format!("going on, with {steps} steps judged before"));
        }
        let worktree = Worktree::obtain(&repository, folder.join("tree"), &good.hash)?;
        Ok(Bisect {
            repository,
            base,
            worktree,
            folder,
            question,
            repeat,
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
        let steps = self.state.steps();
        let steps: Vec<_> = steps
            .map(|step| (step.judgment, step.commit.clone()))
            .collect();
        for (judgment, commit) in steps {
            self.mark(judgment, &commit)?;
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
            if let Some(judgment) = policy::judge(&looks, self.repeat) {
                break judgment;
            }
            if let Some(Sight::Other(seen)) = looks.last() {
                note(format!("    {seen}: surprising, looking again"));
            }
        };
        self.keep(&commit, judgment, ready.as_ref().ok(), said, began)?;
        self.mark(judgment, hash)
    }

    /// Tells git what a commit between the ends was taken for.
    fn mark(&mut self, judgment: Judgment, hash: &str) -> Result<()> {
        let good = self.state.good.clone();
        if judgment == Judgment::Bad && self.repository.is_ancestor(hash, &good)? {
            let [commit, good] = [self.repository.show(hash)?, self.repository.show(&good)?];
            self.state.done = true;
            self.state.save(&self.folder)?;
            let why = format!(
                "{} {}, which both ends descend from, is bad: the failure was mended on the way \
                 to the good end {}, and not made on the way to the bad one; search from an \
                 older good one",
                commit.short, commit.subject, good.short
            );
            return Err(Unfit(why).into());
        }
        self.worktree.mark(judgment, hash)
    }

    /// One look at a commit, and what it showed in words.
    fn sight(&self, ready: &Ready) -> Result<(Sight, String)> {
        let outcomes = self.look(ready)?;
        let (Some(target), [outcome]) = (&self.state.target, &outcomes[..]) else {
            bail!(
                "judge a commit: not one scenario was run, but {}",
                outcomes.len()
            );
        };
        if outcome.verdict() == Verdict::Skipped {
            let why = format!("skipped: {}", outcome.reason());
            return Ok((Sight::Unbuilt(why.clone()), why));
        }
        let failures = failures(&outcomes);
        let seen = describe(&failures, Some(target));
        Ok(match failures.get(&target.scenario) {
            None => (Sight::Pass, seen),
            Some(failure) if *failure == target.failure => (Sight::Same, seen),
            Some(failure) if outcome.is_unbuilt() => (Sight::Unbuilt(seen), failure.reason.clone()),
            Some(_) => (Sight::Other(seen.clone()), seen),
        })
    }

    /// Takes note of what a commit was taken for, and says it.
    ///
    /// # Errors
    /// [`Unfit`], where what is asked has changed meanwhile; the state cannot be written.
    fn keep(
        &mut self,
        commit: &Commit,
        judgment: Judgment,
        ready: Option<&Ready>,
        looks: Vec<String>,
        began: Instant,
    ) -> Result<()> {
        if digest(&self.question, &self.setting.cache)? != self.state.question {
            let why = "scenarios, snapshots, modules, programs or what they include have changed \
                       since the bisect began; put them back to go on, or begin anew with \
                       `--restart`";
            return Err(Unfit(why.to_owned()).into());
        }
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

    /// Has a commit's kernel and scenarios ready to be looked at, or says why that does not work.
    ///
    /// # Errors
    /// git's; an interruption by the user.
    fn ready(&self, commit: &Commit) -> Result<Result<Ready, String>> {
        self.worktree.go(&commit.hash)?;
        let built = self.build(commit);
        interrupt::check()?;
        Ok(built.map_err(|error| self.told(commit, &format!("{error:#}"))))
    }

    /// The compiler's lines are about the commit's files, wherever we have them.
    fn told(&self, commit: &Commit, text: &str) -> String {
        let here = self.worktree.path.display().to_string();
        let text = text.replace(&format!("{here}/"), "");
        text.replace(&here, &commit.short)
    }

    fn build(&self, commit: &Commit) -> Result<Ready> {
        let tree = &self.worktree.path;
        // Without the slash that joining nothing leaves.
        let base: PathBuf = tree.join(&self.base).components().collect();
        let kernel = match &self.question {
            Question::Parts { kernel, .. } => (**kernel).clone(),
            Question::Kernel { added, .. } => Kernel {
                name: commit.short.clone(),
                ..kernel::obtain(&self.setting.cache, &self.catalog, &spec(&base, added))?
            },
        };
        let mut scenarios = self
            .question
            .scenarios(tree, &base, &self.folder.join("question"))?;
        // Of the good end all is wanted, of the bad one what passed there.
        let State { passed, target, .. } = &self.state;
        scenarios.retain(|Scenario { name, .. }| match target {
            None => passed.is_empty() || passed.contains(name),
            Some(target) => *name == target.scenario,
        });
        Ok(Ready {
            commit: commit.clone(),
            kernel,
            scenarios,
        })
    }

    /// Builds and runs a commit's scenarios once.
    fn look(&self, ready: &Ready) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        pool::each(
            &ready.scenarios,
            self.setting.jobs,
            |scenario| run::run(&self.setting, &ready.kernel, scenario),
            |mut outcome| {
                if let Some(reason) = outcome.reason_mut() {
                    *reason = self.told(&ready.commit, reason);
                }
                outcomes.push(outcome);
                Ok(())
            },
        )?;
        Ok(outcomes)
    }
}

/// Why a bisect of another question cannot begin.
fn under_way(repository: &Repository, state: &State, ends: [&Commit; 2]) -> Result<String> {
    let (good, bad) = (repository.show(&state.good)?, repository.show(&state.bad)?);
    let what = match ends == [&good, &bad] {
        true => {
            "it began with other scenarios, snapshots, modules, programs, headers of theirs or \
             fragments, or another kernel or seed; put them back to go on"
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

/// A digest of what is asked of each commit.
fn digest(question: &Question, cache: &Cache) -> Result<String> {
    question.digest(
        cache,
        &compile::guest::build(cache, Arch::default())?.headers,
    )
}
