//! `test_run`: a child process runs a program on given data.

use std::ops::Range;

use anyhow::{Context, Result, anyhow, bail};
use kassay_guest::{After, Data, FIRST_PORT, TestRan, TestRun};
use libbpf_rs::{ErrorKind, ProgramInput, ProgramType};

use super::Around;
use crate::bpf::{self, Attached};
use crate::net::{RECEIVER, SENDER};
use crate::{kcov, packet, process};

/// How much a program may make of its data, in bytes.
const MOST: usize = 1 << 16;

/// The types whose programs leave a context that is not the one that they were given.
const WITH_CONTEXT: [ProgramType; 8] = [
    ProgramType::SchedCls,
    ProgramType::SchedAct,
    ProgramType::SocketFilter,
    ProgramType::CgroupSkb,
    ProgramType::LwtIn,
    ProgramType::LwtOut,
    ProgramType::LwtXmit,
    ProgramType::Xdp,
];

/// The types whose programs see no Ethernet header: the kernel puts one of zeros before the data
/// that they leave (bpf_prog_test_run_skb of net/bpf/test_run.c, 6.1 to 7.2).
const WITHOUT_HEADER: [ProgramType; 6] = [
    ProgramType::SocketFilter,
    ProgramType::CgroupSkb,
    ProgramType::LwtIn,
    ProgramType::LwtOut,
    ProgramType::LwtXmit,
    ProgramType::LwtSeg6local,
];

/// `ifindex` and `wire_len` of `struct __sk_buff`, which the kernel fills in where they are zero, and
/// no program can write (convert___skb_to_skb of net/bpf/test_run.c, 6.1 to 7.2).
const FILLED_IN: [Range<usize>; 2] = [40..44, 160..164];

/// The length of an Ethernet header, in bytes.
const HEADER: usize = 14;

/// Has a child run the program, and takes what came of it, or why it was not run.
pub fn run(step: &TestRun, around: &mut Around) -> Result<TestRan> {
    let attached = &*around.attached;
    let asked = process::ask("test_run", || test_run(step, attached))?;
    let (pid, ran): (i32, TestRan) = asked.hear()?;
    Ok(TestRan { pid, ..ran })
}

fn test_run(step: &TestRun, attached: &[Attached]) -> Result<TestRan> {
    let name = &step.program;
    let object = bpf::object_of(attached, name)?;
    let program = object
        .progs_mut()
        .find(|program| program.name() == name.as_str());
    let program = program.with_context(|| format!("no program `{name}` is loaded"))?;
    let kind = program.prog_type();
    if kind == ProgramType::Tracing && (step.data.is_some() || step.ctx.is_some()) {
        bail!("run `{name}`: the kernel gives a program of its type neither data nor a context");
    }
    let data = step.data.as_ref().map(bytes);
    let mut data_after = data.as_ref().map(|_| vec![0; MOST]);
    let mut ctx = step.ctx.clone();
    let room = ctx.as_ref().filter(|_| WITH_CONTEXT.contains(&kind));
    let mut ctx_after = room.map(|_| vec![0; MOST]);
    let mut reached = Vec::new();
    let ran = bpf::see_it_run(&program, || {
        let input = ProgramInput {
            context_in: ctx.as_deref_mut(),
            context_out: ctx_after.as_deref_mut(),
            data_in: data.as_deref(),
            data_out: data_after.as_deref_mut(),
            repeat: step.repeat,
            ..ProgramInput::default()
        };
        let run = || program.test_run(input);
        let ran = match step.traces {
            false => run(),
            true => {
                let (ran, places) = kcov::reached(run)?;
                reached = places;
                ran
            }
        };
        ran.map_err(|error| anyhow!(reason(&error)))
    });
    let ran = ran.with_context(|| format!("run `{name}`"))?;
    let (returned, ns) = (ran.return_value, ran.duration.as_nanos() as u64);
    let data_after = ran.data.as_ref().map(|bytes| bytes.to_vec());
    let ctx_after = ran.context.as_ref().map(|bytes| bytes.to_vec());
    let after = data.zip(data_after);
    let data = after.and_then(|(before, after)| data_left(kind, before, after));
    // The kernel writes to that of a `syscall` in its place.
    let after = step.ctx.clone().zip(ctx_after.or(ctx));
    let ctx = after.and_then(|(before, after)| ctx_left(kind, before, after));
    Ok(TestRan {
        pid: 0,
        returned,
        after: data.into_iter().chain(ctx).collect(),
        ns,
        reached,
    })
}

/// What the kernel says of a run that it refuses, in words where its number has one meaning there
/// (net/bpf/test_run.c, 6.1 to 7.2).
pub(super) fn reason(error: &libbpf_rs::Error) -> String {
    let words = match error.kind() {
        // ENOTSUPP has no words in a C library.
        _ if error.to_string().contains("os error 524") => {
            "the kernel runs no program of its type so"
        }
        ErrorKind::InvalidInput => {
            "the kernel does not take these data or this context for a program of its type"
        }
        _ => return format!("{error:#}"),
    };
    format!("{words}: {error:#}")
}

/// The data after a program, if they are others than those before it.
fn data_left(kind: ProgramType, mut before: Vec<u8>, after: Vec<u8>) -> Option<After> {
    if kind == ProgramType::FlowDissector {
        return Some(After::new("flow keys", after));
    }
    if WITHOUT_HEADER.contains(&kind) {
        let end = before.len().min(HEADER);
        before[..end].fill(0);
    }
    (after != before).then(|| After::new("data", after))
}

/// The context after a program, if it is another than that before it. One may be given cut short or
/// too long, and comes back whole, with zeros that nobody wrote, and with what the kernel alone
/// writes.
fn ctx_left(kind: ProgramType, mut before: Vec<u8>, mut after: Vec<u8>) -> Option<After> {
    let given = before.len().min(after.len());
    before.resize(after.len(), 0);
    if kind != ProgramType::Xdp && WITH_CONTEXT.contains(&kind) {
        for field in FILLED_IN {
            if let (Some(before), Some(after)) = (before.get_mut(field.clone()), after.get(field)) {
                before.copy_from_slice(after);
            }
        }
    }
    if after == before {
        return None;
    }
    let used = after.iter().rposition(|byte| *byte != 0);
    after.truncate(used.map_or(0, |last| last + 1).max(given));
    Some(After::new("ctx", after))
}

/// The bytes that a program gets.
pub(super) fn bytes(data: &Data) -> Vec<u8> {
    match data {
        Data::Bytes(bytes) => bytes.clone(),
        Data::Packet(packet) => packet::frame(packet, FIRST_PORT, &SENDER, &RECEIVER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_fills_in_is_no_change_of_the_context() {
        let left = |after: &[u8]| ctx_left(ProgramType::SchedCls, vec![0; 200], after.to_vec());
        let mut after = [0; 192];
        (after[40], after[160]) = (1, 60);
        assert_eq!(left(&after), None);
        after[8] = 7;
        assert_eq!(left(&after), Some(After::new("ctx", after.to_vec())));
    }
}
