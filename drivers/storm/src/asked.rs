//! What the driver is asked to do, by its arguments and its environment.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::oracle::Decoder;

const USAGE: &str = "give it as `storm PACKETS [prost|pbtools]`";

/// What the driver is asked to do.
#[derive(Debug, PartialEq)]
pub struct Asked {
    pub packets: u32,
    pub decoder: Decoder,
    pub seed: u32,
    /// The names of the devices.
    pub receiver: String,
    pub sender: String,
    /// The path of the sending device's network namespace.
    pub sender_netns: PathBuf,
}

impl Asked {
    /// Reads the arguments, without the program's name, and the variables.
    pub fn of(
        arguments: &[OsString],
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Asked> {
        let (packets, decoder) = match arguments {
            [packets] => (packets, Decoder::Prost),
            [packets, decoder] => (packets, decoder_of(decoder)?),
            _ => bail!("{} arguments, not one or two; {USAGE}", arguments.len()),
        };
        let wanted = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.with_context(|| format!("`{name}` is not set; a step `drive` of kassay sets it"))
        };
        let text = |name: &str| {
            let value = wanted(name)?.into_string();
            value.or_else(|value| bail!("`{name}` is {value:?}, which is no UTF-8"))
        };
        let seed = text("KASSAY_SEED")?;
        Ok(Asked {
            packets: number(packets).or_else(|error| bail!("read PACKETS: {error}; {USAGE}"))?,
            decoder,
            seed: number(&seed.into()).context("read `KASSAY_SEED`")?,
            receiver: text("KASSAY_RECEIVER")?,
            sender: text("KASSAY_SENDER")?,
            sender_netns: wanted("KASSAY_SENDER_NETNS")?.into(),
        })
    }
}

fn decoder_of(name: &OsString) -> Result<Decoder> {
    match name.to_str() {
        Some("prost") => Ok(Decoder::Prost),
        Some("pbtools") => Ok(Decoder::Pbtools),
        _ => bail!("there is no decoder {name:?}; {USAGE}"),
    }
}

fn number(text: &OsString) -> Result<u32> {
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.with_context(|| format!("{text:?} is no number from 0 to {}", u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these arguments, in an environment where one variable is another.
    fn asked(arguments: &str, name: &str, value: &str) -> Result<Asked, String> {
        let arguments: Vec<OsString> = arguments.split_whitespace().map(Into::into).collect();
        let variable = |wanted: &str| match wanted {
            _ if wanted == name => Some(value.into()),
            "KASSAY_SEED" => Some("7".into()),
            _ => Some(wanted.to_lowercase().into()),
        };
        Asked::of(&arguments, variable).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn arguments_and_variables_are_read() {
        let both = asked("20000 pbtools", "KASSAY_SEED", "4294967295").unwrap();
        assert_eq!((both.packets, both.seed), (20000, u32::MAX));
        assert_eq!(both.decoder, Decoder::Pbtools);
        assert_eq!(both.receiver, "kassay_receiver");
        let [one, other] = ["5", "5 prost"].map(|arguments| asked(arguments, "", ""));
        assert_eq!(one, other);
    }

    #[test]
    fn what_is_wrong_is_an_error_that_says_what_to_do() {
        for wrong in ["", "x", "-1", "4294967296", "5 other", "5 prost x"] {
            assert!(asked(wrong, "", "").unwrap_err().contains(USAGE), "{wrong}");
        }
        for name in ["SEED", "RECEIVER", "SENDER", "SENDER_NETNS"] {
            let name = format!("KASSAY_{name}");
            let error = asked("5", &name, "").unwrap_err();
            assert!(error.contains(&format!("`{name}` is not set")), "{error}");
        }
        let error = asked("5", "KASSAY_SEED", "x").unwrap_err();
        assert!(
            error.contains("`KASSAY_SEED`: \"x\" is no number"),
            "{error}"
        );
    }
}
