//! A route of IPv6 whose action on packets with a segment routing header (SRv6) is a program.

use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, bail};
use libbpf_rs::ProgramMut;
use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Nla};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteLwEnCapType, RouteLwTunnelEncap, RouteMessage,
    RouteProtocol, RouteScope, RouteSeg6LocalTunnel, RouteType, Seg6LocalAction,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::net::Net;
use crate::rtnl::{Rtnl, nest, terminated, value, within};

/// The segment: an address that neither end has, in their network.
const SEGMENT: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);

// Attributes of include/uapi/linux/seg6_local.h.
const SEG6_LOCAL_BPF: u16 = 8;
const SEG6_LOCAL_BPF_PROG: u16 = 1;
const SEG6_LOCAL_BPF_PROG_NAME: u16 = 2;

/// Has the receiving end run a program for what arrives for the segment.
pub fn attach(program: &ProgramMut<'_>, net: &mut Net) -> Result<()> {
    net.give_ipv6()?;
    if let Some((_, other)) = there()? {
        bail!("the route to {SEGMENT} has the program `{other}`, and room for one");
    }
    let mut route = route();
    route.attributes.extend([
        RouteAttribute::Oif(net.receiver),
        RouteAttribute::EncapType(RouteLwEnCapType::Seg6Local),
        RouteAttribute::Encap(
            encapsulation(program)
                .map(RouteLwTunnelEncap::Seg6Local)
                .into(),
        ),
    ]);
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let done = Rtnl::open()?.send(RouteNetlinkMessage::NewRoute(route), flags);
    done.with_context(|| format!("make a route to {SEGMENT} that runs the program"))
        .map(drop)
}

/// The route to the segment alone.
fn route() -> RouteMessage {
    let mut route = RouteMessage::default();
    route.header = RouteHeader {
        address_family: AddressFamily::Inet6,
        destination_prefix_length: 128,
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Static,
        scope: RouteScope::Universe,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    route.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet6(SEGMENT))];
    route
}

/// A program as a route has it: by its descriptor, and the name that is shown.
fn encapsulation(program: &ProgramMut<'_>) -> [RouteSeg6LocalTunnel; 2] {
    let fd = program.as_fd().as_raw_fd().to_ne_bytes().to_vec();
    let name = terminated(program.name().as_bytes());
    let program = [
        DefaultNla::new(SEG6_LOCAL_BPF_PROG, fd),
        DefaultNla::new(SEG6_LOCAL_BPF_PROG_NAME, name),
    ];
    [
        RouteSeg6LocalTunnel::Action(Seg6LocalAction::EndBpf),
        RouteSeg6LocalTunnel::Other(nest(SEG6_LOCAL_BPF, &program)),
    ]
}

/// Where that is, in words.
pub fn place() -> String {
    format!("lwt_seg6local of the route to {SEGMENT}")
}

/// The id and the name of the program that the route to the segment has; none where there is no such
/// route.
pub fn there() -> Result<Option<(u32, String)>> {
    let query = RouteNetlinkMessage::GetRoute(route());
    let answers = Rtnl::open()?.send(query, NLM_F_DUMP);
    let answers = answers.context("ask for the route")?;
    let to = RouteAttribute::Destination(RouteAddress::Inet6(SEGMENT));
    Ok(answers.iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(route) if route.attributes.contains(&to) => program_of(route),
        _ => None,
    }))
}

/// The id and the name of the program that a route has.
fn program_of(route: &RouteMessage) -> Option<(u32, String)> {
    let mut attributes = route.attributes.iter();
    let encapsulation = attributes.find_map(|attribute| match attribute {
        RouteAttribute::Encap(encapsulation) => Some(encapsulation),
        _ => None,
    });
    let mut actions = encapsulation?.iter();
    let program = actions.find(|action| action.kind() == SEG6_LOCAL_BPF)?;
    let program = value(program);
    let id = within(&program, &[SEG6_LOCAL_BPF_PROG])?;
    let name = within(&program, &[SEG6_LOCAL_BPF_PROG_NAME])?;
    let name = String::from_utf8_lossy(name.strip_suffix(b"\0")?).into_owned();
    Some((u32::from_ne_bytes(id.try_into().ok()?), name))
}
