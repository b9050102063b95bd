//! One JSON object a case, on a line of its own, and back.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::test_run::TestRun;
use crate::outcome::{End, Judged, Marked, Name, Outcome, UNCHANGED, Unbuilt};
use crate::scenario::Unstable;
use crate::shard::Shard;
use crate::snapshot::Snapshot;
use crate::verdict::Verdict;
use crate::vm::Accelerator;

/// All that is told of one case. `duration_ms` is from the start of QEMU to its end; `artifacts` is
/// a folder. The seeds of a scenario that has some are the last line of `reason` as well.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    kernel: String,
    release: String,
    accel: Accelerator,
    scenario: String,
    file: PathBuf,
    verdict: Verdict,
    title: String,
    reason: String,
    seeds: Vec<u32>,
    expected: Option<String>,
    duration_ms: u64,
    peak_kib: Option<u64>,
    restored: bool,
    unbuilt: bool,
    artifacts: Option<PathBuf>,
    unstable: Option<Mark>,
    transcript: Option<Transcript>,
}

/// The mark of a case, and the verdict that there would be without it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    verdict: Verdict,
    reason: String,
    issue: Option<String>,
    until: String,
}

/// A transcript, and the snapshot that it belongs to. `differs` is whether nothing is wrong but that
/// it is not the reviewed one.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transcript {
    snapshot: String,
    directory: PathBuf,
    differs: bool,
    text: String,
}

/// The last line of a shard's report: which one it is, and what tells it from those of other runs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Last {
    /// The version of the kassay that wrote it.
    pub kassay: String,
    pub shard: Shard,
    /// The names of the cases of the whole run.
    pub cases: Vec<String>,
    pub detectors: Vec<String>,
    pub chosen: usize,
    pub ended: usize,
    pub stopped: Option<String>,
}

/// The version of this kassay.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The line of one case.
pub fn line(outcome: &Outcome) -> String {
    Value::Object(object(outcome)).to_string()
}

/// The last line of a shard, and of a run that did not come to its end.
pub fn last(run: &TestRun) -> Option<String> {
    let (ended, chosen, stopped) = (run.outcomes.len(), run.chosen, run.stopped.clone());
    let Some(part) = run.part else {
        let why = stopped?;
        return Some(json!({ "stopped": why, "ended": ended, "chosen": chosen }).to_string());
    };
    let last = Last {
        kassay: VERSION.to_owned(),
        shard: part.shard,
        cases: part.all.iter().map(Name::to_string).collect(),
        detectors: run.foot.detectors.clone(),
        chosen,
        ended,
        stopped,
    };
    Some(json!(last).to_string())
}

