//! Hooks of netfilter.

use anyhow::{Context, Result};
use kassay_guest::section::{End, NETFILTER};
use kassay_guest::{Attach, Family};
use libbpf_rs::query::NetfilterLinkInfo;
use libbpf_rs::{NFPROTO_IPV4, NFPROTO_IPV6, NetfilterOpts, ProgramMut};

use crate::net::Lazy;

use super::{Hold, at};

/// Attaches a program to a hook of an end's namespace: unless the scenario says otherwise, to
/// IPv4's local input at the receiving end.
pub fn attach(program: &ProgramMut<'_>, how: &Attach, net: &mut Lazy) -> Result<Hold> {
    let hook = how.hook.as_deref().unwrap_or("local_in");
    let hooknum = NETFILTER.iter().position(|name| *name == hook);
    let hooknum = hooknum.with_context(|| format!("`{hook}` is no hook of netfilter"))?;
    let options = NetfilterOpts {
        protocol_family: match how.pf {
            Some(Family::Ipv6) => NFPROTO_IPV6,
            Some(Family::Ipv4) | None => NFPROTO_IPV4,
        },
        hooknum: hooknum as i32,
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
    let name = NETFILTER.get(info.hooknum as usize);
    let family = match info.protocol_family as i32 {
        NFPROTO_IPV6 => "IPv6",
        NFPROTO_IPV4 => "IPv4",
        _ => "another family",
    };
    format!(
        "{} of {family}, priority {}",
        name.unwrap_or(&"another hook"),
        info.priority
    )
}
