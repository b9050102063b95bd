//! What to make of what was seen of a commit.

use serde::{Deserialize, Serialize};

/// What one look at a commit showed, as far as the wanted failure goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// No trace of the wanted failure: what failed at the bad end passes.
    Pass,
    /// The wanted failure: the same verdict with the same title or transcript. Of the good end,
    /// any regression.
    Same,
    /// Anything else that a run came to, such as another failure or a kernel that does not boot.
    Other(String),
    /// Nothing was run, and another look would show the same: it does not build, say.
    Unbuilt(String),
}

/// What a commit is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgment {
    /// It has not the wanted failure.
    Good,
    /// It has the wanted failure.
    Bad,
    /// Nobody knows.
    Skip,
}

impl Judgment {
    /// The word of git bisect for it.
    pub fn word(self) -> &'static str {
        match self {
            Judgment::Good => "good",
            Judgment::Bad => "bad",
            Judgment::Skip => "skip",
        }
    }
}

/// What to make of a commit after these looks at it; `None` is to look again.
///
/// Seeing the wanted failure once makes a commit bad; not seeing it makes it good only after
/// `repeat` passes: a failure that comes and goes is proved by being seen, and never by not being
/// seen. Whatever else is seen is a surprise: one is looked past, and the second
/// leaves the commit out. What cannot be built is left out at once.
pub fn judge(looks: &[Sight], repeat: usize) -> Option<Judgment> {
    let passes = looks.iter().filter(|sight| **sight == Sight::Pass).count();
    let is_unbuilt = |sight| matches!(sight, &Sight::Unbuilt(_));
    if looks.contains(&Sight::Same) {
        Some(Judgment::Bad)
    } else if looks.iter().any(is_unbuilt) || surprises(looks) > 1 {
        Some(Judgment::Skip)
    } else {
        (passes >= repeat).then_some(Judgment::Good)
    }
}

/// Whether an end has been looked at for `repeat` times, not counting one surprise; two are
/// enough to know that it cannot be judged.
pub fn is_enough(looks: &[Sight], repeat: usize) -> bool {
    let surprises = surprises(looks);
    surprises > 1 || looks.len() >= repeat + surprises
}

fn surprises(looks: &[Sight]) -> usize {
    let is_other = |sight: &&Sight| matches!(sight, Sight::Other(_));
    looks.iter().filter(is_other).count()
}

/// How many passes a commit takes to be called good, of a failure that was seen in `seen` of
/// `looks` looks: so many that one that fails as often passes all of them in at most one case
/// of a hundred.
pub fn needed(seen: usize, looks: usize) -> usize {
    let passes = 1.0 - seen as f64 / looks as f64;
    match passes > 0.0 {
        true => (0.01_f64.ln() / passes.ln()).ceil() as usize,
        false => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sight::{Pass, Same};

    fn other(what: &str) -> Sight {
        Sight::Other(what.to_owned())
    }

    #[test]
    fn a_pass_counts_as_often_as_asked_and_the_wanted_failure_at_once() {
        assert_eq!(judge(&[], 1), None);
        assert_eq!(judge(&[Pass], 1), Some(Judgment::Good));
        assert_eq!(judge(&[Pass, Pass], 3), None);
        assert_eq!(judge(&[Pass, Pass, Pass], 3), Some(Judgment::Good));
        assert_eq!(judge(&[Same], 3), Some(Judgment::Bad));
        assert_eq!(judge(&[Pass, Pass, Same], 3), Some(Judgment::Bad));
    }

    #[test]
    fn one_surprise_is_looked_past_and_the_second_leaves_a_commit_out() {
        assert_eq!(judge(&[other("lost")], 1), None);
        assert_eq!(judge(&[other("lost"), Pass], 1), Some(Judgment::Good));
        assert_eq!(judge(&[other("lost"), Pass], 2), None);
        assert_eq!(judge(&[other("lost"), Same], 2), Some(Judgment::Bad));
        let twice = [other("panic"), Pass, other("panic")];
        assert_eq!(judge(&twice, 3), Some(Judgment::Skip));
    }

    #[test]
    fn what_does_not_build_is_left_out_at_once() {
        let unbuilt = || Sight::Unbuilt("error: …".to_owned());
        assert_eq!(judge(&[unbuilt()], 3), Some(Judgment::Skip));
        assert_eq!(judge(&[other("lost"), unbuilt()], 3), Some(Judgment::Skip));
    }

    #[test]
    fn an_end_is_looked_at_as_often_as_asked_but_for_surprises() {
        assert!(!is_enough(&[Pass, Same], 3));
        assert!(is_enough(&[Pass, Same, Same], 3));
        assert!(!is_enough(&[Pass, other("lost"), Pass], 3));
        assert!(is_enough(&[Pass, other("lost"), Pass, Pass], 3));
        assert!(is_enough(&[other("lost"), other("lost")], 3));
    }

    #[test]
    fn the_rarer_a_failure_the_more_passes_it_takes() {
        assert_eq!(needed(3, 3), 1);
        assert_eq!(needed(2, 3), 5);
        assert_eq!(needed(1, 2), 7);
        assert_eq!(needed(1, 3), 12);
        assert_eq!(needed(1, 20), 90);
    }
}
