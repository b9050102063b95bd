//! What a scenario expects, and what it allows.

use std::fmt;

use serde::Deserialize;

/// A verdict that a scenario is to come to, and its title.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// The facts contradict the scenario in this way.
    Mismatch(String),
    /// The kernel reports this.
    Report(String),
    /// The kernel panics or oopses with this.
    Panic(String),
    /// This does not come to an end.
    Hang(String),
    /// Memory runs out in this way.
    Oom(String),
    /// This stays behind.
    Leak(String),
    /// The guest is lost in this way.
    Lost(String),
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
