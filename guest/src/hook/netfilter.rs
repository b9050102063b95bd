//! Hooks of netfilter.

use anyhow::{Context, Result};
use kassay_guest::section::End;
use kassay_guest::{Attach, Family};
use libbpf_rs::query::NetfilterLinkInfo;
use libbpf_rs::{
    NF_INET_FORWARD, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING,
    NF_INET_PRE_ROUTING, NFPROTO_IPV4, NFPROTO_IPV6, NetfilterOpts, ProgramMut,
};

use crate::net::Lazy;

use super::{Hold, at};

/// The hooks, as a scenario calls them.
const HOOKS: [(&str, i32); 5] = [
    ("pre_routing", NF_INET_PRE_ROUTING),
    ("local_in", NF_INET_LOCAL_IN),
    ("forward", NF_INET_FORWARD),
    ("local_out", NF_INET_LOCAL_OUT),
    ("post_routing", NF_INET_POST_ROUTING),
];

/// Attaches a program to a hook of an end's namespace: unless the scenario says otherwise, to
/// IPv4's local input at the receiving end.
pub fn attach(program: &ProgramMut<'_>, how: &Attach, net: &mut Lazy) -> Result<Hold> {
    let hook = how.hook.as_deref().unwrap_or("local_in");
    let (_, hooknum) = HOOKS
        .into_iter()
        .find(|(name, _)| *name == hook)
        .with_context(|| {
            let names = HOOKS.map(|(name, _)| name).join("`, `");
            format!("`{hook}` is no hook of netfilter: they are `{names}`")
        })?;
    let options = NetfilterOpts {
        protocol_family: match how.pf {
            Some(Family::Ipv6) => NFPROTO_IPV6,
            Some(Family::Ipv4) | None => NFPROTO_IPV4,
        },
        hooknum,
        priority: how.priority.unwrap_or(0),
        ..NetfilterOpts::default()
    };
    let end = how.dev.unwrap_or(End::Receiver);
    let attach = || Ok(program.attach_netfilter_with_opts(options)?);
    let link = at(end, net.get()?, attach)?;
    Ok(Hold::Pair(link, end, None))
}

/// Where a link is, in the scenario's words.
pub fn words(info: &NetfilterLinkInfo) -> String {
    let mut hooks = HOOKS.into_iter();
    let name = hooks.find(|(_, number)| *number as u32 == info.hooknum);
    let family = match info.protocol_family as i32 {
        NFPROTO_IPV6 => "IPv6",
        NFPROTO_IPV4 => "IPv4",
        _ => "another family",
    };
    format!(
        "{} of {family}, priority {}",
        name.map_or("another hook", |(name, _)| name),
        info.priority
    )
}
