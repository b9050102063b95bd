//! Packet sockets (packet(7)): frames as they are, from their Ethernet header on.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, netdevice};

/// A packet socket of one interface of the current network namespace.
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens one that only sends.
    pub fn open(interface: &str) -> Result<PacketSocket> {
        Self::of(interface, 0)
    }

    /// Opens one that gets what passes the interface.
    pub fn listen(interface: &str) -> Result<PacketSocket> {
        Self::of(interface, libc::ETH_P_ALL as u16)
    }

    /// Opens one that gets what arrives there of one protocol, and not what leaves.
    pub fn hear(interface: &str, protocol: u16) -> Result<PacketSocket> {
        Self::of(interface, protocol)
    }

    fn of(interface: &str, protocol: u16) -> Result<PacketSocket> {
        let socket = rustix::net::socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )
        .context("open a packet socket")?;
        let index = netdevice::name_to_index(&socket, interface)
            .with_context(|| format!("find interface `{interface}`"))?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol.to_be(),
            sll_ifindex: index as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        // SAFETY: the address is a whole `sockaddr_ll` and its size is given.
        let bound = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if bound != 0 {
            return Err(std::io::Error::last_os_error()).context("bind a packet socket");
        }
        Ok(PacketSocket { socket })
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        rustix::net::send(&self.socket, frame, SendFlags::empty()).context("send a frame")?;
        Ok(())
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<PacketSocket> for OwnedFd {
    fn from(socket: PacketSocket) -> OwnedFd {
        socket.socket
    }
}
