//! Actions of tc.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use kassay_guest::Attach;
use kassay_guest::section::{End, Way};
use libbpf_rs::{ProgramMut, TC_INGRESS, TcHookBuilder};
use netlink_packet_core::{DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Nla};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcMessage, TcOption};

use crate::net::Net;
use crate::rtnl::{Rtnl, nest, terminated, value, within};

use super::{GONE, at, note, turn};

/// What filters and actions by BPF are called.
const BPF: &str = "bpf";
/// A classic program that takes every packet, `ret #-1`, as a `struct sock_filter` (include/uapi/
/// linux/filter.h).
const TAKE_ALL: [[u8; 4]; 2] = [RET.to_ne_bytes(), u32::MAX.to_ne_bytes()];
/// Its code, a u16, before two bytes that are 0.
const RET: u32 = if cfg!(target_endian = "big") {
    6 << 16
} else {
    6
};
/// The ingress of a clsact qdisc: TC_H_CLSACT and TC_H_MIN_INGRESS (include/uapi/linux/pkt_sched.h).
const TC_H_INGRESS: u32 = 0xffff_fff2;
/// Any protocol, as a filter has it (include/uapi/linux/if_ether.h).
const ETH_P_ALL: u16 = 3;
/// What becomes of a packet where the program says -1: the next filter has its turn.
const TC_ACT_UNSPEC: i32 = -1;

// Attributes of include/uapi/linux/pkt_cls.h and tc_act/tc_bpf.h.
const TCA_BPF_ACT: u16 = 1;
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;
const FIRST: u16 = 1;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_ACT_BPF_PARMS: u16 = 2;
const TCA_ACT_BPF_FD: u16 = 5;
const TCA_ACT_BPF_NAME: u16 = 6;
const TCA_ACT_BPF_ID: u16 = 9;

/// A filter whose action a program is.
pub struct Action {
    pub end: End,
    priority: u16,
}

/// Attaches a program as the action of a filter that takes every packet, by a classic program: so
/// kernels need nothing that `tc` does not need, except the action itself.
pub fn attach(program: &ProgramMut<'_>, how: &Attach, net: &mut Net) -> Result<Action> {
    let end = how.dev.unwrap_or(Way::Ingress.end());
    let priority = turn(how, (end, Way::Ingress), net)?;
    let index = net.index(end) as i32;
    let mut filter = message(index, priority);
    let action = action(program);
    filter.attributes = vec![
        TcAttribute::Kind(BPF.to_owned()),
        TcAttribute::Options(vec![
            TcOption::Other(DefaultNla::new(
                TCA_BPF_OPS_LEN,
                1u16.to_ne_bytes().to_vec(),
            )),
            TcOption::Other(DefaultNla::new(TCA_BPF_OPS, TAKE_ALL.concat())),
            TcOption::Other(nest(TCA_BPF_ACT, &[nest(FIRST, &action)])),
        ]),
    ];
    let mut qdisc = TcHookBuilder::new(program.as_fd())
        .ifindex(index)
        .hook(TC_INGRESS);
    at(end, net, || {
        qdisc.create().context("make a clsact qdisc")?;
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        let done = Rtnl::open()?.send(RouteNetlinkMessage::NewTrafficFilter(filter), flags);
        done.context("make a filter of the clsact qdisc with this action")
    })?;
    note(program, (end, Way::Ingress), net)?;
    Ok(Action { end, priority })
}

/// A filter of the ingress, for every protocol.
fn message(index: i32, priority: u16) -> TcMessage {
    let mut filter = TcMessage::default();
    filter.header.index = index;
    filter.header.handle = 1.into();
    filter.header.parent = TC_H_INGRESS.into();
    filter.header.info = u32::from(priority) << 16 | u32::from(ETH_P_ALL.to_be());
    filter
}

/// What the action is: its kind, and in its options a `struct tc_act_bpf`, the program and its name.
fn action(program: &ProgramMut<'_>) -> [DefaultNla; 2] {
    let params = [0, 0, TC_ACT_UNSPEC, 0, 0].map(i32::to_ne_bytes).concat();
    let fd = program.as_fd().as_raw_fd().to_ne_bytes().to_vec();
    let options = [
        DefaultNla::new(TCA_ACT_BPF_PARMS, params),
        DefaultNla::new(TCA_ACT_BPF_FD, fd),
        DefaultNla::new(TCA_ACT_BPF_NAME, terminated(program.name().as_bytes())),
    ];
    [
        DefaultNla::new(TCA_ACT_KIND, terminated(BPF.as_bytes())),
        nest(TCA_ACT_OPTIONS, &options),
    ]
}

impl Action {
    /// The id of the program that the kernel has there.
    pub fn program(&self, net: Option<&Net>) -> Result<u32> {
        let net = net.context(GONE)?;
        let filter = message(net.index(self.end) as i32, self.priority);
        let info = filter.header.info;
        let ask = || {
            let query = RouteNetlinkMessage::GetTrafficFilter(filter);
            Rtnl::open()?.send(query, NLM_F_DUMP)
        };
        let answers = at(self.end, net, ask).context("ask for the filter")?;
        let id = answers.iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewTrafficFilter(filter) if filter.header.info == info => {
                id(filter)
            }
            _ => None,
        });
        id.context("the kernel has no such action there")
    }
}

/// The id of the program that is the first action of a filter.
fn id(filter: &TcMessage) -> Option<u32> {
    let options = filter
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            TcAttribute::Options(options) => Some(options),
            _ => None,
        });
    let actions = options?
        .iter()
        .find(|option| option.kind() == TCA_BPF_ACT)?;
    let path = [FIRST, TCA_ACT_OPTIONS, TCA_ACT_BPF_ID];
    let id = within(&value(actions), &path)?;
    Some(u32::from_ne_bytes(id.try_into().ok()?))
}
