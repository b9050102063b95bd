//! Where the time of one run goes: what it has reached, one thing after the other.

use std::borrow::Cow;
use std::time::Instant;

use anyhow::Result;

use super::{median, millis, pass, sorted};
use crate::case::Setting;
use crate::kernel::Kernel;
use crate::milestone::{self, Milestone};
use crate::progress::Progress;
use crate::scenario::Scenario;

/// What it took to get to something, from what was reached before.
pub struct Phase {
    /// What was reached, and by whom: the host, QEMU or the guest.
    pub name: Cow<'static, str>,
    /// The median, in milliseconds. What is reached several times in a run counts together.
    pub ms: f64,
}

/// The last phase of each run.
const END: &str = "host: the run is judged";

/// Runs a scenario so many times, and once before to fill the host's page cache.
///
/// # Errors
/// A run that does not pass.
pub fn measure(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    runs: usize,
) -> Result<Vec<Phase>> {
    let title = format!("measure `{}`", scenario.name);
    let progress = Progress::steps(title, Some(runs as u64 + 1));
    let mut measured = Vec::new();
    for run in 0..=runs {
        let began = Instant::now();
        let (passed, mut reached) = milestone::during(|| pass(setting, kernel, scenario));
        passed?;
        reached.push((END.into(), Instant::now()));
        progress.inc(1);
        if run > 0 {
            measured.push(spans(began, reached));
        }
    }
    progress.finish();
    Ok(medians(&measured))
}

/// A span of a run, in milliseconds.
type Span = (Cow<'static, str>, f64);

/// How long each thing took, in the order in which they were first reached.
fn spans(began: Instant, mut reached: Vec<Milestone>) -> Vec<Span> {
    // Several threads tell of them.
    reached.sort_by_key(|(_, at)| *at);
    let mut spans: Vec<Span> = Vec::new();
    let mut last = began;
    for (name, at) in reached {
        let ms = millis(at - last);
        last = at;
        match spans.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += ms,
            None => spans.push((name, ms)),
        }
    }
    spans
}

/// The medians of runs, which all reach the same; what one of them lacks took it no time.
fn medians(runs: &[Vec<Span>]) -> Vec<Phase> {
    let of = |run: &Vec<Span>, name: &str| {
        let span = run.iter().find(|(known, _)| known == name);
        span.map_or(0.0, |(_, ms)| *ms)
    };
    let longest = runs.iter().max_by_key(|run| run.len());
    let names = longest.into_iter().flatten();
    names
        .map(|(name, _)| Phase {
            ms: median(&sorted(runs.iter().map(|run| of(run, name)).collect())),
            name: name.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_span_is_from_what_was_reached_before() {
        let began = Instant::now();
        let at = |name: &'static str, ms| (name.into(), began + Duration::from_millis(ms));
        let spans = spans(
            began,
            vec![at("a", 10), at("b", 40), at("step", 30), at("step", 25)],
        );
        let wanted = [("a", 10.0), ("step", 20.0), ("b", 10.0)];
        assert_eq!(spans, wanted.map(|(name, ms)| (Cow::Borrowed(name), ms)));
    }

    #[test]
    fn a_phase_has_the_median_of_the_runs() {
        let runs = [1.0, 9.0, 2.0].map(|ms| vec![("a".into(), ms)]);
        let phases = medians(&runs);
        assert_eq!((phases[0].name.as_ref(), phases[0].ms), ("a", 2.0));
        assert!(medians(&[]).is_empty());
    }
}
