//! Sockets that programs are attached to.

use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use libbpf_rs::{MapCore, MapFlags, MapType, Object, ProgramMut};
use rustix::net::sockopt::set_socket_reuseport;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use crate::net::{Net, RECEIVER};
use crate::packet;
use crate::packet_socket::PacketSocket;

/// Attaches a filter to a packet socket at the receiving end.
pub fn filter(program: &ProgramMut<'_>, _: &mut Net) -> Result<OwnedFd> {
    let socket = OwnedFd::from(PacketSocket::listen(RECEIVER.name)?);
    set(&socket, libc::SO_ATTACH_BPF, program).context("attach to a packet socket")?;
    Ok(socket)
}

/// Attaches a program to the group of the socket that receives datagrams, which is in place 0 of
/// the object's map of such sockets.
pub fn group(program: &ProgramMut<'_>, object: &Object, net: &mut Net) -> Result<OwnedFd> {
    if net.listener.is_some() {
        bail!("another program has the group of the receiving socket");
    }
    let socket = listener().context("make the receiving socket")?;
    set(&socket, libc::SO_ATTACH_REUSEPORT_EBPF, program).context("attach to the group")?;
    let maps = object.maps();
    let mut maps = maps.filter(|map| map.map_type() == MapType::ReuseportSockarray);
    if let (Some(map), another) = (maps.next(), maps.next()) {
        // A socket is in one such map at most (net/core/sock_reuseport.c, 6.1 to 7.2).
        if let Some(another) = another {
            let names = [map.name(), another.name()].map(|name| name.to_string_lossy());
            bail!(
                "the object has more than one REUSEPORT_SOCKARRAY, and the socket can be in one: \
                 `{}`",
                names.join("`, `")
            );
        }
        let number = socket.as_raw_fd() as u64;
        let value = &number.to_ne_bytes()[..map.value_size() as usize];
        map.update(&0u32.to_ne_bytes(), value, MapFlags::ANY)
            .context("put the receiving socket into the object's map")?;
    }
    let held = socket.try_clone().context("hold the receiving socket")?;
    net.listener = Some(socket);
    Ok(held.into())
}

/// A UDP socket for datagrams to the receiving end, alone in a group.
fn listener() -> io::Result<UdpSocket> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    set_socket_reuseport(&socket, true)?;
    bind(
        &socket,
        &SocketAddrV4::new(RECEIVER.ip, packet::LISTEN_PORT),
    )?;
    Ok(socket.into())
}

/// Has a socket run a program.
fn set(socket: &impl AsFd, option: i32, program: &ProgramMut<'_>) -> io::Result<()> {
    let socket: BorrowedFd<'_> = socket.as_fd();
    let program = program.as_fd().as_raw_fd();
    // SAFETY: the value is a whole `int` and its size is given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const program).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
