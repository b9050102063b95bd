//! Sections of BPF programs, and where kassay puts a program of each.

use serde::{Deserialize, Serialize};

/// Sections whose programs have one kind of place.
pub struct Row {
    /// As libbpf's `section_defs` has them (src/libbpf.c, 1.7): a `+` stands for a `/` and what it
    /// is of.
    pub sections: &'static [&'static str],
    /// Where a program of these is put.
    pub place: Place,
    /// The same for a reader.
    pub words: &'static str,
}

/// Where a program is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A filter of the clsact qdisc.
    Filter(Way),
    /// An action of such a filter, which takes every packet.
    Action,
    /// A tcx link.
    Tcx(Way),
    /// A netkit link, of the device whose end this is.
    Netkit(End),
    /// The receiving end of the veth pair.
    Xdp,
    /// An entry of the object's map of CPUs or of devices.
    XdpMap,
    /// The root of the cgroups, where every process is.
    Cgroup,
    /// The network namespace of the receiving end.
    Netns,
    /// netfilter's local input of IPv4, which the packets of the receiving end pass.
    Netfilter,
    /// A route to the address of the receiving end.
    Route(Stage),
    /// A route of IPv6 in the netns of the receiving end, to a segment of its own.
    Segment,
    /// A packet socket at the receiving end.
    Socket,
    /// The group of the socket that receives what a `udp` sends.
    Reuseport,
    /// The object's map of sockets.
    SockMap,
    /// The clock of each CPU.
    PerfEvent,
    /// A receiver of infrared signals.
    Lirc,
    /// A function of another program, from the load on.
    Freplace,
    /// A structure of the object.
    StructOps,
    /// What the section names, as libbpf finds it.
    Named,
    /// No place: a step runs it.
    Step,
    /// kassay has no place for it.
    Nowhere,
}

/// An end of the pair of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Where packets arrive.
    Receiver,
    /// Where they are sent.
    Sender,
}

/// Which way packets go that a program sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In.
    Ingress,
    /// Out.
    Egress,
}

impl Way {
    /// The end where packets go this way: a `udp` sends nothing back.
    #[must_use]
    pub fn end(self) -> End {
        match self {
            Way::Ingress => End::Receiver,
            Way::Egress => End::Sender,
        }
    }
}

/// When a route runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// When a packet has arrived that is for this end.
    In,
    /// When the route of a packet has been found.
    Out,
    /// When it is about to be sent.
    Xmit,
}

impl Stage {
    /// The end whose route it is.
    #[must_use]
    pub fn end(self) -> End {
        match self {
            Stage::In => End::Receiver,
            Stage::Out | Stage::Xmit => End::Sender,
        }
    }
}

