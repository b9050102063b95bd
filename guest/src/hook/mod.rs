//! Hooks: attaches programs where their sections say, and asks where they are.

mod action;
mod choice;
mod clock;
mod lirc;
mod map;
mod netfilter;
mod route;
mod segment;
mod socket;
mod tcx;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result, anyhow, bail};
use kassay_guest::Attach;
use kassay_guest::section::{End, Place, Way};
use libbpf_rs::query::{LinkInfo, LinkTypeInfo, PerfEventType};
use libbpf_rs::{
    Link, Object, OpenProgramMut, Program, ProgramAttachType, ProgramMut, ProgramType, TC_EGRESS,
    TC_INGRESS, TcHook, TcHookBuilder, Xdp, XdpFlags, libbpf_sys,
};

use crate::host_root::HostRoot;
use crate::net::{Lazy, Net, namespace};

use action::Action;
use lirc::Lirc;
use map::Entry;
use route::Route;

/// Where the guest program mounts the cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Why nothing can be asked of what was at the pair of devices.
const GONE: &str = "the veth pair is gone";

/// What holds a program at its hook.
pub enum Hold {
    Link(Link),
    /// A link of libbpf's own for several of the kernel's, which it does not tell (`usdt`, 1.7).
    Links(#[expect(dead_code, reason = "it holds the program while it is there")] Link),
    /// One for each CPU.
    Events(Vec<Link>),
    Filter(TcHook, End, Way),
    /// A filter's action, which goes with the pair.
    Action(Action),
    /// A route, likewise.
    Route(Route),
    /// A route of IPv6 to a segment, likewise.
    Segment,
    /// A receiver of infrared signals.
    Lirc(Lirc),
    /// A link at an end of the pair, and the program that it has its turn before or after.
    Pair(Link, End, Option<u32>),
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
    /// The programs that it may have a turn before or after, by their names.
    pub others: &'a BTreeMap<String, RawFd>,
}

/// Attaches a program of this section to its place.
pub fn attach(
    place: Place,
    program: &ProgramMut<'_>,
    section: &str,
    how: &Attach,
    site: Site<'_>,
) -> Result<Hold> {
    let Site {
        object, host_root, ..
    } = site;
    let net = &mut *site.net;
    let link = match place {
        Place::Filter(way) => return attach_filter(program, way, how, net.get()?),
        Place::Action => return action::attach(program, how, net.get()?).map(Hold::Action),
        Place::Route(stage) => return route::attach(program, stage, net.get()?).map(Hold::Route),
        Place::Segment => {
            return segment::attach(program, net.get()?).map(|()| Hold::Segment);
        }
        Place::Lirc => return lirc::attach(program, how).map(Hold::Lirc),
        Place::Tcx(way) => {
            let end = how.dev.unwrap_or(way.end());
            return attach_in_order(program, (end, way), how, site);
        }
        Place::Netkit(_) => {
            net.is_netkit()?;
            // The device of the sending end has the programs of both.
            return attach_in_order(program, (End::Sender, Way::Egress), how, site);
        }
        Place::Xdp => {
            let end = how.dev.unwrap_or(End::Receiver);
            return attach_xdp(program, end, net.get()?);
        }
        Place::Cgroup => attach_cgroup(program),
        Place::Netns => Ok(program.attach_netns(namespace()?.as_raw_fd())?),
        Place::Netfilter => return netfilter::attach(program, how, net),
        Place::XdpMap => return map::enter(program, section, how, object, net).map(Hold::Entry),
        Place::SockMap => return map::attach(program, how, object).map(Hold::Entry),
        Place::Socket => return socket::filter(program, net.get()?).map(Hold::Socket),
        Place::Reuseport => return socket::group(program, object, net.get()?).map(Hold::Socket),
        Place::PerfEvent => return clock::attach(program, how.period).map(Hold::Events),
        Place::Freplace => Ok(program.attach()?),
        Place::Named if how.map.is_some() => map::iterate(program, how, object),
        Place::Named => attach_named(program, section, host_root),
        Place::StructOps | Place::Step | Place::Nowhere => bail!("something else attaches it"),
    };
    link.map(match section.starts_with("usdt") {
        true => Hold::Links,
        false => Hold::Link,
    })
}

/// Has a program loaded for another hook of its type, where the scenario says one, and so for its
/// section's kind of place.
pub fn choose(program: &mut OpenProgramMut<'_>, how: &Attach) -> libbpf_rs::Result<()> {
    let own = program.section().to_string_lossy().into_owned();
    let Some(hook) = how
        .hook
        .as_deref()
        .filter(|_| own != "netfilter" && !how.is_none())
    else {
        return Ok(());
    };
    let function = program.name().to_string_lossy().into_owned();
    let refuse = |why| {
        let words = format!("attach `{function}` to `{hook}`: {why}");
        Err(std::io::Error::other(words).into())
    };
    let Ok(name) = CString::new(hook) else {
        return refuse("no section has such a name");
    };
    let (mut kind, mut attach_type) = (0, 0);
    // SAFETY: the name ends with a zero, and there is room for both answers.
    let found = unsafe {
        libbpf_sys::libbpf_prog_type_by_name(name.as_ptr(), &raw mut kind, &raw mut attach_type)
    };
    if found != 0 {
        return refuse("libbpf knows no such section");
    }
    if ProgramType::from(kind) != program.prog_type() {
        return refuse("it is a section of another type of programs");
    }
    program.set_attach_type(ProgramAttachType::from(attach_type));
    Ok(())
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

/// Attaches a filter to the clsact qdisc of an end: after those that are there, or by its priority.
fn attach_filter(program: &ProgramMut<'_>, way: Way, how: &Attach, net: &mut Net) -> Result<Hold> {
    let end = how.dev.unwrap_or(way.end());
    let priority = turn(how, (end, way), net)?;
    let hook = TcHookBuilder::new(program.as_fd())
        .ifindex(net.index(end) as i32)
        .handle(1)
        .priority(u32::from(priority))
        .hook(match way {
            Way::Ingress => TC_INGRESS,
            Way::Egress => TC_EGRESS,
        });
    let attach = |mut hook: TcHook| {
        hook.create().context("make a clsact qdisc")?;
        hook.attach().context("attach to the clsact qdisc")
    };
    let hook = at(end, net, || attach(hook))?;
    note(program, (end, way), net)?;
    Ok(Hold::Filter(hook, end, way))
}

/// The priority of the next filter there: after those that are there, or what the scenario says.
fn turn(how: &Attach, (end, way): (End, Way), net: &mut Net) -> Result<u16> {
    let last = &mut net.filters[end as usize][way as usize];
    let priority = how.priority.unwrap_or(*last + 1);
    *last = priority.max(*last);
    u16::try_from(priority).with_context(|| format!("take the priority {priority}"))
}

/// Attaches a program by a link of an ordered hook.
fn attach_in_order(
    program: &ProgramMut<'_>,
    (end, way): (End, Way),
    how: &Attach,
    site: Site<'_>,
) -> Result<Hold> {
    let net = site.net.get()?;
    let order = how.order.as_deref().map(|order| {
        let (turn, other) =
            tcx::turn(order).with_context(|| format!("take the order `{order}`"))?;
        let found = site.others.get(other);
        let other = *found.with_context(|| format!("no program `{other}` is loaded"))?;
        anyhow::Ok(tcx::Order { turn, other })
    });
    let order = order.transpose()?;
    let other = order.map(|order| Program::id_from_fd(order.other()));
    let link = tcx::attach(program, end, order, net)?;
    note(program, (end, way), net)?;
    Ok(Hold::Pair(link, end, other.transpose()?))
}

/// Attaches an XDP program to an end.
fn attach_xdp(program: &ProgramMut<'_>, end: End, net: &mut Net) -> Result<Hold> {
    let index = net.index(end) as i32;
    let attach = || {
        let link = program.attach_xdp(index).inspect_err(|_| {
            // Over netlink the kernel says why; by a link it does not.
            let xdp = Xdp::new(program.as_fd());
            if xdp.attach(index, XdpFlags::NONE).is_ok() {
                let _ = xdp.detach(index, XdpFlags::NONE);
            }
        });
        link.context("attach to the veth pair")
    };
    let link = at(end, net, attach)?;
    note(program, (end, Way::Ingress), net)?;
    Ok(Hold::Pair(link, end, None))
}

/// Takes note of what classifies packets where they arrive.
fn note(program: &ProgramMut<'_>, place: (End, Way), net: &mut Net) -> Result<()> {
    if place == (End::Receiver, Way::Ingress) {
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
    /// The end of the pair where it is, where it is at one.
    pub fn end(&self) -> Option<End> {
        match self {
            Hold::Filter(_, end, _) | Hold::Pair(_, end, _) => Some(*end),
            Hold::Action(action) => Some(action.end),
            Hold::Route(route) => Some(route.stage.end()),
            _ => None,
        }
    }

    /// Where the kernel has the program of this id, as far as it can be asked.
    ///
    /// # Errors
    /// It has another one there, or none.
    pub fn place(&self, id: u32, net: Option<&Net>) -> Result<Option<String>> {
        let (there, place) = match self {
            Hold::Links(_) | Hold::Socket(_) => return Ok(None),
            Hold::Gone(place) => return Ok(Some(place.clone())),
            Hold::Link(link) | Hold::Pair(link, ..) => {
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
            Hold::Lirc(lirc) => (lirc.program(id)?, lirc.place()),
            Hold::Segment => {
                net.context(GONE)?;
                let (there, _) = segment::there()?.context("the route is gone")?;
                (there, segment::place())
            }
            Hold::Action(action) => (action.program(net)?, "action of tc ingress".to_owned()),
            Hold::Route(route) => return route.place(net).map(Some),
            Hold::Filter(hook, end, way) => {
                let mut hook = *hook;
                let query = || Ok(hook.query()?);
                let net = net.context(GONE)?;
                let there = at(*end, net, query).context("ask for the filter")?;
                let point = match way {
                    Way::Ingress => "ingress",
                    Way::Egress => "egress",
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
        LinkTypeInfo::Netkit(info) => {
            format!(
                "netkit {:?} of interface {}",
                info.attach_type, info.ifindex
            )
        }
        LinkTypeInfo::SockMap(_) | LinkTypeInfo::Unknown => "a link of another kind".to_owned(),
    }
}
