//! What triggers programs, and what comes of it. A step has its line in the list here, with what
//! it is asked and what comes of it, and a file of its name in `step/` of the guest program and in
//! `step/` of the harness.

mod network;
mod test_run;
mod trigger;

use serde::{Deserialize, Serialize};

pub use network::*;
pub use test_run::*;
pub use trigger::*;

/// Hands the list of all steps to a macro: the step's name, its type, and the type of what comes
/// of it.
#[macro_export]
macro_rules! for_each_step {
    ($make:ident) => {
        $make! {
            unlink: Unlink => Unlinked,
            exec: Exec => Done,
            call: Call => Done,
            open: Open => Opened,
            write_sysctl: WriteSysctl => Written,
            mount: Mount => Mounted,
            signal: Signal => Signalled,
            remove: Remove => Removal,
            detach: Detach => Detached,
            udp: Udp => Arrived,
            tcp: Tcp => Conversed,
            connect: Connect => Connected,
            bind: Bind => Bound,
            listen: Listen => Bound,
            send: Send => FrameSent,
            run: Run => Ran,
            test_run: TestRun => TestRan,
            race: Race => Raced,
            submit: Submit => Submitted,
            consume: Consume => Consumed,
            drive: Drive => Driven,
            fault: Fault => Unharmed,
        }
    };
}

macro_rules! wire {
    ($($name:ident: $Step:ident => $Outcome:ident,)*) => {
        /// One thing that triggers programs.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Step {
            $(#[doc = concat!("A `", stringify!($name), "`.")] $Step($Step),)*
        }

        /// What came of a step.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Outcome {
            $(#[doc = concat!("Of a `", stringify!($name), "`.")] $Step($Outcome),)*
        }

        impl Outcome {
            /// The child process that the step was done by, whose id differs from run to run.
            pub fn pid(&self) -> Option<i32> {
                match self {
                    $(Outcome::$Step(came) => came.pid(),)*
                }
            }
        }

        $(impl From<$Step> for Step {
            fn from(step: $Step) -> Step {
                Step::$Step(step)
            }
        })*
    };
}

for_each_step!(wire);

/// What came of one kind of step.
trait Came {
    /// The child process that did it.
    fn pid(&self) -> Option<i32> {
        None
    }
}

impl Step {
    /// Whether it runs a program of the host's root.
    pub fn is_command(&self) -> bool {
        matches!(self, Step::Run(Run::Command { .. }))
    }

    /// Whether it is about an address of IPv6.
    pub fn is_ipv6(&self) -> bool {
        let address = match self {
            Step::Connect(Connect { to, .. }) | Step::Tcp(Tcp { to: Some(to), .. }) => to,
            Step::Bind(Bind { at, .. }) | Step::Listen(Listen { at, .. }) => at,
            _ => return false,
        };
        address.is_ipv6()
    }

    /// The program that it runs by its name.
    pub fn program(&self) -> Option<&str> {
        match self {
            Step::Run(Run::Program { program })
            | Step::TestRun(TestRun { program, .. })
            | Step::Consume(Consume { program, .. }) => Some(program),
            _ => None,
        }
    }
}

/// A child process unlinks files on a tmpfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlink {
    /// How many files, each with an `unlink(2)` of its own.
    pub times: u32,
}

/// What came of an [`Unlink`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlinked {
    /// The child process.
    pub pid: i32,
    /// How many calls succeeded.
    pub unlinked: u32,
}

impl Came for Unlinked {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A child process executes [`EXEC`](crate::EXEC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The arguments after the program's name.
    pub args: Vec<String>,
}

/// A child process calls the guest program's own function `kassay_add`, and
/// passes the USDT probe `kassay:add` there and those of the C library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The first argument.
    pub a: u64,
    /// The second argument.
    pub b: u64,
}

/// What came of a step of which there is nothing to count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The child process.
    pub pid: i32,
    /// What came of it, for the transcript.
    pub text: String,
}

impl Came for Done {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// Something is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// A child process runs a loaded program once (`BPF_PROG_TEST_RUN`), or reads an iterator.
    Program {
        /// The program's function.
        program: String,
    },
    /// `/bin/sh` runs a command on the host's root.
    Command {
        /// The command.
        line: String,
        /// What a line has that says that the command is ready: then the plan goes on, and the
        /// command with it, until the steps are done.
        ready: Option<String>,
        /// The working directory.
        directory: String,
    },
}

/// What came of a [`Run`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ran {
    /// A program was run.
    Returned {
        /// The child process.
        pid: i32,
        /// What the program returned.
        returned: u32,
    },
    /// An iterator was read.
    Read(Done),
    /// A command was run.
    Command(Command),
}

