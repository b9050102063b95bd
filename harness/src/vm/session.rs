//! One run of one virtual machine, from start to evidence.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use kassay_guest::HOLD;
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use serde_json::json;

use super::Start;
use super::directory::{self, EVENTS, GATE_IN, GATE_OUT, IO, ORDERS};
use super::machine::Machine;
use super::qmp::Qmp;
use super::run::{GRACE, Run};
use super::vmtest::{self, Output, Started};
use super::written::MOST;
use super::{Evidence, Shutdown, Terms, written};
use crate::streams::Streams;
use crate::{interrupt, milestone, progress};

/// How long QEMU may take to dump the guest's memory.
const DUMP_PATIENCE: Duration = Duration::from_secs(60);

/// How long QEMU may take to tell what is in the CPU's registers, where the deadline has passed.
const REGISTER_PATIENCE: Duration = Duration::from_millis(250);

/// How long a restored machine may take to answer vmtest. It had nothing left
/// to do but that.
const RESTORE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a machine may take to boot, where its CPU is emulated and the host is busy.
pub(super) const BOOT_PATIENCE: Duration = Duration::from_secs(120);

/// How often a wait looks at the clock and at Ctrl-C.
pub(super) const TICK: Duration = Duration::from_millis(50);

impl Run {
    /// Runs the machine on what lies in the share until it ends or its time has
    /// passed, and collects what there is to know.
    ///
    /// # Errors
    /// vmtest cannot start it; an interruption by the user.
    pub fn go(&self, machine: &Machine, start: Start, terms: &Terms) -> Result<Evidence> {
        let began = Instant::now();
        let started = self.start(machine, start, terms)?;
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Seen::default());
        let (sender, shutdown) = mpsc::channel();
        let (socket, is_over) = (self.path().join(EVENTS), over.clone());
        let sees = seen.clone();
        thread::spawn(move || sender.send(watch(&socket, &is_over, &sees)));
        if let Some(word) = &terms.debugger {
            let (directory, over) = (self.path().to_owned(), over.clone());
            // It ends with an error when QEMU or vmtest does, which is told of elsewhere.
            thread::spawn(move || vmtest::answer(&directory, &over));
            if self.stands_still() {
                progress::note(word);
            }
        }
        let streams = terms.streams.clone().map(|streams| {
            let (socket, over) = (self.path().join(IO), over.clone());
            thread::spawn(move || attend(&streams, &socket, &over))
        });
        let patience = match start {
            Start::Restore(_) if terms.debugger.is_none() => RESTORE_PATIENCE.min(terms.timeout),
            // Without a limit for the program there is still one for the boot.
            Start::Boot if terms.streams.is_some() => BOOT_PATIENCE.min(terms.timeout),
            _ => terms.timeout,
        };
        let mut evidence = self.follow(&started.updates, began, patience, terms, &seen);
        evidence.restored = matches!(start, Start::Restore(_));
        let joined = started.join();
        over.store(true, Ordering::Relaxed);
        if let Some(streams) = terms.streams.as_ref().filter(|_| evidence.timed_out) {
            streams.hurry();
        }
        // What the program wrote may still be on its way to a slow reader.
        let _ = streams.map(JoinHandle::join);
        // The socket of a QEMU that has ended is closed.
        evidence.shutdown = shutdown.recv_timeout(GRACE).unwrap_or_default();
        if joined.is_err() {
            evidence
                .trouble
                .get_or_insert_with(|| "vmtest panicked".to_owned());
        }
        self.reap();
        self.collect(&mut evidence);
        evidence.duration = began.elapsed();
        interrupt::check()?;
        Ok(evidence)
    }

    /// Starts the machine.
    pub(super) fn start(&self, machine: &Machine, start: Start, terms: &Terms) -> Result<Started> {
        directory::prepare(self.path(), start, terms, machine.size.memory_mib)?;
        vmtest::prepare(self.path())?;
        self.emulate(machine.arch)?;
        let config = vmtest::config(machine, self.path(), start, terms);
        vmtest::launch(self.share(), config)
    }

    /// Follows vmtest's updates until it lets go of the channel, which it does
    /// when QEMU has ended. The guest has to answer within `patience`.
    fn follow(
        &self,
        updates: &Receiver<Output>,
        began: Instant,
        patience: Duration,
        terms: &Terms,
        seen: &Seen,
    ) -> Evidence {
        let mut evidence = Evidence::default();
        let (mut stopping, mut closed) = (None, None);
        let (mut held, mut dumping) = (0, Duration::ZERO);
        loop {
            match updates.recv_timeout(TICK) {
                Ok(update) => self.take(update, &mut evidence, &mut held),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return evidence,
            }
            if self.has_ended() {
                return evidence;
            }
            if seen.closed.load(Ordering::Relaxed)
                && self.has_outlived(*closed.get_or_insert_with(Instant::now))
            {
                return evidence;
            }
            let gone = terms.dump && (seen.stopped.load(Ordering::Relaxed) || self.has_panicked());
            if terms.dump && !gone && self.is_held() {
                dumping = self.dump_into(&mut evidence);
                self.release();
            }
            let allowed = if evidence.answered {
                terms.timeout
            } else {
                patience
            };
            let late = self.is_late(began.elapsed().saturating_sub(dumping), allowed);
            evidence.timed_out |= late && !gone && stopping.is_none();
            if late || gone || evidence.flood.is_some() || interrupt::requested() {
                let since = *stopping.get_or_insert_with(|| {
                    if evidence.timed_out {
                        evidence.stood = self.instructions().unwrap_or_default();
                    }
                    if terms.dump && evidence.dump.is_none() && !interrupt::requested() {
                        self.dump_into(&mut evidence);
                    }
                    self.quit();
                    Instant::now()
                });
                if self.has_outlived(since) {
                    return evidence;
                }
            }
        }
    }

    /// Takes what vmtest tells of. `held` is how many bytes there are of the port's lines.
    fn take(&self, update: Output, evidence: &mut Evidence, held: &mut usize) {
        milestone::reached_by(|| name_of(&update));
        match update {
            Output::BootEnd(Ok(())) => evidence.answered = true,
            Output::Command(line) => {
                // Lines may be empty, and take room all the same.
                *held += line.len() + size_of::<String>();
                if *held > MOST {
                    evidence.flood = Some("the command port");
                } else {
                    evidence.port.push(line);
                }
            }
            Output::CommandEnd(Ok(code)) => {
                evidence.exit_code = Some(code);
                evidence.peak_kib = self.peak_kib();
            }
            Output::BootEnd(Err(error))
            | Output::SetupEnd(Err(error))
            | Output::CommandEnd(Err(error)) => {
                evidence.trouble.get_or_insert_with(|| format!("{error:#}"));
            }
            _ => {}
        }
    }

    /// Has QEMU end and waits until vmtest knows of it.
    pub(super) fn end(&self, updates: &Receiver<Output>) {
        self.quit();
        let since = Instant::now();
        // vmtest's complaint that QEMU ended is what was asked for.
        while !matches!(
            updates.recv_timeout(TICK),
            Err(RecvTimeoutError::Disconnected)
        ) && !self.has_ended()
            && !self.has_outlived(since)
        {}
    }

    /// Waits for QEMU to have a machine that does not run yet; false when there
    /// will be none.
    fn stands_still(&self) -> bool {
        while !self.has_ended() && !interrupt::requested() {
            let status = self
                .qmp()
                .and_then(|mut qmp| qmp.execute("query-status", json!({})));
            // With a state to go on from it reads that first (`inmigrate`).
            if status.is_ok_and(|status| {
                matches!(status["status"].as_str(), Some("prelaunch" | "paused"))
            }) {
                return true;
            }
            thread::sleep(TICK);
        }
        false
    }

    /// Whether the guest says that its plan has ended and that it waits.
    fn is_held(&self) -> bool {
        let mut bytes = [0u8; 16];
        let gate = self.path().join(GATE_OUT);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        rustix::fs::open(gate, flags, Mode::empty())
            .and_then(|gate| rustix::io::read(gate, &mut bytes))
            .is_ok_and(|length| bytes[..length].contains(&HOLD))
    }

    /// Whether the console ends with the last line of a panic, behind which a kernel
    /// whose machine is dumped stands still (kernel/panic.c, panic).
    fn has_panicked(&self) -> bool {
        let mut end = Vec::new();
        let read = File::open(self.path().join("console")).and_then(|mut console| {
            let length = console.metadata()?.len();
            console.seek(SeekFrom::Start(length.saturating_sub(1024)))?;
            console.read_to_end(&mut end)
        });
        read.is_ok() && String::from_utf8_lossy(&end).contains("---[ end Kernel panic - ")
    }

    /// Lets a guest go on that waits.
    fn release(&self) {
        let gate = self.path().join(GATE_IN);
        let flags = OFlags::WRONLY | OFlags::NONBLOCK;
        // One that is not let go runs into its deadline.
        let _ = rustix::fs::open(gate, flags, Mode::empty())
            .and_then(|gate| rustix::io::write(gate, &[HOLD]));
    }

    /// The address of each CPU's next instruction, if QEMU tells it at once.
    fn instructions(&self) -> Option<Vec<u64>> {
        let mut qmp = Qmp::connect(&self.path().join(ORDERS), Some(REGISTER_PATIENCE)).ok()?;
        let command = json!({ "command-line": "info registers -a" });
        let said = qmp.execute("human-monitor-command", command).ok()?;
        said.as_str().map(instructions)
    }

    /// Dumps the guest's memory and returns how long that took. A case is not
    /// judged by whether it worked.
    fn dump_into(&self, evidence: &mut Evidence) -> Duration {
        let began = Instant::now();
        let dump = || -> Result<()> {
            let mut qmp = Qmp::connect(&self.path().join(ORDERS), Some(DUMP_PATIENCE))?;
            // The guest's page tables, which QEMU could put into the dump, may be as
            // large as the address space.
            let to = json!({ "paging": false, "protocol": "file:memory" });
            qmp.execute("dump-guest-memory", to).map(drop)
        };
        match dump() {
            Ok(()) => evidence.dump = Some(self.path().join("memory")),
            Err(error) => progress::note(format!("dump the guest's memory: {error:#}")),
        }
        began.elapsed()
    }

    fn collect(&self, evidence: &mut Evidence) {
        let mut read = |name: &'static str| {
            let (text, is_whole) = written::text(&self.path().join(name)).ok()?;
            if !is_whole {
                evidence.flood.get_or_insert(name);
            }
            Some(text)
        };
        let (console, file) = (read("console"), read("share/facts.jsonl"));
        let (stderr, command) = (read("stderr"), read("command"));
        (evidence.console, evidence.file) = (console, file);
        evidence.stderr = stderr.unwrap_or_default();
        evidence.command = command.unwrap_or_default();
    }
}

