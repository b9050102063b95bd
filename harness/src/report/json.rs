//! One JSON object a case, on a line of its own.

use serde_json::json;

use crate::case::Setting;
use crate::outcome::Outcome;

/// The line of one case. `duration_ms` is from the start of QEMU to its end;
/// `artifacts` is a folder, or null where there is none. The seeds of a scenario
/// that has some are the last line of `reason`, of a pass as well.
pub fn line(setting: &Setting, outcome: &Outcome) -> String {
    let lines = [outcome.reason().to_owned(), super::seeds(outcome)];
    let reason: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    json!({
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
    })
    .to_string()
}
