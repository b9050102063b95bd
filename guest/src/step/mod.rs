//! Steps: what triggers the programs. One file a step.

mod storm;
mod udp;
mod unlink;

use anyhow::Result;
use kassay_guest::{Outcome, Step};

use crate::net::Net;

/// Does one step of the plan.
pub fn run(step: &Step, net: &mut Option<Net>) -> Result<Outcome> {
    match step {
        Step::Unlink { times } => unlink::run(*times),
        Step::Udp { packets } => udp::run(packets, Net::get(net)?),
        Step::Storm { packets, seed } => storm::run(*packets, *seed, Net::get(net)?),
    }
}