/// The address of each CPU's next instruction in what QEMU's `info registers -a` says.
fn instructions(registers: &str) -> Vec<u64> {
    let words = registers.split_whitespace();
    let addresses = words.filter_map(|word| word.strip_prefix("RIP="));
    addresses
        .filter_map(|address| u64::from_str_radix(address, 16).ok())
        .collect()
}

/// What was reached when vmtest tells of this.
fn name_of(update: &Output) -> Option<Cow<'static, str>> {
    Some(match update {
        Output::BootEnd(_) => "guest: it answers".into(),
        Output::SetupEnd(_) => "guest: the share is mounted".into(),
        Output::Command(line) => {
            let line: Line = serde_json::from_str(line).ok()?;
            format!("guest: fact `{}`", line.fact).into()
        }
        Output::CommandEnd(_) => "guest: the plan has ended".into(),
        _ => return None,
    })
}

/// The kind of a fact.
#[derive(Deserialize)]
struct Line {
    fact: String,
}

/// Has the program's streams attended to until QEMU is gone.
fn attend(streams: &Streams, socket: &Path, over: &AtomicBool) {
    let socket = loop {
        match UnixStream::connect(socket) {
            Ok(socket) => break socket,
            // QEMU has not made its socket yet.
            Err(_) if !over.load(Ordering::Relaxed) => thread::sleep(TICK / 10),
            Err(_) => return,
        }
    };
    if let Err(error) = streams.attend(socket) {
        progress::note(format!("{error:#}"));
    }
}

