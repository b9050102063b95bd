//! Steps, host side: how a scenario file asks for one, and what a transcript
//! tells of it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail};
use kassay_guest::{Consumed, FIRST_PORT, Fault, Outcome, Packet, SENTINEL_PORT, Step, Storm};
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

/// A `[[step]]` of a scenario file.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStep {
    /// `unlink = { times = 2 }`
    Unlink(FileUnlink),
    /// `exec = { args = ["one", "two"] }`
    Exec(FileExec),
    /// `call = { a = 2, b = 3 }`
    Call(FileCall),
    /// `udp = { packets = [{ name = "a", hex = "00" }] }`
    Udp(FileUdp),
    /// `run = { program = "f" }`
    Run(FileRun),
    /// `submit = { map = "numbers", samples = 100 }`
    Submit(FileSubmit),
    /// `consume = { map = "events", program = "f", bursts = [300, 1], late = true }`
    Consume(FileConsume),
    /// `storm = { packets = 100000, seed = 7 }`
    Storm(FileStorm),
    /// `fault = "segv"`
    Fault(Fault),
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
}

/// How a file asks for [`Step::Run`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRun {
    program: String,
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
    /// The step, checked.
    pub fn asked(self) -> Result<Asked> {
        match self {
            FileStep::Unlink(FileUnlink { times }) => Ok(Step::Unlink { times }.into()),
            FileStep::Exec(FileExec { args }) => Ok(Step::Exec { args }.into()),
            FileStep::Call(FileCall { a, b }) => Ok(Step::Call { a, b }.into()),
            FileStep::Udp(udp) => udp.asked(),
            FileStep::Run(FileRun { program }) => Ok(Step::Run { program }.into()),
            FileStep::Submit(FileSubmit { map, samples }) => {
                Ok(Step::Submit { map, samples }.into())
            }
            FileStep::Consume(FileConsume {
                map,
                program,
                bursts,
                late,
            }) => Ok(Step::Consume {
                map,
                program,
                bursts,
                late,
            }
            .into()),
            FileStep::Storm(FileStorm { packets, seed }) => Ok(Step::Storm {
                packets,
                seed: seed.map_or_else(fresh_seed, Ok)?,
            }
            .into()),
            FileStep::Fault(fault) => Ok(Step::Fault(fault).into()),
        }
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
            packets
                .push(encode(&packet).with_context(|| format!("read packet `{}`", packet.name))?);
            names.push(packet.name);
        }
        Ok(Asked {
            step: Step::Udp { packets },
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
        match (&self.step, outcome) {
            (Step::Submit { map, .. } | Step::Consume { map, .. }, Err(error)) => {
                format!("{} {map}: failed: {error}", name(&self.step))
            }
            (Step::Run { program }, Err(error)) => format!("run {program}: failed: {error}"),
            (step, Err(error)) => format!("{}: failed: {error}", name(step)),
            (_, Ok(Outcome::Fault)) => "fault: the plan goes on".to_owned(),
            (_, Ok(Outcome::Unlink { unlinked, .. })) => format!("unlink: {unlinked} unlinked"),
            (step, Ok(Outcome::Done { text, .. })) => format!("{}: {text}", name(step)),
            (
                Step::Udp { packets },
                Ok(Outcome::Udp {
                    sent,
                    seen,
                    dropped,
                    delivered,
                    ..
                }),
            ) => {
                let mut text = format!(
                    "udp: {sent} sent, {seen} classified, {dropped} dropped, {} delivered",
                    delivered.len() + 1
                );
                let delivered: BTreeSet<&usize> = delivered.iter().collect();
                for (place, (packet, name)) in packets.iter().zip(&self.names).enumerate() {
                    let fate = fate(packet, delivered.contains(&place));
                    let _ = write!(text, "\n  {name}: {fate}");
                }
                text
            }
            // Programs return negative numbers for errors, as kfuncs do.
            (Step::Run { program }, Ok(Outcome::Run { returned, .. })) => {
                format!("run {program}: returned {}", *returned as i32)
            }
            (Step::Submit { map, samples }, Ok(Outcome::Submit { submitted })) => {
                format!("submit {map}: {submitted} of {samples} samples submitted")
            }
            (Step::Consume { map, .. }, Ok(Outcome::Consume(consumed))) => {
                format!("consume {map}: {}", counts(consumed))
            }
            // How many of which kind is another matter with every seed.
            (
                Step::Storm { packets, .. },
                Ok(Outcome::Storm(Storm {
                    disagreements: 0, ..
                })),
            ) => format!("storm: {packets} packets, the module and prost agree"),
            (Step::Storm { packets, .. }, Ok(Outcome::Storm(_))) => {
                format!("storm: {packets} packets, the module and prost disagree")
            }
            (step, Ok(_)) => format!("{}: an outcome of another step", name(step)),
        }
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
        Step::Run { .. } => "run",
        Step::Submit { .. } => "submit",
        Step::Consume { .. } => "consume",
        Step::Storm { .. } => "storm",
        Step::Fault(_) => "fault",
    }
}

/// What became of a packet. One that no UDP socket would get by itself cannot
/// be told apart from a dropped one by its arrival; the counts tell.
fn fate(packet: &Packet, delivered: bool) -> &'static str {
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
