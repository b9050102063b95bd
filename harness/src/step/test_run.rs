//! `test_run`: a program is run on given data.

use anyhow::{Context, Result, bail};
use kassay_guest::{After, Data, TestRan, TestRun};
use serde::Deserialize;

use super::udp::{FilePacket, encode, parse_hex};
use super::{Asked, Beside, Kind, plain_name};
use crate::frame;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    program: String,
    data: Option<String>,
    /// What the transcript calls the data.
    name: Option<String>,
    packet: Option<FilePacket>,
    ctx: Option<String>,
    #[serde(default)]
    repeat: u32,
}

/// The most data that a program gets, in bytes: a page.
const MOST: usize = 4096;

/// How often a program is run at most.
const REPEAT: u32 = 1_000_000;

/// How many bytes there are in a line of a transcript.
const WIDTH: usize = 32;

impl Kind for TestRun {
    type File = File;
    type Outcome = TestRan;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "test_run = { program = \"NAME\", data = \"HEX\", name = \"TEXT\", ctx = \"HEX\", repeat = N }",
        "a child process runs a program on these data and this context (`BPF_PROG_TEST_RUN`), and \
         shows what it returns, and the data and the context if it changed them, a frame in words, \
         too. `packet` in place of `data` is the frame of a [packet](#packets). `name` is what the \
         transcript calls the data. Which of these a program takes, the kernel says by its type. A \
         context may be cut short",
    )];

    fn asked(file: File, _: Beside) -> Result<Asked> {
        let data = match (&file.data, &file.packet) {
            (Some(_), Some(_)) => bail!("a `test_run` has either `data` or a `packet`"),
            (Some(hex), None) => Some(Data::Bytes(bytes("data", hex)?)),
            (None, Some(packet)) => {
                let name = &packet.name;
                plain_name(name).context("read `name` of a packet")?;
                let packet = encode(packet).with_context(|| format!("read packet `{name}`"))?;
                Some(Data::Packet(packet))
            }
            (None, None) => None,
        };
        if let Some(name) = &file.name {
            plain_name(name).context("read `name`")?;
            if file.data.is_none() {
                bail!("a `name` of a `test_run` is one of its `data`");
            }
        }
        if file.repeat > REPEAT {
            bail!("`repeat` of {}: at most {REPEAT}", file.repeat);
        }
        let ctx = file.ctx.map(|hex| bytes("ctx", &hex)).transpose()?;
        let step = TestRun {
            program: file.program,
            data,
            ctx,
            repeat: file.repeat,
            traces: false,
        };
        let name = file.name.or(file.packet.map(|packet| packet.name));
        Ok(Asked {
            names: name.into_iter().collect(),
            ..step.into()
        })
    }

    fn title(&self, name: &str) -> String {
        format!("{name} {}", self.program)
    }

    fn tell(&self, came: &TestRan, names: &[String]) -> String {
        let of = names.iter().map(|name| format!(" of {name}"));
        let after: String = came.after.iter().map(left).collect();
        let returned = came.returned as i32;
        format!("{}: returned {returned}{after}", of.collect::<String>())
    }
}

/// Bytes of a page at most.
pub(super) fn bytes(key: &str, hex: &str) -> Result<Vec<u8>> {
    let bytes = parse_hex(hex).with_context(|| format!("read `{key}`"))?;
    if bytes.len() > MOST {
        bail!("`{key}` of {} bytes: at most {MOST}, a page", bytes.len());
    }
    Ok(bytes)
}

/// What a program left of what it was given.
fn left(After { what, bytes }: &After) -> String {
    let hex = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<String> = bytes.chunks(WIDTH).map(hex).collect();
    let words = frame::words(bytes).filter(|_| what == "data");
    let lines: Vec<String> = words.into_iter().chain(lines).collect();
    let lines = lines.join("\n    ");
    format!("\n  {what} of {} bytes after it:\n    {lines}", bytes.len())
}
