//! Steps, host side: how a scenario file asks for one, and what a transcript
//! tells of it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use kassay_guest::{
    By, Command, Consumed, Decoder, FIRST_PORT, Fault, Outcome, Packet, SENTINEL_PORT, State, Step,
    Storm,
};
use serde::Deserialize;

/// A step that a scenario asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What the guest does.
    pub step: Step,
    /// What the transcript calls its parts: for `udp`, the packets' names.
    pub names: Vec<String>,
}

impl From<Step> for Asked {
    fn from(step: Step) -> Asked {
        Asked {
            step,
            names: Vec::new(),
        }
    }
}

/// A `[[step]]` of a scenario file, which is one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStep {
    /// `unlink = { times = 2 }`
    unlink: Option<FileUnlink>,
    /// `exec = { args = ["one", "two"] }`
    exec: Option<FileExec>,
    /// `call = { a = 2, b = 3 }`
    call: Option<FileCall>,
    /// `udp = { packets = [{ name = "a", hex = "00" }] }`
    udp: Option<FileUdp>,
    /// `run = { program = "f" }` or `run = "./loader -v"`
    run: Option<FileRun>,
    /// `ready = "attached"`, beside `run` with a command.
    ready: Option<String>,
    /// `submit = { map = "numbers", samples = 100 }`
    submit: Option<FileSubmit>,
    /// `consume = { map = "events", program = "f", bursts = [300, 1], late = true }`
    consume: Option<FileConsume>,
    /// `storm = { packets = 100000, seed = 7 }`
    storm: Option<FileStorm>,
    /// `fault = "segv"`
    fault: Option<Fault>,
}

/// How a file asks for [`Step::Unlink`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileUnlink {
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

/// How a file asks for [`Step::Exec`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileExec {
    args: Vec<String>,
}

/// How a file asks for [`Step::Call`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCall {
    a: u64,
    b: u64,
}

/// How a file asks for [`Step::Udp`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileUdp {
    packets: Vec<FilePacket>,
    #[serde(default)]
    by: By,
}

/// How a file asks for [`Step::Run`] or [`Step::Command`].
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "`run` is a command, or `{ program = NAME }` of a BPF program"
)]
pub enum FileRun {
    /// A command.
    Command(String),
    /// A BPF program.
    Program {
        /// Its name.
        program: String,
    },
}

/// How a file asks for [`Step::Submit`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSubmit {
    map: String,
    samples: u32,
}

/// How a file asks for [`Step::Consume`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConsume {
    map: String,
    program: String,
    bursts: Vec<u32>,
    #[serde(default)]
    late: bool,
}

/// How a file asks for [`Step::Storm`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStorm {
    packets: u32,
    seed: Option<u32>,
    #[serde(default)]
    decoder: Decoder,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePacket {
    name: String,
    message: Option<Foo>,
    hex: Option<String>,
    #[serde(default)]
    fragment: bool,
    protocol: Option<u8>,
}

/// The message `foo { bool drop = 1; }`. A field that is not given is not
/// encoded; one that is given is, even where it has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Foo {
    drop: Option<bool>,
}

/// The longest payload that fits one frame of an ordinary Ethernet.
const MAX_PAYLOAD: usize = 1500 - 20 - 8;

impl FileStep {
    /// The step, checked. A command is run in `directory`.
    pub fn asked(self, directory: &Path) -> Result<Asked> {
        if self.ready.is_some() && !matches!(self.run, Some(FileRun::Command(_))) {
            bail!("`ready` is the line to wait for of a command that `run` gives");
        }
        let steps = [
            self.unlink
                .map(|FileUnlink { times }| Ok(Step::Unlink { times }.into())),
            self.exec
                .map(|FileExec { args }| Ok(Step::Exec { args }.into())),
            self.call
                .map(|FileCall { a, b }| Ok(Step::Call { a, b }.into())),
            self.udp.map(FileUdp::asked),
            self.run.map(|run| run.asked(self.ready, directory)),
            self.submit
                .map(|FileSubmit { map, samples }| Ok(Step::Submit { map, samples }.into())),
            self.consume.map(FileConsume::asked),
            self.storm.map(FileStorm::asked),
            self.fault.map(|fault| Ok(Step::Fault(fault).into())),
        ];
        let mut steps = steps.into_iter().flatten();
        match (steps.next(), steps.next()) {
            (Some(step), None) => step,
            _ => bail!(
                "a `[[step]]` is one of `unlink`, `exec`, `call`, `udp`, `run`, `submit`, `consume`, \
                 `storm` and `fault`"
            ),
        }
    }
}

