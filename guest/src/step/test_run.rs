//! `test_run`: a child process runs a program on given data.

use std::io::{Read, Write, pipe};

use anyhow::{Context, Result, bail};
use kassay_guest::{Data, FIRST_PORT, TestRan, TestRun};
use libbpf_rs::{ProgramInput, ProgramType};

use super::Around;
use crate::bpf::{self, Attached};
use crate::net::{RECEIVER, SENDER};
use crate::{packet, process};

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

/// Has a child run the program, and takes what came of it, or why it was not run.
pub fn run(step: &TestRun, around: &mut Around) -> Result<TestRan> {
    let attached = around.attached;
    let (mut answer, mut child) = pipe().context("make a pipe")?;
    let pid = process::spawn("test_run", || {
        let ran = test_run(step, attached).map_err(|error| format!("{error:#}"));
        let told = serde_json::to_vec(&ran).map(|ran| child.write_all(&ran));
        i32::from(!matches!(told, Ok(Ok(()))))
    })?;
    drop(child);
    let mut said = Vec::new();
    answer
        .read_to_end(&mut said)
        .context("read the child's answer")?;
    let code = process::exit_code(process::wait(pid)?);
    if code != 0 {
        bail!("the child process ended with status {code}");
    }
    let ran: Result<TestRan, String> =
        serde_json::from_slice(&said).context("read the child's answer")?;
    let ran = ran.map_err(anyhow::Error::msg)?;
    Ok(TestRan {
        pid: pid.as_raw_nonzero().get(),
        ..ran
    })
}

fn test_run(step: &TestRun, attached: &[Attached]) -> Result<TestRan> {
    let name = &step.program;
    let object = bpf::object_of(attached, name)?;
    let program = object
        .progs_mut()
        .find(|program| program.name() == name.as_str());
    let program = program.with_context(|| format!("no program `{name}` is loaded"))?;
    let data = step.data.as_ref().map(bytes);
    let mut after = data.as_ref().map(|_| vec![0; MOST]);
    let mut ctx = step.ctx.clone();
    let is_given_back = WITH_CONTEXT.contains(&program.prog_type());
    let room = ctx.as_ref().filter(|_| is_given_back);
    let mut ctx_after = room.map(|_| vec![0; MOST]);
    let ran = program.test_run(ProgramInput {
        context_in: ctx.as_deref_mut(),
        context_out: ctx_after.as_deref_mut(),
        data_in: data.as_deref(),
        data_out: after.as_deref_mut(),
        repeat: step.repeat,
        ..ProgramInput::default()
    });
    let ran = ran.with_context(|| format!("run `{name}`"))?;
    let (returned, ns) = (ran.return_value, ran.duration.as_nanos() as u64);
    let given_back =
        [&ran.data, &ran.context].map(|bytes| bytes.as_ref().map(|bytes| bytes.to_vec()));
    let [data_after, ctx_after] = given_back;
    let beside = |after: Option<Vec<u8>>, before: &Option<Vec<u8>>| {
        after.map(|after| {
            let differs = before.as_ref() != Some(&after);
            (after, differs)
        })
    };
    Ok(TestRan {
        pid: 0,
        returned,
        data: beside(data_after, &data),
        // The kernel writes to that of a `syscall` in its place.
        ctx: beside(
            ctx_after.or(ctx).map(trimmed),
            &step.ctx.clone().map(trimmed),
        ),
        ns,
    })
}

/// Without the zeros at its end: a context may be given cut short, and comes back whole.
fn trimmed(mut ctx: Vec<u8>) -> Vec<u8> {
    let end = ctx.iter().rposition(|byte| *byte != 0);
    ctx.truncate(end.map_or(0, |end| end + 1));
    ctx
}

/// The bytes that a program gets.
fn bytes(data: &Data) -> Vec<u8> {
    match data {
        Data::Bytes(bytes) => bytes.clone(),
        Data::Packet(packet) => packet::frame(packet, FIRST_PORT, &SENDER, &RECEIVER),
    }
}
