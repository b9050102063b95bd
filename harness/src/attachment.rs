//! Where a program is attached, by its section and by what the kernel says.

use kassay_guest::section::{self, End, Place, Way};
use kassay_guest::{Fact, Standing, Why};

/// What the kernel says at the end of a program that was attached.
pub fn standing<'a>(facts: &'a [Fact], object: &str, program: &str) -> Option<&'a Standing> {
    let mut all = facts.iter().flat_map(|fact| match fact {
        Fact::Standing { programs } => programs.as_slice(),
        _ => &[],
    });
    all.find(|standing| standing.object == object && standing.program == program)
}

/// Where a program is that is not where its section says, in the words of the guest.
pub fn elsewhere(section: &str, standing: &Standing) -> Option<String> {
    match standing.place.as_ref()? {
        Ok(place) if is_at(section, place) => None,
        Ok(place) => Some(format!("the kernel has it at {place}")),
        Err(why) => Some(why.clone()),
    }
}

/// What a transcript says of a program that was attached.
pub fn tell(section: &str, standing: &Standing) -> String {
    let place = match elsewhere(section, standing) {
        None => format!("attached to {section}{}", standing.choice),
        Some(why) => format!("not attached to {section} at the end: {why}"),
    };
    match standing.runs {
        Some(0) => format!("{place}, and never ran"),
        _ => place,
    }
}

/// Whether a place of the kernel's is that of a section, as far as it tells directions apart.
fn is_at(section: &str, place: &str) -> bool {
    let hook = match section::place(section) {
        Place::Filter(Way::Ingress) => "tc ingress",
        Place::Filter(Way::Egress) => "tc egress",
        Place::Action => "action of tc ingress",
        Place::Tcx(Way::Ingress) => "tcx TcxIngress of interface ",
        Place::Tcx(Way::Egress) => "tcx TcxEgress of interface ",
        Place::Netkit(End::Sender) => "netkit NetkitPrimary of interface ",
        Place::Netkit(End::Receiver) => "netkit NetkitPeer of interface ",
        Place::Xdp => "xdp of interface ",
        Place::XdpMap => "entry 0 of ",
        Place::SockMap => "map ",
        Place::PerfEvent => "perf_event",
        Place::Cgroup => match section {
            "cgroup_skb/ingress" => "cgroup CgroupInetIngress",
            "cgroup_skb/egress" => "cgroup CgroupInetEgress",
            _ => "cgroup ",
        },
        Place::Netns => "netns ",
        Place::Netfilter => "netfilter ",
        Place::Route(_) | Place::Segment | Place::Lirc => section,
        _ => "",
    };
    // A link whose interface is gone has none.
    place.starts_with(hook) && !place.ends_with("interface 0")
}

/// Whether a section is of a classifier where packets arrive.
pub fn classifies(section: &str, end: Option<End>) -> bool {
    let place = section::place(section);
    let is_in = matches!(
        place,
        Place::Filter(Way::Ingress) | Place::Action | Place::Tcx(Way::Ingress)
    );
    is_in && end == Some(End::Receiver)
}

/// Whether it is of an XDP program where packets arrive.
pub fn is_xdp(section: &str, end: Option<End>) -> bool {
    section.starts_with("xdp") && end != Some(End::Sender)
}

/// Whether packets may be dropped there before they leave the sending end.
pub fn is_at_egress(section: &str, end: Option<End>) -> bool {
    let out = [
        "tc/egress",
        "tcx/egress",
        "netkit/primary",
        "netfilter",
        "lwt_out",
        "lwt_xmit",
    ];
    let is_out = out.contains(&section);
    (is_out && end == Some(End::Sender)) || section == "cgroup_skb/egress"
}

/// Whether packets may be dropped there that no qdisc counts.
pub fn drops_uncounted(section: &str, _: Option<End>) -> bool {
    [
        "xdp",
        "tcx",
        "cgroup",
        "netfilter",
        "netkit",
        "lwt_",
        "sk_lookup",
        "sk_reuseport",
    ]
    .iter()
    .any(|kind| section.starts_with(kind))
}

/// Why a program is left unattached, for a transcript.
pub fn idle(section: &str, why: &Why) -> String {
    match why {
        Why::Optional => "not loaded, since its section begins with `?`".to_owned(),
        Why::NoHook => format!("loaded, and attached nowhere: kassay has no hook for {section}"),
        Why::Asked => "loaded, and attached nowhere, as the scenario says".to_owned(),
        Why::Called(map) => format!("loaded, and called through {map}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_told_apart_and_a_link_without_an_interface_is_nowhere() {
        assert!(is_at("tc", "tc ingress") && is_at("tc/egress", "tc egress"));
        assert!(!is_at("tc/egress", "tc ingress"));
        assert!(!is_at("tcx/egress", "tcx TcxIngress of interface 2"));
        assert!(is_at("xdp", "xdp of interface 3") && !is_at("xdp", "xdp of interface 0"));
        assert!(is_at("kprobe/f", "perf_event"));
        assert!(!is_at("lwt_in", "lwt_out of the route to 192.0.2.2"));
    }
}
