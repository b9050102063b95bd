//! How a scenario file asks for a step.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use kassay_guest::{By, Decoder, FIRST_PORT, Fault, Packet, SENTINEL_PORT, Step};
use serde::Deserialize;

use super::Asked;

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
    ///
    /// # Errors
    /// It is none of the steps, or has what such a step cannot have.
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
