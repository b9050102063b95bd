//! The wire types: what the harness asks of the guest program ([`Plan`]) and
//! what the guest program reports ([`Fact`]).
//!
//! A plan is `plan.json` in the shared directory. Facts are JSON lines, one
//! [`Line`] each, written to vmtest's command port and, byte for byte the same,
//! to `facts.jsonl` in the shared directory. The guest reports facts and never
//! a verdict: whether a fact is good news is for the harness to say.

#[cfg(feature = "sources")]
pub mod sources;
pub mod stream;
pub mod trace;

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use crate::stream::Size;

/// The version of these types. A guest program that speaks another one is
/// built anew; the field exists so that a mix-up has a name.
pub const PROTOCOL: u32 = 9;

/// By which a module offers kfuncs to programs of a type (kernel/bpf/btf.c since 5.18).
pub const REGISTER: &str = "register_btf_kfunc_id_set";

/// Where the guest mounts the shared directory; vmtest asks for this path.
pub const SHARE: &str = "/mnt/vmtest";

/// The tag by which the guest mounts the host's root, read-only; where a machine was not asked
/// for it there is nothing in it.
pub const HOST_ROOT: &str = "kassay.root";

/// The port for the streams of a program that runs for somebody on the host.
pub const IO_PORT: &str = "kassay.io";

/// The name in the share of a program that was copied there.
pub const PROGRAM: &str = "program";

/// The port over which vmtest streams the output of its command.
pub const COMMAND_PORT: &str = "org.qemu.virtio_serial.0";

/// The port on which the guest says with a byte that it is up, and waits for a
/// byte before it opens any other: a state of the machine that is saved while it waits holds nothing of vmtest's.
pub const GATE_PORT: &str = "kassay.gate";

/// The byte that opens the gate to a machine which is to wait there once more when its plan has
/// ended, and with which the guest then says that it does: its memory can be looked at. It also has
/// the kernel stand still, not restart, when it panics.
pub const HOLD: u8 = b'h';

/// The argument with which the guest program ends the machine at once, to see
/// how long the bare machine takes.
pub const POWER_OFF: &str = "power-off";

/// The argument that tells the guest program that its machine's state will be
/// saved at the gate.
pub const SAVE: &str = "save";

/// The argument with which the guest program inserts the modules that it
/// carries and makes way for the init of the host's root, as a distribution's
/// initramfs does.
pub const SWITCH_ROOT: &str = "switch-root";

/// The argument with which the guest program is not PID 1 but an ordinary
/// program that follows the share's plan, to see what another guest takes.
pub const FOLLOW: &str = "follow";

/// The path by which an `exec` step executes the guest program, which then only
/// ends, with status 0.
pub const EXEC: &str = "/tmp/exec";

/// The line that closes the kernel log that [`Fact::Log`] reports, and is not
/// part of it: a console without it does not show what the guest does. It has the
/// plan's mark in it, so that nothing under test can print it.
pub fn done(mark: &str) -> String {
    format!("kassay-guest: the plan is done {mark}")
}

/// What the guest program writes into the trace buffer before the plan's first program and behind
/// its last one: lines without the first were cleared, or read by somebody else, and without the
/// last one tracing was off.
pub fn trace_marks(mark: &str) -> [String; 2] {
    ["begins", "ends"].map(|place| format!("kassay {mark} {place}"))
}

/// Why a module that has an init and no exit function is not removed ([`Fact::Removed`]).
pub const PERMANENT: &str = "it has no exit function (module_exit), so the kernel keeps it";

/// The name of the closing datagram of every `udp` step (see [`Step::Udp`]).
pub const SENTINEL_PORT: u16 = 65000;

/// The source port of packet 0 of a `udp` step; packet *n* has this plus *n*.
pub const FIRST_PORT: u16 = 40000;

