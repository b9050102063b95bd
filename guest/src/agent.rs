//! The guest agent, as far as vmtest uses one: `guest-sync`, `guest-info`,
//! `guest-exec` and `guest-exec-status` (QEMU's qga/qapi-schema.json).
//!
//! vmtest makes a directory, mounts the share, runs its command with `bash`
//! and syncs, each by `guest-exec`. None of those programs exists here. The share
//! is mounted before vmtest asks, and `bash` means the plan, whose first fact waits for
//! vmtest. vmtest sleeps between two polls of a status, so a status is answered only when
//! there is one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, bail};
use kassay_guest::{GATE_PORT, HOLD, SHARE, SHARE_TAG};
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::follower::Follower;
use crate::port;
use crate::{process, system};

/// The virtio port that vmtest's agent calls arrive on.
pub const AGENT_PORT: &str = "org.qemu.guest_agent.0";

/// Where the machine waits for the host: once it is up, and if it is told so
/// then, again when its plan has ended.
pub struct Gate {
    port: File,
    holds: bool,
}

impl Gate {
    /// Says that the machine is up and waits until the host opens the gate. Up
    /// to here nothing differs between two machines of a kind, so that this is
    /// where the state of one is saved for all others.
    pub fn pass() -> Result<Gate> {
        let port = port::find(GATE_PORT)?.open()?;
        let mut gate = Gate { port, holds: false };
        gate.holds = gate.wait(b'\n')? == HOLD;
        if gate.holds {
            // A kernel that restarts runs on until QEMU has noticed, out of long
            // mode and over its memory.
            system::write("/proc/sys/kernel/panic", "0")?;
        }
        Ok(gate)
    }

    /// Waits once more, where the host wants it.
    fn hold(&mut self) -> Result<()> {
        if self.holds {
            self.wait(HOLD)?;
        }
        Ok(())
    }

    fn wait(&mut self, word: u8) -> Result<u8> {
        let mut byte = [word];
        self.port.write_all(&byte).context("write to the gate")?;
        self.port
            .read_exact(&mut byte)
            .context("wait at the gate")?;
        Ok(byte[0])
    }
}

/// Answers agent calls until the machine is ended. The host hangs up and calls
/// again when an answer takes too long, as in a machine that boots slowly.
pub fn serve(port: File, follower: Follower, gate: Gate) -> Result<()> {
    let mut calls = BufReader::new(port.try_clone().context("clone the agent port")?);
    let begun = mount().and_then(|()| follower.begin());
    let mut agent = Agent {
        begun: begun.map(Some),
        gate,
        started: Vec::new(),
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        if calls
            .read_until(b'\n', &mut line)
            .context("read the agent port")?
            == 0
        {
            port::wait_for_host(&port).context("wait for the host")?;
            continue;
        }
        let Ok(call) = serde_json::from_slice::<Value>(&line) else {
            continue;
        };
        let mut answer = match agent.answer(&call) {
            Ok(value) => json!({ "return": value }),
            Err(error) => {
                json!({ "error": { "class": "GenericError", "desc": format!("{error:#}") } })
            }
        }
        .to_string();
        answer.push('\n');
        (&port)
            .write_all(answer.as_bytes())
            .context("write to the agent port")?;
    }
}

struct Agent {
    /// The process that follows the plan, until vmtest asks for it, or why there is none.
    begun: Result<Option<Pid>>,
    gate: Gate,
    /// What `guest-exec` has started: its PID there is its place here.
    started: Vec<Job>,
}

enum Job {
    Done(i32),
    Running(Pid),
}

impl Agent {
    fn answer(&mut self, call: &Value) -> Result<Value> {
        let arguments = &call["arguments"];
        match call["execute"].as_str().unwrap_or_default() {
            "guest-sync" => Ok(arguments["id"].clone()),
            // The version decides how vmtest words `capture-output`, which
            // is not looked at here.
            "guest-info" => Ok(json!({ "version": "8.1.0", "supported_commands": [] })),
            "guest-exec" => {
                let job = self.exec(arguments)?;
                self.started.push(job);
                Ok(json!({ "pid": self.started.len() }))
            }
            "guest-exec-status" => self.status(arguments),
            other => bail!("the agent does not know `{other}`"),
        }
    }

    fn status(&mut self, arguments: &Value) -> Result<Value> {
        let pid = arguments["pid"].as_u64().unwrap_or(0) as usize;
        let Some(job) = pid
            .checked_sub(1)
            .and_then(|place| self.started.get_mut(place))
        else {
            bail!("no process {pid}");
        };
        if let Job::Running(child) = *job {
            *job = Job::Done(process::exit_code(process::wait_as_init(child)?));
            self.gate.hold()?;
        }
        let Job::Done(code) = *job else {
            bail!("process {pid} has no status")
        };
        Ok(json!({ "exited": true, "exitcode": code }))
    }

    fn exec(&mut self, arguments: &Value) -> Result<Job> {
        match arguments["path"].as_str().unwrap_or_default() {
            "mkdir" | "mount" => {
                if let Err(error) = &self.begun {
                    bail!("{error:#}");
                }
            }
            // The plan has synced its facts, and nothing else of the host's is written.
            "sync" => {}
            "bash" => {
                let plan = self.begun.as_mut().ok().and_then(Option::take);
                return plan
                    .map(Job::Running)
                    .context("there is one plan, and it was run");
            }
            program => bail!("the agent does not run `{program}`"),
        }
        Ok(Job::Done(0))
    }
}

/// Mounts the share where vmtest would have it, and as it would, but for a size of messages that the
/// kernel would only limit, and say so (net/9p/trans_virtio.c).
fn mount() -> Result<()> {
    system::mount_share(SHARE_TAG, SHARE, "trans=virtio,cache=mmap,msize=512000")
}
