//! A veth pair between two network namespaces, made over rtnetlink: the
//! sending end in a namespace of its own, the receiving end in the first.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result, bail};
use kassay_guest::{Step, section};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoNetkit, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    NetkitMode,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::tc::{TcAttribute, TcMessage, TcStats2};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::rtnl::Rtnl;
use crate::socket::Listener;
use crate::system;

/// The ends' names, addresses (TEST-NET-1, RFC 5737, and RFC 3849) and MACs.
pub const SENDER: End = End {
    name: "kassay-tx",
    ip: Ipv4Addr::new(192, 0, 2, 1),
    ipv6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
    mac: [2, 0, 0, 0, 0, 1],
};
/// See [`SENDER`].
pub const RECEIVER: End = End {
    name: "kassay-rx",
    ip: Ipv4Addr::new(192, 0, 2, 2),
    ipv6: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
    mac: [2, 0, 0, 0, 0, 2],
};

/// The largest packet that the pair takes, in bytes, where a driver sends: some pages, so that
/// large packets have socket buffers of several fragments.
pub const LARGE: u32 = 16000;

/// The same where a plan has none. An XDP program without fragments takes a page and no more
/// (drivers/net/veth.c, 6.1 to 7.2).
const ORDINARY: u32 = 1500;

/// One end of the pair.
pub struct End {
    pub name: &'static str,
    pub ip: Ipv4Addr,
    /// Which it has where a step or a hook is about IPv6.
    pub ipv6: Ipv6Addr,
    pub mac: [u8; 6],
}

/// The pair, ready for traffic.
pub struct Net {
    /// The namespace of the sending end.
    pub sender_namespace: File,
    /// Interface index of the receiving end.
    pub receiver: u32,
    /// Interface index of the sending end, in its namespace.
    pub sender: u32,
    /// Ids of the classifiers and XDP programs at the receiving end.
    pub classifiers: Vec<u32>,
    /// The last priority of the filters at the receiving and at the sending end, each at its ingress
    /// and its egress.
    pub filters: [[i32; 2]; 2],
    /// The programs of routes to the receiving end, each at its stage.
    pub routed: [Option<Routed>; 3],
    /// The socket for datagrams to the receiving end, where it is there before a step.
    pub listener: Option<UdpSocket>,
    /// The TCP sockets that steps have listen.
    pub listeners: Vec<Listener>,
    has_ipv6: bool,
}

/// A program of a route, under the name that the kernel has of it.
pub struct Routed {
    pub name: String,
    pub program: OwnedFd,
}

/// The plan's network, made when it is first wanted.
pub struct Lazy {
    mtu: u32,
    kind: Kind,
    has_ipv6: bool,
    net: Option<Net>,
}

/// What the pair is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Veth,
    Netkit,
}

impl Lazy {
    /// One for these steps, not made yet.
    pub fn new(steps: &[Step]) -> Lazy {
        let is_large = |step: &Step| matches!(step, Step::Drive(_));
        Lazy {
            mtu: if steps.iter().any(is_large) {
                LARGE
            } else {
                ORDINARY
            },
            kind: Kind::Veth,
            has_ipv6: steps.iter().any(Step::is_ipv6),
            net: None,
        }
    }

    /// Has the pair be of netkit.
    pub fn is_netkit(&mut self) -> Result<()> {
        if self.net.is_some() && self.kind == Kind::Veth {
            bail!("make a pair of netkit: a program before it has the pair of veth");
        }
        self.kind = Kind::Netkit;
        Ok(())
    }

    /// The network.
    pub fn get(&mut self) -> Result<&mut Net> {
        if self.net.is_none() {
            let net = Net::make(self.mtu, self.kind);
            self.net = Some(net.context("make the pair of devices")?);
        }
        let net = self.net.as_mut().context("no network")?;
        if self.has_ipv6 {
            net.give_ipv6()?;
        }
        Ok(net)
    }

    /// The network, if it was made.
    pub fn made(&self) -> Option<&Net> {
        self.net.as_ref()
    }

    /// Closes the sockets that listen.
    pub fn close(&mut self) {
        if let Some(net) = &mut self.net {
            net.listeners.clear();
        }
    }

