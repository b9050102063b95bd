//! Steps: what triggers the programs. One file a step.

mod call;
mod exec;
mod fault;
mod run;
mod storm;
mod udp;
mod unlink;

use anyhow::Result;
use kassay_guest::{Outcome, Step};

use crate::bpf::Attached;
use crate::facts::Facts;
use crate::net::Net;

/// Does one step of the plan.
pub fn run(
    step: &Step,
    net: &mut Option<Net>,
    attached: &[Attached],
    facts: &mut Facts,
) -> Result<Outcome> {
    match step {
        Step::Unlink { times } => unlink::run(*times),
        Step::Exec { args } => exec::run(args),
        Step::Call { a, b } => call::run(*a, *b),
        Step::Udp { packets } => udp::run(packets, Net::get(net)?),
        Step::Run { program } => run::run(program, attached),
        Step::Fault(kind) => fault::run(*kind, facts),
        Step::Storm {
            packets,
            seed,
            decoder,
        } => storm::run(*packets, *seed, *decoder, Net::get(net)?),
    }
}
