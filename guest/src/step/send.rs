//! `send`: a child process sends a frame from an end of the pair.

use anyhow::{Context, Result, bail};
use kassay_guest::section::End;
use kassay_guest::{FrameSent, Send};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

use super::Around;
use crate::net::{Net, RECEIVER, SENDER};
use crate::packet_socket::PacketSocket;
use crate::process;

/// How long the child waits until the frame has been handled.
const SILENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// A protocol for experiments (IEEE 802), of which nobody else sends anything over a loopback
/// device.
const EXPERIMENT: u16 = 0x88b5;

/// Has a child send the frame, and wait until it has been handled.
pub fn run(step: &Send, around: &mut Around) -> Result<FrameSent> {
    let net = &*around.net.get()?;
    net.prepare_for_sockets()?;
    let asked = process::ask("send", || send(step, net))?;
    let (pid, sent) = asked.hear()?;
    Ok(FrameSent { pid, sent })
}

fn send(step: &Send, net: &Net) -> Result<Result<(), String>> {
    let device = match step.dev {
        End::Sender => SENDER.name,
        End::Receiver => RECEIVER.name,
    };
    net.join(step.dev)?;
    let socket = PacketSocket::open(device)?;
    // No flow dissector of the plan is there, which would be asked for the other frame, too.
    net.join(End::Sender)?;
    let loopback = PacketSocket::hear("lo", EXPERIMENT)?;
    stay_on_this_cpu()?;
    let sent = socket.send(&step.frame);
    settle(&loopback)?;
    Ok(sent.map_err(|error| error.root_cause().to_string()))
}

/// Waits until what this CPU has sent has been handled: it is in the CPU's queue of packets that
/// arrive, and so is, as the last one, a frame over the loopback device.
fn settle(loopback: &PacketSocket) -> Result<()> {
    let protocol = EXPERIMENT.to_be_bytes();
    loopback.send(&[&[0; 12], &protocol[..]].concat())?;
    let mut socket = [PollFd::new(loopback, PollFlags::IN)];
    match poll(&mut socket, Some(&SILENCE)).context("wait for the frame to be handled")? {
        0 => bail!("the frame was not handled for {} seconds", SILENCE.tv_sec),
        _ => Ok(()),
    }
}

/// Has this process stay where it is.
fn stay_on_this_cpu() -> Result<()> {
    let mut here = CpuSet::new();
    here.set(sched_getcpu());
    sched_setaffinity(None, &here).context("stay on a CPU")
}
