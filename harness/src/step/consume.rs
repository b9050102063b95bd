//! `consume`: a program writes samples, and they are read.

use std::fmt::Write;

use anyhow::Result;
use kassay_guest::{Consume, Consumed};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    map: String,
    program: String,
    bursts: Vec<u32>,
    #[serde(default)]
    late: bool,
}

impl Kind for Consume {
    type File = File;
    type Outcome = Consumed;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "consume = { map = \"NAME\", program = \"NAME\", bursts = [N, …], late = true }",
        "a child process runs a program that writes one sample each time it runs, N times in each \
         burst. What it writes to the ring buffer or perf buffer is read meanwhile and after each \
         burst; with `late`, only after each burst. A sample begins with its CPU and its number \
         among the samples of that CPU, each a `u32`. The program returns 0, or 1 where a sample \
         was lost",
    )];

    fn asked(file: File, _: Beside) -> Result<Asked> {
        let File {
            map,
            program,
            bursts,
            late,
        } = file;
        let step = Consume {
            map,
            program,
            bursts,
            late,
        };
        Ok(step.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", self.map)
    }

    /// The counts, without those that tell of losses there were none of.
    fn tell(&self, came: &Consumed, _: &[String]) -> String {
        let order = match came.disordered {
            0 => "in order".to_owned(),
            count => format!("{count} of them out of order"),
        };
        let mut text = format!(
            ": {} samples sent, {} received, {order}",
            came.sent, came.received
        );
        let losses = [
            (came.refused, "refused"),
            (came.missing, "missing"),
            (came.lost, "reported lost"),
        ];
        for (count, what) in losses.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(text, ", {count} {what}");
        }
        text
    }
}
