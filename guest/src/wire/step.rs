//! What triggers programs.

use serde::{Deserialize, Serialize};

/// One thing that triggers programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A child process unlinks this many files on a tmpfs.
    Unlink {
        /// How many files, each with an `unlink(2)` of its own.
        times: u32,
    },
    /// A child process executes [`EXEC`](crate::EXEC).
    Exec {
        /// The arguments behind the program's name.
        args: Vec<String>,
    },
    /// A child process calls the guest program's own function `kassay_add`, and
    /// passes the USDT probe `kassay:add` there and those of the C library.
    Call {
        /// The first argument.
        a: u64,
        /// The second argument.
        b: u64,
    },
    /// A child process in a network namespace of its own sends these packets,
    /// in order, over a veth pair to a UDP socket, then one empty datagram (the
    /// sentinel) whose arrival proves that all before it have been handled.
    Udp {
        /// What to send.
        packets: Vec<Packet>,
        /// By what.
        #[serde(default)]
        by: By,
    },
    /// A child process runs a loaded program once (`BPF_PROG_TEST_RUN`).
    Run {
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
    /// Samples are put into a user ring buffer: each is its number as a `u64`, from 0.
    Submit {
        /// The map.
        map: String,
        /// How many samples.
        samples: u32,
    },
    /// A child process runs a loaded program, which writes a sample each time, and
    /// the samples are read. A sample begins with two `u32`: the CPU that it was
    /// written on, and its number among those of that CPU, from 0.
    Consume {
        /// The ring buffer or perf buffer, a map of the program's object.
        map: String,
        /// The program's function. It returns 0, or where it lost the sample another number.
        program: String,
        /// How often the program is run before all that is in the buffer is read.
        bursts: Vec<u32>,
        /// Whether nothing is read during a burst.
        late: bool,
    },
    /// Generated packets are sent over a veth pair, and what the classifier does
    /// with each is compared with what an independent decoder says of it.
    Storm {
        /// How many packets.
        packets: u32,
        /// The seed of the generator; the packets are a function of it alone.
        seed: u32,
        /// Whose decisions the classifier is to come to.
        #[serde(default)]
        decoder: Decoder,
    },
    /// The guest program misbehaves, so that the harness can be tested against
    /// one that does.
    Fault(Fault),
}

impl Step {
    /// Whether it runs a program of the host's root.
    pub fn is_command(&self) -> bool {
        matches!(self, Step::Command { .. })
    }

    /// The program that it runs by its name.
    pub fn program(&self) -> Option<&str> {
        match self {
            Step::Run { program } | Step::Consume { program, .. } => Some(program),
            _ => None,
        }
    }
}

/// How the guest program misbehaves in a [`Step::Fault`].
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

/// One IPv4 packet of a [`Step::Udp`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// The UDP payload.
    pub payload: Vec<u8>,
    /// Sent as the first fragment of a datagram whose rest never comes.
    pub fragment: bool,
    /// IP protocol number when it is not UDP; the bytes stay those of a datagram.
    pub protocol: Option<u8>,
}

/// By what a [`Step::Udp`] sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A packet socket, which takes frames as they are and passes all of the IP layer.
    #[default]
    Frame,
    /// UDP sockets, one a packet: programs of cgroups see what is sent.
    Socket,
}

/// A decoder of the message `foo { bool drop = 1; }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// Rust's prost.
    #[default]
    Prost,
    /// What pbtools generates, which decides otherwise than prost on a message with a group,
    /// or with a number that is too wide: a key of more than 32 bits, any of more than 64
    /// bits, or a `drop` whose lower 32 bits are 0.
    Pbtools,
}

impl std::fmt::Display for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Decoder::Prost => "prost",
            Decoder::Pbtools => "pbtools",
        })
    }
}
