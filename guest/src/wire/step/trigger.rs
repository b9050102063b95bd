//! Triggers of a system call or two, of which the kernel, or a program, may refuse each. Why is told
//! in the words of errno(3).

use serde::{Deserialize, Serialize};

use super::{Came, Data};

/// A child process opens a file, and reads it to its end or writes to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The file, by an absolute path.
    pub path: String,
    /// What is written, by one `write(2)`. Without it the file is read.
    pub write: Option<String>,
}

/// What came of an [`Open`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The child process.
    pub pid: i32,
    /// What was read or written, if the file was opened.
    pub moved: Result<Moved, String>,
}

/// What became of the content of a file that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// It was read.
    Read {
        /// So many bytes.
        bytes: usize,
        /// These lines.
        lines: Vec<String>,
        /// Why it was not read to its end.
        trouble: Option<String>,
    },
    /// So many bytes were written, or none.
    Written(Result<usize, String>),
}

impl Came for Opened {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process writes a setting of /proc/sys. What was there is written back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteSysctl {
    /// Its name, with dots.
    pub name: String,
    /// What is written.
    pub value: String,
}

/// What came of a [`WriteSysctl`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The child process.
    pub pid: i32,
    /// Whether it was written.
    pub written: Result<(), String>,
    /// Whether what was there before is there again.
    pub restored: Result<(), String>,
}

impl Came for Written {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process mounts a file system in a mount namespace of its own, and unmounts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where, by an absolute path. The directory is made.
    pub at: String,
}

/// What came of a [`Mount`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// The child process.
    pub pid: i32,
    /// Whether it was unmounted, if it was mounted.
    pub mounted: Result<Result<(), String>, String>,
}

impl Came for Mounted {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process ignores a signal, and sends it to itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The signal's number.
    pub number: i32,
}

/// What came of a [`Signal`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signalled {
    /// The child process.
    pub pid: i32,
    /// Whether it was sent.
    pub sent: Result<(), String>,
}

impl Came for Signalled {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process tries once to remove a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// The module's name.
    pub module: String,
}

/// What came of a [`Remove`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The child process.
    pub pid: i32,
    /// Whether it was removed.
    pub removed: Result<(), String>,
}

impl Came for Removal {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A structure of programs is detached before the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detach {
    /// Its variable in the object.
    pub structure: String,
}

/// A [`Detach`] has been done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached;

impl Came for Detached {}

/// Child processes run loaded programs at the same time (`BPF_PROG_TEST_RUN`), each on a CPU of its
/// own as far as there are any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Race {
    /// The programs' functions, one for each child.
    pub programs: Vec<String>,
    /// How often each child runs its program.
    pub times: u32,
    /// The data, where the programs' type takes any.
    pub data: Option<Data>,
}

/// What came of a [`Race`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raced {
    /// The ids of the child processes, the first and the last.
    pub pids: (i32, i32),
    /// How often each program ran, in their order.
    pub ran: Vec<u32>,
}

impl Came for Raced {}