/// All sections that libbpf knows.
pub const ROWS: &[Row] = &[
    Row {
        sections: &["tc", "tc/ingress", "classifier"],
        place: Place::Filter(Way::Ingress),
        words: "the clsact qdisc at the receiving end's ingress. Several programs take their turns \
                in order",
    },
    Row {
        sections: &["tc/egress"],
        place: Place::Filter(Way::Egress),
        words: "the clsact qdisc at the sending end's egress",
    },
    Row {
        sections: &["action"],
        place: Place::Action,
        words: "an action, for every packet, of the clsact qdisc at the receiving end's ingress. \
                Programs of `tc` and actions take their turns in order; by -1 an action leaves a \
                packet to the next",
    },
    Row {
        sections: &["tcx/ingress"],
        place: Place::Tcx(Way::Ingress),
        words: "the receiving end's ingress, by a tcx link (from 6.6 on)",
    },
    Row {
        sections: &["tcx/egress"],
        place: Place::Tcx(Way::Egress),
        words: "the sending end's egress, by a tcx link (from 6.6 on)",
    },
    Row {
        sections: &["netkit/primary"],
        place: Place::Netkit(End::Sender),
        words: "the sending end, whose pair is of netkit in place of veth then (from 6.7 on). It \
                sees what is sent",
    },
    Row {
        sections: &["netkit/peer"],
        place: Place::Netkit(End::Receiver),
        words: "the receiving end of such a pair. It sees what is sent back, as by a `tcp`",
    },
    Row {
        sections: &["xdp", "xdp.frags"],
        place: Place::Xdp,
        words: "the receiving end. Its MTU is 1500, or 16000 where a step is a `drive`, because a \
                driver may send large packets",
    },
    Row {
        sections: &[
            "xdp/cpumap",
            "xdp.frags/cpumap",
            "xdp/devmap",
            "xdp.frags/devmap",
        ],
        place: Place::XdpMap,
        words: "entry 0 of the object's CPUMAP, or of its DEVMAP, where the device is the \
                receiving end. An XDP program redirects to it",
    },
    Row {
        sections: &[
            "cgroup_skb/ingress",
            "cgroup_skb/egress",
            "cgroup/sock_create",
            "cgroup/sock_release",
            "cgroup/sock",
            "cgroup/post_bind4",
            "cgroup/post_bind6",
            "cgroup/bind4",
            "cgroup/bind6",
            "cgroup/connect4",
            "cgroup/connect6",
            "cgroup/connect_unix",
            "cgroup/sendmsg4",
            "cgroup/sendmsg6",
            "cgroup/sendmsg_unix",
            "cgroup/recvmsg4",
            "cgroup/recvmsg6",
            "cgroup/recvmsg_unix",
            "cgroup/getpeername4",
            "cgroup/getpeername6",
            "cgroup/getpeername_unix",
            "cgroup/getsockname4",
            "cgroup/getsockname6",
            "cgroup/getsockname_unix",
            "cgroup/sysctl",
            "cgroup/getsockopt",
            "cgroup/setsockopt",
            "cgroup/dev",
            "lsm_cgroup+",
            "sockops",
        ],
        place: Place::Cgroup,
        words: "the root of the cgroups",
    },
    Row {
        sections: &["sk_lookup", "flow_dissector"],
        place: Place::Netns,
        words: "the netns of the receiving end",
    },
    Row {
        sections: &["netfilter"],
        place: Place::Netfilter,
        words: "IPv4's local input in that netns (from 6.4 on)",
    },
    Row {
        sections: &["lwt_in"],
        place: Place::Route(Stage::In),
        words: "the receiving end's route to its own address, 192.0.2.2, which all that arrives \
                for it takes. Only one program can have it",
    },
    Row {
        sections: &["lwt_out"],
        place: Place::Route(Stage::Out),
        words: "the sending end's route to 192.0.2.2, by which it sends what goes through a socket: \
                all of a `tcp`, and a `udp` with `by = \"socket\"`. Only one program can have it",
    },
    Row {
        sections: &["lwt_xmit"],
        place: Place::Route(Stage::Xmit),
        words: "the same route, right before a packet gets its Ethernet header. Only one program \
                can have it",
    },
    Row {
        sections: &["lwt_seg6local"],
        place: Place::Segment,
        words: "a route to 2001:db8::3 in the netns of the receiving end, by the action End.BPF of \
                seg6local. It takes what arrives [with a segment routing header](#segments). Only \
                one program can have it",
    },
    Row {
        sections: &["socket"],
        place: Place::Socket,
        words: "a packet socket at the receiving end, which nobody reads",
    },
    Row {
        sections: &["sk_reuseport", "sk_reuseport/migrate"],
        place: Place::Reuseport,
        words: "the socket that receives what a `udp` sends, which is in a group of its own, and \
                in place 0 of the object's one REUSEPORT_SOCKARRAY, if it has any. Only one \
                program can have it",
    },
    Row {
        sections: &[
            "sk_msg",
            "sk_skb/stream_parser",
            "sk_skb/stream_verdict",
            "sk_skb/verdict",
        ],
        place: Place::SockMap,
        words: "the object's SOCKMAP or SOCKHASH, into which a program of `sockops` puts sockets",
    },
    Row {
        sections: &["perf_event"],
        place: Place::PerfEvent,
        words: "the software clock of each CPU, every millisecond",
    },
    Row {
        sections: &["lirc_mode2"],
        place: Place::Lirc,
        words: "[the receiver of infrared signals](#infrared-signals) `/dev/lirc0`, or the one that \
                `path` says. Several programs see each signal in order",
    },
    Row {
        sections: &["freplace+"],
        place: Place::Freplace,
        words: "the function of that name of the one program before it in the scenario that has \
                it, from the load on",
    },
    Row {
        sections: &["struct_ops+", "struct_ops.s+"],
        place: Place::StructOps,
        words: "the structures of the object are registered",
    },
    Row {
        sections: &[
            "kprobe+",
            "kretprobe+",
            "kprobe.multi+",
            "kretprobe.multi+",
            "kprobe.session+",
            "ksyscall+",
            "kretsyscall+",
            "uprobe+",
            "uprobe.s+",
            "uretprobe+",
            "uretprobe.s+",
            "uprobe.multi+",
            "uprobe.multi.s+",
            "uretprobe.multi+",
            "uretprobe.multi.s+",
            "uprobe.session+",
            "uprobe.session.s+",
            "usdt+",
            "usdt.s+",
            "tracepoint+",
            "tp+",
            "raw_tracepoint+",
            "raw_tp+",
            "raw_tracepoint.w+",
            "raw_tp.w+",
            "tp_btf+",
            "fentry+",
            "fentry.s+",
            "fexit+",
            "fexit.s+",
            "fmod_ret+",
            "fmod_ret.s+",
            "fsession+",
            "fsession.s+",
            "lsm+",
            "lsm.s+",
            "iter+",
            "iter.s+",
        ],
        place: Place::Named,
        words: "where libbpf finds what the section names. With `host_root`, the file of a uprobe \
                is looked for in the host's root first",
    },
    Row {
        sections: &["syscall"],
        place: Place::Step,
        words: "nowhere: a step runs it. So does one `raw_tp`, where the section names nothing",
    },
    Row {
        sections: &["cgroup/skb", "sk_skb"],
        place: Place::Nowhere,
        words: "nowhere: kassay has no hook for these. A `test_run` may run a `cgroup/skb`, and \
                `may_not_run` names a `sk_skb`",
    },
];

