//! What is asked: a scenario file, checked before anything is built.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use kassay_guest::{FIRST_PORT, Packet, SENTINEL_PORT, Step};
use serde::Deserialize;

use crate::nearest;

/// One scenario, as its file gives it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without `.toml`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// One line on what it shows.
    pub about: String,
    /// Modules to insert, in order: directories of `modules/`.
    pub modules: Vec<String>,
    /// BPF objects to load, in order: `bpf/NAME.bpf.c`.
    pub bpf: Vec<String>,
    /// What a kernel must have.
    pub requires: Requires,
    /// The verdict that is its pass, where that is not a run without a fault.
    pub expect: Option<Expect>,
    /// What triggers the programs.
    pub steps: Vec<Step>,
    /// What the steps are called in a transcript: for `udp`, the packets' names.
    pub packet_names: Vec<Vec<String>>,
}

/// What a scenario needs of a kernel. Where it is missing, the scenario is
/// skipped.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requires {
    /// A version bound such as `>=6.10`.
    pub kernel: Option<Bound>,
    /// Options that must be `y` or `m`, without `CONFIG_`.
    pub config: Vec<String>,
}

/// A verdict that a scenario is to come to, and its title.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// The facts contradict the scenario in this way.
    Mismatch(String),
    /// The kernel reports this.
    Report(String),
    /// The kernel panics or oopses with this.
    Panic(String),
    /// This does not come to an end.
    Hang(String),
    /// Memory runs out in this way.
    Oom(String),
    /// This stays behind.
    Leak(String),
    /// The guest is lost in this way.
    Lost(String),
}

/// Versions that will do: `>=MAJOR.MINOR`, `<MAJOR.MINOR`, or both with a comma.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Bound {
    text: String,
    at_least: Option<(u32, u32)>,
    below: Option<(u32, u32)>,
}

impl TryFrom<String> for Bound {
    type Error = String;

    fn try_from(text: String) -> Result<Bound, String> {
        let mut bound = Bound {
            text: text.clone(),
            at_least: None,
            below: None,
        };
        for part in text.split(',').map(str::trim) {
            let version = |digits: &str| {
                let (major, minor) = digits.trim().split_once('.')?;
                Some((major.parse().ok()?, minor.parse().ok()?))
            };
            let (slot, version) = match (part.strip_prefix(">="), part.strip_prefix('<')) {
                (Some(digits), _) => (&mut bound.at_least, version(digits)),
                (_, Some(digits)) => (&mut bound.below, version(digits)),
                _ => (&mut bound.at_least, None),
            };
            *slot = version;
            if version.is_none() {
                return Err(format!(
                    "`{part}` is not a version bound such as `>=6.10` or `<7.0`"
                ));
            }
        }
        Ok(bound)
    }
}

impl Bound {
    /// Whether a version will do.
    pub fn holds(&self, version: (u32, u32)) -> bool {
        self.at_least.is_none_or(|least| version >= least)
            && self.below.is_none_or(|below| version < below)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    #[serde(default)]
    modules: Vec<String>,
    #[serde(default)]
    bpf: Vec<String>,
    #[serde(default)]
    requires: Requires,
    expect: Option<Expect>,
    #[serde(default)]
    step: Vec<FileStep>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileStep {
    Unlink(FileUnlink),
    Udp(FileUdp),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileUnlink {
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileUdp {
    packets: Vec<FilePacket>,
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

/// The longest payload that fits one frame of the veth pair, whose MTU is 1500.
const MAX_PAYLOAD: usize = 1500 - 20 - 8;

impl Scenario {
    /// Reads and checks a scenario file. That the modules and programs that it
    /// names exist is checked against `root`, which holds `modules/` and `bpf/`.
    pub fn read(path: &Path, root: &Path) -> Result<Scenario> {
        let scenario = Scenario::read_alone(path)?;
        scenario
            .check(root)
            .with_context(|| format!("check scenario `{}`", path.display()))?;
        Ok(scenario)
    }

    /// Reads a scenario file whose modules and programs need not be in a repository.
    pub fn read_alone(path: &Path) -> Result<Scenario> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("read scenario `{}`", path.display()))?;
        let file: File = toml::from_str(&text)
            .map_err(|error| nearest::explain(&error.to_string()))
            .with_context(|| format!("parse scenario `{}`", path.display()))?;
        Scenario::from_file(file, path)
    }

    fn from_file(file: File, path: &Path) -> Result<Scenario> {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (mut steps, mut packet_names) = (Vec::new(), Vec::new());
        for step in file.step {
            let (step, names) = match step {
                FileStep::Unlink(unlink) => (
                    Step::Unlink {
                        times: unlink.times,
                    },
                    Vec::new(),
                ),
                FileStep::Udp(udp) => udp_step(udp)?,
            };
            steps.push(step);
            packet_names.push(names);
        }
        Ok(Scenario {
            name,
            path: path.to_owned(),
            about: file.about,
            modules: file.modules,
            bpf: file.bpf,
            requires: file.requires,
            expect: file.expect,
            steps,
            packet_names,
        })
    }

    fn check(&self, root: &Path) -> Result<()> {
        for module in &self.modules {
            let there = |name: &str| root.join("modules").join(name).join("Kbuild").is_file();
            check_part("module", module, &root.join("modules"), "", there)?;
        }
        for object in &self.bpf {
            let there = |name: &str| root.join("bpf").join(format!("{name}.bpf.c")).is_file();
            check_part("BPF program", object, &root.join("bpf"), ".bpf.c", there)?;
        }
        Ok(())
    }

    /// The directory that holds this scenario's snapshots: `snapshots/` beside
    /// its file, or beside its directory when that is called `scenarios`.
    pub fn snapshots(&self) -> PathBuf {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        match directory.parent() {
            Some(parent) if directory.ends_with("scenarios") => parent.join("snapshots"),
            _ => directory.join("snapshots"),
        }
    }
}

/// Reads every scenario of a directory, in the order of their names.
pub fn read_all(directory: &Path, root: &Path) -> Result<Vec<Scenario>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| format!("list scenarios in `{}`", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| Scenario::read(path, root))
        .collect()
}

fn check_part(
    kind: &str,
    name: &str,
    directory: &Path,
    suffix: &str,
    there: impl Fn(&str) -> bool,
) -> Result<()> {
    let plain = !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    if plain && there(name) {
        return Ok(());
    }
    let names: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(suffix)
                .map(str::to_owned)
        })
        .filter(|name| there(name))
        .collect();
    bail!(
        "there is no {kind} `{name}` in `{}`{}",
        directory.display(),
        nearest::hint(name, names.iter().map(String::as_str))
    )
}

