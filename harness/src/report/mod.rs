//! Results, as a person or a program reads them. Everything here goes to stdout.

pub mod costs;
pub mod coverage;
pub mod json;
pub mod matrix;
pub mod pretty;
pub mod table;

use crate::outcome::Outcome;
use crate::verdict::Verdict;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// The seeds of a case that was run, as words; empty where it has none.
fn seeds(outcome: &Outcome) -> String {
    let judged = outcome.judged().filter(|judged| !judged.duration.is_zero());
    let seeds = judged.map_or(&[][..], |judged| &judged.seeds);
    let seeds: Vec<String> = seeds.iter().map(u32::to_string).collect();
    if seeds.is_empty() {
        return String::new();
    }
    format!("seed {}", seeds.join(" "))
}

/// Exit code: at least one regression.
pub const REGRESSION: u8 = 1;
/// Exit code: no regression, but something could not be judged, or nothing
/// was; `git bisect run` takes it as "skip this commit".
pub const UNJUDGED: u8 = 125;

/// The exit code that these outcomes come to.
pub fn exit_code(outcomes: &[Outcome]) -> u8 {
    let any = |holds: fn(Verdict) -> bool| outcomes.iter().any(|outcome| holds(outcome.verdict()));
    if any(Verdict::is_regression) {
        return REGRESSION;
    }
    let unjudged = any(|verdict| matches!(verdict, Verdict::Infra | Verdict::Lost));
    if unjudged || !any(|verdict| verdict == Verdict::Pass) {
        UNJUDGED
    } else {
        0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::outcome::{End, Judged, Name};

    /// An outcome of which only the verdict counts.
    pub fn outcome(kernel: &str, scenario: &str, verdict: Verdict) -> Outcome {
        Outcome {
            case: Name {
                kernel: kernel.to_owned(),
                scenario: scenario.to_owned(),
            },
            release: String::new(),
            end: match verdict {
                Verdict::Skipped => End::Skipped(String::new()),
                _ => End::Ran(Box::new(Judged::new(verdict))),
            },
        }
    }

    /// What the run of an outcome came to.
    pub fn ran(outcome: &mut Outcome) -> &mut Judged {
        match &mut outcome.end {
            End::Ran(judged) => judged,
            _ => panic!("{} was not run", outcome.case),
        }
    }

    fn code(verdicts: &[Verdict]) -> u8 {
        let outcome = |verdict: &Verdict| outcome("distro", "case", *verdict);
        exit_code(&verdicts.iter().map(outcome).collect::<Vec<_>>())
    }

    #[test]
    fn a_regression_outweighs_everything() {
        assert_eq!(code(&[Verdict::Pass, Verdict::Infra, Verdict::Mismatch]), 1);
    }

    #[test]
    fn what_could_not_be_judged_is_no_pass() {
        assert_eq!(code(&[Verdict::Pass, Verdict::Infra]), 125);
        assert_eq!(code(&[Verdict::Pass, Verdict::Lost]), 125);
        assert_eq!(code(&[Verdict::Skipped, Verdict::Skipped]), 125);
        assert_eq!(code(&[]), 125);
    }

    #[test]
    fn a_pass_with_skips_is_a_pass() {
        assert_eq!(code(&[Verdict::Pass, Verdict::Skipped]), 0);
    }
}