/// What one virtual machine is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Modules of the kernel itself to insert first, in order: `modules/NAME.ko` in the share.
    /// They stay, and what they bring is none of the plan's.
    pub kernel_modules: Vec<String>,
    /// Modules to insert, in order: `modules/NAME.ko` in the share.
    pub modules: Vec<String>,
    /// What modules are given when they are inserted, by their names: `KEY=VALUE …`.
    pub params: BTreeMap<String, String>,
    /// BPF objects to load and attach, in order: `bpf/NAME.bpf.o` in the share.
    pub objects: Vec<String>,
    /// Whether each program of an object is loaded by itself, so that one that is
    /// refused takes no other with it. None is attached then.
    pub each: bool,
    /// What global variables of the objects are set to before they are loaded.
    pub globals: Vec<Global>,
    /// Programs of the objects that are loaded; all of them where there is none here.
    pub programs: Vec<String>,
    /// What to do once everything is attached.
    pub steps: Vec<Step>,
    /// Whether the host's root is mounted for programs to run in.
    pub host_root: bool,
    /// What to look up behind the steps, while all is still attached.
    pub show: Show,
    /// What somebody on the host then attends to, unless something was refused.
    pub live: Option<Live>,
    /// Settings of /proc/sys to make first, by their names with dots.
    pub sysctl: Vec<(String, String)>,
    /// Whether more of its modules may stay than memory and BPF objects.
    pub may_stay: bool,
    /// Functions of which the kernel has to be watched, since no list shows what modules did by
    /// them: [`REGISTER`], and those that have something called later.
    pub watch: Vec<String>,
    /// How long the kernel runs on when the modules are gone, in ms.
    pub linger_ms: u64,
    /// Capabilities not to have while objects are loaded, such as `CAP_SYS_BOOT`.
    pub without: Vec<String>,
    /// Wall clock of the host, in nanoseconds since 1970. A guest that was
    /// restored from a saved state has the clock of the day it was saved.
    pub clock_ns: u64,
    /// Fresh randomness for the guest's pool, for the same reason.
    pub entropy: Vec<u8>,
    /// A word that nothing in the guest can know ahead: see [`done`] and [`trace_marks`].
    pub mark: String,
}

/// What a global variable of a BPF object is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Global {
    /// The object's name.
    pub object: String,
    /// The section of the object that it is in, such as `.rodata`.
    pub section: String,
    /// Where in the section, in bytes.
    pub offset: usize,
    /// The whole variable.
    pub bytes: Vec<u8>,
}

/// What goes on while somebody on the host attends to it, over [`IO_PORT`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The program, whose end is the end of it. Without one the host says when it ends.
    pub program: Option<Program>,
    /// Whether the trace is sent as it comes. Otherwise nobody reads it but programs.
    pub trace: bool,
}

/// A program that runs for somebody on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The file, in PATH where it has no `/`; none where it is [`PROGRAM`] of the share.
    pub file: Option<OsString>,
    /// What it is called: its argument 0.
    pub name: OsString,
    /// Its other arguments.
    pub args: Vec<OsString>,
    /// Its environment, whole.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory.
    pub cwd: OsString,
    /// The size of its terminal; none where its streams are pipes.
    pub tty: Option<Size>,
}

/// What else a transcript shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Show {
    /// The plan's modules, as the kernel lists them.
    pub modules: bool,
    /// The plan's programs, as the kernel lists them.
    pub programs: bool,
    /// Maps of which the entries are shown.
    pub maps: Vec<String>,
}

/// One thing that triggers programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A child process unlinks this many files on a tmpfs.
    Unlink {
        /// How many files, each with an `unlink(2)` of its own.
        times: u32,
    },
    /// A child process executes [`EXEC`].
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

/// A kind of generated packet: of each it is known what makes it hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A message as some encoder might write it, in a datagram that is in order.
    Valid,
    /// One of these, of which bytes were changed, added or taken away.
    Mutated,
    /// Random bytes from the message, the payload or the IP header on.
    Random,
    /// A message that is in order, with a length that lies or a frame that ends early.
    Lying,
    /// A message that is in order, in what is no plain IPv4 datagram.
    Foreign,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [
        Kind::Valid,
        Kind::Mutated,
        Kind::Random,
        Kind::Lying,
        Kind::Foreign,
    ];
}

/// The packets of one kind and layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The kind.
    pub kind: Kind,
    /// Whether the socket buffers are non-linear, with the packet's end in pages.
    pub paged: bool,
    /// How many were sent.
    pub sent: u64,
    /// How many of them the decoder would drop.
    pub dropped: u64,
}

/// A packet of which the classifier and the decoder say different things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The packet's number, from 0.
    pub packet: u32,
    /// Its kind.
    pub kind: Kind,
    /// Where the linear part of its socket buffer ends, if it is non-linear.
    pub linear: Option<u16>,
    /// Whether the decoder would drop it; the classifier did the other.
    pub dropped: bool,
    /// The frame, from its Ethernet header on, in hexadecimal.
    pub frame: String,
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

