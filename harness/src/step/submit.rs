//! `submit`: samples go into a user ring buffer.

use anyhow::Result;
use kassay_guest::{Submit, Submitted};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    map: String,
    samples: u32,
}

impl Kind for Submit {
    type File = File;
    type Outcome = Submitted;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "submit = { map = \"NAME\", samples = N }",
        "puts the numbers from 0 on into a user ring buffer, each a `u64`, as many as there is \
         room for",
    )];

    fn asked(File { map, samples }: File, _: Beside) -> Result<Asked> {
        Ok(Submit { map, samples }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", self.map)
    }

    fn tell(&self, came: &Submitted, _: &[String]) -> String {
        format!(": {} of {} samples submitted", came.submitted, self.samples)
    }
}
