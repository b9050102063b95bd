//! What a bisect has found out so far: enough to go on after any end of the process.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::policy::Judgment;

/// The file in a bisect's folder.
const FILE: &str = "state.json";

/// What a look showed that found no failure.
pub const PASS: &str = "pass";

/// All that is known.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// A digest of what is asked: scenarios, snapshots, what they are made of, the kernel, the seed.
    pub question: String,
    /// The hash of the good end.
    pub good: String,
    /// The hash of the bad end.
    pub bad: String,
    /// The scenarios that passed at the good end, by name.
    pub passed: Vec<String>,
    /// The failure that is looked for; none until the bad end was judged.
    pub target: Option<Target>,
    /// What was judged, in that order, the ends included.
    pub judged: Vec<Judged>,
    /// Whether it has come to its end.
    pub done: bool,
}

/// The failure that is looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The scenario that fails.
    pub scenario: String,
    /// How.
    pub failure: Failure,
    /// In how many looks at the bad end it was seen.
    pub seen: usize,
    /// How many looks there were.
    pub looks: usize,
}

/// How scenarios failed in one look, by their names.
pub type Failures = BTreeMap<String, Failure>;

/// How a scenario fails. Two are the same when verdict, title and transcript are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The verdict's name.
    pub verdict: String,
    /// Its title.
    pub title: String,
    /// The transcript, where that is what is wrong.
    pub transcript: Option<String>,
    /// What `run` says of it, at any length.
    pub reason: String,
}

impl PartialEq for Failure {
    fn eq(&self, other: &Failure) -> bool {
        (&self.verdict, &self.title, &self.transcript)
            == (&other.verdict, &other.title, &other.transcript)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.verdict, self.title)
    }
}

impl Target {
    /// What was seen most often in these looks at the bad end; of several, the first scenario's.
    pub fn of(looks: &[Failures]) -> Option<Target> {
        let all = looks.iter().rev().flat_map(|look| look.iter().rev());
        let seen = |scenario: &String, failure: &Failure| {
            let has = |look: &&Failures| look.get(scenario) == Some(failure);
            looks.iter().filter(has).count()
        };
        let counted = all.map(|(scenario, failure)| Target {
            scenario: scenario.clone(),
            failure: failure.clone(),
            seen: seen(scenario, failure),
            looks: looks.len(),
        });
        // Of equal ones it takes the last, and they come in reverse.
        counted.max_by_key(|target| (target.seen, std::cmp::Reverse(target.scenario.clone())))
    }

    /// Whether it was seen in each look.
    pub fn is_steady(&self) -> bool {
        self.seen == self.looks
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.scenario, self.failure)
    }
}

/// A commit that was judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// Its hash.
    pub commit: String,
    /// What it is taken for.
    pub judgment: Judgment,
    /// The release of the kernel that it was tried on, where there was one.
    pub release: Option<String>,
    /// What each look at it showed.
    pub looks: Vec<String>,
    /// Whether the looks differ.
    pub flaky: bool,
    /// How long that took, building included, in seconds.
    pub seconds: f64,
}

impl Judged {
    /// What the looks showed and how often, nothing but first lines.
    pub fn seen(&self) -> String {
        counted(&self.looks)
    }

    /// What was seen, whole where there was one look: what does not build is looked at once,
    /// and its compiler's output is worth the lines.
    pub fn told(&self) -> String {
        match &self.looks[..] {
            [only] => only.clone(),
            _ => self.seen(),
        }
    }
}

/// The first lines of texts, each once and with how often it is there.
pub fn counted(texts: &[String]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for line in texts.iter().filter_map(|text| text.lines().next()) {
        match counts.iter_mut().find(|(other, _)| *other == line) {
            Some((_, count)) => *count += 1,
            None => counts.push((line, 1)),
        }
    }
    let say = |(line, count): &(&str, usize)| match count {
        1 if counts.len() == 1 => (*line).to_owned(),
        1 => format!("{line} (once)"),
        _ => format!("{line} ({count} times)"),
    };
    counts.iter().map(say).collect::<Vec<_>>().join(", ")
}

impl State {
    /// The state of a bisect that begins. Of an earlier one it takes what is known of the good
    /// end, if that was asked the same.
    pub fn new(question: String, good: &str, bad: &str, old: Option<State>) -> State {
        let old = old.filter(|old| (&*old.question, &*old.good) == (&question, good));
        let end = old.as_ref().and_then(|old| old.of(good).cloned());
        State {
            question,
            good: good.to_owned(),
            bad: bad.to_owned(),
            passed: old.map(|old| old.passed).unwrap_or_default(),
            target: None,
            judged: end.into_iter().collect(),
            done: false,
        }
    }

    /// The state in a folder; none where there is no file, or one that another version wrote.
    pub fn load(folder: &Path) -> Option<State> {
        serde_json::from_str(&fs::read_to_string(folder.join(FILE)).ok()?).ok()
    }

