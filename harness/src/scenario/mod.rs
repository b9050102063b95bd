//! What is asked: a scenario file, checked before anything is built.

pub(crate) mod attach;
pub mod budget;
mod expect;
mod file;
mod part;
mod requires;
mod unstable;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kassay_guest::{Attach, Drive, Show, Step};
use serde::de::DeserializeOwned;

use crate::cache::is_scratch;
use crate::excerpt::bounded;
use crate::project::{Defaults, Project};
use crate::size::{LEAST_MIB, MOST_CPUS, Size};
use crate::step::{self, Asked};
use crate::{entries, nearest, plain};

use budget::Budget;
pub use expect::{Allow, Expect, Titles};
use file::File;
pub use file::{kernel_module, step};
use part::Kind;
pub use part::{Finder, Part, is_object, module, names};
pub use requires::{Bound, Pinned, Requires};
pub use unstable::Unstable;

/// What make is given for modules that count how often their lines run (scripts/Makefile.lib, 6.1
/// to 7.2).
const COUNTING: &str = "GCOV_PROFILE=y";

/// One scenario, as its file gives it, or as kassay makes it itself.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without `.toml`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// One line on what it shows.
    pub about: String,
    /// Modules of the kernel itself to insert before, by their names.
    pub kernel_modules: Vec<String>,
    /// Modules to insert, in order: directories with a Kbuild file or a Makefile.
    pub modules: Vec<Part>,
    /// Fragments of the kernel that they are built for on top of those of the kernel that they are
    /// inserted in: another build of it.
    pub built_with: Vec<String>,
    /// BPF objects to load, in order: C files, or objects that somebody else compiled.
    pub bpf: Vec<Part>,
    /// Drivers of its steps: directories with a Cargo.toml.
    pub drivers: Vec<Part>,
    /// Whether each program is loaded by itself, and none attached.
    pub each: bool,
    /// Whether each of those is attached all the same, and let go at once.
    pub attaches: bool,
    /// Whether programs that are refused are left out, and the others loaded together.
    pub sifts: bool,
    /// Whether it is counted what programs take.
    pub counts: bool,
    /// Whether its modules count how often each of their lines runs.
    pub covers: bool,
    /// What global variables of the programs are set to before they are loaded.
    pub globals: toml::Table,
    /// The entries that maps of the programs have before these are attached.
    pub maps: entries::Wanted,
    /// What a kernel must have.
    pub requires: Requires,
    /// The verdict that is its pass, where that is not a run without a fault.
    pub expect: Option<Expect>,
    /// Where and why it sometimes fails, and how long that is put up with.
    pub unstable: Option<Unstable>,
    /// How long its virtual machine may take, where that is not what the user says.
    pub timeout: Option<Duration>,
    /// CPUs of its guest, where that is not what the user says.
    pub cpus: Option<u8>,
    /// Memory of its guest in MiB, likewise.
    pub memory_mib: Option<u32>,
    /// Whether programs run in the guest on the host's root.
    pub host_root: bool,
    /// Settings of /proc/sys, by their names with dots.
    pub sysctl: Vec<(String, String)>,
    /// Capabilities that the programs are loaded without, such as `CAP_SYS_BOOT`.
    pub without: Vec<String>,
    /// What else would be taken for an accident.
    pub allow: Vec<Allow>,
    /// Programs that may not run.
    pub may_not_run: Vec<String>,
    /// How long the kernel runs on when the modules are gone.
    pub linger: Duration,
    /// Which of the allocations that its modules cause fails, from 1; 0 is none, and all are told.
    pub fail_allocation: Option<u32>,
    /// What each program may take.
    pub budget: Budget,
    /// How programs are attached where their sections do not say all of it.
    pub attach: BTreeMap<String, Attach>,
    /// What triggers the programs.
    pub steps: Vec<Asked>,
    /// What else the transcript shows.
    pub show: Show,
    /// The directory of its snapshots: the project's, else `snapshots/` beside its file, or
    /// beside its directory when that is called `scenarios`.
    pub snapshots: PathBuf,
}