impl FileRun {
    fn asked(self, ready: Option<String>, directory: &Path) -> Result<Asked> {
        Ok(match self {
            FileRun::Program { program } => Step::Run { program }.into(),
            FileRun::Command(line) => {
                for text in [Some(&line), ready.as_ref()].into_iter().flatten() {
                    if text.trim().is_empty() || text.contains('\0') {
                        bail!("`run` takes a command, and `ready` a part of a line that it prints");
                    }
                }
                let directory = std::path::absolute(directory.join("."))
                    .with_context(|| format!("find `{}`", directory.display()))?;
                let directory = directory.to_str().map(str::to_owned);
                Step::Command {
                    line,
                    ready,
                    directory: directory.context("the path of the scenario is not UTF-8")?,
                }
                .into()
            }
        })
    }
}

impl FileConsume {
    fn asked(self) -> Result<Asked> {
        Ok(Step::Consume {
            map: self.map,
            program: self.program,
            bursts: self.bursts,
            late: self.late,
        }
        .into())
    }
}

impl FileStorm {
    fn asked(self) -> Result<Asked> {
        Ok(Step::Storm {
            packets: self.packets,
            seed: self.seed.map_or_else(fresh_seed, Ok)?,
            decoder: self.decoder,
        }
        .into())
    }
}

/// A seed that nobody has chosen.
fn fresh_seed() -> Result<u32> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("read `/dev/urandom`")?;
    Ok(u32::from_ne_bytes(bytes))
}

impl FileUdp {
    fn asked(self) -> Result<Asked> {
        if self.packets.len() >= usize::from(SENTINEL_PORT - FIRST_PORT) {
            bail!(
                "a `udp` step of {} packets: one step sends at most {}",
                self.packets.len(),
                SENTINEL_PORT - FIRST_PORT - 1
            );
        }
        let (mut packets, mut names) = (Vec::new(), Vec::new());
        for packet in self.packets {
            let is_plain = !packet.fragment && packet.protocol.is_none();
            if self.by == By::Socket && !is_plain {
                bail!(
                    "packet `{}`: a UDP socket sends neither fragments nor another protocol",
                    packet.name
                );
            }
            packets
                .push(encode(&packet).with_context(|| format!("read packet `{}`", packet.name))?);
            names.push(packet.name);
        }
        Ok(Asked {
            step: Step::Udp {
                packets,
                by: self.by,
            },
            names,
        })
    }
}

fn encode(packet: &FilePacket) -> Result<Packet> {
    let payload = match (&packet.message, &packet.hex) {
        (Some(message), None) => message.payload(),
        (None, Some(hex)) => parse_hex(hex)?,
        _ => bail!("a packet has either a `message` or a payload in `hex`"),
    };
    if payload.len() > MAX_PAYLOAD {
        bail!(
            "a payload of {} bytes: at most {MAX_PAYLOAD} fit a frame",
            payload.len()
        );
    }
    Ok(Packet {
        payload,
        fragment: packet.fragment,
        protocol: packet.protocol,
    })
}

impl Foo {
    /// The message behind its length, as `kfunc_dropme` reads it.
    fn payload(&self) -> Vec<u8> {
        // Field 1 as a varint: the tag is 1 << 3 | 0.
        let message = self
            .drop
            .map_or(Vec::new(), |drop| vec![0x08, u8::from(drop)]);
        [(message.len() as u32).to_le_bytes().to_vec(), message].concat()
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()
        .with_context(|| format!("`{text}` is not hexadecimal"))?;
    if !digits.len().is_multiple_of(2) {
        bail!("`{text}` has an odd number of digits");
    }
    Ok(digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect())
}

impl Asked {
    /// What came of the step, for a transcript.
    pub fn tell(&self, outcome: &Result<Outcome, String>) -> String {
        let title = self.title();
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return format!("{title}: failed: {error}"),
        };
        match (&self.step, outcome) {
            (_, Outcome::Fault) => "fault: the plan goes on".to_owned(),
            (_, Outcome::Unlink { unlinked, .. }) => format!("unlink: {unlinked} unlinked"),
            (_, Outcome::Done { text, .. }) => format!("{title}: {text}"),
            (
                Step::Udp { packets, .. },
                Outcome::Udp {
                    sent,
                    seen,
                    dropped,
                    delivered,
                    sentinel,
                    ..
                },
            ) => {
                let count = delivered.len() + usize::from(*sentinel);
                let packets = self.packets(packets, delivered);
                format!(
                    "udp: {sent} sent, {seen} classified, {dropped} dropped, {count} delivered\
                     {packets}"
                )
            }
            // Programs return negative numbers for errors, as kfuncs do.
            (Step::Run { .. }, Outcome::Run { returned, .. }) => {
                format!("{title}: returned {}", *returned as i32)
            }
            (Step::Command { ready, .. }, Outcome::Command(command)) => {
                let unready = ready.as_ref().map_or("", |_| " before it was ready");
                let fate = match command.state {
                    State::Ended(0) if ready.is_none() => String::new(),
                    State::Ended(status) => format!(": ended with status {status}{unready}"),
                    state => format!(": {}", fate(state)),
                };
                format!("{title}{fate}{}", printed(command))
            }
            (Step::Submit { samples, .. }, Outcome::Submit { submitted }) => {
                format!("{title}: {submitted} of {samples} samples submitted")
            }
            (Step::Consume { .. }, Outcome::Consume(consumed)) => {
                format!("{title}: {}", counts(consumed))
            }
            (
                Step::Storm {
                    packets, decoder, ..
                },
                Outcome::Storm(Storm { disagreements, .. }),
            ) => {
                let said = agreement(*disagreements, *decoder);
                format!("storm: {packets} packets, the module and {decoder} {said}")
            }
            _ => format!("{title}: an outcome of another step"),
        }
    }

