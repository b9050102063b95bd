//! vmtest, which drives QEMU, and every way around what it does otherwise than we need.
//!
//! - It chooses KVM where `/dev/kvm` exists: an architecture that it does not know keeps it from that.
//! - It exports a writable root to the guest: that is an empty folder, which no guest mounts.
//! - It writes an init script into that root: [`prepare`] makes the folder for it, and nothing runs it.
//! - It keeps neither QEMU's process id, nor its command line, nor all of the console, and QEMU would
//!   outlive it: `qemu.sh` stands in QEMU's place.
//! - It asks whether there is a QEMU, and never waits for the answer: [`reap`] does.
//! - It waits without end for the sockets of a QEMU that cannot start: [`require_programs`] looks first,
//!   and [`Started::join`] does not wait for it then.
//! - It ends with QEMU's last word, and QEMU dies with the thread that started it: [`launch`] gives it
//!   one that lives as long.
//! - It gives up on a guest agent that takes more than seconds, and a debugger may hold the guest up
//!   for hours: [`answer`] stands between the two.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kassay_guest::SAVE;
use rustix::process::{Pid, WaitOptions, waitpid};
use serde_json::{Value, json};
pub use vmtest::{Config, output::Output};
use vmtest::{Target, VMConfig, Vmtest};

use super::Start;
use super::Terms;
use super::directory::QEMU;
use super::machine::Machine;
use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::tool;

/// The host's programs that a machine needs beside QEMU.
const PROGRAMS: [&str; 2] = ["setpriv", "setsid"];

/// What vmtest starts instead of QEMU.
const STAND_IN: &str = include_str!("qemu.sh");

/// The socket that the agent is moved to where a debugger may hold it up.
const AGENT: &str = "agent.sock";

/// QEMU's arguments for that.
const AGENT_ELSEWHERE: [&str; 2] = ["-set", "chardev.qga0.path=agent.sock"];

/// How often a wait looks again.
const TICK: Duration = Duration::from_millis(5);

/// Looks for the host's programs that a machine needs.
///
/// # Errors
/// One is missing; the error says how it is installed.
pub fn require_programs(arch: Arch) -> Result<()> {
    // vmtest would wait for the sockets of a QEMU that cannot come.
    arch.require(arch.qemu())?;
    for program in PROGRAMS {
        tool::require(program)?;
    }
    Ok(())
}

/// A virtual machine that was started.
pub(super) struct Started {
    /// What vmtest tells of it. The channel ends when QEMU has ended.
    pub updates: Receiver<Output>,
    runner: JoinHandle<()>,
}

impl Started {
    /// Waits for vmtest to return, if it has let go of its channel. Else QEMU
    /// has ended and vmtest is left to find that out by itself.
    pub(super) fn join(self) -> thread::Result<()> {
        match self.updates.try_recv() {
            Err(TryRecvError::Disconnected) => self.runner.join(),
            _ => Ok(()),
        }
    }
}

/// Has vmtest start a machine. Whoever calls this ends it when its time has passed.
pub(super) fn launch(share: PathBuf, config: Config) -> Result<Started> {
    let (sender, updates) = mpsc::channel();
    let vmtest = Vmtest::new(share, config)?;
    // QEMU dies with this thread, which lives until QEMU has ended.
    let runner = thread::spawn(move || vmtest.run_one(0, sender));
    Ok(Started { updates, runner })
}

/// Waits for the process in which vmtest looked for QEMU, which it leaves
/// as a zombie.
pub(super) fn reap(asked: Option<Pid>) {
    if let Some(pid) = asked {
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
}

/// Writes the stand-in where it is not yet, whole or not at all.
pub(super) fn stand_in(cache: &Cache) -> Result<PathBuf> {
    let key = Key::new("stand-in").text("script", STAND_IN).finish();
    let entry = cache.get_or_make("qemu", &key, "QEMU's stand-in", |directory| {
        let path = directory.join("qemu");
        fs::write(&path, STAND_IN)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("write `{}`", path.display()))
    })?;
    Ok(entry.join("qemu"))
}