impl Scenario {
    /// One of this name that asks for nothing, and has no file.
    pub fn new(name: &str) -> Scenario {
        Scenario {
            name: name.to_owned(),
            path: format!("{name}.toml").into(),
            about: String::new(),
            kernel_modules: Vec::new(),
            modules: Vec::new(),
            built_with: Vec::new(),
            bpf: Vec::new(),
            drivers: Vec::new(),
            each: false,
            attaches: false,
            sifts: false,
            counts: true,
            covers: false,
            globals: toml::Table::new(),
            maps: entries::Wanted::new(),
            requires: Requires::default(),
            expect: None,
            unstable: None,
            timeout: None,
            cpus: None,
            memory_mib: None,
            host_root: false,
            sysctl: Vec::new(),
            without: Vec::new(),
            allow: Vec::new(),
            may_not_run: Vec::new(),
            linger: Duration::ZERO,
            fail_allocation: None,
            budget: Budget::default(),
            attach: BTreeMap::new(),
            steps: Vec::new(),
            show: Show::default(),
            snapshots: "snapshots".into(),
        }
    }

    /// It with what a project says of scenarios that do not say otherwise.
    ///
    /// # Errors
    /// What then holds is no time, number of CPUs or memory that a machine can have.
    pub fn with_defaults(mut self, defaults: &Defaults) -> Result<Scenario> {
        self.is_in_range()?;
        let timeout = defaults
            .timeout
            .map(|secs| Duration::from_secs(secs.into()));
        self.timeout = self.timeout.or(timeout);
        self.cpus = self.cpus.or(defaults.cpus);
        self.memory_mib = self.memory_mib.or(defaults.memory);
        for part in &mut self.bpf {
            part.flags.splice(..0, defaults.flags.iter().cloned());
        }
        self.is_in_range()
            .context("take `[defaults]` of the project")?;
        Ok(self)
    }

    /// Has its modules count how often each of their lines runs.
    pub fn cover(&mut self) {
        self.covers = true;
        let modules = self.modules.iter_mut();
        modules.for_each(|part| part.make.push(COUNTING.to_owned()));
    }

    fn is_in_range(&self) -> Result<()> {
        if self.timeout == Some(Duration::ZERO) {
            bail!("`timeout` is a number of seconds, at least 1");
        }
        if self.cpus.is_some_and(|it| !(1..=MOST_CPUS).contains(&it)) {
            bail!("`cpus` is a number from 1 to {MOST_CPUS}");
        }
        if self.memory_mib.is_some_and(|it| it < LEAST_MIB) {
            bail!("`memory` is a number of MiB, at least {LEAST_MIB}");
        }
        if self.fail_allocation == Some(0) {
            bail!("`fail_allocation` is the number of an allocation, at least 1");
        }
        Ok(())
    }

    /// Reads and checks a scenario file. A module or program is a name in the
    /// `modules/` or `bpf/` beside the file, else beside its directory when that is
    /// called `scenarios`, else in the project's folders for them, which come first for the
    /// project's own scenarios; what has a `/`, or is `.`, is a path from the file's directory.
    pub fn read(path: &Path, project: &Project) -> Result<Scenario> {
        Scenario::parse(&text_of(path)?, path, project)
    }

    /// Checks the text of a scenario file, as [`Scenario::read`].
    pub fn parse(text: &str, path: &Path, project: &Project) -> Result<Scenario> {
        let finder = Finder::new(path, project);
        let find = |kind: &Kind, asked: &str| finder.find(kind, asked);
        Ok(Scenario {
            snapshots: snapshots(path, project),
            ..Scenario::parse_with(text, path, &project.defaults, find)?
        })
    }

    /// Reads a scenario file of which all is built, so that no sources need be there.
    pub fn read_alone(path: &Path, defaults: &Defaults) -> Result<Scenario> {
        Scenario::parse_with(&text_of(path)?, path, defaults, |kind, asked| {
            Ok(Part {
                name: kind.name(asked.as_ref()),
                path: asked.into(),
                ..Part::default()
            })
        })
    }

