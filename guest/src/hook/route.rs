//! Routes that run programs: light weight tunnels (lwtunnel) whose encapsulation is by BPF.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, bail};
use kassay_guest::section::{End, Stage};
use libbpf_rs::ProgramMut;
use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, Nla};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage,
    RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::net::{Net, RECEIVER, Routed, SENDER};
use crate::rtnl::{Rtnl, nest, terminated, value, within};

use super::{GONE, at};

/// The table of the kernel's own routes to local addresses (include/uapi/linux/rtnetlink.h).
const RT_TABLE_LOCAL: u8 = 255;

// Attributes of include/uapi/linux/lwtunnel.h.
const LWT_BPF_PROG_FD: u16 = 1;
const LWT_BPF_PROG_NAME: u16 = 2;

/// A program of a route.
pub struct Route {
    pub stage: Stage,
    name: String,
}

/// Has the route of an end to the receiving end run a program, with those that it runs already.
pub fn attach(program: &ProgramMut<'_>, stage: Stage, net: &mut Net) -> Result<Route> {
    let name = program.name().to_string_lossy().into_owned();
    if let Some(other) = &net.routed[stage as usize] {
        bail!(
            "the route has the program `{}` there, and room for one",
            other.name
        );
    }
    net.routed[stage as usize] = Some(Routed {
        name: name.clone(),
        program: program
            .as_fd()
            .try_clone_to_owned()
            .context("keep the program")?,
    });
    let done = at(stage.end(), net, || set(stage.end(), net));
    if done.is_err() {
        net.routed[stage as usize] = None;
    }
    done?;
    Ok(Route { stage, name })
}

/// Makes the route of an end as it is to be, in place of one that is there.
fn set(end: End, net: &Net) -> Result<()> {
    let mut route = route(end);
    let stages = [Stage::In, Stage::Out, Stage::Xmit];
    let programs = stages.into_iter().filter(|stage| stage.end() == end);
    let programs = programs
        .filter_map(|stage| Some(encapsulation(stage, net.routed[stage as usize].as_ref()?)));
    route.attributes.extend([
        RouteAttribute::Oif(net.index(end)),
        RouteAttribute::EncapType(RouteLwEnCapType::Bpf),
        RouteAttribute::Encap(programs.collect()),
    ]);
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let done = Rtnl::open()?.send(RouteNetlinkMessage::NewRoute(route), flags);
    let address = RECEIVER.ip;
    done.with_context(|| format!("make a route to {address} that runs the program"))
        .map(drop)
}

/// The route of an end to the receiving end: of the latter, the one that the kernel has made for an
/// address of its own.
fn route(end: End) -> RouteMessage {
    let mut route = RouteMessage::default();
    let (table, protocol, scope, kind, source) = match end {
        End::Receiver => (
            RT_TABLE_LOCAL,
            RouteProtocol::Kernel,
            RouteScope::Host,
            RouteType::Local,
            RECEIVER.ip,
        ),
        End::Sender => (
            RouteHeader::RT_TABLE_MAIN,
            RouteProtocol::Static,
            RouteScope::Link,
            RouteType::Unicast,
            SENDER.ip,
        ),
    };
    route.header = RouteHeader {
        address_family: AddressFamily::Inet,
        destination_prefix_length: 32,
        table,
        protocol,
        scope,
        kind,
        ..RouteHeader::default()
    };
    route.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet(RECEIVER.ip)),
        RouteAttribute::PrefSource(RouteAddress::Inet(source)),
    ];
    route
}

/// The attribute of a stage, and the section of its programs.
fn names(stage: Stage) -> (u16, &'static str) {
    match stage {
        Stage::In => (1, "lwt_in"),
        Stage::Out => (2, "lwt_out"),
        Stage::Xmit => (3, "lwt_xmit"),
    }
}

/// A program as a route has it.
fn encapsulation(stage: Stage, routed: &Routed) -> RouteLwTunnelEncap {
    let fd = routed.program.as_raw_fd().to_ne_bytes().to_vec();
    let program = [
        DefaultNla::new(LWT_BPF_PROG_FD, fd),
        DefaultNla::new(LWT_BPF_PROG_NAME, terminated(routed.name.as_bytes())),
    ];
    RouteLwTunnelEncap::Other(nest(names(stage).0, &program))
}

impl Route {
    /// Where the kernel has the program. It tells the name alone that it was given
    /// (bpf_fill_lwt_prog in net/core/lwt_bpf.c, 6.1 to 7.2), which only one program of the route
    /// has at its stage.
    pub fn place(&self, net: Option<&Net>) -> Result<String> {
        let net = net.context(GONE)?;
        let end = self.stage.end();
        let wanted = route(end);
        let ask = || {
            let query = RouteNetlinkMessage::GetRoute(route(end));
            Rtnl::open()?.send(query, NLM_F_DUMP)
        };
        let answers = at(end, net, ask).context("ask for the route")?;
        let name = answers.iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewRoute(route) if is_same(route, &wanted) => self.name_in(route),
            _ => None,
        });
        let name = name.context("the route runs no program there")?;
        match name == self.name {
            true => Ok(format!(
                "{} of the route to {}",
                names(self.stage).1,
                RECEIVER.ip
            )),
            false => bail!("the route runs `{name}` there, and not `{}`", self.name),
        }
    }

    /// The name of the program that a route has at this stage.
    fn name_in(&self, route: &RouteMessage) -> Option<String> {
        let encapsulation = route
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                RouteAttribute::Encap(programs) => Some(programs),
                _ => None,
            });
        let mut programs = encapsulation?.iter();
        let program = programs.find(|program| program.kind() == names(self.stage).0)?;
        let name = within(&value(program), &[LWT_BPF_PROG_NAME])?;
        Some(String::from_utf8_lossy(name.strip_suffix(b"\0")?).into_owned())
    }
}

/// Whether a route is to the same address, in the same table.
fn is_same(route: &RouteMessage, wanted: &RouteMessage) -> bool {
    let is_to = |attribute: &RouteAttribute| wanted.attributes[0] == *attribute;
    route.header.table == wanted.header.table && route.attributes.iter().any(is_to)
}
