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

/// So many of `known` that have most in common with a name, pairs of letters, the likest first.
pub fn several<'a>(name: &str, known: &'a [String], count: usize) -> Vec<&'a str> {
    let rated = known
        .iter()
        .map(|other| (strsim::sorensen_dice(name, other), other.as_str()));
    let mut rated: Vec<(f64, &str)> = rated.collect();
    rated.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    rated.dedup();
    rated.iter().take(count).map(|(_, name)| *name).collect()
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