/// One line on the wire: facts are numbered from 0 without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The number of the fact.
    pub seq: u64,
    /// The fact.
    #[serde(flatten)]
    pub fact: Fact,
}

/// Something that the guest program saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    /// The run begins; the plan is read next.
    Start {
        /// [`PROTOCOL`] of the guest program.
        protocol: u32,
        /// `uname -r`.
        release: String,
        /// The processes of the guest program, but for those that steps are done by.
        #[serde(default)]
        pids: Vec<i32>,
    },
    /// `finit_module(2)` returned for a module.
    Inserted {
        /// The module's name.
        module: String,
        /// The error, in the words of errno(3).
        error: Option<String>,
        /// `/sys/kernel/btf/MODULE`, or why it could not be read.
        btf: Result<Vec<u8>, String>,
        /// Names that `/proc/kallsyms` gives for this module.
        symbols: Vec<String>,
        /// Why the kernel did not register kfuncs for it, as far as that is watched.
        unregistered: Option<String>,
        /// Where its code was; none where the kernel does not look for leaks and nothing is watched.
        code: Option<Code>,
    },
    /// A BPF object was opened and loaded, or was refused. Where each program is
    /// loaded by itself, the object was only opened, and a fact for each follows.
    Loaded {
        /// The object's name.
        object: String,
        /// The program's function, where it was loaded by itself.
        program: Option<String>,
        /// libbpf's error.
        error: Option<String>,
        /// What libbpf and the verifier said, when there was an error.
        log: String,
    },
    /// A program of a loaded object was attached, or was not.
    Attached {
        /// The object's name.
        object: String,
        /// The program's function.
        program: String,
        /// Its section, which says where it belongs.
        section: String,
        /// libbpf's error.
        error: Option<String>,
        /// What libbpf said, and the kernel through it, when there was an error.
        log: String,
    },
    /// A program of a loaded object was left unattached.
    Unattached {
        /// The object's name.
        object: String,
        /// The program's function.
        program: String,
        /// Its section.
        section: String,
        /// Why.
        why: Why,
    },
    /// A step came to its end.
    Stepped {
        /// The step's place in the plan, from 0.
        step: usize,
        /// What came of it, or why it could not be done.
        outcome: Result<Outcome, String>,
    },
    /// The program of [`Live`] ended.
    Exited {
        /// Its exit status, 128 plus the signal's number when it was killed.
        status: i32,
    },
    /// A command that was [`State::Ready`] has ended, when all steps were done; in reverse order
    /// of their steps.
    Ended {
        /// The step's place in the plan, from 0.
        step: usize,
        /// What came of it.
        command: Command,
    },
    /// The plan's modules in `/proc/modules`, in the order of that.
    Modules {
        /// The modules.
        modules: Vec<ListedModule>,
    },
    /// The plan's programs, in the order in which they were loaded.
    Programs {
        /// The programs.
        programs: Vec<ListedProgram>,
    },
    /// What a map has.
    Map {
        /// Its name.
        map: String,
        /// The first entries, as text, in the order of their keys: numbers by their
        /// size. Of a map per CPU, numbers are summed and other values are all there. Of a section
        /// of variables, such as `.bss`, the variables.
        entries: Vec<(String, String)>,
        /// How many entries it has over and above these.
        left_out: usize,
    },
    /// What the kernel says of the loaded programs when all steps are done, in the order in which
    /// they were loaded; of none that was loaded by itself.
    Standing {
        /// The programs.
        programs: Vec<Standing>,
    },
    /// The trace buffer, from the start of the plan to the end of its steps, but for what was
    /// sent as it came.
    Trace {
        /// The lines, as `trace_pipe` gives them, with [`trace_marks`] unless somebody looked on.
        lines: Vec<String>,
        /// Events that the ring buffers lost (overrun and dropped).
        lost: u64,
        /// Events that were read from the ring buffers since they were last cleared.
        read: u64,
        /// What programs printed and these buffers do not have, as far as that is watched.
        unseen: u64,
    },
    /// `delete_module(2)` returned for a module; in reverse order of insertion.
    Removed {
        /// The module's name.
        module: String,
        /// The error, in the words of errno(3).
        error: Option<String>,
    },
    /// What the kernel holds after everything was taken back.
    Left {
        /// Names of BPF programs that exist now and did not before.
        programs: Vec<String>,
        /// Names of BPF maps, likewise.
        maps: Vec<String>,
        /// Number of BPF links, likewise.
        links: usize,
        /// Where some of these are pinned: paths below `/sys/fs/bpf`.
        pins: Vec<String>,
        /// Whatever else exists now and did not before, what says most first.
        stayed: Vec<Stayed>,
        /// Whether something was to be watched, and the kernel has no events for that, or lost some.
        is_blind: bool,
        /// `/proc/sys/kernel/tainted` before the plan.
        taint_before: u64,
        /// `/proc/sys/kernel/tainted` now.
        taint: u64,
    },
    /// The kernel log, from the start of the plan.
    Log {
        /// The records, oldest first.
        records: Vec<Record>,
        /// Records that were overwritten before they could be read.
        lost: u64,
    },
    /// The memory that nothing points to any more, after everything was taken back.
    Leaks {
        /// What `/sys/kernel/debug/kmemleak` lists; none where the kernel does not look.
        objects: Option<String>,
        /// `jiffies` of the kernel when the plan began: what was allocated before is not its doing.
        since: u64,
    },
    /// The plan could not be followed further.
    Failed {
        /// What could not be done, and why.
        error: String,
    },
    /// The closing record. Nothing follows it.
    End {
        /// How many facts came before.
        facts: u64,
    },
}