    /// Removes the network, if it was made.
    pub fn remove(self) -> Result<()> {
        self.net.map_or(Ok(()), Net::remove)
    }
}

impl Net {
    fn make(mtu: u32, kind: Kind) -> Result<Net> {
        let home = namespace()?;
        quiet();
        // SAFETY: the flag concerns the network namespace alone, on which no
        // memory of this process depends.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
            .context("make a network namespace")?;
        let sender_namespace = namespace()?;
        quiet();
        let there = make_pair(home.as_raw_fd(), mtu, kind);
        enter(&home)?;
        let sender = there?;
        let mut rtnl = Rtnl::open()?;
        let receiver = configure(&mut rtnl, &RECEIVER, mtu)?;
        Ok(Net {
            sender_namespace,
            receiver,
            sender,
            classifiers: Vec::new(),
            filters: [[0; 2]; 2],
            routed: [None, None, None],
            listener: None,
            listeners: Vec::new(),
            has_ipv6: false,
        })
    }

    /// Gives each end its IPv6 address, unless it has it.
    pub fn give_ipv6(&mut self) -> Result<()> {
        if !self.has_ipv6 {
            self.at_sender(|| give_ipv6(self.sender, &SENDER, &RECEIVER))?;
            give_ipv6(self.receiver, &RECEIVER, &SENDER)?;
            self.has_ipv6 = true;
        }
        Ok(())
    }

    /// The interface index of an end.
    pub fn index(&self, end: section::End) -> u32 {
        match end {
            section::End::Receiver => self.receiver,
            section::End::Sender => self.sender,
        }
    }

    /// Does `work` in the namespace of the sending end.
    pub fn at_sender<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let home = namespace()?;
        enter(&self.sender_namespace)?;
        let done = work();
        enter(&home)?;
        done
    }

    /// Has sockets of each end's namespace reach the other end, and their own. It takes sockets of
    /// netlink, so that it is not for a child whose sockets programs watch.
    pub fn prepare_for_sockets(&self) -> Result<()> {
        introduce(self.receiver, &SENDER)?;
        bring_loopback_up()?;
        self.at_sender(|| {
            introduce(self.sender, &RECEIVER)?;
            bring_loopback_up()
        })
    }

    /// Moves this process, which is a child, into the namespace of an end.
    pub fn join(&self, end: section::End) -> Result<()> {
        match end {
            section::End::Sender => enter(&self.sender_namespace),
            section::End::Receiver => Ok(()),
        }
    }

    /// Packets that the receiving end's qdiscs have dropped.
    pub fn drops(&self) -> Result<u64> {
        let mut query = TcMessage::default();
        query.header.index = self.receiver as i32;
        let answers =
            Rtnl::open()?.send(RouteNetlinkMessage::GetQueueDiscipline(query), NLM_F_DUMP)?;
        let mut sum = 0;
        for answer in answers {
            let RouteNetlinkMessage::NewQueueDiscipline(qdisc) = answer else {
                continue;
            };
            if qdisc.header.index != self.receiver as i32 {
                continue;
            }
            for attribute in qdisc.attributes {
                let TcAttribute::Stats2(stats) = attribute else {
                    continue;
                };
                sum += stats
                    .iter()
                    .map(|stat| {
                        if let TcStats2::Queue(queue) = stat {
                            u64::from(queue.drops)
                        } else {
                            0
                        }
                    })
                    .sum::<u64>();
            }
        }
        Ok(sum)
    }

    /// Removes the pair, and with it whatever is attached to it.
    pub fn remove(self) -> Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.receiver;
        Rtnl::open()?
            .send(RouteNetlinkMessage::DelLink(link), NLM_F_ACK)
            .context("remove the veth pair")?;
        Ok(())
    }
}

