//! What `kassay run` does with the history of cases.

use std::cell::Cell;

use super::chosen::Obtained;
use super::error::{Error, Result};
use crate::case::Setting;
use crate::history::{History, is_on_ci};
use crate::outcome::Outcome;
use crate::progress;
use crate::report::UNJUDGED;
use crate::run::unstable;
use crate::scenario::Scenario;
use crate::shard::Part;
use crate::verdict::Verdict;

/// Puts up with a failure of a case that is marked unstable, or sees that its mark has to go.
pub fn settle(history: &History, kernel: &Obtained, scenario: &Scenario, outcome: &mut Outcome) {
    let mark = kernel.as_ref().ok();
    let Some(mark) = mark.and_then(|kernel| unstable::mark(scenario, kernel)) else {
        return;
    };
    let is_pass = outcome.verdict() == Verdict::Pass;
    let before = (is_pass && is_on_ci())
        .then(|| history.passed_in_a_row(&outcome.case.kernel, scenario, mark))
        .flatten();
    unstable::settle(outcome, mark, before.map(|before| before + 1));
}

/// Keeps an outcome, and says where a case has become slow.
pub fn note(history: &History, setting: &Setting, scenario: &Scenario, outcome: &Outcome) {
    history.note(setting, scenario, outcome);
    if let Some(slow) = history.slowed(setting, scenario, outcome) {
        let seconds = |took: &std::time::Duration| format!("{:.2} s", took.as_secs_f64());
        let last: Vec<String> = slow.last.iter().rev().map(seconds).collect();
        progress::note(format!(
            "{} has become slow: its last runs took {}, and earlier ones {}",
            outcome.case,
            last.join(", "),
            seconds(&slow.usual)
        ));
    }
}

/// Which of the chosen cases are wanted: all, those of a shard, or those that were no pass when they
/// were last run.
pub struct Wanted<'a> {
    /// Where it is looked up how a case did.
    history: Option<&'a History>,
    /// The shard that a case is to be of.
    part: Option<&'a Part>,
    /// Whether a case was asked for, and whether any of those is known.
    is_asked: Cell<bool>,
    is_known: Cell<bool>,
}

impl<'a> Wanted<'a> {
    /// All cases.
    pub fn any() -> Wanted<'a> {
        Wanted {
            history: None,
            part: None,
            is_asked: Cell::new(false),
            is_known: Cell::new(false),
        }
    }

    /// Those that a history says failed last, or all.
    ///
    /// # Errors
    /// A slip where there is no history to go by.
    pub fn of(history: &'a History, only_failed: bool) -> Result<Wanted<'a>> {
        if only_failed && !history.is_on() {
            let why = "`--failed` goes by the history of earlier runs, and there is none here";
            return Err(Error::Slip(why.to_owned()));
        }
        Ok(Wanted {
            history: only_failed.then_some(history),
            ..Wanted::any()
        })
    }

    /// Those of them that are of a shard, if there is one.
    pub fn in_part(self, part: Option<&'a Part>) -> Wanted<'a> {
        Wanted { part, ..self }
    }

    /// Whether a chosen case is one of them.
    pub fn has(&self, kernel: &str, scenario: &Scenario) -> bool {
        if self
            .part
            .is_some_and(|part| !part.has(kernel, &scenario.name))
        {
            return false;
        }
        let Some(history) = self.history else {
            return true;
        };
        let last = history.last(kernel, scenario);
        self.is_asked.set(true);
        self.is_known.set(self.is_known.get() || last.is_some());
        last.is_some_and(|last| !last.is_pass())
    }

    /// Says why there is none, and returns the exit code; nothing where no case was chosen.
    pub fn tell_of_none(&self) -> Option<u8> {
        let (why, code) = match (self.is_asked.get(), self.is_known.get()) {
            (false, _) => return None,
            (true, true) => ("no chosen case failed when it was last run", 0),
            (true, false) => ("no run of the chosen cases is known", UNJUDGED),
        };
        progress::note(why);
        Some(code)
    }
}
