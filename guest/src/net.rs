//! A veth pair between two network namespaces, made over rtnetlink: the
//! sending end in a namespace of its own, the receiving end in the first.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use anyhow::{Context, Result, bail};
use kassay_guest::{Step, section};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoNetkit, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    NetkitMode,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::tc::{TcAttribute, TcMessage, TcStats2};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::system;

/// The ends' names, addresses (TEST-NET-1, RFC 5737) and MACs.
pub const SENDER: End = End {
    name: "kassay-tx",
    ip: Ipv4Addr::new(192, 0, 2, 1),
    mac: [2, 0, 0, 0, 0, 1],
};
/// See [`SENDER`].
pub const RECEIVER: End = End {
    name: "kassay-rx",
    ip: Ipv4Addr::new(192, 0, 2, 2),
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
    /// How many filters there are at the receiving and at the sending end, each at its ingress and
    /// its egress.
    pub filters: [[u32; 2]; 2],
    /// The socket for datagrams to the receiving end, where it is there before a step.
    pub listener: Option<UdpSocket>,
}

/// The plan's network, made when it is first wanted.
pub struct Lazy {
    mtu: u32,
    kind: Kind,
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
            self.net = Some(Net::make(self.mtu, self.kind).context("make the pair of devices")?);
        }
        self.net.as_mut().context("no network")
    }

    /// The network, if it was made.
    pub fn made(&self) -> Option<&Net> {
        self.net.as_ref()
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
        let receiver = rtnl.configure(&RECEIVER, mtu)?;
        Ok(Net {
            sender_namespace,
            receiver,
            sender,
            classifiers: Vec::new(),
            filters: [[0; 2]; 2],
            listener: None,
        })
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
    rtnl.configure(&SENDER, mtu)
}

/// Tells the current namespace, by which of its interfaces an end is reached and at which address:
/// what a socket sends needs one, and nobody answers ARP.
pub fn introduce(interface: u32, end: &End) -> Result<()> {
    let mut neighbour = NeighbourMessage::default();
    neighbour.header.family = AddressFamily::Inet;
    neighbour.header.ifindex = interface;
    neighbour.header.state = NeighbourState::Permanent;
    neighbour.attributes = vec![
        NeighbourAttribute::Destination(NeighbourAddress::Inet(end.ip)),
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

/// Brings the loopback interface up, which has its addresses from the kernel then.
pub fn bring_loopback_up() -> Result<()> {
    let mut rtnl = Rtnl::open()?;
    let index = rustix::net::netdevice::name_to_index(&rtnl.socket, "lo")
        .context("find the loopback interface")?;
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

/// An rtnetlink socket of the current namespace.
struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    fn open() -> Result<Rtnl> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("open an rtnetlink socket")?;
        socket.bind_auto().context("bind an rtnetlink socket")?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .context("connect an rtnetlink socket")?;
        Ok(Rtnl { socket })
    }

    /// Gives an end its address and MTU, switches ARP off (the pair has two ends,
    /// so there is nobody to ask for) and brings it up. Returns its index.
    fn configure(&mut self, end: &End, mtu: u32) -> Result<u32> {
        let index = rustix::net::netdevice::name_to_index(&self.socket, end.name)
            .with_context(|| format!("find interface `{}`", end.name))?;
        let mut address = AddressMessage::default();
        address.header.family = AddressFamily::Inet;
        address.header.prefix_len = 24;
        address.header.index = index;
        let ip = IpAddr::V4(end.ip);
        address.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
        self.send(
            RouteNetlinkMessage::NewAddress(address),
            NLM_F_ACK | NLM_F_CREATE,
        )?;
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up | LinkFlags::Noarp;
        link.header.change_mask = LinkFlags::Up | LinkFlags::Noarp;
        link.attributes = vec![LinkAttribute::Mtu(mtu)];
        self.send(RouteNetlinkMessage::SetLink(link), NLM_F_ACK)?;
        Ok(index)
    }

    /// Sends one request and returns what the kernel answered.
    fn send(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket
            .send(&bytes, 0)
            .context("send an rtnetlink request")?;
        let mut answers = Vec::new();
        loop {
            let (bytes, _) = self
                .socket
                .recv_from_full()
                .context("read an rtnetlink answer")?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .context("parse an rtnetlink answer")?;
                let length = (answer.header.length as usize)
                    .next_multiple_of(4)
                    .min(rest.len());
                match answer.payload {
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) => match error.code {
                        None => return Ok(answers),
                        Some(code) => {
                            bail!(
                                "rtnetlink refused: {}",
                                io::Error::from_raw_os_error(-code.get())
                            )
                        }
                    },
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    _ => {}
                }
                rest = &rest[length..];
            }
        }
    }
}
