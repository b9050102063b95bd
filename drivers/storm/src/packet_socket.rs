//! Packet sockets (packet(7)): frames as they are, from their Ethernet header on.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice};

/// A packet socket of one interface of the current network namespace.
pub struct PacketSocket {
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens one that receives frames of an EtherType, after the classifiers of
    /// the interface; with 0 it only sends.
    pub fn open(interface: &str, ether_type: u16) -> Result<PacketSocket> {
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
            sll_protocol: ether_type.to_be(),
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

    /// Has every frame to send begin with a `virtio_net_hdr` (`PACKET_VNET_HDR`).
    pub fn expect_header(&self) -> Result<()> {
        let on: libc::c_int = 1;
        // SAFETY: the value is a whole `int` and its size is given.
        let set = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_VNET_HDR,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if set != 0 {
            return Err(std::io::Error::last_os_error()).context("set PACKET_VNET_HDR");
        }
        Ok(())
    }

    /// Makes room for this many bytes of received socket buffers, and has
    /// [`PacketSocket::wait`] give up after this silence.
    pub fn prepare(&self, room: usize, silence: Duration) -> Result<()> {
        sockopt::set_socket_recv_buffer_size_force(&self.socket, room)
            .context("set a packet socket's receive buffer")?;
        sockopt::set_socket_timeout(&self.socket, Timeout::Recv, Some(silence))
            .context("set a receive timeout")
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        rustix::net::send(&self.socket, frame, SendFlags::empty()).context("send a frame")?;
        Ok(())
    }

    /// Waits for a frame and fills `head` with its beginning; false when none comes.
    pub fn wait(&self, head: &mut [u8]) -> Result<bool> {
        self.receive(head, RecvFlags::empty())
    }

    /// The same for a frame that is there already.
    pub fn take(&self, head: &mut [u8]) -> Result<bool> {
        self.receive(head, RecvFlags::DONTWAIT)
    }

    fn receive(&self, head: &mut [u8], flags: RecvFlags) -> Result<bool> {
        loop {
            match rustix::net::recv(&self.socket, &mut *head, flags) {
                Ok(_) => return Ok(true),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("receive a frame"),
            }
        }
    }

    /// Frames that were lost for want of room since the last call (`PACKET_STATISTICS`).
    pub fn lost(&self) -> Result<u32> {
        let mut statistics = libc::tpacket_stats {
            tp_packets: 0,
            tp_drops: 0,
        };
        let mut size = size_of::<libc::tpacket_stats>() as libc::socklen_t;
        // SAFETY: the kernel writes at most the size that is given, which is the whole value's.
        let got = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut size,
            )
        };
        if got != 0 {
            return Err(std::io::Error::last_os_error()).context("read PACKET_STATISTICS");
        }
        Ok(statistics.tp_drops)
    }
}
