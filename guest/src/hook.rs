//! Hooks: where a section says that a program belongs, and what holds it there.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;

use anyhow::{Context, Result, anyhow, bail};
use libbpf_rs::query::{LinkInfo, LinkTypeInfo, PerfEventType};
use libbpf_rs::{
    AsRawLibbpf, Link, NF_INET_LOCAL_IN, NFPROTO_IPV4, NetfilterOpts, Program, ProgramMut,
    TC_EGRESS, TC_INGRESS, TcHook, TcHookBuilder, Xdp, XdpFlags, libbpf_sys,
};

use crate::host_root::HostRoot;
use crate::net::{Lazy, Net, namespace};

/// Where the guest program mounts the cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// First parts of sections whose programs belong to what only their user has: a socket, a map, a
/// route, an event, an interface of its own. `xdp` is of `xdp/devmap` and the like.
const OF_OTHERS: [&str; 14] = [
    "action",
    "lirc_mode2",
    "lwt_in",
    "lwt_out",
    "lwt_seg6local",
    "lwt_xmit",
    "netkit",
    "perf_event",
    "sk_msg",
    "sk_reuseport",
    "sk_skb",
    "socket",
    "xdp",
    "xdp.frags",
];

/// A kind of hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A filter of the clsact qdisc, at the receiving end's ingress or the sending end's egress.
    Classifier(End),
    /// A tcx link, likewise.
    Tcx(End),
    /// The receiving end.
    Xdp,
    /// The root of the cgroups, where every process is.
    Cgroup,
    /// The network namespace of the receiving end.
    Namespace,
    /// netfilter's local input of IPv4, which the packets of the receiving end pass.
    Netfilter,
    /// A structure of the object.
    StructOps,
    /// What libbpf finds by the section alone.
    Libbpf,
}

/// An end of the veth pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Receiver,
    Sender,
}

/// What holds a program at its hook.
pub enum Hold {
    Link(Link),
    /// A link of libbpf's own for several of the kernel's, which it does not tell (`usdt`, 1.7).
    Links(#[expect(dead_code, reason = "it holds the program while it is there")] Link),
    Filter(TcHook, End),
}

impl Hook {
    /// The hook of a section, as libbpf spells it. There is none for a section that does not say
    /// to what.
    pub fn of(section: &str) -> Option<Hook> {
        Some(match section {
            "tc" | "tc/ingress" | "classifier" => Hook::Classifier(End::Receiver),
            "tc/egress" => Hook::Classifier(End::Sender),
            "tcx/ingress" => Hook::Tcx(End::Receiver),
            "tcx/egress" => Hook::Tcx(End::Sender),
            "xdp" | "xdp.frags" => Hook::Xdp,
            "sockops" => Hook::Cgroup,
            "sk_lookup" | "flow_dissector" => Hook::Namespace,
            "netfilter" => Hook::Netfilter,
            "struct_ops" | "struct_ops.s" => Hook::StructOps,
            _ => match section.split_once('/')?.0 {
                "cgroup" | "cgroup_skb" | "lsm_cgroup" => Hook::Cgroup,
                "struct_ops" | "struct_ops.s" => Hook::StructOps,
                first if OF_OTHERS.contains(&first) => return None,
                _ => Hook::Libbpf,
            },
        })
    }

