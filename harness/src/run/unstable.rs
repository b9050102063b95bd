//! What becomes of an outcome where the scenario says that it sometimes fails.

use crate::kernel::Kernel;
use crate::outcome::{End, Judged, Marked, Outcome};
use crate::scenario::{Scenario, Unstable};
use crate::verdict::Verdict;

/// How often a marked case passes in a row on CI before its mark is to go.
pub const STEADY: usize = 10;

/// The mark of a scenario on a kernel, if it is meant of that.
pub fn mark<'a>(scenario: &'a Scenario, kernel: &Kernel) -> Option<&'a Unstable> {
    let mark = scenario.unstable.as_ref();
    mark.filter(|mark| mark.is_of(kernel))
}

/// Takes note of a case's mark, and of what the case came to by itself.
pub fn note(outcome: &mut Outcome, mark: &Unstable) {
    let verdict = outcome.verdict();
    if let End::Ran(judged) = &mut outcome.end {
        let mark = mark.clone();
        judged.marked = Some(Marked { mark, verdict });
    }
}

/// Puts up with a regression of a case that is marked, as long as the mark says. What could not be
/// judged stays what it is. `passed` is how often it has passed in a row on CI, where that is
/// counted.
pub fn settle(outcome: &mut Outcome, mark: &Unstable, passed: Option<usize>) {
    note(outcome, mark);
    let End::Ran(judged) = &mut outcome.end else {
        return;
    };
    match judged.verdict {
        Verdict::Pass if mark.is_over() => {
            let title = format!("`unstable` ended on {}", mark.until);
            refuse(
                judged,
                title,
                &format!("take it out, or set a new date; {mark}"),
            );
        }
        Verdict::Pass if passed.is_some_and(|passed| passed >= STEADY) => {
            let title = format!("`unstable`, and passed {STEADY} times in a row");
            refuse(judged, title, &format!("take it out; {mark}"));
        }
        verdict if verdict.is_regression() => {
            let over = mark
                .is_over()
                .then_some("; that is over, and it still fails");
            let over = over.unwrap_or_default();
            judged.reason = format!("{}\n\n{mark}{over}", judged.reason.trim_end());
            if over.is_empty() {
                judged.verdict = Verdict::Unstable;
            }
            judged.is_comparison = false;
        }
        _ => {}
    }
}

fn refuse(judged: &mut Judged, title: String, reason: &str) {
    judged.verdict = Verdict::Mismatch;
    judged.title = title;
    reason.clone_into(&mut judged.reason);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Accelerator;

    fn mark(until: &str) -> Unstable {
        toml::from_str(&format!("reason = 'a race'\nuntil = '{until}'")).unwrap()
    }

    /// What becomes of a verdict: the verdict, the title, and what it was.
    fn settled(verdict: Verdict, until: &str, passed: Option<usize>) -> (Verdict, String, Verdict) {
        let judged = Judged {
            title: match verdict {
                Verdict::Pass => String::new(),
                _ => "title".to_owned(),
            },
            ..Judged::new(verdict)
        };
        let mut outcome = Outcome::new(
            "6.1",
            Accelerator::Tcg,
            &Scenario::new("case"),
            End::Ran(Box::new(judged)),
        );
        settle(&mut outcome, &mark(until), passed);
        let was = outcome.judged().unwrap().marked.as_ref().unwrap().verdict;
        (outcome.verdict(), outcome.title().to_owned(), was)
    }

    #[test]
    fn a_failure_is_put_up_with_until_the_date() {
        let title = || "title".to_owned();
        for verdict in [
            Verdict::Mismatch,
            Verdict::Panic,
            Verdict::Hang,
            Verdict::Leak,
        ] {
            let was = settled(verdict, "9000-01-01", None);
            assert_eq!(was, (Verdict::Unstable, title(), verdict));
            let over = settled(verdict, "2020-01-01", None);
            assert_eq!(over, (verdict, title(), verdict));
        }
    }

    #[test]
    fn what_could_not_be_judged_stays_what_it_is() {
        for verdict in [Verdict::Infra, Verdict::Lost] {
            assert_eq!(settled(verdict, "9000-01-01", Some(9)).0, verdict);
        }
    }

    #[test]
    fn a_mark_that_is_not_needed_has_to_go() {
        let verdict = |until, passed| settled(Verdict::Pass, until, passed).0;
        assert_eq!(verdict("9000-01-01", None), Verdict::Pass);
        assert_eq!(verdict("9000-01-01", Some(9)), Verdict::Pass);
        assert_eq!(verdict("9000-01-01", Some(10)), Verdict::Mismatch);
        assert_eq!(verdict("2020-01-01", None), Verdict::Mismatch);
    }
}
