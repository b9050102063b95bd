//! Steps: what triggers the programs. One file a step.

mod call;
pub mod command;
mod exec;
mod fault;
mod run;
mod storm;
mod udp;
mod unlink;

use anyhow::Result;
use kassay_guest::{Outcome, Step};

use self::command::Commands;
use crate::bpf::Attached;
use crate::facts::Facts;
use crate::net::Net;

/// Does one step of the plan, which has this place in it.
pub fn run(
    (place, step): (usize, &Step),
    commands: &mut Commands,
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
        Step::Command {
            line,
            ready,
            directory,
        } => commands.run(place, line, ready.as_deref(), directory),
        Step::Fault(kind) => fault::run(*kind, facts),
        Step::Storm { packets, seed } => storm::run(*packets, *seed, Net::get(net)?),
    }
}
