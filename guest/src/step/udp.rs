//! `udp`: a child process sends packets over a veth pair, and they are counted
//! where they leave, where the classifiers see them and where they arrive.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kassay_guest::{FIRST_PORT, Outcome, Packet, SENTINEL_PORT};

use crate::net::{self, Net, RECEIVER, SENDER};
use crate::packet_socket::PacketSocket;
use crate::{bpf, packet, process};

/// How long the receiver waits for the next datagram before it gives up.
const SILENCE: Duration = Duration::from_secs(10);

/// Sends the packets and the sentinel, and receives until the sentinel arrives.
pub fn run(packets: &[Packet], net: &Net) -> Result<Outcome> {
    let socket =
        UdpSocket::bind((RECEIVER.ip, packet::LISTEN_PORT)).context("bind the receiving socket")?;
    socket
        .set_read_timeout(Some(SILENCE))
        .context("set a receive timeout")?;
    let seen = bpf::runs(&net.classifiers);
    let dropped = net.drops()?;

    let sentinel = packet::frame(&Packet::default(), SENTINEL_PORT, &SENDER, &RECEIVER);
    let frames: Vec<Vec<u8>> = (FIRST_PORT..)
        .zip(packets)
        .map(|(port, packet)| packet::frame(packet, port, &SENDER, &RECEIVER))
        .chain([sentinel])
        .collect();
    let pid = process::spawn("udp", || send(&frames, net).map_or(1, |()| 0))?;
    let (delivered, arrived) = receive(&socket)?;
    let code = process::exit_code(process::wait(pid)?);
    if code != 0 {
        bail!("the sending process ended with status {code}");
    }
    Ok(Outcome::Udp {
        pid: pid.as_raw_nonzero().get(),
        sent: frames.len() as u64,
        seen: bpf::runs(&net.classifiers) - seen,
        dropped: net.drops()? - dropped,
        delivered,
        sentinel: arrived,
    })
}

/// Places in the plan of the packets that arrive, and whether the sentinel does.
fn receive(socket: &UdpSocket) -> Result<(Vec<usize>, bool)> {
    let mut delivered = Vec::new();
    let mut buffer = [0u8; 65536];
    loop {
        let port = match socket.recv_from(&mut buffer) {
            Ok((_, from)) => from.port(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((delivered, false)),
            Err(error) => return Err(error).context("receive a datagram"),
        };
        if port == SENTINEL_PORT {
            return Ok((delivered, true));
        }
        delivered.push(usize::from(port.wrapping_sub(FIRST_PORT)));
    }
}

/// Sends frames out of the sending end, from its namespace.
fn send(frames: &[Vec<u8>], net: &Net) -> Result<()> {
    net::enter(&net.sender_namespace)?;
    let socket = PacketSocket::open(SENDER.name, 0)?;
    for frame in frames {
        socket.send(frame)?;
    }
    Ok(())
}
