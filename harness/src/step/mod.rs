//! Steps, host side: how a scenario file asks for one, and what a transcript
//! tells of it.

mod file;
mod tell;

use kassay_guest::{Packet, Step};

pub use file::FileStep;

/// A step that a scenario asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What the guest does.
    pub step: Step,
    /// What the transcript calls its parts: for `udp`, the packets' names.
    pub names: Vec<String>,
}

impl From<Step> for Asked {
    fn from(step: Step) -> Asked {
        Asked {
            step,
            names: Vec::new(),
        }
    }
}

/// Whether a packet that is not dropped reaches a UDP socket.
pub fn has_datagram(packet: &Packet) -> bool {
    !packet.fragment && packet.protocol.is_none_or(|protocol| protocol == 17)
}
