//! One JSON object a case, on a line of its own.

use serde_json::{Map, Value, json};

use super::test_run::TestRun;
use crate::case::Setting;
use crate::outcome::{Marked, Outcome};

/// The line of one case. `duration_ms` is from the start of QEMU to its end;
/// `artifacts` is a folder, or null where there is none. The seeds of a scenario
/// that has some are the last line of `reason`, of a pass as well.
pub fn line(setting: &Setting, outcome: &Outcome) -> String {
    Value::Object(object(setting, outcome)).to_string()
}

/// The last line of a file of a run that did not come to its end.
pub(super) fn cut(run: &TestRun) -> Option<String> {
    let why = run.stopped.as_ref()?;
    let (ended, chosen) = (run.outcomes.len(), run.chosen);
    Some(json!({ "stopped": why, "ended": ended, "chosen": chosen }).to_string())
}

/// The object of one case.
pub(super) fn object(setting: &Setting, outcome: &Outcome) -> Map<String, Value> {
    let lines = [outcome.reason().to_owned(), super::seeds(outcome)];
    let reason: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let object = json!({
        "kernel": outcome.case.kernel,
        "release": outcome.release,
        "accel": setting.accelerator_of(&outcome.case.kernel).to_string(),
        "scenario": outcome.case.scenario,
        "verdict": outcome.verdict().to_string(),
        "title": outcome.title(),
        "reason": reason.join("\n"),
        "duration_ms": outcome.duration().as_millis() as u64,
        "restored": outcome.judged().is_some_and(|judged| judged.restored),
        "artifacts": outcome.artifacts(),
        "unstable": outcome.marked().map(unstable),
    });
    match object {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The mark of a case, and the verdict that there would be without it.
fn unstable(marked: &Marked) -> Value {
    let Marked { mark, verdict } = marked;
    json!({
        "verdict": verdict.to_string(),
        "reason": mark.reason,
        "issue": mark.issue,
        "until": mark.until.to_string(),
    })
}
