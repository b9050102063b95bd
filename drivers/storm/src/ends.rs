//! The two ends of the veth pair: one sends, the other receives.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::generator::Hostile;
use crate::packet::{IPV4, OTHER_ETHER_TYPE, SOURCE};
use crate::packet_socket::PacketSocket;

/// How long the receiver waits for the next frame before it gives up.
const SILENCE: Duration = Duration::from_secs(10);

/// Room for a batch, in bytes.
const ROOM: usize = 16 << 20;

/// The number of a sentinel, which no packet has.
const SENTINEL: u32 = u32::MAX;

/// The source address of the packet of this number. No rule looks at it and no
/// mutation changes it.
pub fn address(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 1, a, b, c, d]
}

/// The sockets at both ends, which are in two namespaces.
pub struct Ends {
    sender: PacketSocket,
    /// Receives IPv4, tagged or not.
    receiver: PacketSocket,
    /// Receives the other EtherType, and the sentinels.
    other: PacketSocket,
}

impl Ends {
    /// Opens the sockets. The process is in the sender's namespace afterwards.
    pub fn open(receiver: &str, sender: &str, sender_netns: &Path) -> Result<Ends> {
        let other = PacketSocket::open(receiver, OTHER_ETHER_TYPE)?;
        let receiver = PacketSocket::open(receiver, IPV4)?;
        receiver.prepare(ROOM, SILENCE)?;
        other.prepare(ROOM, SILENCE)?;
        enter(sender_netns)?;
        let sender = PacketSocket::open(sender, 0)?;
        sender.expect_header()?;
        Ok(Ends {
            sender,
            receiver,
            other,
        })
    }

    /// Sends a batch and a sentinel, and says which packets of the batch arrived. If the
    /// sentinel does not arrive, that is not known: `None`.
    pub fn exchange(&self, batch: &[Hostile], first: u32) -> Result<Option<Vec<bool>>> {
        for packet in batch {
            self.send(&packet.frame, packet.linear)?;
        }
        self.send(&sentinel(), None)?;

        let mut arrived = Arrived::of(batch.len(), first);
        let mut head = [0; 14];
        loop {
            if !self.other.wait(&mut head)? {
                return Ok(None);
            }
            if head[SOURCE] == address(SENTINEL) {
                break;
            }
            arrived.mark(head)?;
        }
        // What came before the sentinel is there already.
        while self.receiver.take(&mut head)? {
            arrived.mark(head)?;
        }
        Ok(Some(arrived.packets))
    }

    /// Sends a frame after a `virtio_net_hdr` (linux/virtio_net.h), which only says how many bytes of
    /// the frame are to be linear. A packet socket wants it in the processor's byte order.
    fn send(&self, frame: &[u8], linear: Option<u16>) -> Result<()> {
        let linear = linear.unwrap_or(frame.len() as u16);
        let mut bytes = Vec::with_capacity(10 + frame.len());
        bytes.extend([0, 0]);
        bytes.extend(linear.to_ne_bytes());
        bytes.extend([0; 6]);
        bytes.extend(frame);
        self.sender.send(&bytes)
    }

    /// Frames that a receiving socket had no room for since the last call.
    pub fn lost(&self) -> Result<u32> {
        Ok(self.receiver.lost()? + self.other.lost()?)
    }
}

/// Moves this process into a network namespace.
fn enter(path: &Path) -> Result<()> {
    let namespace = File::open(path)
        .with_context(|| format!("open the network namespace `{}`", path.display()))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("enter the network namespace `{}`", path.display()))
}

/// A frame that no classifier drops.
fn sentinel() -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[SOURCE].copy_from_slice(&address(SENTINEL));
    frame[12..14].copy_from_slice(&OTHER_ETHER_TYPE.to_be_bytes());
    frame
}

/// Which packets of a batch have arrived.
struct Arrived {
    first: u32,
    packets: Vec<bool>,
}

impl Arrived {
    fn of(packets: usize, first: u32) -> Arrived {
        Arrived {
            first,
            packets: vec![false; packets],
        }
    }

    /// Takes note of a frame by its beginning.
    fn mark(&mut self, head: [u8; 14]) -> Result<()> {
        let number = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        let place = number.wrapping_sub(self.first) as usize;
        match self.packets.get_mut(place) {
            Some(arrived) if !*arrived => *arrived = true,
            _ => bail!("frame {number} arrived twice, or outside of its batch"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_arrives_once_and_in_its_batch() {
        let mut arrived = Arrived::of(2, 10);
        let mut mark = |number| {
            let mut head = [0; 14];
            head[SOURCE].copy_from_slice(&address(number));
            arrived.mark(head).is_ok()
        };
        assert_eq!([9, 11, 11, 12].map(&mut mark), [false, true, false, false]);
        assert_eq!(arrived.packets, [false, true]);
    }
}
