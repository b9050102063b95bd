//! A machine that a debugger holds up. vmtest gives up on a guest agent that takes more than
//! seconds to answer, so kassay answers it in the agent's place, at once, until it has vmtest wait
//! without end for the plan; only then it asks the agent itself.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The socket of QEMU's gdb stub, in the run's directory.
pub const SOCKET: &str = "gdb.sock";

/// The socket that the agent is moved to, likewise.
const AGENT: &str = "agent.sock";

/// QEMU's arguments over and above those of other machines.
pub(super) const ARGUMENTS: [&str; 5] = [
    "-S",
    "-gdb",
    "unix:gdb.sock,server=on,wait=off",
    "-set",
    "chardev.qga0.path=agent.sock",
];

/// How often a wait looks again.
const TICK: Duration = Duration::from_millis(5);

/// Answers vmtest's agent calls for the machine of a run's directory, until it is over.
///
/// # Errors
/// vmtest or QEMU hangs up, as both do in the end.
pub(super) fn answer(directory: &Path, over: &AtomicBool) -> Result<()> {
    let Some(vmtest) = accept(directory, over)? else {
        return Ok(());
    };
    let mut vmtest = Line::new(vmtest)?;
    let (mut delayed, mut agent) = (Vec::new(), None);
    loop {
        let call = vmtest.read()?;
        let arguments = &call["arguments"];
        let answer = match (call["execute"].as_str().unwrap_or_default(), &mut agent) {
            ("guest-sync", _) => arguments["id"].clone(),
            ("guest-info", _) => json!({ "version": "8.1.0", "supported_commands": [] }),
            // With this call vmtest begins to wait without end.
            ("guest-exec", None) if arguments["path"] == "bash" => {
                let stream =
                    UnixStream::connect(directory.join(AGENT)).context("reach the agent")?;
                let mut line = Line::new(stream)?;
                for earlier in delayed.drain(..) {
                    line.ask(&earlier)?;
                }
                let plan = line.ask(&call)?;
                agent = Some(line);
                plan
            }
            ("guest-exec", agent) => {
                if agent.is_none() {
                    delayed.push(call);
                }
                json!({ "pid": 0 })
            }
            ("guest-exec-status", Some(line)) if arguments["pid"] != 0 => line.ask(&call)?,
            _ => json!({ "exited": true, "exitcode": 0 }),
        };
        vmtest.write(&json!({ "return": answer }))?;
    }
}

/// Makes the socket that vmtest believes to be the agent's, and waits for vmtest there.
fn accept(directory: &Path, over: &AtomicBool) -> Result<Option<UnixStream>> {
    let command = directory.join("command");
    let mut listener = None;
    while !over.load(Ordering::Relaxed) {
        match &listener {
            None => {
                let command = fs::read_to_string(&command).unwrap_or_default();
                if let Some(socket) = agent_socket(&command) {
                    let made =
                        UnixListener::bind(socket).with_context(|| format!("make `{socket}`"))?;
                    made.set_nonblocking(true)?;
                    listener = Some(made);
                }
            }
            Some(made) => {
                if let Ok((vmtest, _)) = made.accept() {
                    vmtest.set_nonblocking(false)?;
                    return Ok(Some(vmtest));
                }
            }
        }
        thread::sleep(TICK);
    }
    Ok(None)
}

/// The path of the agent's socket in QEMU's arguments, which NUL ends.
fn agent_socket(command: &str) -> Option<&str> {
    command.split('\0').find_map(|argument| {
        argument
            .strip_prefix("socket,path=")?
            .strip_suffix(",server=on,wait=off,id=qga0")
    })
}

/// An agent's line: a JSON object each way, a line each.
struct Line(BufReader<UnixStream>);

impl Line {
    fn new(stream: UnixStream) -> Result<Line> {
        stream.set_read_timeout(None)?;
        Ok(Line(BufReader::new(stream)))
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            bail!("the other end hung up");
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn write(&mut self, value: &Value) -> Result<()> {
        Ok(writeln!(self.0.get_mut(), "{value}")?)
    }

    fn ask(&mut self, call: &Value) -> Result<Value> {
        self.write(call)?;
        let mut answer = self.read()?;
        match answer.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => bail!("the agent says {answer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_socket_is_told_from_others() {
        let command = "qemu\0-qmp\0unix:/tmp/qmp-1.sock,server=on\0-chardev\0\
                       socket,path=/tmp/qga-1.sock,server=on,wait=off,id=qga0\0-device\0x";
        assert_eq!(agent_socket(command), Some("/tmp/qga-1.sock"));
        assert_eq!(agent_socket("qemu\0socket,path=/tmp/qga-1.sock,serv"), None);
    }
}
