//! Requests over rtnetlink (rtnetlink(7)).

use std::io;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// An rtnetlink socket of the current namespace.
pub struct Rtnl {
    socket: Socket,
}

impl Rtnl {
    /// Opens one.
    pub fn open() -> Result<Rtnl> {
        let mut socket = Socket::new(NETLINK_ROUTE).context("open an rtnetlink socket")?;
        socket.bind_auto().context("bind an rtnetlink socket")?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .context("connect an rtnetlink socket")?;
        Ok(Rtnl { socket })
    }

    /// The socket itself.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Gives an interface an address.
    pub fn give(&mut self, index: u32, ip: IpAddr, prefix: u8) -> Result<()> {
        let mut address = AddressMessage::default();
        address.header.family = match ip {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        };
        address.header.prefix_len = prefix;
        address.header.index = index;
        address.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
        let flags = NLM_F_ACK | NLM_F_CREATE;
        self.send(RouteNetlinkMessage::NewAddress(address), flags)
            .map(drop)
    }

    /// Sends one request and returns what the kernel answered.
    pub fn send(
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
