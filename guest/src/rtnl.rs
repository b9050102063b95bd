//! rtnetlink: requests and their answers, and attributes that netlink-packet-route has no types for.

use std::io;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use netlink_packet_core::{
    DefaultNla, Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    Nla, NlasIterator,
};
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

    /// The index of an interface.
    pub fn index(&self, name: &str) -> Result<u32> {
        rustix::net::netdevice::name_to_index(&self.socket, name)
            .with_context(|| format!("find interface `{name}`"))
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

/// An attribute that has others in it.
pub fn nest(kind: u16, inner: &[DefaultNla]) -> DefaultNla {
    let mut value = vec![0; inner.buffer_len()];
    inner.emit(&mut value);
    DefaultNla::new(kind, value)
}

/// Text as the value of an attribute.
pub fn terminated(text: &[u8]) -> Vec<u8> {
    [text, b"\0"].concat()
}

/// The value of an attribute.
pub fn value(attribute: &impl Nla) -> Vec<u8> {
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    value
}

/// The value that is found in another one by these kinds of attributes, each in the one before it.
pub fn within(value: &[u8], kinds: &[u16]) -> Option<Vec<u8>> {
    let [kind, rest @ ..] = kinds else {
        return Some(value.to_vec());
    };
    NlasIterator::new(value).find_map(|attribute| {
        let attribute = attribute.ok()?;
        (attribute.kind() == *kind)
            .then(|| within(attribute.value(), rest))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_the_attributes_that_are_around_it() {
        let name = DefaultNla::new(2, terminated(b"name"));
        let outer = nest(5, &[nest(1, &[]), nest(1, &[name]), nest(3, &[])]);
        let found = |kinds: &[u16]| within(&value(&outer), kinds);
        assert_eq!(found(&[1, 2]).unwrap(), b"name\0");
        assert_eq!((found(&[3, 2]), found(&[2])), (None, None));
        assert_eq!(within(&[9, 0, 1, 0, 7], &[1]), None);
    }
}
