//! What the scenario chose of a program's place, in words of what the kernel has.

use anyhow::{Context, Result, bail};
use kassay_guest::Attach;
use kassay_guest::section::End;
use libbpf_rs::query::{IterType, LinkTypeInfo, ProgInfoIter};
use libbpf_rs::{Link, MapCore, MapHandle, ProgramAttachType};

use crate::net::Net;

use super::tcx::{self, Turn};
use super::{Hold, at, netfilter};

impl Hold {
    /// What there is to say of it, each after a comma.
    ///
    /// # Errors
    /// The kernel has it otherwise.
    pub fn choice(&self, id: u32, how: &Attach, net: Option<&Net>) -> Result<String> {
        let mut words = Vec::new();
        if let Some(end) = self.end().filter(|_| how.dev.is_some()) {
            words.push(match end {
                End::Receiver => "at the receiving end".to_owned(),
                End::Sender => "at the sending end".to_owned(),
            });
        }
        if let (Hold::Filter(..) | Hold::Action(_), Some(priority)) = (self, how.priority) {
            words.push(format!("priority {priority}"));
        }
        if let (Hold::Pair(link, end, Some(other)), Some(order), Some(net)) =
            (self, &how.order, net)
        {
            at(*end, net, || has_turn(link, id, *other, order))?;
            words.push(order.replace(':', " "));
        }
        if let (Hold::Lirc(_), Some(path)) = (self, &how.path) {
            words.push(format!("of {path}"));
        }
        if let (Hold::Entry(entry), Some(_)) = (self, &how.map) {
            words.push(format!("of {}", entry.name()));
        }
        if let Hold::Link(link) | Hold::Pair(link, ..) = self
            && *how != Attach::default()
        {
            words.extend(of_link(link, how)?);
        }
        Ok(words.iter().map(|word| format!(", {word}")).collect())
    }
}

/// What a link says of a choice.
fn of_link(link: &Link, how: &Attach) -> Result<Option<String>> {
    Ok(match link.info().context("ask for the link")?.info {
        LinkTypeInfo::Netfilter(info) => Some(netfilter::words(&info)),
        LinkTypeInfo::Tracing(info) if how.target.is_some() => {
            Some(format!("in {}", name(info.target_obj_id)?))
        }
        LinkTypeInfo::Iter(info) => match info.iter_type {
            IterType::Map { map_id } if how.map.is_some() => {
                let map = MapHandle::from_map_id(map_id).context("ask for the map")?;
                Some(format!("of {}", map.name().display()))
            }
            _ => None,
        },
        _ => None,
    })
}

/// The name of a program; the kernel knows its first 15 bytes.
fn name(id: u32) -> Result<String> {
    let info = ProgInfoIter::default().find(|info| info.id == id);
    let info = info.with_context(|| format!("no program has the id {id}"))?;
    Ok(info.name.to_string_lossy().into_owned())
}

/// Sees that a program has its turn before or after the other one.
fn has_turn(link: &Link, id: u32, other: u32, order: &str) -> Result<()> {
    let (turn, _) = tcx::turn(order).context("no order")?;
    let info = link.info().context("ask for the link")?.info;
    let (index, attach_type): (u32, ProgramAttachType) = match info {
        LinkTypeInfo::Tcx(info) => (info.ifindex, info.attach_type),
        LinkTypeInfo::Netkit(info) => (info.ifindex, info.attach_type),
        _ => bail!("its link has no order"),
    };
    let there = tcx::programs(index as i32, attach_type)?;
    let place = |id| there.iter().position(|there| *there == id);
    let is_so = |(own, other): (usize, usize)| match turn {
        Turn::Before => own < other,
        Turn::After => own > other,
    };
    match place(id).zip(place(other)).is_some_and(is_so) {
        true => Ok(()),
        false => bail!("the kernel does not have it {}", order.replace(':', " ")),
    }
}
