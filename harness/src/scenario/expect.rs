//! What a scenario expects, and what it allows.

use std::fmt;

use serde::Deserialize;

/// A verdict that a scenario is to come to, and its title.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// The facts contradict the scenario in this way.
    Mismatch(Titles),
    /// The kernel reports this.
    Report(Titles),
    /// The kernel panics or oopses with this.
    Panic(Titles),
    /// This does not come to an end.
    Hang(Titles),
    /// Memory runs out in this way.
    Oom(Titles),
    /// This stays behind.
    Leak(Titles),
    /// The guest is lost in this way.
    Lost(Titles),
}

/// The titles of all faults of a verdict that are expected, of which there is at least one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "FileTitles")]
pub struct Titles(Vec<String>);

/// How a file says titles.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a title is a text, and several are a list of texts"
)]
enum FileTitles {
    One(String),
    Several(Vec<String>),
}

impl TryFrom<FileTitles> for Titles {
    type Error = &'static str;

    fn try_from(titles: FileTitles) -> Result<Titles, Self::Error> {
        match titles {
            FileTitles::One(title) => Ok(Titles(vec![title])),
            FileTitles::Several(titles) if titles.is_empty() => Err("a list of titles has none"),
            FileTitles::Several(titles) => Ok(Titles(titles)),
        }
    }
}

impl From<&str> for Titles {
    fn from(title: &str) -> Titles {
        Titles(vec![title.to_owned()])
    }
}

impl From<Vec<String>> for Titles {
    fn from(titles: Vec<String>) -> Titles {
        Titles(titles)
    }
}

impl Titles {
    /// Whether this is one of them.
    pub fn has(&self, title: &str) -> bool {
        self.0.iter().any(|own| own == title)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Titles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" and "))
    }
}

/// What passes only where the scenario says that it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    /// Nothing triggers what is loaded.
    NoSteps,
    /// No BPF program is loaded.
    NoPrograms,
    /// A module registers nothing that programs use.
    NoKfuncs,
    /// A step that could not be done, or a command that ended with another status than 0.
    FailedStep,
    /// No transcript was reviewed: whether steps can be done decides, and how commands end.
    NoSnapshot,
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Allow::NoSteps => "no_steps",
            Allow::NoPrograms => "no_programs",
            Allow::NoKfuncs => "no_kfuncs",
            Allow::FailedStep => "failed_step",
            Allow::NoSnapshot => "no_snapshot",
        })
    }
}
