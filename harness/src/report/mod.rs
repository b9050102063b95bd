//! Results, as a person or a program reads them.

pub mod costs;
pub mod coverage;
pub mod github;
pub mod html;
pub mod json;
mod junit;
mod ktap;
mod left;
mod markdown;
pub mod matrix;
pub mod merge;
pub mod place;
pub mod pretty;
pub mod table;
pub mod tally;
mod tap;
pub mod test_run;

use crate::normalise::visible;
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
    words(told_seeds(outcome))
}

/// The same, as numbers.
fn told_seeds(outcome: &Outcome) -> &[u32] {
    let judged = outcome.judged().filter(|judged| !judged.duration.is_zero());
    judged.map_or(&[], |judged| &judged.seeds)
}

fn words(seeds: &[u32]) -> String {
    let seeds: Vec<String> = seeds.iter().map(u32::to_string).collect();
    match seeds.is_empty() {
        true => String::new(),
        false => format!("seed {}", seeds.join(" ")),
    }
}

/// The title of a case; of an unstable one, with the verdict that it would have without its mark.
fn title(outcome: &Outcome) -> String {
    match outcome.marked() {
        Some(marked) if outcome.verdict() == Verdict::Unstable => {
            format!("{}: {}", marked.verdict, outcome.title())
        }
        _ => outcome.title().to_owned(),
    }
}

/// A text that formats of other programs can hold: XML and YAML have no room for control characters,
/// nor for two code points that are none.
fn printable(text: &str) -> String {
    let text = visible(text).replace('\u{fffe}', "\\u{fffe}");
    text.replace('\u{ffff}', "\\u{ffff}")
}

/// What executed the instructions of these cases, each once.
fn accelerators(outcomes: &[&Outcome]) -> Vec<String> {
    let mut all = Vec::new();
    for outcome in outcomes {
        let name = outcome.accelerator.to_string();
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// A text as a line: the first of it that is not blank.
fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    printable(line.unwrap_or_default().trim())
}

/// Exit code: at least one regression.
pub const REGRESSION: u8 = 1;
/// Exit code: no regression, but something could not be judged, or nothing
/// was; `git bisect run` takes it as "skip this commit".
pub const UNJUDGED: u8 = 125;

/// The exit code that these outcomes come to.
pub fn exit_code(outcomes: &[Outcome]) -> u8 {
    let verdicts: Vec<Verdict> = outcomes.iter().map(Outcome::verdict).collect();
    exit_code_of(&verdicts)
}

/// The exit code that these verdicts come to.
pub fn exit_code_of(verdicts: &[Verdict]) -> u8 {
    let any = |holds: fn(Verdict) -> bool| verdicts.iter().any(|verdict| holds(*verdict));
    if any(Verdict::is_regression) {
        return REGRESSION;
    }
    let unjudged = any(|verdict| matches!(verdict, Verdict::Infra | Verdict::Lost));
    let is_judged = any(|verdict| matches!(verdict, Verdict::Pass | Verdict::Unstable));
    if unjudged || !is_judged { UNJUDGED } else { 0 }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::{Path, PathBuf};

    use super::test_run::{Foot, TestRun};
    use super::*;
    use crate::outcome::{End, Judged, Marked, Name};
    use crate::vm::Accelerator;

    /// What these outcomes come to in a run that came to its end.
    pub fn whole(outcomes: &[Outcome]) -> TestRun<'_> {
        TestRun {
            outcomes,
            chosen: outcomes.len(),
            stopped: None,
            foot: Foot::default(),
            part: None,
        }
    }

    /// A leak of a case that is marked unstable.
    pub fn unstable() -> Outcome {
        let mut outcome = outcome("6.1", "flaky", Verdict::Unstable);
        let mark = toml::from_str("reason = 'a race'\nuntil = '2027-03-01'").unwrap();
        let verdict = Verdict::Leak;
        ran(&mut outcome).title = "timer t stayed".to_owned();
        ran(&mut outcome).marked = Some(Marked { mark, verdict });
        outcome
    }

    /// A pass, a skip and a failure whose guest sent what no format may take for its own.
    pub fn three() -> Vec<Outcome> {
        let mut outcomes = vec![
            outcome("6.12", "sum", Verdict::Pass),
            outcome("6.12", "drop", Verdict::Skipped),
            outcome("./a#b", "sum", Verdict::Mismatch),
        ];
        outcomes[1].end = End::Skipped("needs `X` & <Y>".to_owned());
        let judged = ran(&mut outcomes[2]);
        judged.title = "differs: <b> % ]]> # SKIP, \u{1b}[31m".to_owned();
        judged.reason = NASTY.to_owned();
        judged.seeds = vec![7];
        judged.duration = std::time::Duration::from_millis(1234);
        outcomes
    }

    /// What a guest may send.
    pub const NASTY: &str = "::error::x\n##[error]y\n-a\0\u{8}\u{fffe}\u{ffff}\u{85}\n+b</script>\
                             <script>alert(1)</script>\r\n# Subtest: c\nKTAP version 1\nok 9 z\n\
                             Bail out!\n...\n```\n&amp; ]]> \"'";

    /// Leaves these files of an outcome in a folder.
    pub fn leave(outcome: &mut Outcome, folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        ran(outcome).artifacts = Some(folder.to_owned());
    }

    /// An outcome of which only the verdict counts.
    pub fn outcome(kernel: &str, scenario: &str, verdict: Verdict) -> Outcome {
        Outcome {
            case: Name {
                kernel: kernel.to_owned(),
                scenario: scenario.to_owned(),
            },
            file: PathBuf::from(format!("scenarios/{scenario}.toml")),
            release: String::new(),
            accelerator: Accelerator::Tcg,
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
    fn what_is_known_to_be_unstable_is_no_failure() {
        assert_eq!(code(&[Verdict::Pass, Verdict::Unstable]), 0);
        assert_eq!(code(&[Verdict::Unstable]), 0);
        assert_eq!(code(&[Verdict::Unstable, Verdict::Lost]), 125);
        assert_eq!(code(&[Verdict::Unstable, Verdict::Leak]), 1);
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