/// Makes the guest's root in a run's directory, with the folder into which vmtest writes an init
/// script: that of the host's name for temporary files.
pub(super) fn prepare(directory: &Path) -> Result<()> {
    let temporary = std::env::temp_dir();
    let temporary = temporary.strip_prefix("/").unwrap_or(&temporary);
    let path = directory.join("root").join(temporary);
    fs::create_dir_all(&path).with_context(|| format!("make directory `{}`", path.display()))
}

/// vmtest's configuration for a run in `directory`, which has been prepared
/// by [`super::directory::prepare`] and [`prepare`].
pub(super) fn config(machine: &Machine, directory: &Path, start: Start, terms: &Terms) -> Config {
    let kernel_args = match start {
        Start::Wait => format!("{} -- {SAVE}", machine.kernel_args()),
        _ => machine.kernel_args(),
    };
    let mut extra_args = machine.run_arguments(start, terms);
    if terms.debugger.is_some() {
        extra_args.extend(AGENT_ELSEWHERE.map(str::to_owned));
    }
    Config {
        target: vec![Target {
            name: "kassay".to_owned(),
            kernel: Some(machine.image.clone()),
            kernel_args: Some(kernel_args),
            // vmtest exports this as the guest's root, writable. The
            // guest never mounts it, and there is nothing in it.
            rootfs: directory.join("root"),
            // An architecture that vmtest does not know keeps it from
            // choosing KVM by the mere existence of /dev/kvm.
            arch: "kassay".to_owned(),
            qemu_command: Some(directory.join(QEMU).display().to_string()),
            command: "kassay-plan".to_owned(),
            vm: VMConfig {
                num_cpus: machine.size.cpus,
                memory: format!("{}M", machine.size.memory_mib),
                extra_args,
                ..VMConfig::default()
            },
            ..Target::default()
        }],
    }
}

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
    use std::process::Command;

    use super::*;

    /// Starts the stand-in of this owner for an emulator, with arguments; returns those that the
    /// emulator has got, a line each, if it was started.
    fn started(owner: u32, emulator: &str, arguments: &[&str]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" >started\n";
        for (name, text) in [("qemu", STAND_IN), (emulator, script)] {
            fs::write(path(name), text).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(path("owner"), format!("{owner}\n")).unwrap();
        fs::write(path("emulator"), format!("{emulator}\n")).unwrap();
        fs::write(path("gate.in"), "").unwrap();
        let search = format!(
            "{}:{}",
            dir.path().display(),
            std::env::var("PATH").unwrap()
        );
        let mut stand_in = Command::new(path("qemu"));
        stand_in
            .args(arguments)
            .env("PATH", search)
            .status()
            .unwrap();
        fs::read_to_string(path("started")).ok()
    }

    #[test]
    fn the_stand_in_starts_qemu_for_its_parent_alone() {
        let own = std::process::id();
        let started = |owner| started(owner, "qemu-system-x86_64", &["-m", "1 M"]);
        assert_eq!(started(own).unwrap(), "-m\n1 M\n");
        assert_eq!(started(own + 1), None);
    }

    #[test]
    fn shares_of_s390x_are_not_on_pci() {
        let share = "local,id=shared,path=/a b,mount_tag=tag,security_model=none,multidevs=remap";
        let arguments = ["-m", "1M", "-virtfs", share, "-smp", "2"];
        let started = |emulator| started(std::process::id(), emulator, &arguments).unwrap();
        assert_eq!(
            started("qemu-system-s390x"),
            "-m\n1M\n-fsdev\nlocal,id=shared,path=/a b,security_model=none,multidevs=remap\n\
             -device\nvirtio-9p-ccw,fsdev=shared,mount_tag=tag\n-smp\n2\n"
        );
        assert!(started("qemu-system-aarch64").contains(&format!("-virtfs\n{share}\n")));
    }

    #[test]
    fn the_agents_socket_is_told_from_others() {
        let command = "qemu\0-qmp\0unix:/tmp/qmp-1.sock,server=on\0-chardev\0\
                       socket,path=/tmp/qga-1.sock,server=on,wait=off,id=qga0\0-device\0x";
        assert_eq!(agent_socket(command), Some("/tmp/qga-1.sock"));
        assert_eq!(agent_socket("qemu\0socket,path=/tmp/qga-1.sock,serv"), None);
    }
}
