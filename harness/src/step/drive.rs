//! `drive`: a program of the project triggers programs, and says what came of it.

use anyhow::{Context, Result, bail};
use kassay_guest::{Blame, Drive, Driven, Fact};
use serde::Deserialize;

use super::{Asked, Beside, Doubt, Kind};
use crate::excerpt::bounded;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    driver: String,
    #[serde(default)]
    args: Vec<String>,
    seed: Option<u32>,
}

impl Kind for Drive {
    type File = File;
    type Outcome = Driven;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "drive = { driver = \"NAME\", args = […], seed = N }",
        "a program of yours, the [driver](#drivers), runs in the machine, with both ends of a veth \
         pair, and says what came of it. Without `seed`, it is given another one each time",
    )];

    fn asked(file: File, _: Beside) -> Result<Asked> {
        if file.args.iter().any(|argument| argument.contains('\0')) {
            bail!("an argument of a driver has a byte of 0 in it");
        }
        let step = Drive {
            driver: file.driver,
            args: file.args,
            seed: file.seed.map_or_else(fresh_seed, Ok)?,
        };
        Ok(Asked {
            is_random: file.seed.is_none(),
            ..step.into()
        })
    }

    /// A transcript names the driver, which is what is interesting.
    fn title(&self, _: &str) -> String {
        self.driver.clone()
    }

    fn tell(&self, came: &Driven, _: &[String]) -> String {
        let mut told = came.told.iter();
        let first = match &came.failed {
            Some(why) => format!("failed: {why}"),
            None => told.next().map_or("done", String::as_str).to_owned(),
        };
        let rest: String = told.map(|line| format!("\n  {line}")).collect();
        format!(": {first}{rest}")
    }

    fn has_failed(came: &Driven) -> bool {
        came.failed.is_some()
    }

    fn check(&self, came: &Driven, _: &[Fact]) -> Result<(), Doubt> {
        let Some(Blame { title, reason }) = came.faults.first() else {
            return Ok(());
        };
        Err(Doubt {
            title: bounded(title),
            reason: bounded(&reason.join("\n")),
        })
    }
}

/// A seed that nobody has chosen.
///
/// # Errors
/// The host's randomness cannot be had.
pub fn fresh_seed() -> Result<u32> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).context("get random bytes of the host")?;
    Ok(u32::from_ne_bytes(bytes))
}