    fn parse_with(
        text: &str,
        path: &Path,
        defaults: &Defaults,
        find: impl Fn(&Kind, &str) -> Result<Part>,
    ) -> Result<Scenario> {
        let file: File =
            parsed(text).with_context(|| format!("parse scenario `{}`", path.display()))?;
        file.scenario(path, find)
            .and_then(|scenario| scenario.with_defaults(defaults))
            .with_context(|| format!("check scenario `{}`", path.display()))
    }

    /// The seeds of its generators, in the order of its steps. One that the file
    /// does not give is another one each time that the file is read.
    pub fn seeds(&self) -> Vec<u32> {
        let seed = |asked: &Asked| match asked.step {
            Step::Drive(Drive { seed, .. }) => Some(seed),
            _ => None,
        };
        self.steps.iter().filter_map(seed).collect()
    }

    /// Gives all its generators this seed.
    pub fn set_seed(&mut self, to: u32) {
        for asked in &mut self.steps {
            if let Step::Drive(Drive { seed, .. }) = &mut asked.step {
                *seed = to;
                asked.is_random = false;
            }
        }
    }

    /// It with other seeds where they are left to chance.
    ///
    /// # Errors
    /// The host's randomness cannot be had.
    pub fn reseeded(&self) -> Result<Scenario> {
        let mut scenario = self.clone();
        for asked in scenario.steps.iter_mut().filter(|asked| asked.is_random) {
            if let Step::Drive(Drive { seed, .. }) = &mut asked.step {
                *seed = step::fresh_seed()?;
            }
        }
        Ok(scenario)
    }

    /// What a project could have said for it, but for flags.
    pub fn defaults(&self) -> Defaults {
        Defaults {
            timeout: self.timeout.and_then(|time| time.as_secs().try_into().ok()),
            cpus: self.cpus,
            memory: self.memory_mib,
            flags: Vec::new(),
        }
    }

    /// How large its guest is, which is `usual` as far as it does not say.
    pub fn size(&self, usual: Size) -> Size {
        Size {
            cpus: self.cpus.unwrap_or(usual.cpus),
            memory_mib: self.memory_mib.unwrap_or(usual.memory_mib),
        }
    }
}

/// Where the snapshots of a scenario's file are.
pub fn snapshots(path: &Path, project: &Project) -> PathBuf {
    let of_project = project.snapshots.clone();
    of_project
        .filter(|_| path.parent() == Some(&project.scenarios))
        .unwrap_or_else(|| home(path).join("snapshots"))
}

/// The directory of a scenario's file, or the one above it when that is called `scenarios`.
fn home(path: &Path) -> &Path {
    let directory = path.parent().unwrap_or(Path::new(""));
    match directory.parent() {
        Some(parent) if directory.ends_with("scenarios") => parent,
        _ => directory,
    }
}

/// What the scenario of a file is called.
fn name_of(path: &Path) -> Result<String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // It is part of the names of files and tests.
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "+.-_".contains(letter);
    if name.starts_with('.') || !name.chars().all(plain) {
        bail!(
            "`{name}`: a scenario's name is made of letters, digits, `+`, `-`, `_` and `.`, and \
             does not begin with `.`"
        );
    }
    Ok(name.into_owned())
}

/// What a text in TOML says; of a key that is not known, the nearest one is told.
fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| nearest::explain(&bounded(&error.to_string())))
}

fn text_of(path: &Path) -> Result<String> {
    plain::text(path, plain::TEXT).with_context(|| format!("read scenario `{}`", path.display()))
}

/// Reads every scenario of a directory (see [`files`]).
///
/// # Errors
/// One of them cannot be read, or there is none.
pub fn read_all(directory: &Path, project: &Project) -> Result<Vec<Scenario>> {
    let files = files(directory)?;
    files
        .iter()
        .map(|path| Scenario::read(path, project))
        .collect()
}