impl Came for Ran {
    fn pid(&self) -> Option<i32> {
        match self {
            Ran::Returned { pid, .. } | Ran::Read(Done { pid, .. }) => Some(*pid),
            Ran::Command(_) => None,
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The ids of its processes, the first and the last; others may have some between.
    pub pids: (i32, i32),
    /// How far it came.
    pub state: State,
    /// What it printed, on stdout and stderr. Of one that is ready it comes with its end.
    pub lines: Vec<String>,
}

/// How far a command came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has printed the line that was waited for, and goes on.
    Ready,
    /// It has ended with this status; 128 plus a signal's number where one ended it.
    Ended(i32),
    /// It was ended, for the line did not come for this number of seconds.
    Unready(u64),
    /// It was ended, for it printed more than this number of bytes.
    Flooded(usize),
}

/// Samples are put into a user ring buffer: each is its number as a `u64`, from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// The map.
    pub map: String,
    /// How many samples.
    pub samples: u32,
}

/// What came of a [`Submit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// How many samples there was room for.
    pub submitted: u32,
}

impl Came for Submitted {}

/// A child process runs a loaded program, which writes a sample each time, and
/// the samples are read. A sample begins with two `u32`: the CPU that it was
/// written on, and its number among those of that CPU, from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consume {
    /// The ring buffer or perf buffer, a map of the program's object.
    pub map: String,
    /// The program's function. It returns 0, or where it lost the sample another number.
    pub program: String,
    /// How often the program is run before all that is in the buffer is read.
    pub bursts: Vec<u32>,
    /// Whether nothing is read during a burst.
    pub late: bool,
}

/// What came of a [`Consume`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumed {
    /// The child process.
    pub pid: i32,
    /// How often the program was run.
    pub sent: u64,
    /// Of these, how often it said that the sample was lost.
    pub refused: u64,
    /// Samples that were read.
    pub received: u64,
    /// Of these, how many had no higher number than one before them from the same CPU.
    pub disordered: u64,
    /// Numbers that were passed over.
    pub missing: u64,
    /// Samples of which the kernel said that they were lost (`PERF_RECORD_LOST`);
    /// of a ring buffer it says nothing.
    pub lost: u64,
}

impl Came for Consumed {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// A program of the project, the driver, triggers programs and says what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// The driver: `drivers/NAME` in the share.
    pub driver: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Of what it draws at random.
    pub seed: u32,
}

/// What came of a [`Drive`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driven {
    /// The driver's process.
    pub pid: i32,
    /// Its lines for the transcript.
    pub told: Vec<String>,
    /// What it counted or noticed, by name, for nobody but who looks into the facts.
    pub facts: Vec<(String, String)>,
    /// What it found at fault.
    pub faults: Vec<Blame>,
    /// Why the driver itself failed, if it did. What it found at fault before counts all the same.
    pub failed: Option<String>,
}

/// What a driver found at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// What it is, without what differs from run to run.
    pub title: String,
    /// Why, line by line.
    pub reason: Vec<String>,
}

impl Came for Driven {
    fn pid(&self) -> Option<i32> {
        Some(self.pid)
    }
}

/// The guest program misbehaves, so that the harness can be tested against
/// one that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It reads where nothing is mapped, and is killed by SIGSEGV.
    Segv,
    /// It kills itself with SIGKILL.
    Kill,
    /// It writes a closing record, says on the console that the plan is done,
    /// and exits with status 0.
    DoneEarly,
    /// It writes a closing record and goes on, up to the one that is due.
    DoneTwice,
    /// It writes a line that is no text, and goes on.
    Garbage,
    /// It writes half a closing record, and exits with status 0.
    HalfLine,
    /// It writes one fact to the share and another, with the same number, to the
    /// port, and goes on.
    Differ,
    /// It puts a link to a file of the host in the place of the share's facts, and goes on.
    Link,
    /// It puts a pipe there, which nobody writes to, and goes on.
    Pipe,
    /// It empties the share's facts, and goes on.
    Truncate,
    /// It fills the share, if that has room for less than 16 MiB, and goes on.
    Fill,
    /// It writes more lines to the port than the host keeps.
    Flood,
    /// It writes more to the share's facts than the host reads.
    Grow,
    /// It sleeps for ever.
    Silent,
    /// It powers the machine off.
    PowerOff,
    /// It resets the machine.
    Reboot,
}

/// The plan goes on after a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unharmed;

impl Came for Unharmed {}
