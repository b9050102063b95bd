//! Virtual machines: QEMU driven by vmtest. What comes out is evidence, not a
//! verdict, and nothing here knows what a scenario is about.

pub mod accelerator;
mod claim;
mod compared;
mod directory;
mod dump;
mod held;
mod machine;
pub mod qmp;
mod run;
mod save;
mod session;
pub mod slot;
pub mod tsc;
mod vmtest;
pub mod written;

use std::path::PathBuf;
use std::time::Duration;

use crate::state::State;
use crate::streams::Streams;

pub use accelerator::Accelerator;
pub use directory::SOCKET;
pub use dump::map as map_dump;
pub use held::own_kib;
pub use machine::Machine;
pub use run::Run;
pub use slot::Slot;
pub use vmtest::require_programs;

/// How a machine comes up.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// It boots.
    Boot,
    /// It boots and then waits at the gate, for its state to be saved.
    Wait,
    /// It goes on from a saved state.
    Restore(&'a State),
}

/// How a machine is run, whatever it is.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How long it may take, from its start to its end; the dump is not counted.
    pub timeout: Duration,
    /// Whether the guest can mount the host's root, which QEMU lets nobody write to.
    pub host_root: bool,
    /// Who attends to the program in it.
    pub streams: Option<Streams>,
    /// Whether its memory is dumped before it ends.
    pub dump: bool,
    /// Whether it stands still until a debugger lets it go, and what is then said
    /// to the user.
    pub debugger: Option<String>,
}

/// What a run left behind.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The plan's mark, by which the guest's own words are known.
    pub mark: String,
    /// Whether the machine went on from a saved state.
    pub restored: bool,
    /// Whether the guest answered vmtest.
    pub answered: bool,
    /// Lines that came over vmtest's command port.
    pub port: Vec<String>,
    /// The same lines as the guest wrote them to the share.
    pub file: Option<String>,
    /// The console, whole.
    pub console: Option<String>,
    /// How QEMU said that it ended.
    pub shutdown: Option<Shutdown>,
    /// Exit status of the guest's plan process, 128 plus the signal's number
    /// when it was killed.
    pub exit_code: Option<i64>,
    /// Where more came than [`written::MOST`], of which the rest is not here.
    pub flood: Option<&'static str>,
    /// Whether the deadline passed.
    pub timed_out: bool,
    /// The address of each CPU's next instruction then, if QEMU told it.
    pub stood: Vec<u64>,
    /// vmtest's error.
    pub trouble: Option<String>,
    /// What QEMU wrote to its stderr.
    pub stderr: String,
    /// A dump of the guest's memory, as QEMU writes it.
    pub dump: Option<PathBuf>,
    /// QEMU's command line, its arguments ended by NUL.
    pub command: String,
    /// The most memory that QEMU held, in KiB.
    pub peak_kib: Option<u64>,
    /// From the start of QEMU to its end.
    pub duration: Duration,
}

/// QEMU's `SHUTDOWN` event (qapi/run-state.json).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Whether the guest asked for it.
    pub guest: bool,
    /// A `ShutdownCause` such as `host-qmp-quit` or `guest-reset`.
    pub reason: String,
}