    /// Attaches a program of this section. What a probe is of is looked for in the host's root
    /// first, where that is mounted.
    pub fn attach(
        self,
        program: &ProgramMut<'_>,
        section: &str,
        net: &mut Lazy,
        host_root: Option<&HostRoot>,
    ) -> Result<Hold> {
        let link = match self {
            Hook::Classifier(end) => return attach_filter(program, end, net.get()?),
            Hook::Tcx(end) => attach_tcx(program, end, net.get()?),
            Hook::Xdp => attach_xdp(program, net.get()?),
            Hook::Cgroup => {
                let root = File::open(CGROUPS).with_context(|| format!("open `{CGROUPS}`"))?;
                let done = program.attach_cgroup(root.as_raw_fd());
                done.with_context(|| format!("attach to `{CGROUPS}`"))
            }
            Hook::Namespace => Ok(program.attach_netns(namespace()?.as_raw_fd())?),
            Hook::Netfilter => Ok(program.attach_netfilter_with_opts(NetfilterOpts {
                protocol_family: NFPROTO_IPV4,
                hooknum: NF_INET_LOCAL_IN,
                ..NetfilterOpts::default()
            })?),
            Hook::StructOps => bail!("a structure attaches it"),
            Hook::Libbpf => {
                let attach = || program.attach().map_err(|error| anyhow!("{error:#}"));
                let is_of_file = ["uprobe", "uretprobe", "usdt"];
                match host_root.filter(|_| is_of_file.iter().any(|kind| section.starts_with(kind)))
                {
                    Some(root) => root
                        .within(attach)?
                        .or_else(|error| attach().map_err(|_| error)),
                    None => attach(),
                }
            }
        };
        link.map(match section.starts_with("usdt") {
            true => Hold::Links,
            false => Hold::Link,
        })
    }
}

/// Attaches a filter to the clsact qdisc of an end, behind those that are there.
fn attach_filter(program: &ProgramMut<'_>, end: End, net: &mut Net) -> Result<Hold> {
    let (index, point, count) = match end {
        End::Receiver => (net.receiver, TC_INGRESS, &mut net.filters[0]),
        End::Sender => (net.sender, TC_EGRESS, &mut net.filters[1]),
    };
    *count += 1;
    let mut hook = TcHookBuilder::new(program.as_fd())
        .ifindex(index as i32)
        .handle(1)
        .priority(*count)
        .hook(point);
    let attach = || {
        hook.create().context("make a clsact qdisc")?;
        hook.attach().context("attach to the clsact qdisc")
    };
    let hook = at(end, net, attach)?;
    note(program, end, net)?;
    Ok(Hold::Filter(hook, end))
}

/// Attaches a program by a tcx link, behind those that are there.
fn attach_tcx(program: &ProgramMut<'_>, end: End, net: &mut Net) -> Result<Link> {
    let index = match end {
        End::Receiver => net.receiver,
        End::Sender => net.sender,
    };
    let link = at(end, net, || {
        // SAFETY: the program is loaded, and without options libbpf takes its own.
        let link = unsafe {
            libbpf_sys::bpf_program__attach_tcx(
                program.as_libbpf_object().as_ptr(),
                index as i32,
                std::ptr::null(),
            )
        };
        match NonNull::new(link) {
            // SAFETY: libbpf made the link, and nobody else has it.
            Some(link) => Ok(unsafe { Link::from_ptr(link) }),
            None => Err(std::io::Error::last_os_error()).context("attach by a tcx link"),
        }
    })?;
    note(program, end, net)?;
    Ok(link)
}

/// Attaches an XDP program to the receiving end.
fn attach_xdp(program: &ProgramMut<'_>, net: &mut Net) -> Result<Link> {
    let index = net.receiver as i32;
    let link = program.attach_xdp(index).inspect_err(|_| {
        // Over netlink the kernel says why; by a link it does not.
        let xdp = Xdp::new(program.as_fd());
        if xdp.attach(index, XdpFlags::NONE).is_ok() {
            let _ = xdp.detach(index, XdpFlags::NONE);
        }
    });
    let link = link.context("attach to the veth pair")?;
    note(program, End::Receiver, net)?;
    Ok(link)
}

/// Takes note of what classifies packets at the receiving end.
fn note(program: &ProgramMut<'_>, end: End, net: &mut Net) -> Result<()> {
    if end == End::Receiver {
        net.classifiers.push(Program::id_from_fd(program.as_fd())?);
    }
    Ok(())
}

/// Does `work` where an end is.
fn at<T>(end: End, net: &Net, work: impl FnOnce() -> Result<T>) -> Result<T> {
    match end {
        End::Receiver => work(),
        End::Sender => net.at_sender(work),
    }
}

impl Hold {
    /// Where the kernel has the program of this id, as far as it can be asked.
    ///
    /// # Errors
    /// It has another one there, or none.
    pub fn place(&self, id: u32, net: Option<&Net>) -> Result<Option<String>> {
        let (there, place) = match self {
            Hold::Links(_) => return Ok(None),
            Hold::Link(link) => {
                let info = link.info().context("ask for the link")?;
                (info.prog_id, place_of(&info))
            }
            Hold::Filter(hook, end) => {
                let mut hook = *hook;
                let query = || Ok(hook.query()?);
                let net = net.context("the veth pair is gone")?;
                let there = at(*end, net, query).context("ask for the filter")?;
                let point = match end {
                    End::Receiver => "ingress",
                    End::Sender => "egress",
                };
                (there, format!("tc {point}"))
            }
        };
        match there == id {
            true => Ok(Some(place)),
            false => bail!("the kernel has program {there} there, and not {id}"),
        }
    }
}

/// Where a link is, in words of `struct bpf_link_info`.
pub fn place_of(link: &LinkInfo) -> String {
    match &link.info {
        LinkTypeInfo::RawTracepoint(info) => format!("raw_tracepoint {}", info.name),
        LinkTypeInfo::Tracing(info) => format!("tracing {:?}", info.attach_type),
        LinkTypeInfo::Cgroup(info) => format!("cgroup {:?}", info.attach_type),
        LinkTypeInfo::Iter(info) => format!("iter {}", info.target_name.display()),
        LinkTypeInfo::NetNs(info) => format!("netns {:?}", info.attach_type),
        LinkTypeInfo::Xdp(info) => format!("xdp of interface {}", info.ifindex),
        LinkTypeInfo::Tcx(info) => {
            format!("tcx {:?} of interface {}", info.attach_type, info.ifindex)
        }
        LinkTypeInfo::StructOps(_) => "struct_ops".to_owned(),
        LinkTypeInfo::Netfilter(info) => {
            format!("netfilter {} {}", info.protocol_family, info.hooknum)
        }
        LinkTypeInfo::KprobeMulti(info) => format!("kprobe_multi {}", info.count),
        LinkTypeInfo::UprobeMulti(_) => "uprobe_multi".to_owned(),
        LinkTypeInfo::PerfEvent(info) => match &info.event_type {
            PerfEventType::Tracepoint { .. } => "tracepoint".to_owned(),
            PerfEventType::Kprobe { .. } => "kprobe".to_owned(),
            PerfEventType::Uprobe { .. } => "uprobe".to_owned(),
            _ => "perf_event".to_owned(),
        },
        LinkTypeInfo::Netkit(_) | LinkTypeInfo::SockMap(_) | LinkTypeInfo::Unknown => {
            "a link of another kind".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_the_hook_that_it_names() {
        let hooks = [
            ("tc", Some(Hook::Classifier(End::Receiver))),
            ("tc/egress", Some(Hook::Classifier(End::Sender))),
            ("tcx/ingress", Some(Hook::Tcx(End::Receiver))),
            ("xdp.frags", Some(Hook::Xdp)),
            ("xdp/cpumap", None),
            ("cgroup/connect4", Some(Hook::Cgroup)),
            ("struct_ops/f", Some(Hook::StructOps)),
            ("kprobe/do_unlinkat", Some(Hook::Libbpf)),
            ("kprobe", None),
            ("syscall", None),
            ("netkit/primary", None),
        ];
        for (section, hook) in hooks {
            assert_eq!(Hook::of(section), hook, "{section}");
        }
    }
}
