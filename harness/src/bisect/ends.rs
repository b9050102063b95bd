//! The ends of a search: what passes at the good one, and how the bad one fails.

use std::time::Instant;

use anyhow::{Result, anyhow, bail, ensure};

use super::failures::{describe, failures, not_good};
use super::history::Commit;
use super::policy::{self, Judgment, Sight};
use super::state::{self, Failures, Target};
use super::{Bisect, Ready, Unfit, announce};
use crate::outcome::Outcome;
use crate::progress::note;
use crate::tool;
use crate::verdict::Verdict;

impl Bisect {
    /// Whatever passes here each time is asked of the bad end.
    pub(super) fn good_end(&mut self, hash: &str) -> Result<()> {
        let (commit, began) = (self.repository.show(hash)?, Instant::now());
        let _line = announce("the good end", &commit);
        let ready = self.ready_end(&commit)?;
        let (mut sights, mut said, mut reasons) = (Vec::new(), Vec::new(), String::new());
        let outcomes = loop {
            let outcomes = self.look(&ready)?;
            if let Some(unbuilt) = outcomes.iter().find(|outcome| outcome.is_unbuilt()) {
                bail!("judge the end {}: {}", commit.short, unbuilt.reason());
            }
            let failures = failures(&outcomes);
            let is_regression = |outcome: &Outcome| outcome.verdict().is_regression();
            said.push(describe(&failures, None));
            sights.push(match &said[said.len() - 1] {
                _ if failures.is_empty() => Sight::Pass,
                _ if outcomes.iter().any(is_regression) => Sight::Same,
                said => Sight::Other(said.clone()),
            });
            if !failures.is_empty() {
                let each = failures.values().map(|failure| &*failure.reason);
                reasons = tool::last_lines(&each.collect::<Vec<_>>().join("\n"));
                note(format!("    {}: surprising", said[said.len() - 1]));
            }
            if policy::is_enough(&sights, self.repeat) {
                break outcomes;
            }
        };
        if policy::judge(&sights, self.repeat) != Some(Judgment::Good) {
            return Err(not_good(&commit, &sights, &said, &reasons));
        }
        let passed = outcomes
            .iter()
            .filter(|outcome| outcome.verdict() == Verdict::Pass);
        self.state.passed = passed
            .map(|outcome| outcome.case.scenario.clone())
            .collect();
        if self.state.passed.is_empty() {
            let why = outcomes.first().map_or("", |outcome| outcome.reason());
            bail!(
                "judge the good end {}: nothing was run: {why}",
                commit.short
            );
        }
        self.keep(&commit, Judgment::Good, Some(&ready), said, began)
    }

    /// What fails here most often is what is looked for.
    pub(super) fn bad_end(&mut self, hash: &str) -> Result<()> {
        let (commit, began) = (self.repository.show(hash)?, Instant::now());
        let _line = announce("the bad end", &commit);
        let ready = self.ready_end(&commit)?;
        let look = |_| Ok(failures(&self.look(&ready)?));
        let looks: Vec<Failures> = (0..self.repeat).map(look).collect::<Result<_>>()?;
        let Some(target) = Target::of(&looks) else {
            let why = format!(
                "the bad end {} is not bad: what passes at the good end passes here too, each \
                 of {} times; a failure that is rare takes a higher `--repeat`",
                commit.short, self.repeat
            );
            return Err(Unfit(why).into());
        };
        let said: Vec<String> = looks
            .iter()
            .map(|look| describe(look, Some(&target)))
            .collect();
        let needed = policy::needed(target.seen, target.looks);
        if !target.is_steady() {
            note(format!("    flaky: {}", state::counted(&said)));
        }
        ensure!(
            needed <= self.repeat,
            "judge the bad end {}: it is flaky: {} of {} times {target}; so rare, a bad commit \
             is too easily taken for good; `--repeat {needed}` is enough for this",
            commit.short,
            target.seen,
            target.looks
        );
        if said.iter().any(|said| *said != target.to_string()) || !target.is_steady() {
            note(format!(
                "    searching for {target}, seen {} of {} times, and for nothing else",
                target.seen, target.looks
            ));
        }
        self.state.target = Some(target);
        self.keep(&commit, Judgment::Bad, Some(&ready), said, began)
    }

    fn ready_end(&self, commit: &Commit) -> Result<Ready> {
        self.ready(commit)?
            .map_err(|why| anyhow!("judge the end {}: {why}", commit.short))
    }
}