/// What is heard from QEMU's monitor.
#[derive(Default)]
struct Seen {
    /// The guest has ended the machine.
    stopped: AtomicBool,
    /// QEMU has hung up. There is no machine any more, even where the process lingers, and vmtest
    /// may wait for that process.
    closed: AtomicBool,
}

/// Listens to QEMU's events until it is gone and returns how it was shut down.
fn watch(socket: &Path, over: &AtomicBool, seen: &Seen) -> Option<Shutdown> {
    let mut qmp = loop {
        match Qmp::connect(socket, None) {
            Ok(qmp) => break qmp,
            // QEMU has not made its socket yet.
            Err(_) if !over.load(Ordering::Relaxed) => thread::sleep(TICK / 10),
            Err(_) => return None,
        }
    };
    milestone::reached("qemu: it listens");
    let mut shutdown = None;
    while let Ok(event) = qmp.event() {
        let Some(event) = event else {
            seen.closed.store(true, Ordering::Relaxed);
            break;
        };
        // A machine that is kept for its dump is shut down again, by the host.
        if event["event"] == "SHUTDOWN" && shutdown.is_none() {
            let guest = event["data"]["guest"].as_bool().unwrap_or(true);
            seen.stopped.fetch_or(guest, Ordering::Relaxed);
            shutdown = Some(Shutdown {
                guest,
                reason: event["data"]["reason"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            });
        }
    }
    shutdown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    #[test]
    fn the_next_instruction_is_one_of_the_registers_of_each_cpu() {
        let text = "CPU#0\r\nRSP=ffffc900\r\nRIP=ffffffff81f2b0cf RFL=00000246 [---Z-P-]\r\n\r\n\
                    CPU#1\r\nRIP=0000000000401000 RFL=00000246\r\n";
        assert_eq!(instructions(text), [0xffff_ffff_81f2_b0cf, 0x40_1000]);
        assert_eq!(instructions("no CPU"), [0; 0]);
    }

    #[test]
    fn lines_of_the_port_are_taken_up_to_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let run = Run::new(&Cache::at(directory.path()).unwrap()).unwrap();
        let (sender, updates) = mpsc::channel();
        for length in [MOST / 2, MOST / 2, 1] {
            sender.send(Output::Command("a".repeat(length))).unwrap();
        }
        drop(sender);
        let hour = Duration::from_secs(3600);
        let terms = Terms {
            timeout: hour,
            host_root: false,
            streams: None,
            dump: false,
            debugger: None,
        };
        let evidence = run.follow(&updates, Instant::now(), hour, &terms, &Seen::default());
        assert_eq!(evidence.flood, Some("the command port"));
        assert_eq!(evidence.port.len(), 1);
        assert!(!evidence.timed_out);
    }
}