/// The object of one case.
pub(super) fn object(outcome: &Outcome) -> Map<String, Value> {
    match json!(Line::of(outcome)) {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

impl Line {
    fn of(outcome: &Outcome) -> Line {
        let lines = [outcome.reason().to_owned(), super::seeds(outcome)];
        let reason: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        let judged = outcome.judged();
        let transcript = outcome.transcript().map(|(snapshot, text)| Transcript {
            snapshot: snapshot.name.clone(),
            directory: snapshot.directory.clone(),
            differs: outcome.is_comparison(),
            text: text.clone(),
        });
        Line {
            kernel: outcome.case.kernel.clone(),
            release: outcome.release.clone(),
            accel: outcome.accelerator,
            scenario: outcome.case.scenario.clone(),
            file: outcome.file.clone(),
            verdict: outcome.verdict(),
            title: outcome.title().to_owned(),
            reason: reason.join("\n"),
            seeds: super::told_seeds(outcome).to_vec(),
            expected: judged.and_then(|judged| judged.expected.clone()),
            duration_ms: outcome.duration().as_millis() as u64,
            peak_kib: judged.and_then(|judged| judged.peak_kib),
            restored: judged.is_some_and(|judged| judged.restored),
            unbuilt: outcome.is_unbuilt(),
            artifacts: outcome.artifacts().map(PathBuf::from),
            unstable: outcome.marked().map(Mark::of),
            transcript,
        }
    }

    /// The outcome that it is of.
    ///
    /// # Errors
    /// Its mark is none.
    pub fn outcome(self) -> Result<Outcome> {
        Ok(Outcome {
            case: Name {
                kernel: self.kernel.clone(),
                scenario: self.scenario.clone(),
            },
            file: self.file.clone(),
            release: self.release.clone(),
            accelerator: self.accel,
            end: self.end()?,
        })
    }

    fn end(self) -> Result<End> {
        Ok(match self.verdict {
            Verdict::Skipped => End::Skipped(self.reason),
            Verdict::Pass if self.reason == UNCHANGED => End::Unchanged,
            _ if self.unbuilt => End::Unbuilt(Unbuilt {
                title: self.title,
                reason: self.reason,
                artifacts: self.artifacts,
            }),
            _ => End::Ran(Box::new(self.judged()?)),
        })
    }

    fn judged(self) -> Result<Judged> {
        let seeds = super::words(&self.seeds);
        let reason = self.reason.strip_suffix(&seeds).unwrap_or(&self.reason);
        let reason = match seeds.is_empty() {
            true => reason,
            false => reason.strip_suffix('\n').unwrap_or(reason),
        };
        let differs = self.transcript.as_ref().is_some_and(|it| it.differs);
        Ok(Judged {
            title: self.title,
            reason: reason.to_owned(),
            expected: self.expected,
            duration: Duration::from_millis(self.duration_ms),
            seeds: self.seeds,
            restored: self.restored,
            peak_kib: self.peak_kib,
            artifacts: self.artifacts,
            transcript: self.transcript.map(|it| {
                let (name, directory) = (it.snapshot, it.directory);
                (Snapshot { name, directory }, it.text)
            }),
            is_comparison: differs,
            marked: self.unstable.map(Mark::marked).transpose()?,
            ..Judged::new(self.verdict)
        })
    }
}

impl Mark {
    fn of(marked: &Marked) -> Mark {
        let Marked { mark, verdict } = marked;
        Mark {
            verdict: *verdict,
            reason: mark.reason.clone(),
            issue: mark.issue.clone(),
            until: mark.until.to_string(),
        }
    }

    fn marked(self) -> Result<Marked> {
        let Mark { reason, issue, .. } = self;
        let mark = json!({ "reason": reason, "issue": issue, "until": self.until });
        let mark: Unstable = serde_json::from_value(mark).map_err(|error| anyhow!("{error}"))?;
        Ok(Marked {
            mark,
            verdict: self.verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::test_run::RunFormat;
    use crate::report::tests::{outcome, ran, three, unstable, whole};

    /// Cases of each kind.
    fn all() -> Vec<Outcome> {
        let mut outcomes = three();
        let snapshot = Snapshot {
            name: "sum@6.1".to_owned(),
            directory: "none".into(),
        };
        ran(&mut outcomes[0]).transcript = Some((snapshot, "trace\n".to_owned()));
        ran(&mut outcomes[0]).expected = Some("panic: x".to_owned());
        ran(&mut outcomes[2]).is_comparison = true;
        ran(&mut outcomes[2]).transcript = ran(&mut outcomes[0]).transcript.clone();
        ran(&mut outcomes[2]).peak_kib = Some(7000);
        for (end, name) in [
            (End::Unchanged, "unchanged"),
            (End::Unbuilt(Unbuilt::new("build m: no\nmore")), "unbuilt"),
            (End::Ran(Box::new(Judged::infra("start q: no"))), "infra"),
        ] {
            let other = outcome("6.12", name, Verdict::Pass);
            outcomes.push(Outcome { end, ..other });
        }
        let mut unstable = unstable();
        ran(&mut unstable).seeds = vec![1, 2];
        ran(&mut unstable).duration = Duration::from_millis(5);
        outcomes.push(unstable);
        outcomes
    }

    #[test]
    fn what_is_read_again_makes_the_same_report_in_each_format() {
        let outcomes = all();
        let read = |outcome: &Outcome| {
            let read: Line = serde_json::from_str(&line(outcome)).unwrap();
            read.outcome().unwrap()
        };
        let again: Vec<Outcome> = outcomes.iter().map(read).collect();
        for format in [
            RunFormat::Pretty,
            RunFormat::Json,
            RunFormat::Junit,
            RunFormat::Ktap,
            RunFormat::Tap,
            RunFormat::Markdown,
        ] {
            let text = |outcomes: &[Outcome]| format.text(&whole(outcomes)).unwrap();
            assert_eq!(text(&again), text(&outcomes), "{format:?}");
        }
        // A page has a nonce.
        let page = |outcomes: &[Outcome]| {
            let page = RunFormat::Html.text(&whole(outcomes)).unwrap();
            let (_, nonce) = page.split_once("'nonce-").unwrap();
            page.replace(&nonce[..32], "")
        };
        assert_eq!(page(&again), page(&outcomes));
    }
}
