//! What to make of what was seen of a commit.

use serde::{Deserialize, Serialize};

/// What one look at a commit showed, as far as the wanted failure goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// No trace of the wanted failure: what failed at the bad end passes.
    Pass,
    /// The wanted failure: the same verdict with the same title or transcript.
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

/// What to do after these looks at a commit; `None` is to look again.
///
/// Only the wanted failure makes a commit bad, and only a pass makes it good. Whatever else is
/// seen is a surprise, which is looked at once more: then the second look decides, and a second
/// surprise leaves the commit out. What cannot be built is left out at once.
pub fn judge(looks: &[Sight]) -> Option<Judgment> {
    match looks {
        [] | [Sight::Other(_)] => None,
        [.., Sight::Pass] => Some(Judgment::Good),
        [.., Sight::Same] => Some(Judgment::Bad),
        [.., Sight::Other(_) | Sight::Unbuilt(_)] => Some(Judgment::Skip),
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
    fn one_look_is_enough_for_a_pass_and_for_the_wanted_failure() {
        assert_eq!(judge(&[]), None);
        assert_eq!(judge(&[Pass]), Some(Judgment::Good));
        assert_eq!(judge(&[Same]), Some(Judgment::Bad));
    }

    #[test]
    fn another_failure_is_never_bad_and_the_second_look_decides() {
        assert_eq!(judge(&[other("panic")]), None);
        assert_eq!(
            judge(&[other("panic"), other("panic")]),
            Some(Judgment::Skip)
        );
        assert_eq!(judge(&[other("lost"), Pass]), Some(Judgment::Good));
        assert_eq!(judge(&[other("lost"), Same]), Some(Judgment::Bad));
    }

    #[test]
    fn what_does_not_build_is_left_out_at_once() {
        let unbuilt = || Sight::Unbuilt("error: …".to_owned());
        assert_eq!(judge(&[unbuilt()]), Some(Judgment::Skip));
        assert_eq!(judge(&[other("lost"), unbuilt()]), Some(Judgment::Skip));
    }
}
