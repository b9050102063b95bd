//! Hooks: attaches programs where their sections say, and asks where they are.

mod clock;
mod map;
mod socket;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::NonNull;

use anyhow::{Context, Result, anyhow, bail};
use kassay_guest::section::{End, Place};
use libbpf_rs::query::{LinkInfo, LinkTypeInfo, PerfEventType};
use libbpf_rs::{
    AsRawLibbpf, Link, NF_INET_LOCAL_IN, NFPROTO_IPV4, NetfilterOpts, Object, Program, ProgramMut,
    TC_EGRESS, TC_INGRESS, TcHook, TcHookBuilder, Xdp, XdpFlags, libbpf_sys,
};

use crate::host_root::HostRoot;
use crate::net::{Lazy, Net, namespace};

use map::Entry;

/// Where the guest program mounts the cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What holds a program at its hook.
pub enum Hold {
    Link(Link),
    /// A link of libbpf's own for several of the kernel's, which it does not tell (`usdt`, 1.7).
    Links(#[expect(dead_code, reason = "it holds the program while it is there")] Link),
    /// One for each CPU.
    Events(Vec<Link>),
    Filter(TcHook, End),
    /// A map, which holds it as long as it is there.
    Entry(Entry),
    /// A socket, which the kernel does not tell of.
    Socket(#[expect(dead_code, reason = "it holds the program while it is there")] OwnedFd),
    /// Nothing any more. It was there.
    Gone(String),
}

/// What there is to attach programs to.
pub struct Site<'a> {
    /// The object that the program is of.
    pub object: &'a Object,
    pub net: &'a mut Lazy,
    /// What a probe is of is looked for there first, where it is mounted.
    pub host_root: Option<&'a HostRoot>,
}

/// Attaches a program of this section to its place.
pub fn attach(
    place: Place,
    program: &ProgramMut<'_>,
    section: &str,
    site: Site<'_>,
) -> Result<Hold> {
    let Site {
        object,
        net,
        host_root,
    } = site;
    let link = match place {
        Place::Filter(end) => return attach_filter(program, end, net.get()?),
        Place::Tcx(end) => attach_tcx(program, end, net.get()?),
        Place::Xdp => attach_xdp(program, net.get()?),
        Place::Cgroup => attach_cgroup(program),
        Place::Netns => Ok(program.attach_netns(namespace()?.as_raw_fd())?),
        Place::Netfilter => Ok(program.attach_netfilter_with_opts(NetfilterOpts {
            protocol_family: NFPROTO_IPV4,
            hooknum: NF_INET_LOCAL_IN,
            ..NetfilterOpts::default()
        })?),
        Place::XdpMap => return map::enter(program, object, net).map(Hold::Entry),
        Place::SockMap => return map::attach(program, object).map(Hold::Entry),
        Place::Socket => return socket::filter(program, net.get()?).map(Hold::Socket),
        Place::Reuseport => return socket::group(program, object, net.get()?).map(Hold::Socket),
        Place::PerfEvent => return clock::attach(program).map(Hold::Events),
        Place::Freplace => Ok(program.attach()?),
        Place::Named => attach_named(program, section, host_root),
        Place::StructOps | Place::Step | Place::Nowhere => bail!("something else attaches it"),
    };
    link.map(match section.starts_with("usdt") {
        true => Hold::Links,
        false => Hold::Link,
    })
}

/// Attaches a program to what its section names. For a probe of a file, the host's root is this
/// process's as long as libbpf attaches: libbpf and the kernel then find files, libraries and links
/// as programs there do.
fn attach_named(
    program: &ProgramMut<'_>,
    section: &str,
    host_root: Option<&HostRoot>,
) -> Result<Link> {
    let attach = || program.attach().map_err(|error| anyhow!("{error:#}"));
    let is_of_file = ["uprobe", "uretprobe", "usdt"];
    match host_root.filter(|_| is_of_file.iter().any(|kind| section.starts_with(kind))) {
        Some(root) => root
            .within(attach)?
            .or_else(|error| attach().map_err(|_| error)),
        None => attach(),
    }
}

fn attach_cgroup(program: &ProgramMut<'_>) -> Result<Link> {
    let root = File::open(CGROUPS).with_context(|| format!("open `{CGROUPS}`"))?;
    let done = program.attach_cgroup(root.as_raw_fd());
    done.with_context(|| format!("attach to `{CGROUPS}`"))
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
            Hold::Links(_) | Hold::Socket(_) => return Ok(None),
            Hold::Gone(place) => return Ok(Some(place.clone())),
            Hold::Link(link) => {
                let info = link.info().context("ask for the link")?;
                (info.prog_id, place_of(&info))
            }
            Hold::Events(links) => {
                let ids = links.iter().map(|link| Ok(link.info()?.prog_id));
                let ids: Vec<u32> = ids.collect::<Result<_>>().context("ask for the links")?;
                let other = ids.into_iter().find(|there| *there != id);
                (other.unwrap_or(id), "perf_event".to_owned())
            }
            Hold::Entry(entry) => (entry.program()?, entry.place()),
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
