//! `signal`: a process sends itself a signal.

use anyhow::{Context, Result, bail};
use kassay_guest::{Signal, Signalled};
use serde::Deserialize;

use super::{Asked, Beside, Kind};
use crate::nearest;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    number: Option<i32>,
    name: Option<String>,
}

/// The names of the signals from 1 on (arch/x86/include/uapi/asm/signal.h).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The last signal, and the first two of real time, which the C library keeps for itself.
const LAST: i32 = 64;
const RESERVED: [i32; 2] = [32, 33];

impl Kind for Signal {
    type File = File;
    type Outcome = Signalled;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "signal = { name = \"NAME\" }",
        "a child process ignores a signal, such as `USR1`, and sends it to itself. `number = N` in \
         place of `name` is for those that have no name",
    )];

    fn asked(file: File, _: Beside) -> Result<Asked> {
        let number = match (file.number, file.name) {
            (Some(number), None) => number,
            (None, Some(name)) => number_of(&name)?,
            _ => bail!("a `signal` has either a `name` or a `number`"),
        };
        if !(1..=LAST).contains(&number) {
            bail!("there is no signal {number}");
        }
        if matches!(name_of(number), Some("KILL" | "STOP")) {
            bail!("a process cannot ignore the signal {}", told(number));
        }
        if RESERVED.contains(&number) {
            bail!("the C library keeps the signal {number} for itself");
        }
        Ok(Signal { number }.into())
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", told(self.number))
    }

    fn tell(&self, came: &Signalled, _: &[String]) -> String {
        match &came.sent {
            Ok(()) => ": sent".to_owned(),
            Err(why) => format!(": not sent: {why}"),
        }
    }
}

fn number_of(name: &str) -> Result<i32> {
    let short = name.strip_prefix("SIG").unwrap_or(name);
    let place = NAMES.iter().position(|known| *known == short);
    let place = place.with_context(|| {
        let hint = nearest::hint(short, NAMES.into_iter());
        format!("there is no signal `{name}`{hint}")
    })?;
    Ok(place as i32 + 1)
}

fn name_of(number: i32) -> Option<&'static str> {
    let place = usize::try_from(number.checked_sub(1)?).ok()?;
    NAMES.get(place).copied()
}

/// A signal's name, or its number.
fn told(number: i32) -> String {
    name_of(number).map_or_else(|| number.to_string(), str::to_owned)
}