    /// Writes the state, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let write = || -> Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.persist(folder.join(FILE))?;
            Ok(())
        };
        write().with_context(|| format!("write `{}`", folder.join(FILE).display()))
    }

    /// Forgets what was called good after fewer passes than these, and says whether there was any.
    pub fn forget_below(&mut self, passes: usize) -> bool {
        let before = self.judged.len();
        let passed = |judged: &Judged| judged.looks.iter().filter(|look| *look == PASS).count();
        let is_kept = |judged: &Judged| match judged.judgment {
            Judgment::Good => passed(judged) >= passes,
            Judgment::Bad | Judgment::Skip => true,
        };
        self.judged.retain(is_kept);
        self.judged.len() < before
    }

    /// What a commit was taken for.
    pub fn of(&self, commit: &str) -> Option<&Judged> {
        self.judged.iter().find(|judged| judged.commit == commit)
    }

    /// What was judged between the ends.
    pub fn steps(&self) -> impl Iterator<Item = &Judged> {
        let is_end = |judged: &Judged| [&self.good, &self.bad].contains(&&judged.commit);
        self.judged.iter().filter(move |judged| !is_end(judged))
    }

    /// How long a step takes in the mean, in seconds; before the first one, as long as the
    /// last end did.
    pub fn mean(&self) -> f64 {
        let steps: Vec<f64> = self.steps().map(|step| step.seconds).collect();
        match steps.len() {
            0 => self.judged.last().map_or(0.0, |end| end.seconds),
            count => steps.iter().sum::<f64>() / count as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(commit: &str, seconds: f64) -> Judged {
        Judged {
            commit: commit.to_owned(),
            judgment: Judgment::Good,
            release: None,
            looks: vec!["lost: x\nmore".to_owned(), "pass".to_owned()],
            flaky: true,
            seconds,
        }
    }

    fn failure(title: &str) -> Failure {
        Failure {
            verdict: "mismatch".to_owned(),
            title: title.to_owned(),
            transcript: None,
            reason: String::new(),
        }
    }

    fn state(judged: Vec<Judged>) -> State {
        State {
            judged,
            ..State::new("q".to_owned(), "a", "z", None)
        }
    }

    #[test]
    fn another_bad_end_leaves_the_good_one_as_it_is() {
        let old = || Some(state(vec![judged("a", 1.0), judged("z", 1.0)]));
        let judged = |question: &str, good: &str| {
            let state = State::new(question.to_owned(), good, "y", old());
            state.judged.len()
        };
        assert_eq!(judged("q", "a"), 1);
        assert_eq!((judged("p", "a"), judged("q", "b")), (0, 0));
    }

    #[test]
    fn a_state_is_what_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        assert!(State::load(folder.path()).is_none());
        state(vec![judged("b", 1.0)]).save(folder.path()).unwrap();
        let state = State::load(folder.path()).unwrap();
        assert_eq!(state.of("b").unwrap().seen(), "lost: x (once), pass (once)");
    }

    #[test]
    fn steps_are_between_the_ends_and_ends_are_no_measure_for_them() {
        let ends = || vec![judged("a", 600.0), judged("z", 60.0)];
        assert_eq!(state(ends()).mean(), 60.0);
        let steps = [judged("b", 10.0), judged("c", 20.0)];
        let state = state([ends(), steps.into()].concat());
        assert_eq!(state.steps().count(), 2);
        assert_eq!(state.mean(), 15.0);
    }

    #[test]
    fn a_failure_is_the_same_by_verdict_title_and_transcript() {
        let failure = |title: &str, transcript: Option<&str>, reason: &str| Failure {
            transcript: transcript.map(str::to_owned),
            reason: reason.to_owned(),
            ..failure(title)
        };
        let one = failure("t", Some("10"), "a");
        assert_eq!(one, failure("t", Some("10"), "b"));
        assert_ne!(one, failure("t", Some("11"), "a"));
        assert_ne!(one, failure("u", Some("10"), "a"));
    }

    #[test]
    fn the_failure_that_comes_most_often_is_looked_for() {
        let look = |all: &[(&str, &str)]| -> Failures {
            let each = all.iter();
            each.map(|(scenario, title)| ((*scenario).to_owned(), failure(title)))
                .collect()
        };
        let of = |looks: &[Failures]| {
            let target = Target::of(looks)?;
            Some((target.to_string(), target.seen, target.is_steady()))
        };
        let told = |text: &str, seen, steady| Some((text.to_owned(), seen, steady));
        assert_eq!(of(&[look(&[]), look(&[])]), None);
        let steady = [
            look(&[("a", "x"), ("b", "y")]),
            look(&[("a", "z"), ("b", "y")]),
        ];
        assert_eq!(of(&steady), told("b: mismatch: y", 2, true));
        let changing = [look(&[("a", "x")]), look(&[("a", "y")]), look(&[])];
        assert_eq!(of(&changing), told("a: mismatch: x", 1, false));
        let both = [look(&[("a", "x"), ("b", "y")])];
        assert_eq!(of(&both), told("a: mismatch: x", 1, true));
    }

    #[test]
    fn what_was_called_good_after_too_few_passes_is_forgotten() {
        let skip = Judged {
            judgment: Judgment::Skip,
            ..judged("c", 1.0)
        };
        let mut state = state(vec![judged("b", 1.0), skip]);
        assert!(!state.forget_below(1));
        assert!(state.forget_below(2) && state.of("b").is_none() && state.of("c").is_some());
    }

    #[test]
    fn the_same_is_told_once_and_counted() {
        let texts = ["pass", "lost: x\nmore", "pass"].map(str::to_owned);
        assert_eq!(counted(&texts), "pass (2 times), lost: x (once)");
        assert_eq!(counted(&texts[1..2]), "lost: x");
    }
}