    /// How a command ended that had been ready, for a transcript.
    pub fn tell_end(&self, command: &Command) -> String {
        let title = self.title();
        match &self.step {
            Step::Command { .. } => format!("{title}: {}{}", fate(command.state), printed(command)),
            _ => format!("{title}: the end of another step"),
        }
    }

    /// What is done, and with what.
    pub fn title(&self) -> String {
        let name = name(&self.step);
        match &self.step {
            Step::Command { line, .. } => format!("{name} {}", first(line)),
            Step::Run { program } => format!("{name} {program}"),
            Step::Submit { map, .. } | Step::Consume { map, .. } => format!("{name} {map}"),
            _ => name.to_owned(),
        }
    }

    /// What became of each packet, each after a line break.
    fn packets(&self, packets: &[Packet], delivered: &[usize]) -> String {
        let delivered: BTreeSet<&usize> = delivered.iter().collect();
        let packets = packets.iter().zip(&self.names).enumerate();
        let line = |(place, (packet, name))| {
            let fate = packet_fate(packet, delivered.contains(&place));
            format!("\n  {name}: {fate}")
        };
        packets.map(line).collect()
    }
}

/// Whether two decoders agree. How many packets of which kind is another matter with every seed.
fn agreement(disagreements: u64, decoder: Decoder) -> &'static str {
    match (disagreements, decoder) {
        (0, Decoder::Prost) => "agree",
        (0, Decoder::Pbtools) => {
            "agree, and so does prost but for groups and numbers that are too wide"
        }
        _ => "disagree",
    }
}

/// How far a command came.
fn fate(state: State) -> String {
    match state {
        State::Ready => "ready".to_owned(),
        State::Ended(0) => "ended".to_owned(),
        State::Ended(status) => format!("ended with status {status}"),
        State::Unready(seconds) => format!("not ready after {seconds} seconds"),
        State::Flooded(bytes) => format!("printed more than {bytes} bytes"),
    }
}

/// What a command printed, each line after a line break.
fn printed(command: &Command) -> String {
    let lines = command.lines.iter();
    lines.map(|line| format!("\n  {line}")).collect()
}

/// The first line of a command.
fn first(line: &str) -> String {
    match line.trim().split_once('\n') {
        Some((first, _)) => format!("{first} …"),
        None => line.trim().to_owned(),
    }
}

/// The counts of a `consume` step, without those that tell of losses there were none of.
fn counts(consumed: &Consumed) -> String {
    let Consumed {
        sent,
        refused,
        received,
        disordered,
        missing,
        lost,
        ..
    } = consumed;
    let order = match disordered {
        0 => "in order".to_owned(),
        _ => format!("{disordered} of them out of order"),
    };
    let mut text = format!("{sent} samples sent, {received} received, {order}");
    let losses = [
        (refused, "refused"),
        (missing, "missing"),
        (lost, "reported lost"),
    ];
    for (count, what) in losses.into_iter().filter(|(count, _)| **count > 0) {
        let _ = write!(text, ", {count} {what}");
    }
    text
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Unlink { .. } => "unlink",
        Step::Exec { .. } => "exec",
        Step::Call { .. } => "call",
        Step::Udp { .. } => "udp",
        Step::Run { .. } | Step::Command { .. } => "run",
        Step::Submit { .. } => "submit",
        Step::Consume { .. } => "consume",
        Step::Storm { .. } => "storm",
        Step::Fault(_) => "fault",
    }
}

/// What became of a packet. One that no UDP socket would get by itself cannot
/// be told apart from a dropped one by its arrival; the counts tell.
fn packet_fate(packet: &Packet, delivered: bool) -> &'static str {
    match (delivered, has_datagram(packet)) {
        (true, _) => "delivered",
        (false, true) => "dropped",
        (false, false) => "not a datagram",
    }
}

/// Whether a packet that is not dropped reaches a UDP socket.
pub fn has_datagram(packet: &Packet) -> bool {
    !packet.fragment && packet.protocol.is_none_or(|protocol| protocol == 17)
}
