//! What the guest program reports.

use serde::{Deserialize, Serialize};

use super::step::{Command, Outcome};
use crate::section::End;

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
        /// [`PROTOCOL`](crate::PROTOCOL) of the guest program.
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
        /// What its programs took; none where the plan does not have it counted.
        #[serde(default)]
        costs: Vec<Cost>,
    },
    /// A program of a loaded object was attached, or was not.
    Attached {
        /// The object's name.
        object: String,
        /// The program's function.
        program: String,
        /// Its section, or what the scenario says in place of it: where it belongs.
        section: String,
        /// The end of the pair of devices that it is at, where it is at one.
        end: Option<End>,
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
    /// A structure of callbacks was loaded and attached by itself, or was not.
    Structure {
        /// The object's name.
        object: String,
        /// The variable that has it.
        structure: String,
        /// libbpf's error.
        error: Option<String>,
        /// What libbpf and the verifier said, when there was an error.
        log: String,
    },
    /// A step came to its end.
    Stepped {
        /// The step's place in the plan, from 0.
        step: usize,
        /// What came of it, or why it could not be done.
        outcome: Result<Outcome, String>,
    },
    /// The program of [`Live`](crate::Live) ended.
    Exited {
        /// Its exit status, 128 plus the signal's number when it was killed.
        status: i32,
    },
    /// A command that was [`State::Ready`](crate::State::Ready) has ended, when all steps were done; in reverse order
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
        /// of variables, such as `.bss`, the variables. None where an object was refused, and no
        /// other has the map.
        entries: Option<Vec<(String, String)>>,
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
        /// The lines, as `trace_pipe` gives them, with [`trace_marks`](crate::trace_marks) unless somebody looked on.
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
    /// The allocations that modules caused, where the plan has them counted.
    Allocations {
        /// The first ones, in their order.
        told: Vec<Allocation>,
        /// How many there were.
        count: u32,
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
    /// What modules have counted of their lines, from their insertion to their removal.
    Coverage {
        /// The files of debugfs (kernel/gcov/fs.c, 6.1 to 7.2), each by the path that the compiler
        /// gave it, with its content, as `gcov` reads it.
        files: Vec<(String, Vec<u8>)>,
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

/// Memory that a module asked the kernel for, or had it ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// What went on.
    pub during: During,
    /// The size of the slab cache's objects in bytes; of pages, the logarithm of their number.
    pub size: u64,
    /// Whether it is pages, and not an object of a slab cache.
    pub is_pages: bool,
    /// The functions, the innermost first: `NAME+0xOFFSET/0xSIZE [MODULE]`.
    pub stack: Vec<String>,
}

impl Allocation {
    /// The innermost function of a module that is in the stack, as its frame has it.
    #[must_use]
    pub fn frame(&self) -> &str {
        let mut frames = self.stack.iter().map(String::as_str);
        frames
            .find(|frame| frame.ends_with(']'))
            .unwrap_or_default()
    }

    /// That function's name.
    #[must_use]
    pub fn function(&self) -> &str {
        self.frame().split('+').next().unwrap_or_default()
    }
}

/// What goes on in a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum During {
    /// This module is inserted.
    Insert(String),
    /// Programs are loaded and attached, and steps are done.
    Steps,
    /// Modules are removed.
    Remove,
}

/// What it took to prove a program, and what was made of it (`print_verification_stats` in
/// kernel/bpf/verifier.c, 6.1 to 7.2, and `struct bpf_prog_info`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The program's function.
    pub program: String,
    /// How many instructions the verifier went through, those that it came to again as well.
    pub insns: u64,
    /// How many states it kept in all.
    pub states: u64,
    /// How many it had at once, at most.
    pub peak_states: u64,
    /// How many there were of one instruction, at most.
    pub states_per_insn: u64,
    /// How far it went back through states to mark what was read, at most.
    pub mark_read: u64,
    /// How long it took, in microseconds.
    pub time_us: u64,
    /// Bytes of stack that the program uses, and each of its functions.
    pub stack: Vec<u64>,
    /// Its own instructions, as the kernel was given them.
    pub size: u64,
    /// Bytes of machine code; 0 where there is none.
    pub jited: u64,
    /// Its type, by libbpf's name, such as `sched_cls`.
    pub kind: String,
    /// What it is to be attached to, likewise, such as `tcx_ingress`.
    pub attach_kind: String,
}

impl Cost {
    /// Whether the verifier came to the program, which takes an instruction at least.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.insns > 0
    }
}

/// Why a program is attached nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its section begins with `?`, and nothing asks for it: it is not even loaded.
    Optional,
    /// The guest program knows no place for its section.
    NoHook,
    /// The plan has it so.
    Asked,
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
    /// What of that the scenario chose, as far as the kernel says it: `priority 5`, for example.
    pub choice: String,
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
    /// Its name, as the kernel's list has it. Code of a module that was refused is an address, with
    /// the module behind it: `0x… [m]`.
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
