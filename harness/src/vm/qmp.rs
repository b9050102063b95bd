//! A QMP connection of our own (docs/interop/qmp-spec.rst in QEMU): vmtest has
//! one, and keeps what it learns there to itself.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

/// A monitor in command mode.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    /// QEMU's version, major and minor.
    pub version: (u64, u64),
    /// Events that arrived while an answer was awaited.
    events: Vec<Value>,
}

impl Qmp {
    /// Connects to a socket; every later read waits at most `patience`.
    pub fn connect(socket: &Path, patience: Option<Duration>) -> Result<Qmp> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("connect to QEMU at `{}`", socket.display()))?;
        stream
            .set_read_timeout(patience)
            .context("set QMP's read timeout")?;
        let mut qmp = Qmp {
            reader: BufReader::new(stream),
            events: Vec::new(),
            version: (0, 0),
        };
        let greeting = qmp
            .message()?
            .context("QEMU closed QMP before its greeting")?;
        let version = &greeting["QMP"]["version"]["qemu"];
        let number = |name: &str| version[name].as_u64().unwrap_or(0);
        qmp.version = (number("major"), number("minor"));
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes a command and returns its result.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let call = json!({ "execute": command, "arguments": arguments });
        writeln!(self.reader.get_mut(), "{call}")
            .with_context(|| format!("send QMP `{command}`"))?;
        loop {
            let mut answer = self
                .message()?
                .with_context(|| format!("QEMU closed QMP before it answered `{command}`"))?;
            if let Some(error) = answer.get("error") {
                bail!(
                    "QMP `{command}`: {}",
                    error["desc"].as_str().unwrap_or("no description")
                );
            }
            match answer.get_mut("return") {
                Some(value) => return Ok(value.take()),
                None => self.events.push(answer),
            }
        }
    }

    /// The next event, or none once QEMU is gone.
    pub fn event(&mut self) -> Result<Option<Value>> {
        if !self.events.is_empty() {
            return Ok(Some(self.events.remove(0)));
        }
        self.message()
    }

    fn message(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).context("read QMP")? == 0 {
            return Ok(None);
        }
        serde_json::from_str(&line)
            .map(Some)
            .map_err(|error| anyhow!("parse QMP: {error}"))
    }
}
