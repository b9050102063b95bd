//! How scenarios failed in one look at a commit.

use anyhow::anyhow;

use super::Unfit;
use super::history::Commit;
use super::policy::Sight;
use super::state::{self, Failure, Failures, PASS, Target};
use crate::normalise::visible;
use crate::outcome::Outcome;
use crate::verdict::Verdict;

/// The scenarios that failed, and how.
pub(super) fn failures(outcomes: &[Outcome]) -> Failures {
    let failed = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome.verdict(), Verdict::Pass | Verdict::Skipped));
    failed
        .map(|outcome| {
            let transcript = outcome.transcript().filter(|_| outcome.is_comparison());
            let failure = Failure {
                verdict: outcome.verdict().to_string(),
                // It is shown, and a guest may have written any of it.
                title: visible(&title(outcome)),
                transcript: transcript.map(|(_, text)| text.clone()),
                reason: outcome.reason().to_owned(),
            };
            (outcome.case.scenario.clone(), failure)
        })
        .collect()
}

/// The title of a failure; of what does not build, with the compiler's first error, since not any
/// error is the same failure, and without the kernel, which is another with each commit.
fn title(outcome: &Outcome) -> String {
    let what = outcome.title();
    if !outcome.is_unbuilt() {
        return what.to_owned();
    }
    let kernel = format!(" for {}", outcome.case.kernel);
    let what = what.strip_suffix(&kernel).unwrap_or(what);
    let error = outcome.reason().lines().find_map(|line| {
        let at = line.find("error: ").or_else(|| line.find("ERROR: "))?;
        Some(&line[at..])
    });
    error.map_or_else(|| what.to_owned(), |error| format!("{what}: {error}"))
}

/// Failures in a line, and what tells one from the wanted one where words do not.
pub(super) fn describe(failures: &Failures, target: Option<&Target>) -> String {
    let one = |(scenario, failure): (&String, &Failure)| {
        let said = format!("{scenario}: {failure}");
        let is_like = |target: &&Target| target.to_string() == said;
        match target.filter(is_like) {
            Some(target) if target.failure != *failure => format!("{said}, but in another way"),
            _ => said,
        }
    };
    match failures.len() {
        0 => PASS.to_owned(),
        _ => failures.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

/// The error of a good end that fails, which is the user's slip where a run came to a regression.
pub(super) fn not_good(
    commit: &Commit,
    sights: &[Sight],
    said: &[String],
    reasons: &str,
) -> anyhow::Error {
    let what = match sights.contains(&Sight::Pass) {
        true => "flaky",
        false => "not good",
    };
    let (short, seen) = (&commit.short, state::counted(said));
    let why = format!("the good end {short} is {what}: {seen}{reasons}");
    match sights.contains(&Sight::Same) {
        true => Unfit(why).into(),
        false => anyhow!(why),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::outcome::{End, Unbuilt};
    use crate::project::Defaults;
    use crate::scenario::Scenario;
    use crate::vm::Accelerator;

    #[test]
    fn what_does_not_build_fails_alike_on_each_kernel() {
        let failed = |kernel: &str, error: &str| {
            let text =
                format!("build module m for {kernel}: run `make`\n  /x/m.c:3: error: {error}");
            let scenario = Path::new("harness/tests/scenarios/kfunc_sum.toml");
            let scenario =
                Scenario::read_alone(&crate::repository().join(scenario), &Defaults::default())
                    .unwrap();
            let end = End::Unbuilt(Unbuilt::new(&text));
            title(&Outcome::new(kernel, Accelerator::Tcg, &scenario, end))
        };
        assert_eq!(failed("1a2b3c4", "no f"), "build module m: error: no f");
        assert_eq!(failed("1a2b3c4", "no f"), failed("5d6e7f8", "no f"));
        assert_ne!(failed("1a2b3c4", "no f"), failed("1a2b3c4", "no g"));
    }
}