/// The scenario files of a directory, in the order of their names. Other TOML files may lie
/// beside them.
///
/// # Errors
/// One of them cannot be read, or there is none.
pub fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let list = || format!("list scenarios in `{}`", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(list)? {
        let path = entry.with_context(list)?.path();
        let is_toml = path.extension().is_some_and(|suffix| suffix == "toml");
        if is_toml && !is_scratch(&path) && is_scenario(&text_of(&path)?) {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("there is no scenario in `{}`", directory.display());
    }
    files.sort();
    Ok(files)
}

/// Whether the text of a TOML file is meant to be a scenario. One that is not even TOML may be.
fn is_scenario(text: &str) -> bool {
    let keys = ["about", "modules", "bpf", "step"];
    toml::from_str::<toml::Table>(text).map_or(true, |table| {
        keys.iter().any(|key| table.contains_key(*key))
    })
}

#[cfg(test)]
mod tests {
    use super::part::PROGRAM;
    use super::*;
    use kassay_guest::{Fault, Run, Signal, Step, Udp, Unlink};

    fn read(text: &str) -> Result<Scenario, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("case.toml");
        fs::write(&path, text).unwrap();
        Scenario::read(&path, &Project::of(&crate::repository()).unwrap())
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_step_has_defaults() {
        let scenario = read("about = 'x'\n[[step]]\nunlink = {}").unwrap();
        assert_eq!(scenario.steps, [Unlink { times: 1 }.into()]);
    }

    #[test]
    fn a_program_is_run_by_its_name() {
        let scenario = read("about = 'x'\neach = true\n[[step]]\nrun = { program = 'p' }");
        let scenario = scenario.unwrap();
        let program = "p".to_owned();
        assert!(scenario.each);
        assert_eq!(scenario.steps, [Run::Program { program }.into()]);
    }

    #[test]
    fn an_unknown_step_names_the_nearest() {
        let error = read("about = 'x'\n[[step]]\nunlnk = { times = 2 }").unwrap_err();
        assert!(error.contains("did you mean `unlink`?"), "{error}");
    }

    #[test]
    fn what_attach_cannot_mean_is_said() {
        let attach = |how: &str| read(&format!("about = 'x'\nattach = {{ p = {how} }}"));
        assert!(attach("{ hook = 'tcx/egress', dev = 'sender' }").is_ok());
        let wrong = [
            ("'tc'", "a hook is `{ hook = \"tc\" }`"),
            (
                "{ order = 'between:a' }",
                "`before:PROGRAM` or `after:PROGRAM`",
            ),
            ("{ period = 1 }", "at least 10000 nanoseconds"),
            ("{ where = 'tc' }", "unknown field `where`, expected one of"),
            ("{ prio = 1 }", "did you mean `priority`?"),
            ("{ dev = 'eth0' }", "`dev`: unknown variant `eth0`"),
            ("7", "7: a program is attached to `\"none\"` or by"),
            ("{ priority = 99999999999 }", "`priority`: invalid value"),
            ("{ path = 'lirc0' }", "`lirc0` is no absolute path"),
            ("{ map = 7 }", "`map`: invalid type: integer `7`"),
            ("{ order = 'before:p' }", "`order` names another program"),
            ("{ target = 'p' }", "`target` names another program"),
            ("{ hook = 'local_on' }", "did you mean `local_in`?"),
            ("{ hook = 'kprobe/f' }", "only its own section says"),
            (
                "{ hook = 'forward', order = 'after:q' }",
                "`order`, which a",
            ),
            ("{ priority = -2147483648 }", "`priority` of -2147483648"),
            ("{ priority = 2147483647 }", "`priority` of 2147483647"),
        ];
        for (how, why) in wrong {
            let error = attach(how).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_names_a_line_is_one() {
        refused(&[
            (
                "udp = { packets = [{ name = '', hex = '' }] }",
                "`` names no",
            ),
            (
                "test_run = { program = 'p', data = '', name = \"a\\nb\" }",
                "`a\\nb` names no line",
            ),
            (
                "test_run = { program = 'p', packet = { name = ' ', hex = '' } }",
                "read `name` of a packet",
            ),
        ]);
    }

    #[test]
    fn a_step_is_one_of_those_that_there_are() {
        refused(&[
            (
                "unlink = {}\nopen = { path = '/x' }",
                "one step, and this has both `open` and `unlink`",
            ),
            ("", "says none of the steps, which are `unlink`,"),
        ]);
    }

    #[test]
    fn packets_go_to_few_ports() {
        let to = |ports: std::ops::Range<u32>| {
            let packet = |port| format!("{{ name = 'n', hex = '', port = {port} }}");
            let packets: Vec<String> = ports.map(packet).collect();
            let packets = packets.join(", ");
            read(&format!(
                "about = 'x'\n[[step]]\nudp = {{ packets = [{packets}] }}"
            ))
        };
        assert!(to(1..17).is_ok());
        assert!(to(1..18).unwrap_err().contains("to 17 ports: one step"));
        assert!(to(0..1).is_err() && to(65536..65537).is_err());
    }

    #[test]
    fn what_a_program_is_run_on_is_at_most_a_page() {
        let run = |keys: &str| read(&format!("about = 'x'\n[[step]]\ntest_run = {{ {keys} }}"));
        let page = format!("program = 'p', data = '{}'", "00".repeat(4096));
        assert!(run(&page).is_ok());
        let wrong = [
            (page.replace("'00", "'0000"), "`data` of 4097 bytes"),
            (
                "program = 'p', ctx = '000'".to_owned(),
                "an odd number of digits",
            ),
            ("program = 'p', data = 'x'".to_owned(), "not hexadecimal"),
            (
                "program = 'p', data = '', packet = { name = 'n', hex = '' }".to_owned(),
                "either",
            ),
            ("program = 'p', name = 'n'".to_owned(), "of its `data`"),
        ];
        for (keys, why) in wrong {
            let error = run(&keys).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_tcp_step_sends_at_most_what_a_socket_holds() {
        let tcp = |length| {
            let text = "x".repeat(length);
            read(&format!(
                "about = 'x'\n[[step]]\ntcp = {{ send = ['{text}'] }}"
            ))
        };
        assert!(tcp(16384).is_ok());
        let error = tcp(16385).unwrap_err();
        assert!(error.contains("at most 16384"), "{error}");
        refused(&[
            ("tcp = { send = [], congestion = '' }", "at most 15"),
            ("tcp = { send = [], congestion = '0123456789abcdef' }", "15"),
        ]);
    }

    /// Sees that each of these steps is an error that has these words.
    fn refused(wrong: &[(&str, &str)]) {
        for (step, why) in wrong {
            let error = read(&format!("about = 'x'\n[[step]]\n{step}")).unwrap_err();
            assert!(error.contains(why), "{step}: {error}");
        }
    }

    #[test]
    fn a_file_of_the_guest_has_an_absolute_path() {
        let long = format!("open = {{ path = '/x', write = '{}' }}", "x".repeat(4097));
        refused(&[
            ("open = { path = 'x' }", "`x` is no absolute path"),
            ("open = { path = \"/\\u0000\" }", "`/\\0` is no absolute"),
            (&long, "`write` of 4097 bytes: at most 4096"),
            ("mount = { type = 'tmpfs', at = 'x' }", "`x` is no absolute"),
            (
                "mount = { type = '', at = '/x' }",
                "no type of file systems",
            ),
        ]);
    }

    #[test]
    fn a_socket_has_an_address_and_a_port() {
        let long = format!("bind = {{ at = '{}' }}", "x".repeat(9000));
        refused(&[
            ("connect = { to = 'localhost:80' }", "`localhost:80` is no"),
            ("connect = { to = '192.0.2.2' }", "`192.0.2.2` is no addr"),
            ("tcp = { send = [], to = '::1:80' }", "`::1:80` is no addr"),
            (
                "listen = { at = '192.0.2.2:0' }",
                "`192.0.2.2:0` has port 0",
            ),
            ("bind = { at = '192.0.2.2:65536' }", "`192.0.2.2:65536` is"),
            ("bind = { at = \"\\u0000\" }", "`\\0` is no address"),
            (&long, "xxx…` is no address"),
            (
                "bind = { at = '1.2.3.4:5', protocol = 'sctp' }",
                "unknown variant `sctp`",
            ),
            (
                "listen = { at = '1.2.3.4:5', dev = 'eth0' }",
                "unknown variant `eth0`, expected `receiver` or `sender`",
            ),
        ]);
    }

    #[test]
    fn a_frame_has_a_header_and_fits_a_device() {
        let send = |bytes| format!("send = {{ frame = '{}' }}", "00".repeat(bytes));
        let step = |text: &str| read(&format!("about = 'x'\n[[step]]\n{text}"));
        assert!(step(&send(14)).is_ok() && step(&send(1514)).is_ok());
        refused(&[
            (&send(13), "`frame` of 13 bytes: at least 14"),
            (&send(1515), "`frame` of 1515 bytes: at least 14"),
            ("send = { frame = '000' }", "`000` has an odd number of d"),
            ("send = { frame = 'xx' }", "`xx` is not hexadecimal"),
            ("send = { frame = '00', dev = 'lo' }", "variant `lo`"),
            ("send = { dev = 'sender' }", "missing field `frame`"),
        ]);
    }

    #[test]
    fn a_signal_can_be_ignored() {
        refused(&[
            (
                "signal = { name = 'KILL' }",
                "cannot ignore the signal KILL",
            ),
            ("signal = { number = 19 }", "cannot ignore the signal STOP"),
            (
                "signal = { number = 33 }",
                "the C library keeps the signal 33",
            ),
            ("signal = { number = 0 }", "there is no signal 0"),
            ("signal = { number = -2147483648 }", "there is no signal -"),
            ("signal = { name = 'USR' }", "did you mean `USR"),
            ("signal = { name = 'USR1', number = 10 }", "either"),
        ]);
        let step = read("about = 'x'\n[[step]]\nsignal = { name = 'SIGUSR1' }");
        assert_eq!(step.unwrap().steps, [Signal { number: 10 }.into()]);
    }

    #[test]
    fn what_a_step_takes_away_has_a_name() {
        refused(&[
            ("remove = { module = 'a.ko' }", "`a.ko` is no name of a mod"),
            ("detach = { structure = '' }", "no name of a structure"),
            ("detach = { program = 'x' }", "unknown field `program`"),
        ]);
    }

    #[test]
    fn a_setting_that_is_written_has_a_name() {
        refused(&[
            ("write_sysctl = { name = '../x', value = 1 }", "no setting"),
            ("write_sysctl = { name = 'kernel.x' }", "`value`"),
        ]);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = read("about = 'x'\nmodule = []").unwrap_err();
        assert!(error.contains("did you mean `modules`?"), "{error}");
    }

    #[test]
    fn one_verdict_is_expected() {
        let expect = |verdicts: &str| read(&format!("about = 'x'\nexpect = {{ {verdicts} }}"));
        let report = Expect::Report("WARNING in f".into());
        let scenario = expect("report = 'WARNING in f'").unwrap();
        assert_eq!(scenario.expect, Some(report));
        let several = Titles::from(vec!["a".to_owned(), "b".to_owned()]);
        let scenario = expect("report = ['a', 'b']").unwrap();
        assert_eq!(scenario.expect, Some(Expect::Report(several)));
        let error = expect("reprot = 'WARNING in f'").unwrap_err();
        assert!(error.contains("did you mean `report`?"), "{error}");
        for wrong in [
            "pass = ''",
            "report = 'a', panic = 'b'",
            "",
            "report = 1",
            "report = []",
        ] {
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
    fn a_folder_that_is_looked_at_twice_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let drivers = directory.path().join("drivers");
        fs::create_dir(&drivers).unwrap();
        let text = "about = 'x'\n[[step]]\ndrive = { driver = 'nobody' }";
        let project = Project::of(directory.path()).unwrap();
        let file = project.scenarios.join("x.toml");
        let error = Scenario::parse(text, &file, &project).unwrap_err();
        let told = format!("{error:#}")
            .matches(drivers.to_str().unwrap())
            .count();
        assert_eq!(told, 1, "{error:#}");
    }

    #[test]
    fn what_lies_beside_the_file_comes_first_and_a_path_starts_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("case.toml");
        fs::write(
            &file,
            "about = 'x'\nmodules = ['kfunc_sum', './other/m', 'kfunc_strstr']",
        )
        .unwrap();
        for module in ["modules/kfunc_sum", "other/m"] {
            fs::create_dir_all(directory.path().join(module)).unwrap();
            fs::write(directory.path().join(module).join("Kbuild"), "").unwrap();
        }
        let scenario = Scenario::read(&file, &Project::of(&crate::repository()).unwrap()).unwrap();
        assert_eq!(names(&scenario.modules), ["kfunc_sum", "m", "kfunc_strstr"]);
        let is_beside = |part: &Part| part.path.starts_with(directory.path());
        assert_eq!(
            scenario.modules.iter().map(is_beside).collect::<Vec<_>>(),
            [true, true, false]
        );
    }

    #[test]
    fn parts_are_found_beside_a_directory_called_scenarios() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for folder in ["scenarios", "modules/m", "bpf"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        fs::write(path("modules/m/Kbuild"), "").unwrap();
        fs::write(path("bpf/p.bpf.c"), "").unwrap();
        let read = |modules: &str| {
            let text = format!("about = 'x'\nmodules = ['{modules}']\nbpf = ['p']");
            Scenario::parse(
                &text,
                &path("scenarios/a.toml"),
                &Project::of(&crate::repository()).unwrap(),
            )
        };
        let scenario = read("m").unwrap();
        assert_eq!(scenario.modules[0].path, path("modules/m"));
        assert_eq!(scenario.bpf[0].path, path("bpf/p.bpf.c"));
        let error = format!("{:#}", read("mm").unwrap_err());
        let place = format!("`mm` in `{}` or `", path("modules").display());
        assert!(error.contains(&place), "{error}");
        assert!(error.contains("did you mean `m`?"), "{error}");
    }

    #[test]
    fn a_program_is_a_c_file_or_an_object_of_bpf() {
        let directory = tempfile::tempdir().unwrap();
        let program = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            fs::write(&path, content).unwrap();
            PROGRAM.at(&path).is_ok()
        };
        let own = fs::read("/proc/self/exe").unwrap();
        assert!(program("a.c", b""));
        assert!(!program("a.o", b"") && !program("a.txt", b"int i;") && !program("a", &own));
    }

    #[test]
    fn a_part_has_a_name_for_the_guest() {
        for module in ["..", "./..", "", "./a b"] {
            let error = read(&format!("about = 'x'\nmodules = ['{module}']")).unwrap_err();
            assert!(error.contains("there is no module"), "{error}");
        }
    }

    #[test]
    fn a_fault_is_one_of_those_that_there_are() {
        let fault = |kind: &str| read(&format!("about = 'x'\n[[step]]\nfault = '{kind}'"));
        let step = Step::Fault(Fault::DoneTwice);
        assert_eq!(fault("done_twice").unwrap().steps, [step.into()]);
        let error = fault("done_twic").unwrap_err();
        assert!(error.contains("did you mean `done_twice`?"), "{error}");
    }

    #[test]
    fn a_setting_is_a_number_or_a_text() {
        let scenario =
            read("about = 'x'\ntimeout = 3\nsysctl = { 'net.core.x' = 'a', 'kernel.b' = 2 }");
        let scenario = scenario.unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            scenario.sysctl,
            [pair("kernel.b", "2"), pair("net.core.x", "a")]
        );
        assert_eq!(scenario.timeout, Some(Duration::from_secs(3)));
        assert!(read("about = 'x'\nsysctl = { '../x' = 1 }").is_err());
    }

    #[test]
    fn an_unknown_capability_names_the_nearest() {
        let scenario = read("about = 'x'\nwithout = ['CAP_SYS_BOOT', 'CAP_BPF']").unwrap();
        assert_eq!(scenario.without, ["CAP_SYS_BOOT", "CAP_BPF"]);
        let error = read("about = 'x'\nwithout = ['SYS_BOOT']").unwrap_err();
        assert!(error.contains("did you mean `CAP_SYS_BOOT`?"), "{error}");
    }

    #[test]
    fn what_is_allowed_is_one_of_those_that_there_are() {
        let scenario = read("about = 'x'\nallow = ['no_steps', 'failed_step']").unwrap();
        assert_eq!(scenario.allow, [Allow::NoSteps, Allow::FailedStep]);
        let error = read("about = 'x'\nallow = ['no_step']").unwrap_err();
        assert!(error.contains("did you mean `no_steps`?"), "{error}");
    }

    #[test]
    fn what_leaves_nothing_to_fail_is_refused() {
        let says = |text: &str| read(&format!("about = 'x'\n{text}"));
        let step = "[[step]]\nunlink = { times = 1 }";
        assert!(says(&format!("allow = ['no_snapshot']\n{step}")).is_ok());
        let both = format!("allow = ['no_snapshot', 'failed_step']\n{step}");
        for text in ["allow = ['no_snapshot']", &both] {
            let error = says(text).unwrap_err();
            assert!(error.contains("nothing that can fail"), "{error}");
        }
    }

    #[test]
    fn a_scenario_is_never_named_like_a_path() {
        let name = |file: &str| {
            let path = Path::new("scenarios").join(file);
            let read = Scenario::parse(
                "about = 'x'",
                &path,
                &Project::of(&crate::repository()).unwrap(),
            );
            read.map_err(|error| format!("{error:#}"))
        };
        assert_eq!(name("v1.2.toml").unwrap().name, "v1.2");
        for file in [
            "..toml",
            "...toml",
            "a b.toml",
            "a@6.1.toml",
            "a\u{1b}.toml",
        ] {
            let error = name(file).unwrap_err();
            assert!(error.contains("a scenario's name is made of"), "{error}");
        }
    }

    #[test]
    fn a_message_is_preceded_by_its_length() {
        let scenario =
            read("about = 'x'\n[[step]]\nudp = { packets = [{ name = 'a', message = { drop = true } }] }")
                .unwrap();
        let Step::Udp(Udp { packets, .. }) = &scenario.steps[0].step else {
            panic!()
        };
        assert_eq!(packets[0].payload, [2, 0, 0, 0, 8, 1]);
    }

    #[test]
    fn what_to_show_is_named() {
        let show = |keys: &str| read(&format!("about = 'x'\nshow = {{ {keys} }}"));
        let shown = show("programs = true, maps = ['m']").unwrap().show;
        assert_eq!((shown.modules, shown.programs), (false, true));
        assert_eq!(shown.maps, ["m"]);
        let error = show("program = true").unwrap_err();
        assert!(error.contains("did you mean `programs`?"), "{error}");
    }

    #[test]
    fn a_seed_is_the_files_or_a_fresh_one_or_what_it_is_set_to() {
        let seeds = |keys: &str| {
            let file = format!("about = 'x'\n[[step]]\ndrive = {{ driver = 'storm'{keys} }}");
            read(&file).unwrap().seeds()
        };
        assert_eq!(seeds(", seed = 7"), [7]);
        assert_ne!(seeds(""), seeds(""));
        let mut scenario = read("about = 'x'\n[[step]]\ndrive = { driver = 'storm' }").unwrap();
        scenario.set_seed(8);
        assert_eq!(scenario.seeds(), [8]);
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
