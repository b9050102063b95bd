//! `race`: child processes run programs at the same time.

use std::io::{Read, Write, pipe};

use anyhow::{Context, Result, anyhow};
use kassay_guest::{Race, Raced};
use libbpf_rs::ProgramInput;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::Around;
use super::test_run::{bytes, reason};
use crate::bpf::{self, Attached};
use crate::process;

/// Has a child for each program run it, all from the same moment on.
pub fn run(step: &Race, around: &mut Around) -> Result<Raced> {
    let attached = &*around.attached;
    let (wait, mut go) = pipe().context("make a pipe")?;
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let begin = |(place, name): (usize, &String)| {
        process::ask("race", || {
            stay_on(place % cpus)?;
            (&wait)
                .read_exact(&mut [0])
                .context("wait for the others")?;
            race(step, name, attached)
        })
    };
    let children = step.programs.iter().enumerate().map(begin);
    let children = children.collect::<Result<Vec<_>>>()?;
    go.write_all(&vec![0; children.len()])
        .context("let the children begin")?;
    // All are waited for, whatever came of the first.
    let heard: Vec<_> = children.into_iter().map(|child| child.hear()).collect();
    let heard = heard.into_iter().collect::<Result<Vec<(i32, u32)>>>()?;
    let pids = heard.iter().map(|(pid, _)| *pid);
    Ok(Raced {
        pids: (pids.clone().min().unwrap_or(0), pids.max().unwrap_or(0)),
        ran: heard.iter().map(|(_, ran)| *ran).collect(),
    })
}

fn race(step: &Race, name: &str, attached: &[Attached]) -> Result<u32> {
    let object = bpf::object_of(attached, name)?;
    let program = object.progs_mut().find(|program| program.name() == name);
    let program = program.with_context(|| format!("no program `{name}` is loaded"))?;
    let data = step.data.as_ref().map(bytes);
    for _ in 0..step.times {
        let input = ProgramInput {
            data_in: data.as_deref(),
            ..ProgramInput::default()
        };
        let ran = program.test_run(input);
        ran.map_err(|error| anyhow!(reason(&error)))
            .with_context(|| format!("run `{name}`"))?;
    }
    Ok(step.times)
}

fn stay_on(cpu: usize) -> Result<()> {
    let mut here = CpuSet::new();
    here.set(cpu);
    sched_setaffinity(None, &here).context("stay on a CPU")
}
