//! Ways to have a kernel run a program: its type, its section, and what triggers it.

/// A way to have a kernel run a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Way {
    /// The type of programs, without `BPF_PROG_TYPE_`.
    pub kind: &'static str,
    /// The section of such a program.
    pub section: &'static str,
    /// What runs it.
    pub trigger: Trigger,
    /// The structures that its context is, as programs and as the kernel call it.
    pub contexts: &'static [&'static str],
    /// Whether it reads packets where they are.
    pub has_packet: bool,
}

/// What runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A `test_run`, and a `race`.
    Run,
    /// The same, on a frame.
    Frame,
    /// It is attached, and files are unlinked: in the context of a task.
    Unlink,
    /// It is attached, and packets arrive: in a softirq.
    Arrival,
}

impl Trigger {
    /// Whether the program is attached.
    pub fn is_attached(self) -> bool {
        matches!(self, Trigger::Unlink | Trigger::Arrival)
    }
}

const SKB: &[&str] = &["__sk_buff", "sk_buff"];
const XDP: &[&str] = &["xdp_md", "xdp_buff"];
const REGS: &[&str] = &["pt_regs", "user_pt_regs"];

/// All ways. Types that are not here have their kfuncs from sets of types that are.
pub const WAYS: [Way; 12] = [
    of("SYSCALL", "syscall", Trigger::Run, &[]),
    of("XDP", "xdp", Trigger::Frame, XDP).reading(),
    of("SCHED_CLS", "tc", Trigger::Frame, SKB).reading(),
    of("SCHED_CLS", "tc", Trigger::Arrival, SKB).reading(),
    of("SCHED_ACT", "action", Trigger::Frame, SKB).reading(),
    of("SOCKET_FILTER", "socket", Trigger::Frame, SKB),
    of("CGROUP_SKB", "cgroup_skb/ingress", Trigger::Frame, SKB),
    of("TRACING", "fentry/vfs_unlink", Trigger::Unlink, &[]),
    of("LSM", "lsm/inode_unlink", Trigger::Unlink, &[]),
    of("RAW_TRACEPOINT", "raw_tp", Trigger::Run, &[]),
    of(
        "TRACEPOINT",
        "tp/sched/sched_process_exit",
        Trigger::Unlink,
        &[],
    ),
    of("KPROBE", "kprobe/vfs_unlink", Trigger::Unlink, REGS),
];

const fn of(
    kind: &'static str,
    section: &'static str,
    trigger: Trigger,
    contexts: &'static [&'static str],
) -> Way {
    Way {
        kind,
        section,
        trigger,
        contexts,
        has_packet: false,
    }
}

impl Way {
    const fn reading(mut self) -> Way {
        self.has_packet = true;
        self
    }

    /// What tells it from any other.
    pub fn name(&self) -> String {
        format!("{} by {:?}", self.section, self.trigger).to_lowercase()
    }

    /// What a program returns, so that what comes after it goes on: TC_ACT_UNSPEC, XDP_PASS, or that a
    /// call is allowed.
    pub fn returns(&self) -> &'static str {
        match self.kind {
            "SCHED_CLS" => "-1",
            "XDP" => "2",
            "CGROUP_SKB" => "1",
            _ => "0",
        }
    }

    /// The type of a program's parameter.
    pub fn context(&self) -> &'static str {
        match self.contexts {
            ["__sk_buff", ..] => "struct __sk_buff",
            ["xdp_md", ..] => "struct xdp_md",
            _ => "void",
        }
    }
}
