//! One JSON object a case, on a line of its own.

use serde_json::json;

use crate::run::{Outcome, Setting};

/// The line of one case. `duration_ms` is from the start of QEMU to its end;
/// `artifacts` is a folder, or null where there is none.
pub fn line(setting: &Setting, outcome: &Outcome) -> String {
    json!({
        "kernel": outcome.kernel,
        "release": outcome.release,
        "accel": setting.accelerator.to_string(),
        "scenario": outcome.scenario,
        "verdict": outcome.verdict.to_string(),
        "title": outcome.title,
        "reason": outcome.reason,
        "duration_ms": outcome.duration.as_millis() as u64,
        "restored": outcome.restored,
        "artifacts": outcome.artifacts,
    })
    .to_string()
}
