//! Runs of a program that the kernel makes by itself, on what it is given.

use serde::{Deserialize, Serialize};

use super::{Came, Packet};

/// A child process runs a loaded program on given data (`BPF_PROG_TEST_RUN`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRun {
    /// The program's function.
    pub program: String,
    /// The data, where the program's type takes any.
    pub data: Option<Data>,
    /// The context, or the first bytes of it.
    pub ctx: Option<Vec<u8>>,
    /// How often it is run; 0 is once.
    pub repeat: u32,
    /// Whether it is told which code of modules it comes to, for which they are built to tell.
    pub traces: bool,
}

/// What a [`TestRun`] is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The frame of a packet that a [`Udp`](super::Udp) would send first.
    Packet(Packet),
}

/// What came of a [`TestRun`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRan {
    /// The child process.
    pub pid: i32,
    /// What the program returned at last.
    pub returned: u32,
    /// What it changed.
    pub after: Vec<After>,
    /// How long it took each time, in nanoseconds, as the kernel says.
    pub ns: u64,
    /// The code that it came to, where that is told.
    pub reached: Vec<Place>,
}

/// A place in the code of a module that tells when a task comes to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The module.
    pub module: String,
    /// How far it is behind the module's first instruction, in bytes.
    pub offset: u64,
}

/// What a program was given, after it has run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// In a word: data, for example.
    pub what: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl After {
    /// What these bytes are, in a word.
    #[must_use]
    pub fn new(what: &str, bytes: Vec<u8>) -> After {
        After {
            what: what.to_owned(),
            bytes,
        }
    }
}

impl Came for TestRan {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}