/// Makes the pair in the current namespace and moves the receiving end home.
/// Returns the index of the sending end.
fn make_pair(home: RawFd, mtu: u32, kind: Kind) -> Result<u32> {
    let mut rtnl = Rtnl::open()?;
    let mut peer = LinkMessage::default();
    peer.attributes = vec![
        LinkAttribute::IfName(RECEIVER.name.to_owned()),
        LinkAttribute::Address(RECEIVER.mac.to_vec()),
        LinkAttribute::NetNsFd(home),
    ];
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(SENDER.name.to_owned()),
        LinkAttribute::Address(SENDER.mac.to_vec()),
        LinkAttribute::LinkInfo(match kind {
            Kind::Veth => vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ],
            Kind::Netkit => vec![
                LinkInfo::Kind(InfoKind::Netkit),
                LinkInfo::Data(InfoData::Netkit(vec![
                    InfoNetkit::Mode(NetkitMode::L2),
                    InfoNetkit::Peer(peer),
                ])),
            ],
        }),
    ];
    rtnl.send(
        RouteNetlinkMessage::NewLink(link),
        NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
    )?;
    configure(&mut rtnl, &SENDER, mtu)
}

/// Tells the current namespace, by which of its interfaces an end is reached and at which address:
/// what a socket sends needs one, and nobody answers ARP.
pub fn introduce(interface: u32, end: &End) -> Result<()> {
    introduce_at(interface, end, end.ip.into())
}

/// The same for one address of the end.
fn introduce_at(interface: u32, end: &End, ip: IpAddr) -> Result<()> {
    let (family, destination) = match ip {
        IpAddr::V4(ip) => (AddressFamily::Inet, NeighbourAddress::Inet(ip)),
        IpAddr::V6(ip) => (AddressFamily::Inet6, NeighbourAddress::Inet6(ip)),
    };
    let mut neighbour = NeighbourMessage::default();
    neighbour.header.family = family;
    neighbour.header.ifindex = interface;
    neighbour.header.state = NeighbourState::Permanent;
    neighbour.attributes = vec![
        NeighbourAttribute::Destination(destination),
        NeighbourAttribute::LinkLayerAddress(end.mac.to_vec()),
    ];
    Rtnl::open()?
        .send(
            RouteNetlinkMessage::NewNeighbour(neighbour),
            NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
        )
        .with_context(|| format!("introduce `{}` to the other end", end.name))
        .map(drop)
}

/// Gives an end its IPv6 address where the kernel has IPv6, and tells it of the other end. Without
/// an address of the link, the device sends nothing by itself.
fn give_ipv6(index: u32, end: &End, other: &End) -> Result<()> {
    let conf = |name: &str, what: &str| format!("/proc/sys/net/ipv6/conf/{name}/{what}");
    if !fs::exists(conf(end.name, ""))? {
        return Ok(());
    }
    system::write(&conf(end.name, "addr_gen_mode"), "1")?;
    for name in ["lo", end.name] {
        system::write(&conf(name, "disable_ipv6"), "0")?;
    }
    Rtnl::open()?.give(index, end.ipv6.into(), 64)?;
    introduce_at(index, other, other.ipv6.into())
}

/// Keeps IPv6 from sending packets of its own over the pair, which would be
/// counted. A kernel without IPv6 has nothing to switch off.
fn quiet() {
    for which in ["all", "default"] {
        let _ = system::write(
            &format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"),
            "1",
        );
    }
}

/// Gives an end its address and MTU, switches ARP off (the pair has two ends,
/// so there is nobody to ask for) and brings it up. Returns its index.
fn configure(rtnl: &mut Rtnl, end: &End, mtu: u32) -> Result<u32> {
    let index = rtnl.index(end.name)?;
    rtnl.give(index, end.ip.into(), 24)?;
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.flags = LinkFlags::Up | LinkFlags::Noarp;
    link.header.change_mask = LinkFlags::Up | LinkFlags::Noarp;
    link.attributes = vec![LinkAttribute::Mtu(mtu)];
    rtnl.send(RouteNetlinkMessage::SetLink(link), NLM_F_ACK)?;
    Ok(index)
}

/// Brings the loopback interface up, which has its addresses from the kernel then.
pub fn bring_loopback_up() -> Result<()> {
    let mut rtnl = Rtnl::open()?;
    let index = rtnl.index("lo")?;
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    rtnl.send(RouteNetlinkMessage::SetLink(link), NLM_F_ACK)
        .context("bring the loopback interface up")
        .map(drop)
}

/// The network namespace of this process.
pub fn namespace() -> Result<File> {
    File::open("/proc/self/ns/net").context("open the network namespace")
}

/// Moves this process into a network namespace.
pub fn enter(namespace: &File) -> Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("enter a network namespace")
}
