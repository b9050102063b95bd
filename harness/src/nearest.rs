//! "Did you mean": the nearest of the names that would have done.

use anyhow::{Error, anyhow};

/// The nearest of `known`, when one is near enough to have been meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?` for the end of an error, or nothing.
pub fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// Adds the nearest name to serde's "unknown field `a`, expected one of …",
/// whose names stand in backticks, the wrong one first.
pub fn explain(message: &str) -> Error {
    let message = message.trim_end();
    let Some(unknown) = message
        .find("unknown field `")
        .or_else(|| message.find("unknown variant `"))
    else {
        return anyhow!("{message}");
    };
    let names: Vec<&str> = message[unknown..].split('`').skip(1).step_by(2).collect();
    anyhow!("{message}{}", hint(names[0], names[1..].iter().copied()))
}