/// Why a program is attached nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its section begins with `?`, and nothing asks for it: it is not even loaded.
    Optional,
    /// The guest program knows no place for its section.
    NoHook,
    /// This map of programs has it, from which others call it.
    Called(String),
}

/// What the kernel says of a program that was loaded with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The object's name.
    pub object: String,
    /// The program's function.
    pub program: String,
    /// Where it is attached, by the kernel's link or the filter at the interface, such as
    /// `tc egress`; or that it is there no longer. None where it was not attached.
    pub place: Option<Result<String, String>>,
    /// How often it has run (`run_cnt` of `struct bpf_prog_info`); none where the kernel does not
    /// count it: what replaces a function of another program, or is called by tail calls
    /// (kernel/bpf/trampoline.c and core.c, 6.1 to 7.2).
    pub runs: Option<u64>,
}

/// Something that exists and is no BPF object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stayed {
    /// What it is.
    pub what: Thing,
    /// Its name, as the kernel's list has it.
    pub name: String,
}

/// A kind of thing of which the kernel has a list, or that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A module that is none of the plan's.
    Module,
    /// A kernel thread that is no worker of the kernel's own.
    KernelThread,
    /// A workqueue that sysfs shows, or that has a thread for want of memory.
    Workqueue,
    /// An event that tracefs has been told of.
    TraceEvent,
    /// A network interface of the first namespace.
    Interface,
    /// A misc device.
    MiscDevice,
    /// A driver's name in `/proc/devices`.
    DeviceNumber,
    /// A file of `/dev`.
    Device,
    /// A file or folder of `/proc`.
    ProcEntry,
    /// A setting in `/proc/sys`.
    Sysctl,
    /// A slab cache.
    SlabCache,
    /// A file or folder of sysfs.
    SysfsEntry,
    /// A file or folder of debugfs.
    DebugfsEntry,
    /// A kprobe, by the function that it is on.
    Kprobe,
    /// What else ftrace calls, by the function that it is on.
    FtraceHook,
    /// A type of file system.
    FileSystem,
    /// A driver of a cryptographic algorithm.
    CryptoDriver,
    /// A timer, by its function or the address of that.
    Timer,
    /// Work that was queued with a delay and waits or runs, by the same.
    DelayedWork,
    /// Work that waits or runs, by the same.
    Work,
    /// A notifier, by the same.
    Notifier,
}

/// A line of `/proc/modules` (kernel/module/procfs.c, `m_show`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedModule {
    /// The module's name.
    pub name: String,
    /// How many references to it there are, those of loaded programs among them.
    pub users: u32,
    /// `Live`, `Loading` or `Unloading`.
    pub state: String,
}

/// What the kernel says of a loaded program (`struct bpf_prog_info`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedProgram {
    /// Its name, of which the kernel keeps 15 bytes.
    pub name: String,
    /// Its type, by libbpf's name.
    pub kind: String,
    /// The first 8 bytes of a digest of its instructions, in hexadecimal. Offsets
    /// in the kernel's types and BTF ids of kfuncs are part of those.
    pub tag: String,
}

