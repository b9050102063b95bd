//! `race`: programs are run at the same time.

use anyhow::{Context, Result, bail};
use kassay_guest::{Data, Race, Raced};
use serde::Deserialize;

use super::test_run::bytes;
use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    programs: Vec<String>,
    #[serde(default = "often")]
    times: u32,
    data: Option<String>,
}

fn often() -> u32 {
    1000
}

/// How many programs run at once, and how often each, at most.
const PROGRAMS: usize = 16;
const TIMES: u32 = 1_000_000;

impl Kind for Race {
    type File = File;
    type Outcome = Raced;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "race = { programs = [\"NAME\", …], times = N, data = \"HEX\" }",
        "child processes, one for each of these programs, run them at the same time, N times each \
         (1000 unless given), on these data (`BPF_PROG_TEST_RUN`). Each child stays on a CPU of its \
         own as far as there are any (`cpus = 2`). A program may be named twice",
    )];

    fn asked(file: File, _: Beside) -> Result<Asked> {
        let File {
            programs,
            times,
            data,
        } = file;
        if !(2..=PROGRAMS).contains(&programs.len()) {
            bail!("a `race` has from 2 to {PROGRAMS} `programs`");
        }
        if !(1..=TIMES).contains(&times) {
            bail!("`times` of {times}: a program runs from 1 to {TIMES} times");
        }
        let data = data.map(|hex| bytes("data", &hex).context("read a `race`"));
        let step = Race {
            programs,
            times,
            data: data.transpose()?.map(Data::Bytes),
        };
        Ok(step.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", self.programs.join(", "))
    }

    fn tell(&self, came: &Raced, _: &[String]) -> String {
        let ran: Vec<String> = came.ran.iter().map(u32::to_string).collect();
        format!(": ran {} times", ran.join(", "))
    }
}