fn udp_step(udp: FileUdp) -> Result<(Step, Vec<String>)> {
    if udp.packets.len() >= usize::from(SENTINEL_PORT - FIRST_PORT) {
        bail!(
            "a `udp` step of {} packets: one step sends at most {}",
            udp.packets.len(),
            SENTINEL_PORT - FIRST_PORT - 1
        );
    }
    let mut names = Vec::new();
    let mut packets = Vec::new();
    for packet in udp.packets {
        packets.push(encode(&packet).with_context(|| format!("read packet `{}`", packet.name))?);
        names.push(packet.name);
    }
    Ok((Step::Udp { packets }, names))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scenario, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("case.toml");
        fs::write(&path, text).unwrap();
        Scenario::read(&path, &crate::repository()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_step_has_defaults() {
        let scenario = read("about = 'x'\n[[step]]\nunlink = {}").unwrap();
        assert_eq!(scenario.steps, [Step::Unlink { times: 1 }]);
    }

    #[test]
    fn an_unknown_step_names_the_nearest() {
        let error = read("about = 'x'\n[[step]]\nunlnk = { times = 2 }").unwrap_err();
        assert!(error.contains("did you mean `unlink`?"), "{error}");
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = read("about = 'x'\nmodule = []").unwrap_err();
        assert!(error.contains("did you mean `modules`?"), "{error}");
    }

    #[test]
    fn one_verdict_is_expected() {
        let expect = |verdicts: &str| read(&format!("about = 'x'\nexpect = {{ {verdicts} }}"));
        let report = Expect::Report("WARNING in f".to_owned());
        let scenario = expect("report = 'WARNING in f'").unwrap();
        assert_eq!(scenario.expect, Some(report));
        let error = expect("reprot = 'WARNING in f'").unwrap_err();
        assert!(error.contains("did you mean `report`?"), "{error}");
        for wrong in ["pass = ''", "report = 'a', panic = 'b'", "", "report = 1"] {
            assert!(expect(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_missing_module_names_the_nearest() {
        let error = read("about = 'x'\nmodules = ['kfunc_sun']").unwrap_err();
        assert!(error.contains("no module `kfunc_sun`"), "{error}");
        assert!(error.contains("did you mean `kfunc_sum`?"), "{error}");
    }

    #[test]
    fn a_module_is_never_a_path_out_of_the_tree() {
        let error = read("about = 'x'\nmodules = ['../modules/kfunc_sum']").unwrap_err();
        assert!(error.contains("there is no module"), "{error}");
    }

    #[test]
    fn a_message_is_preceded_by_its_length() {
        let scenario =
            read("about = 'x'\n[[step]]\nudp = { packets = [{ name = 'a', message = { drop = true } }] }")
                .unwrap();
        let Step::Udp { packets } = &scenario.steps[0] else {
            panic!()
        };
        assert_eq!(packets[0].payload, [2, 0, 0, 0, 8, 1]);
    }

    #[test]
    fn a_bound_has_two_ends() {
        let bound = Bound::try_from(">=6.10, <7.0".to_owned()).unwrap();
        assert_eq!(
            [(6, 9), (6, 10), (6, 19), (7, 0)].map(|version| bound.holds(version)),
            [false, true, true, false]
        );
        assert!(Bound::try_from("6.10".to_owned()).is_err());
    }
}
