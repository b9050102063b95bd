//! What one virtual machine is to do.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use super::step::Step;
use crate::section::End;
use crate::stream::Size;

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
    /// Whether each of those is attached all the same, one after the other, and let go at once.
    pub attaches: bool,
    /// Whether programs of an object that are refused are left out, and the others loaded together.
    pub sifts: bool,
    /// Whether it is counted what programs take. One that is refused is then loaded twice.
    pub counts: bool,
    /// What global variables of the objects are set to before they are loaded.
    pub globals: Vec<Global>,
    /// What maps of the objects have before any program is attached.
    pub entries: Vec<Entry>,
    /// Programs of the objects that are loaded; all of them where there is none here.
    pub programs: Vec<String>,
    /// How programs are attached where their sections do not say all of it.
    pub attach: BTreeMap<String, Attach>,
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
    /// them: [`REGISTER`](crate::REGISTER), and those that have something called later.
    pub watch: Vec<String>,
    /// How long the kernel runs on when the modules are gone, in ms.
    pub linger_ms: u64,
    /// Which of the allocations that its modules cause fails, from 1; 0 is none, and all are told.
    pub failing: Option<u32>,
    /// Whether it is told what its modules have counted of their lines.
    pub covers: bool,
    /// Capabilities not to have while objects are loaded, such as `CAP_SYS_BOOT`.
    pub without: Vec<String>,
    /// Wall clock of the host, in nanoseconds since 1970. A guest that was
    /// restored from a saved state has the clock of the day it was saved.
    pub clock_ns: u64,
    /// Fresh randomness for the guest's pool, for the same reason.
    pub entropy: Vec<u8>,
    /// A word that nothing in the guest can know ahead: see [`done`](crate::done) and
    /// [`trace_marks`](crate::trace_marks).
    pub mark: String,
}

/// How a program is attached where its section does not say all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attach {
    /// A section, whose place it gets in place of its own's; or a hook of netfilter, such as
    /// `local_out`. [`NONE`] is nowhere.
    pub hook: Option<String>,
    /// The end of the pair of devices.
    pub dev: Option<End>,
    /// Its turn among the programs of a tcx or netkit hook: `before:NAME` or `after:NAME`.
    pub order: Option<String>,
    /// Its turn among filters or at a hook of netfilter: lower numbers come first.
    pub priority: Option<i32>,
    /// The protocols of netfilter that it sees: `ipv4` or `ipv6`.
    pub pf: Option<Family>,
    /// How often the clock runs it, in nanoseconds.
    pub period: Option<u64>,
    /// The program whose function it replaces.
    pub target: Option<String>,
    /// The map of its object whose elements it iterates over.
    pub map: Option<String>,
    /// The device that it is attached to.
    pub path: Option<String>,
}

/// The [`Attach::hook`] of a program that is attached nowhere.
pub const NONE: &str = "none";

/// A family of protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Attach {
    /// Whether it is attached nowhere.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.hook.as_deref() == Some(NONE)
    }
}

impl Plan {
    /// How a program is attached.
    #[must_use]
    pub fn attach_of(&self, program: &str) -> Attach {
        self.attach.get(program).cloned().unwrap_or_default()
    }
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

/// An entry of a map of a BPF object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The object's name.
    pub object: String,
    /// The map's name.
    pub map: String,
    /// The whole key.
    pub key: Vec<u8>,
    /// The whole value; of a map per CPU, that of each CPU.
    pub value: Vec<u8>,
}

/// What goes on while somebody on the host attends to it, over [`IO_PORT`](crate::IO_PORT).
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
    /// The file, in PATH where it has no `/`; none where it is [`PROGRAM`](crate::PROGRAM) of the share.
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
