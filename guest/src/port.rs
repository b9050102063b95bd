//! Virtio ports, by which the guest program and the host talk.

use std::fs::{self, File, OpenOptions};

use anyhow::{Context, Result};
use rustix::event::epoll;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, netlink};

/// A port's file in `/dev`.
pub struct Port(String);

impl Port {
    /// Opens it. What the host has sent before waits in QEMU.
    pub fn open(&self) -> Result<File> {
        let Port(device) = self;
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).open(device);
        opened.with_context(|| format!("open `{device}`"))
    }
}

/// Finds a virtio port by its name, waiting for it where it is not there yet:
/// the driver names its ports some time after it has made them, and announces
/// each change by a uevent.
pub fn find(name: &str) -> Result<Port> {
    let events = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::KOBJECT_UEVENT),
    )
    .context("open a uevent socket")?;
    rustix::net::bind(&events, &netlink::SocketAddrNetlink::new(0, 1))
        .context("listen to uevents")?;
    loop {
        if let Some(device) = port_device(name) {
            return Ok(Port(device));
        }
        let mut event = [0u8; 4096];
        rustix::net::recv(&events, &mut event, RecvFlags::empty()).context("wait for a uevent")?;
    }
}

fn port_device(name: &str) -> Option<String> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    ports.flatten().find_map(|port| {
        let found = fs::read_to_string(port.path().join("name")).ok()?;
        let device = format!("/dev/{}", port.file_name().to_string_lossy());
        (found.trim() == name && fs::exists(&device).unwrap_or(false)).then_some(device)
    })
}

/// Waits until the host is connected to a port. That it is not, poll(2) reports
/// all the time, so the wait is for edges.
pub fn wait_for_host(port: &File) -> Result<()> {
    let edges = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
    epoll::add(&edges, port, epoll::EventData::new_u64(0), flags)?;
    let mut events = Vec::with_capacity(1);
    loop {
        events.clear();
        epoll::wait(&edges, rustix::buffer::spare_capacity(&mut events), None)?;
        let connected = |event: epoll::Event| !{ event.flags }.contains(epoll::EventFlags::HUP);
        if events.iter().copied().any(connected) {
            return Ok(());
        }
    }
}
