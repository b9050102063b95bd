//! What many runs of a case came to, which takes no more room for more of them.

use std::path::PathBuf;

use crate::outcome::{Name, Outcome};
use crate::rate::Rate;
use crate::scenario::Unstable;
use crate::verdict::Verdict;

/// How many kinds of failures are told apart. Titles are the same from run to run, so that there
/// are few.
pub const MOST: usize = 32;

/// What the runs of a case came to.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Which case.
    pub case: Name,
    /// The kernel's release, if it was obtained.
    pub release: String,
    /// How many of its runs passed.
    pub passed: u64,
    /// The others, by verdict and title, in the order in which they were first seen.
    pub groups: Vec<Group>,
    /// How many more there were, of yet other titles.
    pub others: u64,
    /// The verdict of a case that could not be run at all.
    pub left: Option<Verdict>,
    /// The mark of a case that is known to be unstable.
    pub mark: Option<Unstable>,
}

/// Runs of one verdict and title.
#[derive(Clone, Debug)]
pub struct Group {
    /// The verdict.
    pub verdict: Verdict,
    /// The title.
    pub title: String,
    /// How many they are.
    pub count: u64,
    /// Where all of the first one is.
    pub artifacts: Option<PathBuf>,
}

impl Tally {
    /// No run yet.
    pub fn new(kernel: &str, scenario: &str, release: String, mark: Option<Unstable>) -> Tally {
        Tally {
            case: Name {
                kernel: kernel.to_owned(),
                scenario: scenario.to_owned(),
            },
            release,
            passed: 0,
            groups: Vec::new(),
            others: 0,
            left: None,
            mark,
        }
    }

    /// Counts a run, or takes note that there is none.
    pub fn add(&mut self, outcome: &Outcome) {
        let verdict = outcome.verdict();
        if outcome.judged().is_none() {
            self.left = Some(verdict);
            return;
        }
        if verdict == Verdict::Pass {
            self.passed += 1;
            return;
        }
        let title = outcome.title();
        let is = |group: &Group| group.verdict == verdict && group.title == title;
        let place = self.groups.iter().position(is);
        if place.is_none() && self.groups.len() == MOST {
            self.others += 1;
            return;
        }
        let place = place.unwrap_or_else(|| {
            self.groups.push(Group {
                verdict,
                title: title.to_owned(),
                count: 0,
                artifacts: None,
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[place];
        group.count += 1;
        if group.artifacts.is_none() {
            group.artifacts = outcome.artifacts().map(PathBuf::from);
        }
    }

    /// How many of its runs were no pass.
    pub fn rate(&self) -> Rate {
        let counts = self.groups.iter().map(|group| group.count);
        let hits = counts.sum::<u64>() + self.others;
        Rate {
            hits,
            of: hits + self.passed,
        }
    }

    /// The verdicts that the exit code follows from: those that were seen, put up with as far as
    /// the case is marked. A mark whose date is over is itself a regression.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let is_over = self.mark.as_ref().is_some_and(Unstable::is_over);
        let is_put_up_with = self.mark.is_some() && !is_over;
        let settled = |verdict: Verdict| match is_put_up_with && verdict.is_regression() {
            true => Verdict::Unstable,
            false => verdict,
        };
        let seen = self.groups.iter().map(|group| settled(group.verdict));
        // What was not told apart is no pass either.
        let others = (self.others > 0).then(|| settled(Verdict::Mismatch));
        let passed = (self.passed > 0).then_some(match is_over {
            true => Verdict::Mismatch,
            false => Verdict::Pass,
        });
        let all = seen.chain(others).chain(passed).chain(self.left);
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{End, Judged, Unbuilt};
    use crate::scenario::Scenario;
    use crate::vm::Accelerator;

    fn outcome(verdict: Verdict, title: &str) -> Outcome {
        let judged = Judged {
            title: title.to_owned(),
            ..Judged::new(verdict)
        };
        let end = match verdict {
            Verdict::Skipped => End::Skipped(title.to_owned()),
            Verdict::Infra => End::Unbuilt(Unbuilt::new(title)),
            _ => End::Ran(Box::new(judged)),
        };
        Outcome::new("6.1", Accelerator::Tcg, &Scenario::new("case"), end)
    }

    fn tally(seen: &[(Verdict, &str)]) -> Tally {
        let mut tally = Tally::new("6.1", "case", String::new(), None);
        for (verdict, title) in seen {
            tally.add(&outcome(*verdict, title));
        }
        tally
    }

    #[test]
    fn runs_are_counted_by_verdict_and_title() {
        let pass = (Verdict::Pass, "");
        let tally = tally(&[
            pass,
            (Verdict::Leak, "a"),
            (Verdict::Leak, "b"),
            pass,
            pass,
            (Verdict::Panic, "a"),
            (Verdict::Leak, "a"),
        ]);
        let groups = tally.groups.iter();
        let groups: Vec<_> = groups
            .map(|it| (it.verdict, &*it.title, it.count))
            .collect();
        let wanted = [
            (Verdict::Leak, "a", 2),
            (Verdict::Leak, "b", 1),
            (Verdict::Panic, "a", 1),
        ];
        assert_eq!(groups, wanted);
        assert_eq!(tally.rate(), Rate { hits: 4, of: 7 });
    }

    #[test]
    fn what_was_not_run_is_no_run() {
        for verdict in [Verdict::Skipped, Verdict::Infra] {
            let tally = tally(&[(verdict, "why")]);
            assert_eq!((tally.rate().of, tally.verdicts()), (0, vec![verdict]));
        }
    }

    #[test]
    fn titles_without_end_are_counted_and_take_no_room() {
        let titles: Vec<String> = (0..1000).map(|at| at.to_string()).collect();
        let seen: Vec<_> = titles
            .iter()
            .map(|title| (Verdict::Leak, &**title))
            .collect();
        let tally = tally(&seen);
        assert_eq!((tally.groups.len(), tally.rate().hits), (MOST, 1000));
    }

    #[test]
    fn a_mark_puts_up_with_failures_until_it_is_over() {
        let verdicts = |until: &str| {
            let mut tally = tally(&[
                (Verdict::Pass, ""),
                (Verdict::Leak, "a"),
                (Verdict::Lost, "b"),
            ]);
            tally.mark = Some(toml::from_str(&format!("reason='x'\nuntil='{until}'")).unwrap());
            tally.verdicts()
        };
        assert_eq!(
            verdicts("9000-01-01"),
            [Verdict::Unstable, Verdict::Lost, Verdict::Pass]
        );
        assert_eq!(
            verdicts("2020-01-01"),
            [Verdict::Leak, Verdict::Lost, Verdict::Mismatch]
        );
    }
}