/// Where the code of a module was, which its addresses are found by when it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// `jiffies` of the kernel before the module was inserted.
    pub since: u64,
    /// Names of its sections, and their addresses.
    pub sections: Vec<(String, u64)>,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Of [`Step::Unlink`].
    Unlink {
        /// The child process.
        pid: i32,
        /// How many calls succeeded.
        unlinked: u32,
    },
    /// Of a step of which there is nothing to count.
    Done {
        /// The child process.
        pid: i32,
        /// What came of it, for the transcript.
        text: String,
    },
    /// Of [`Step::Udp`]. The sentinel is not counted in `delivered`.
    Udp {
        /// The child process.
        pid: i32,
        /// Packets that were sent and not dropped before they left, the sentinel among them.
        sent: u64,
        /// Packets that the first classifier on the receiving end was run on.
        seen: u64,
        /// Packets that the receiving end's clsact qdisc counts as dropped.
        dropped: u64,
        /// Places in the plan of the packets that the UDP socket received.
        delivered: Vec<usize>,
        /// Whether the sentinel arrived.
        sentinel: bool,
    },
    /// Of [`Step::Run`].
    Run {
        /// The child process.
        pid: i32,
        /// What the program returned.
        returned: u32,
    },
    /// Of [`Step::Command`].
    Command(Command),
    /// Of [`Step::Submit`].
    Submit {
        /// How many samples there was room for.
        submitted: u32,
    },
    /// Of [`Step::Consume`].
    Consume(Consumed),
    /// Of [`Step::Storm`].
    Storm(Storm),
    /// Of a [`Step::Fault`] after which the plan goes on.
    Fault,
}

/// What came of a [`Step::Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The ids of its processes, the first and the last; others may have some between.
    pub pids: (i32, i32),
    /// How far it came.
    pub state: State,
    /// What it printed, on stdout and stderr. Of one that is ready it comes with its end.
    pub lines: Vec<String>,
}

/// How far a [`Step::Command`] came.
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

/// What came of a [`Step::Consume`].
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

/// What came of a [`Step::Storm`]. After each batch of packets comes a sentinel,
/// whose arrival proves that the batch has been handled; a batch whose sentinel
/// does not arrive is the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// The seed that was used.
    pub seed: u32,
    /// Batches of packets, and so sentinels, that were sent.
    pub batches: u64,
    /// Sentinels that arrived.
    pub closed: u64,
    /// Packets that the classifiers on the receiving end were run on, sentinels among them.
    pub seen: u64,
    /// Packets whose socket buffer was non-linear when the classifier saw it.
    pub paged: u64,
    /// Packets that the receiving end's clsact qdisc counts as dropped.
    pub dropped: u64,
    /// Packets that arrived behind the classifiers, without sentinels.
    pub delivered: u64,
    /// What was sent.
    pub tallies: Vec<Tally>,
    /// Packets that prost decides otherwise than the decoder.
    pub apart: u64,
    /// Packets that the classifier counts as decided differently by the modules of both; 0
    /// where the decoder is prost.
    pub apart_seen: u64,
    /// How many packets the classifier and the decoder disagree on.
    pub disagreements: u64,
    /// The first of them.
    pub examples: Vec<Disagreement>,
}

impl Outcome {
    /// The child process that the step was done by, whose id differs from run to run.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Outcome::Unlink { pid, .. }
            | Outcome::Done { pid, .. }
            | Outcome::Udp { pid, .. }
            | Outcome::Run { pid, .. }
            | Outcome::Consume(Consumed { pid, .. }) => Some(*pid),
            Outcome::Submit { .. } | Outcome::Command(_) | Outcome::Storm(_) | Outcome::Fault => {
                None
            }
        }
    }
}

/// One record of `/dev/kmsg`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// syslog level, 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Microseconds since the boot.
    pub time_us: u64,
    /// The text, of one or more lines.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_flat_json() {
        let line = Line {
            seq: 3,
            fact: Fact::End { facts: 3 },
        };
        let json = serde_json::to_string(&line).unwrap();
        assert_eq!(json, r#"{"seq":3,"fact":"end","facts":3}"#);
        assert_eq!(serde_json::from_str::<Line>(&json).unwrap(), line);
    }
}
