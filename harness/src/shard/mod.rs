//! A run in parts, each on a machine of its own: which cases belong to which part.

mod plan;
mod split;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::outcome::Name;

pub use plan::{Plan, Weighed, median};

/// The most shards of a run.
pub const MOST: usize = 1000;

/// A part of a run: `2/4` is the second of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its number, from 1.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

/// A shard with its cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which one.
    pub shard: Shard,
    /// Its cases, in the order of the whole run.
    pub own: Vec<Name>,
    /// The cases of the whole run.
    pub all: Vec<Name>,
}

impl Part {
    /// Whether a case is its own.
    pub fn has(&self, kernel: &str, scenario: &str) -> bool {
        let is_it = |name: &Name| (&*name.kernel, &*name.scenario) == (kernel, scenario);
        self.own.iter().any(is_it)
    }
}

impl Shard {
    /// All shards of a run that has so many.
    pub fn all(of: usize) -> impl Iterator<Item = Shard> {
        (1..=of).map(move |index| Shard { index, of })
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let both = is_number(index) && is_number(of);
            both.then_some((index.parse().ok()?, of.parse().ok()?))
        });
        match numbers {
            Some((index, of)) if (1..=of).contains(&index) && of <= MOST => Ok(Shard { index, of }),
            _ => Err(format!(
                "say K/N, such as `1/4`: a number from 1 to N, of at most {MOST} shards"
            )),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_a_scenario_on_its_own_kernel_alone() {
        let name = |kernel: &str| Name {
            kernel: kernel.to_owned(),
            scenario: "s".to_owned(),
        };
        let part = Part {
            shard: Shard { index: 1, of: 2 },
            own: vec![name("a")],
            all: vec![name("a"), name("b")],
        };
        assert!(part.has("a", "s") && !part.has("b", "s") && !part.has("a", "t"));
    }

    #[test]
    fn a_shard_is_one_of_those_that_there_are() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, of: 4 }));
        assert_eq!("4/4".parse::<Shard>().unwrap().to_string(), "4/4");
        for text in [
            "", "1", "/", "0/4", "5/4", "1/0", "a/b", "1/4/2", "-1/4", "+1/4", " 1/4", "1/1001",
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.starts_with("say K/N"), "{text}: {error}");
        }
    }
}
