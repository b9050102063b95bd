//! Steps: what triggers the programs. One file a step.

mod call;
pub mod command;
mod consume;
mod exec;
mod fault;
mod run;
mod storm;
mod submit;
mod udp;
mod unlink;

use anyhow::Result;
use kassay_guest::{Outcome, Step};

use self::command::Commands;
use crate::bpf::{self, Attached};
use crate::facts::Facts;
use crate::net::Lazy;

/// Does one step of the plan, which has this place in it.
pub fn run(
    (place, step): (usize, &Step),
    commands: &mut Commands,
    net: &mut Lazy,
    attached: &[Attached],
    facts: &mut Facts,
) -> Result<Outcome> {
    match step {
        Step::Unlink { times } => unlink::run(*times),
        Step::Exec { args } => exec::run(args),
        Step::Call { a, b } => call::run(*a, *b),
        Step::Udp { packets, by } => udp::run(packets, *by, net.get()?),
        Step::Run { program } => run::run(program, attached),
        Step::Command {
            line,
            ready,
            directory,
        } => commands.run(place, line, ready.as_deref(), directory),
        Step::Submit { map, samples } => submit::run(map, *samples, attached),
        Step::Consume {
            map,
            program,
            bursts,
            late,
        } => consume::run(
            bpf::object_of(attached, program)?,
            map,
            program,
            bursts,
            *late,
        ),
        Step::Fault(kind) => fault::run(*kind, facts),
        Step::Storm {
            packets,
            seed,
            decoder,
        } => storm::run(*packets, *seed, *decoder, net.get()?),
    }
}