/// The first kernels, as MAJOR and MINOR, that have what a section begins with, where a kernel of
/// today may lack it (`enum bpf_attach_type` of include/uapi/linux/bpf.h, by its history).
const SINCE: [(&str, (u32, u32)); 10] = [
    ("kprobe.multi/", (5, 18)),
    ("kretprobe.multi/", (5, 18)),
    ("lsm_cgroup/", (6, 0)),
    ("netfilter", (6, 4)),
    ("tcx/", (6, 6)),
    ("uprobe.multi", (6, 6)),
    ("uretprobe.multi", (6, 6)),
    ("netkit/", (6, 7)),
    ("kprobe.session/", (6, 10)),
    ("uprobe.session", (6, 13)),
];

/// The first kernel that has hooks of this section, where that is a question.
#[must_use]
pub fn since(section: &str) -> Option<(u32, u32)> {
    let mut all = SINCE.iter();
    Some(all.find(|(kind, _)| section.starts_with(kind))?.1)
}

/// The options that hooks of what a section begins with are built with, where few others have them.
const OPTIONS: [(&str, &str); 6] = [
    ("action", "NET_ACT_BPF"),
    ("lirc_mode2", "BPF_LIRC_MODE2"),
    ("lwt_seg6local", "IPV6_SEG6_LWTUNNEL"),
    ("lwt_", "LWTUNNEL_BPF"),
    ("netfilter", "NETFILTER_BPF_LINK"),
    ("netkit/", "NETKIT"),
];

/// The option, without `CONFIG_`, that hooks of this section are built with, where that is a
/// question.
#[must_use]
pub fn option(section: &str) -> Option<&'static str> {
    let mut all = OPTIONS.iter();
    Some(all.find(|(kind, _)| section.starts_with(kind))?.1)
}

/// Hooks of netfilter, which are no sections, in the order of their numbers (`enum nf_inet_hooks` of
/// include/uapi/linux/netfilter.h).
pub const NETFILTER: [&str; 5] = [
    "pre_routing",
    "local_in",
    "forward",
    "local_out",
    "post_routing",
];

/// What stands before a section where the kernel has no programs of its type.
const NO_TYPE: &str = "the kernel has no programs of the type of ";

/// Words for a program of this section, whose type the kernel does not have.
#[must_use]
pub fn without_type(section: &str) -> String {
    format!("{NO_TYPE}`{section}`")
}

/// The section that an error speaks of in [these words](without_type).
#[must_use]
pub fn of_no_type(error: &str) -> Option<&str> {
    let section = error.strip_prefix(NO_TYPE)?.strip_prefix('`')?;
    Some(section.split_once('`')?.0)
}

/// Where a program of this section is put. What does not name what it is of belongs nowhere.
#[must_use]
pub fn place(section: &str) -> Place {
    if matches!(section, "raw_tp" | "raw_tracepoint") {
        return Place::Step;
    }
    let is_of = |known: &&str| match known.strip_suffix('+') {
        Some(kind) => section
            .strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with('/')),
        None => section == *known,
    };
    let row = ROWS.iter().find(|row| row.sections.iter().any(is_of));
    match row {
        Some(row) => row.place,
        // A callback need not say which member it is.
        None if matches!(section, "struct_ops" | "struct_ops.s") => Place::StructOps,
        None => Place::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_the_place_that_it_names() {
        let places = [
            ("tc", Place::Filter(Way::Ingress)),
            ("tc/egress", Place::Filter(Way::Egress)),
            ("tcx/ingress", Place::Tcx(Way::Ingress)),
            ("xdp.frags", Place::Xdp),
            ("xdp/cpumap", Place::XdpMap),
            ("cgroup/connect4", Place::Cgroup),
            ("struct_ops/f", Place::StructOps),
            ("struct_ops", Place::StructOps),
            ("kprobe/do_unlinkat", Place::Named),
            ("kprobe", Place::Nowhere),
            ("kprobes/f", Place::Nowhere),
            ("raw_tp", Place::Step),
            ("raw_tp/sys_enter", Place::Named),
            ("syscall", Place::Step),
            ("netkit/primary", Place::Netkit(End::Sender)),
            ("action", Place::Action),
            ("lwt_xmit", Place::Route(Stage::Xmit)),
            ("lwt_seg6local", Place::Segment),
            ("sk_skb", Place::Nowhere),
        ];
        for (section, there) in places {
            assert_eq!(place(section), there, "{section}");
        }
    }

    #[test]
    fn a_section_without_a_type_is_found_in_its_words() {
        let error = format!("{}: Invalid argument", without_type("lirc_mode2"));
        assert_eq!(of_no_type(&error), Some("lirc_mode2"));
        assert_eq!(of_no_type("Invalid argument"), None);
    }

    #[test]
    fn the_longer_beginning_of_a_section_has_the_option() {
        assert_eq!(option("lwt_seg6local"), Some("IPV6_SEG6_LWTUNNEL"));
        assert_eq!(option("lwt_in"), Some("LWTUNNEL_BPF"));
        assert_eq!(option("xdp"), None);
    }
}
