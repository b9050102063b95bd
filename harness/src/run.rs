//! The whole way of one case, a scenario on a kernel: build, run, judge,
//! compare, and keep what is needed to understand a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use kassay_guest::{Fact, Plan};

use crate::cache::{Cache, hex};
use crate::compile::imports;
use crate::compile::module::{self, Module};
use crate::compile::{self, Artifacts};
use crate::excerpt::bounded;
use crate::kernel::{self, Kernel};
use crate::kernel_report::Report;
use crate::kit::{self, Kit};
use crate::record::{self, Record};
use crate::scenario::{self, Pinned, Scenario};
use crate::snapshot::{Comparison, Snapshot};
use crate::streams::Streams;
use crate::tool::Tool;
use crate::verdict::{self, Fault, Verdict};
use crate::vm::machine::Size;
use crate::vm::{Accelerator, Evidence, Machine, Run, Slot, Start, State, Terms, slot, tsc};
use crate::{btf, debugger, detector, flaw, interrupt, progress, symbol, tool, vm};

/// How to run, for every case alike.
#[derive(Clone)]
pub struct Setting {
    /// Where everything that is built is kept.
    pub cache: Cache,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// How large a guest is, where its scenario does not say.
    pub size: Size,
    /// How long a virtual machine may take, from its start to its end, whatever its scenario says.
    pub timeout: Option<Duration>,
    /// Whether to boot rather than restore.
    pub cold: bool,
    /// Whether to leave out what passed last time and has not changed since.
    pub changed: bool,
    /// How many virtual machines may run at once, here and in other processes.
    pub jobs: usize,
    /// Whether to keep of a pass what is kept of a failure.
    pub keep: bool,
    /// Whether to keep a dump of the guest's memory with a failure.
    pub keep_dump: bool,
    /// Whether the machine stands still until a debugger lets it go.
    pub gdb: bool,
    /// Whether nothing passes on a kernel that lacks a detector.
    pub strict: bool,
}

/// How long a virtual machine may take unless the user or its scenario says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(60);

impl Setting {
    /// Nothing but what every run has.
    pub fn new(cache: Cache, accelerator: Accelerator) -> Setting {
        Setting {
            cache,
            accelerator,
            size: Size::default(),
            timeout: None,
            cold: false,
            changed: false,
            jobs: slot::default_jobs(),
            keep: false,
            keep_dump: false,
            gdb: false,
            strict: false,
        }
    }
}

/// Lays out in a share what the guest reads.
pub type Fill<'a> = Box<dyn Fn(&Path) -> Result<()> + 'a>;

/// A case with all that it is made of.
pub struct Case<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Its modules, built.
    pub modules: &'a [Module],
    /// The guest program, packed.
    pub initramfs: &'a Path,
    /// Lays out what the guest reads.
    pub fill: Fill<'a>,
    /// The folder for what a failure leaves.
    pub folder: PathBuf,
    /// Who attends to the program in it, if somebody does.
    pub streams: Option<Streams>,
    /// Whether it mostly waits for a person, and so keeps no other machine from running.
    pub is_idle: bool,
}

impl<'a> Case<'a> {
    /// The case of what was built.
    pub fn of(kernel: &'a Kernel, scenario: &'a Scenario, artifacts: &'a Artifacts) -> Case<'a> {
        Case {
            kernel,
            scenario,
            modules: &artifacts.modules,
            initramfs: &artifacts.initramfs,
            fill: Box::new(|share| fill_share(share, scenario, artifacts)),
            folder: kit::folder(&kernel.name, &scenario.name),
            streams: None,
            is_idle: false,
        }
    }

    /// What it is judged by beside the evidence.
    ///
    /// # Errors
    /// The kernel's BTF or configuration cannot be read.
    pub fn known(&self) -> Result<verdict::Case<'a>> {
        // Only the BTF of modules is read with it, and a kernel's may be missing.
        let base_strings = match self.modules {
            [] => Vec::new(),
            _ => btf::base_strings(&self.kernel.btf)?,
        };
        let flaws = |module: &Module| {
            let flaws = flaw::of(self.kernel, module, &base_strings)?;
            anyhow::Ok((module.name.clone(), flaws))
        };
        Ok(verdict::Case {
            scenario: self.scenario,
            modules: self.modules,
            release: &self.kernel.release,
            flaws: self.modules.iter().map(flaws).collect::<Result<_>>()?,
            base_strings,
            is_traced_alone: self.streams.is_none(),
            has_kmemleak: detector::has_kmemleak(self.kernel)?,
        })
    }
}

/// What is there once the machine has ended.
pub struct Ran {
    /// The plan, as the guest found it.
    pub plan: String,
    /// What the machine left.
    pub evidence: Evidence,
    /// The run, whose directory has some of the evidence.
    pub run: Run,
    /// The saved state that the machine went on from.
    pub state: Option<State>,
}

impl Ran {
    /// Whether the machine went on from a saved state that is not what was saved. It is thrown
    /// away then.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn is_of_damage(&self, cache: &Cache) -> Result<bool> {
        match &self.state {
            Some(state) if !state.is_as_saved() => state.discard(cache).map(|()| true),
            _ => Ok(false),
        }
    }
}

/// What one case came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The kernel's name, as asked for.
    pub kernel: String,
    /// The kernel's release, when it was obtained.
    pub release: String,
    /// The scenario's name.
    pub scenario: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict's stable name; empty for a pass.
    pub title: String,
    /// What was seen, at any length.
    pub reason: String,
    /// The first thing that was refused, whether the snapshot has it or not.
    pub refused: Option<String>,
    /// The title of the fault that was expected and seen, for a pass.
    pub expected: Option<String>,
    /// From the start of QEMU to its end.
    pub duration: Duration,
    /// The seeds of the scenario's generators, in the order of its steps.
    pub seeds: Vec<u32>,
    /// Whether the machine went on from a saved state.
    pub restored: bool,
    /// Whether it was not run, for something could not be had or built for it.
    pub unbuilt: bool,
    /// Whether it was not run: it passed last time, and nothing has changed since.
    pub unchanged: bool,
    /// The most memory that QEMU held, in KiB.
    pub peak_kib: Option<u64>,
    /// Where all of the run is, of a failure or where a pass is kept as well.
    pub artifacts: Option<PathBuf>,
    /// The transcript, when the facts were complete, and where it belongs.
    pub transcript: Option<(Snapshot, String)>,
    /// Whether nothing is wrong but that the transcript is not the reviewed one.
    pub is_comparison: bool,
}

impl Outcome {
    /// The outcome of a case that never came to a virtual machine.
    pub fn without_machine(
        kernel: &str,
        scenario: &Scenario,
        verdict: Verdict,
        reason: String,
    ) -> Outcome {
        let reason = bounded(&reason);
        let title = match verdict {
            Verdict::Pass => String::new(),
            _ => title(verdict, &reason).to_owned(),
        };
        Outcome {
            kernel: kernel.to_owned(),
            release: String::new(),
            scenario: scenario.name.clone(),
            verdict,
            title,
            reason,
            refused: None,
            expected: None,
            duration: Duration::ZERO,
            seeds: scenario.seeds(),
            restored: false,
            unbuilt: false,
            unchanged: false,
            peak_kib: None,
            artifacts: None,
            transcript: None,
            is_comparison: false,
        }
    }
}

/// The title of a reason that no machine gave: its first line, and of an error what was done when it
/// came up, as in ``build module `m` ``. What follows may have paths of the cache.
fn title(verdict: Verdict, reason: &str) -> &str {
    let line = reason.lines().next().unwrap_or_default();
    match line.split_once(": ") {
        Some((context, _)) if verdict == Verdict::Infra => context,
        _ => line,
    }
}

/// Runs a scenario on a kernel. Whatever goes wrong is an outcome.
///
/// # Errors
/// Only an interruption by the user.
pub fn run(setting: &Setting, kernel: &Kernel, scenario: &Scenario) -> Result<Outcome> {
    let outcome = match unfit(setting, kernel, scenario) {
        Ok(None) => attempt(setting, kernel, scenario),
        Ok(Some(outcome)) => Ok(outcome),
        Err(error) => Err(error),
    };
    interrupt::check()?;
    let mut outcome =
        outcome.unwrap_or_else(|error| unbuilt(&kernel.name, scenario, format!("{error:#}")));
    outcome.release.clone_from(&kernel.release);
    Ok(outcome)
}

/// The outcome of a case that is not run on this kernel.
fn unfit(setting: &Setting, kernel: &Kernel, scenario: &Scenario) -> Result<Option<Outcome>> {
    let name = &kernel.name;
    if let Some(reason) = lacks(kernel, scenario)? {
        let skipped = Outcome::without_machine(name, scenario, Verdict::Skipped, reason);
        return Ok(Some(skipped));
    }
    let missing = setting.strict.then(|| detector::missing(kernel));
    let missing = missing.transpose()?.flatten();
    Ok(missing.map(|reason| unbuilt(name, scenario, reason)))
}

/// The outcome of a case that something could not be had or built for.
pub fn unbuilt(kernel: &str, scenario: &Scenario, reason: String) -> Outcome {
    let mut outcome = Outcome::without_machine(kernel, scenario, Verdict::Infra, reason);
    outcome.unbuilt = true;
    if let Err(error) = kit::keep_reason(&mut outcome, scenario) {
        progress::note(format!("{error:#}"));
    }
    outcome
}

/// Runs a case of which all is built.
///
/// # Errors
/// Only an interruption by the user.
pub fn again(setting: &Setting, case: &Case) -> Result<Outcome> {
    let judge = |ran: &Ran| conclude(setting, case, ran);
    let is_pass = |outcome: &Outcome| outcome.verdict == Verdict::Pass;
    let judged = decide(setting, case, judge, is_pass).map(|(_, outcome)| outcome);
    interrupt::check()?;
    let mut outcome = judged.unwrap_or_else(|error| {
        let (name, reason) = (&case.kernel.name, format!("{error:#}"));
        let mut outcome = Outcome::without_machine(name, case.scenario, Verdict::Infra, reason);
        keep(setting, case, &mut outcome, None);
        outcome
    });
    outcome.release.clone_from(&case.kernel.release);
    Ok(outcome)
}

/// What the scenario requires and the kernel or the host lacks.
///
/// # Errors
/// The kernel's configuration cannot be read, or the user interrupted.
pub fn lacks(kernel: &Kernel, scenario: &Scenario) -> Result<Option<String>> {
    let (major, minor, _) = kernel.version();
    if let Some(bound) = &scenario.requires.kernel
        && !bound.holds((major, minor))
    {
        return Ok(Some(format!(
            "needs a kernel {bound}, and this is {}",
            kernel.release
        )));
    }
    for option in &scenario.requires.config {
        if !kernel.config_has(option)? {
            return Ok(Some(format!(
                "needs CONFIG_{option}, which {} is built without",
                kernel.release
            )));
        }
    }
    for option in &scenario.requires.without {
        if kernel.config_has(option)? {
            return Ok(Some(format!(
                "needs a kernel without CONFIG_{option}, and {} has it",
                kernel.release
            )));
        }
    }
    for program in &scenario.requires.pip {
        if let Some(reason) = lacks_program(program)? {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// Why a program of PyPI is not as a scenario wants it.
fn lacks_program(wanted: &Pinned) -> Result<Option<String>> {
    let here = match tool::find(&wanted.name) {
        None => "is not on the host's PATH".to_owned(),
        Some(path) => {
            let said = Tool::new(path).arg("--version").output();
            crate::interrupt::check()?;
            let said = said.unwrap_or_default();
            if said.split_whitespace().any(|word| word == wanted.version) {
                return Ok(None);
            }
            "of the host is another version".to_owned()
        }
    };
    Ok(Some(format!(
        "needs {wanted}, and `{}` {here}: `pip install {wanted}` in a virtual environment \
         whose bin is on PATH",
        wanted.name
    )))
}

/// The USDT probe that the scenario requires and the guest program has not.
fn lacks_probe(guest: &Path, scenario: &Scenario) -> Result<Option<String>> {
    let probes = &scenario.requires.probes;
    if probes.is_empty() {
        return Ok(None);
    }
    let program = fs::read(guest).with_context(|| format!("read `{}`", guest.display()))?;
    let has = |probe: &String| {
        // So it is in a note: the provider and the name, each with a NUL behind it.
        let note = format!("{}\0", probe.replace(':', "\0"));
        program
            .windows(note.len())
            .any(|bytes| bytes == note.as_bytes())
    };
    let missing = probes.iter().find(|probe| !has(probe));
    Ok(missing.map(|probe| {
        format!("needs the USDT probe {probe}, which the host's static C library is built without")
    }))
}

fn attempt(setting: &Setting, kernel: &Kernel, scenario: &Scenario) -> Result<Outcome> {
    let record = Record::take(&setting.cache, kernel, scenario, setting.accelerator)?;
    let artifacts = compile::build(&setting.cache, kernel, scenario)?;
    if let Some(reason) = lacks_probe(&artifacts.guest, scenario)? {
        let skipped = Verdict::Skipped;
        return Ok(Outcome::without_machine(
            &kernel.name,
            scenario,
            skipped,
            reason,
        ));
    }
    let inputs = record::inputs(kernel, scenario, &artifacts)?;
    // Nobody knows what programs of the host's root are made of.
    if setting.changed && !scenario.host_root && record.has_passed(&inputs) {
        record.keep(&setting.cache, &inputs)?;
        let reason = "unchanged since it passed".to_owned();
        let pass = Outcome::without_machine(&kernel.name, scenario, Verdict::Pass, reason);
        return Ok(Outcome {
            unchanged: true,
            ..pass
        });
    }
    let case = Case::of(kernel, scenario, &artifacts);
    let outcome = again(setting, &case)?;
    if outcome.verdict == Verdict::Pass {
        record.keep(&setting.cache, &inputs)?;
    }
    Ok(outcome)
}

/// What a run comes to. Of one that is no pass it keeps what is needed to understand it, and
/// to run it again.
///
/// # Errors
/// A file that it is judged by cannot be read.
pub fn conclude(setting: &Setting, case: &Case, ran: &Ran) -> Result<Outcome> {
    let evidence = &ran.evidence;
    let earlier = verdict::earlier_leaks(evidence);
    if !earlier.is_empty() {
        let titles = earlier[..earlier.len().min(5)].join(", ");
        progress::note(format!(
            "before the plan, {} had: {titles}",
            case.kernel.name
        ));
    }
    if verdict::is_blind(evidence) {
        progress::note(format!(
            "{}::{}: not all timers, work, notifiers and workqueues of its modules could be watched",
            case.kernel.name, case.scenario.name
        ));
    }
    for function in imports::unseen(case.modules)? {
        progress::note(format!(
            "{}::{}: nothing tells whether what its modules began by `{function}` has ended",
            case.kernel.name, case.scenario.name
        ));
    }
    let known = case.known()?;
    let (judged, transcript) = verdict::judge(&known, evidence);
    let snapshot = Snapshot::of(case.scenario, case.kernel);
    let is_comparison = judged.is_ok();
    let fault = match (judged, &transcript) {
        (Err(fault), _) => Some(fault),
        (Ok(()), Some(transcript)) => mismatch(&snapshot, transcript, evidence)?,
        // What was expected left nothing to compare.
        (Ok(()), None) => None,
    };
    let mut outcome = Outcome::without_machine(
        &case.kernel.name,
        case.scenario,
        Verdict::Pass,
        String::new(),
    );
    outcome.release.clone_from(&case.kernel.release);
    outcome.duration = evidence.duration;
    outcome.restored = evidence.restored;
    outcome.peak_kib = evidence.peak_kib;
    outcome.refused = verdict::refusal(evidence);
    outcome.transcript = transcript.map(|transcript| (snapshot, transcript));
    let is_kept = fault.is_some() || setting.keep;
    let told = || reports(&setting.cache, case, evidence);
    let reports = is_kept.then(told).transpose()?.unwrap_or_default();
    if let Some(fault) = fault {
        outcome.verdict = fault.verdict;
        outcome.reason = explain(&fault, &reports, case.kernel, evidence);
        let why = refused_for(&known, evidence, &fault);
        outcome.reason.push_str(&why);
        outcome
            .reason
            .push_str(&left_out(case.kernel, case.scenario)?);
        if let (Verdict::Leak, Some((_, text))) = (fault.verdict, &outcome.transcript) {
            outcome.reason = format!("{}\n\n{text}", outcome.reason).trim().to_owned();
        }
        outcome.title = fault.title;
        outcome.is_comparison = is_comparison && outcome.verdict == Verdict::Mismatch;
    } else {
        let expect = case.scenario.expect.as_ref().map(verdict::expected);
        outcome.expected = expect.map(|(_, title)| title.to_owned());
    }
    if is_kept {
        keep(setting, case, &mut outcome, Some((ran, &reports)));
    }
    Ok(outcome)
}

/// Keeps what a failure leaves. That it cannot be kept changes no verdict.
fn keep(
    setting: &Setting,
    case: &Case,
    outcome: &mut Outcome,
    ran: Option<(&Ran, &[(Report, String)])>,
) {
    let write = || -> Result<()> {
        let kit = Kit::new(&case.folder)?;
        kit.text("reason", &outcome.reason)?;
        kit.case(setting, case, outcome)?;
        let Some((Ran { plan, evidence, .. }, reports)) = ran else {
            return Ok(());
        };
        let transcript = outcome.transcript.as_ref();
        kit.text("transcript", transcript.map_or("", |(_, text)| text))?;
        let logs = verifier_logs(evidence, |_| true).into_iter();
        let logs: Vec<String> = logs.map(|(_, log)| log).collect();
        kit.text("verifier", &logs.join("\n"))?;
        kit.text("report", &told(reports))?;
        // With the clock and the randomness of this very run.
        kit.text("plan.json", plan)?;
        kit.evidence(evidence)
    };
    let written = write();
    outcome.artifacts = case.folder.is_dir().then(|| case.folder.clone());
    if let Err(error) = written {
        progress::note(format!("{error:#}"));
    }
}

/// Runs the machine and judges what comes of it. Where that is not good, and the saved state that
/// it went on from is damaged, nothing but a machine that boots decides.
///
/// # Errors
/// As [`execute`] and `judge`.
pub fn decide<T>(
    setting: &Setting,
    case: &Case,
    judge: impl Fn(&Ran) -> Result<T>,
    is_good: impl Fn(&T) -> bool,
) -> Result<(Ran, T)> {
    let ran = execute(setting, case)?;
    let judged = judge(&ran)?;
    if is_good(&judged) || !ran.is_of_damage(&setting.cache)? {
        return Ok((ran, judged));
    }
    let name = &case.kernel.name;
    progress::note(format!(
        "the warm state of {name} is damaged; booting instead"
    ));
    let cold = Setting {
        cold: true,
        ..setting.clone()
    };
    let ran = execute(&cold, case)?;
    let judged = judge(&ran)?;
    Ok((ran, judged))
}

/// Runs the machine: restored where that works, else booted. A state that the
/// guest does not answer from is made anew, once.
///
/// # Errors
/// The machine cannot be set up; an interruption by the user.
pub fn execute(setting: &Setting, case: &Case) -> Result<Ran> {
    let size = case.scenario.size(setting.size);
    let machine = machine(setting, case.kernel, case.initramfs, size);
    let go = |state: Option<State>| {
        let start = state.as_ref().map_or(Start::Boot, Start::Restore);
        let run = Run::new(&setting.cache)?;
        (case.fill)(&run.share())?;
        let plan = fs::read_to_string(run.share().join("plan.json")).context("read the plan")?;
        let debugger = || debugger::invite(run.path(), case.kernel, case.modules);
        let terms = Terms {
            timeout: setting.timeout.or(case.scenario.timeout).unwrap_or(TIMEOUT),
            host_root: case.scenario.host_root,
            streams: case.streams.clone(),
            dump: setting.keep_dump,
            debugger: setting.gdb.then(debugger).transpose()?,
        };
        let slot = || Slot::take(&setting.cache, setting.jobs, size.memory_mib);
        let _slot = (!case.is_idle).then(slot).transpose()?;
        let mut evidence = run.go(&machine, start, &terms)?;
        evidence.mark = mark_of(&plan)?;
        anyhow::Ok(Ran {
            plan,
            evidence,
            run,
            state,
        })
    };
    // vmtest would wait for the sockets of a QEMU that cannot come.
    for program in vm::PROGRAMS {
        tool::require(program)?;
    }
    for _ in 0..if setting.cold { 0 } else { 2 } {
        let state = match State::obtain(&setting.cache, case.kernel, &machine) {
            Ok(state) => state,
            Err(error) => {
                interrupt::check()?;
                progress::note(format!("{error:#}; booting instead"));
                break;
            }
        };
        let ran = go(Some(state))?;
        if ran.evidence.answered {
            return Ok(ran);
        }
        progress::note(format!(
            "the warm state of {} does not restore; making it anew",
            case.kernel.name
        ));
        if let Some(state) = ran.state {
            state.discard(&setting.cache)?;
        }
    }
    go(None)
}

/// The mark of a plan that was laid out.
fn mark_of(plan: &str) -> Result<String> {
    let plan: Plan = serde_json::from_str(plan).context("parse the plan")?;
    Ok(plan.mark)
}

/// The machine that a guest program runs in.
pub fn machine(setting: &Setting, kernel: &Kernel, initramfs: &Path, size: Size) -> Machine {
    Machine {
        image: kernel.image.clone(),
        initramfs: initramfs.to_owned(),
        accelerator: setting.accelerator,
        size,
        tsc_khz: match setting.accelerator {
            Accelerator::Tcg => Some(tsc::khz(&setting.cache)),
            // The hypervisor tells.
            Accelerator::Kvm => None,
        },
    }
}

/// Lays out what the guest reads: the plan, the modules and the objects.
pub fn fill_share(share: &Path, scenario: &Scenario, artifacts: &Artifacts) -> Result<()> {
    lay_out(share, artifacts)?;
    write_plan(share, &plan(scenario, artifacts)?)
}

/// Lays out modules and objects in a share.
pub fn lay_out(share: &Path, artifacts: &Artifacts) -> Result<()> {
    let copy = |from: &Path, directory: &str, name: String| {
        let directory = share.join(directory);
        fs::create_dir_all(&directory)
            .and_then(|()| fs::copy(from, directory.join(&name)))
            .with_context(|| format!("copy `{}` into the share", from.display()))
    };
    for (name, file) in &artifacts.kernel_modules {
        copy(file, "modules", format!("{name}.ko"))?;
    }
    for module in &artifacts.modules {
        copy(&module.file, "modules", format!("{}.ko", module.name))?;
    }
    for (name, object) in &artifacts.objects {
        copy(object, "bpf", format!("{name}.bpf.o"))?;
    }
    Ok(())
}

/// The plan of a scenario.
pub fn plan(scenario: &Scenario, artifacts: &Artifacts) -> Result<Plan> {
    let Fresh {
        clock_ns,
        entropy,
        mark,
    } = fresh()?;
    let kernel_modules = artifacts.kernel_modules.iter();
    Ok(Plan {
        kernel_modules: kernel_modules.map(|(name, _)| name.clone()).collect(),
        modules: module_names(&artifacts.modules),
        params: params(&artifacts.modules),
        objects: scenario::names(&scenario.bpf),
        each: scenario.each,
        globals: artifacts.globals.clone(),
        programs: Vec::new(),
        live: None,
        steps: scenario
            .steps
            .iter()
            .map(|asked| asked.step.clone())
            .collect(),
        host_root: scenario.host_root,
        show: scenario.show.clone(),
        sysctl: scenario.sysctl.clone(),
        without: scenario.without.clone(),
        may_stay: imports::may_stay(&artifacts.modules)?,
        watch: imports::watched(artifacts)?,
        linger_ms: scenario.linger.as_millis() as u64,
        clock_ns,
        entropy,
        mark,
    })
}

/// Lays out a plan in a share.
pub fn write_plan(share: &Path, plan: &Plan) -> Result<()> {
    fs::write(share.join("plan.json"), serde_json::to_vec(plan)?).context("write the plan")
}

fn params(modules: &[Module]) -> BTreeMap<String, String> {
    let with = modules.iter().filter(|module| !module.params.is_empty());
    with.map(|module| (module.name.clone(), module.params.clone()))
        .collect()
}

fn module_names(modules: &[Module]) -> Vec<String> {
    modules.iter().map(|module| module.name.clone()).collect()
}

/// What a plan has of its own each time.
pub struct Fresh {
    /// The wall clock, in nanoseconds since 1970.
    pub clock_ns: u64,
    /// Randomness for the guest.
    pub entropy: Vec<u8>,
    /// The plan's mark, of which the guest's randomness tells nothing.
    pub mark: String,
}

/// What another plan does not have.
///
/// # Errors
/// The host's clock or its randomness cannot be had.
pub fn fresh() -> Result<Fresh> {
    use std::io::Read;
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut bytes = vec![0; 72];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("read `/dev/urandom`")?;
    let (mark, entropy) = bytes.split_at(8);
    Ok(Fresh {
        clock_ns: clock.as_nanos() as u64,
        entropy: entropy.to_vec(),
        mark: hex(mark),
    })
}

/// How the transcript is not the reviewed one. Where the kernel refused something,
/// that is what it is called.
fn mismatch(snapshot: &Snapshot, transcript: &str, evidence: &Evidence) -> Result<Option<Fault>> {
    let (title, reason) = match snapshot.compare(transcript)? {
        Comparison::Same => return Ok(None),
        Comparison::Differs(diff) => ("the transcript differs from the snapshot", diff),
        Comparison::Missing => {
            let how = "there is no snapshot yet; `kassay run --accept` makes this one, or \
                       `cargo test --test vm` and `cargo insta review`";
            ("there is no snapshot", format!("{transcript}\n{how}"))
        }
    };
    let title = verdict::refusal(evidence).unwrap_or_else(|| title.to_owned());
    Ok(Some(Fault::new(Verdict::Mismatch, title).because(reason)))
}

/// What a scenario requires, and the kernel has as modules that nothing inserts. Of an option its
/// module's name is mostly a part.
fn left_out(kernel: &Kernel, scenario: &Scenario) -> Result<String> {
    let mut inserted = kernel::at_boot(kernel);
    inserted.extend(scenario.kernel_modules.iter().cloned());
    let mut said = String::new();
    for option in &scenario.requires.config {
        let name = option.to_lowercase();
        let is_in = inserted.iter().any(|module| name.contains(module));
        if !is_in && kernel.config_is_module(option)? {
            said.push_str(&format!(
                "\n\nCONFIG_{option} is a module of this kernel, and nothing inserts it: see \
                 whether `kernel_modules = [\"{name}\"]` does"
            ));
        }
    }
    Ok(said)
}

/// Why the kernel did not take modules, where it says little and their files tell more than the
/// fault.
fn refused_for(known: &verdict::Case, evidence: &Evidence, fault: &Fault) -> String {
    let why = |fact| match fact {
        Fact::Inserted {
            module,
            error: Some(error),
            ..
        } => {
            let module = known.modules.iter().find(|other| other.name == module)?;
            let flaws = known.flaws.get(&module.name)?;
            let is_told = flaws.iter().any(|flaw| fault.reason == flaw.to_string());
            flaw::why(module, flaws, &error).filter(|_| !is_told)
        }
        _ => None,
    };
    let told = verdict::told(evidence).filter_map(why);
    told.map(|why| format!("\n\n{why}")).collect()
}

/// The reason of a fault: a report of the kernel as it is told, where each CPU was at the deadline,
/// and the verifier's log where an object was refused.
fn explain(
    fault: &Fault,
    reports: &[(Report, String)],
    kernel: &Kernel,
    evidence: &Evidence,
) -> String {
    let told = reports
        .iter()
        .find(|(report, _)| report.text == fault.reason);
    let mut reason = told.map_or(&fault.reason, |(_, text)| text).clone();
    for (cpu, address) in evidence.stood.iter().enumerate() {
        let place = symbol::at(kernel, *address);
        reason.push_str(&format!("\nat the deadline CPU {cpu} was at {place}"));
    }
    for (object, log) in verifier_logs(evidence, |program| program.is_none()) {
        reason.push_str(&format!(
            "\n\nof {object} libbpf and the verifier say at last:"
        ));
        reason.push_str(&tool::last_lines(&log));
    }
    reason
}

/// What libbpf and the verifier said of what was refused, under the names of the objects: of objects,
/// and of these programs of those that were loaded by themselves.
pub fn verifier_logs(
    evidence: &Evidence,
    wanted: fn(&Option<String>) -> bool,
) -> Vec<(String, String)> {
    verdict::told(evidence)
        .filter_map(|fact| match fact {
            Fact::Loaded {
                object,
                program,
                error: Some(error),
                log,
            } if wanted(&program) => Some((object, format!("{log}\n{error}"))),
            _ => None,
        })
        .collect()
}

/// What the kernel reported: each report as it came, and as it is told, with the source lines of
/// frames and the user's own files.
///
/// # Errors
/// Only an interruption by the user.
pub fn reports(cache: &Cache, case: &Case, evidence: &Evidence) -> Result<Vec<(Report, String)>> {
    let tell = |report: Report| {
        let text = symbol::add_lines(&report.text, case.kernel, case.modules)?;
        let text = module::name_sources(text.trim_end(), cache, &case.scenario.modules);
        Ok((report, text))
    };
    let reports = verdict::reports(evidence, case.modules);
    reports.into_iter().map(tell).collect()
}

/// Reports as they are told, each under its title.
pub fn told(reports: &[(Report, String)]) -> String {
    let one = |(report, text): &(Report, String)| format!("{}\n\n{text}\n", report.title);
    reports.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn an_error_is_called_by_its_context_and_a_skip_by_all_that_it_says() {
        let reason = "build module m for 6.12: run `make M=/cache/0123`: exit status: 2\n    m.c:6";
        assert_eq!(title(Verdict::Infra, reason), "build module m for 6.12");
        assert_eq!(title(Verdict::Infra, "no such thing"), "no such thing");
        let reason = "needs a==1: `pip install a==1`";
        assert_eq!(title(Verdict::Skipped, reason), reason);
        assert_eq!(title(Verdict::Pass, ""), "");
    }

    #[test]
    fn a_probe_is_in_the_program_with_both_its_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("guest"), b"stapsdt\0libc\0setjmp\08@%rdi\0").unwrap();
        let lacks = |probe: &str| {
            let text = format!("about = 'x'\nrequires = {{ probes = ['{probe}'] }}");
            fs::write(path("case.toml"), text).unwrap();
            let scenario =
                Scenario::read(&path("case.toml"), &Project::of(directory.path()).unwrap())
                    .unwrap();
            lacks_probe(&path("guest"), &scenario).unwrap()
        };
        assert_eq!(lacks("libc:setjmp"), None);
        for other in ["libc:set", "libm:setjmp", "setjmp:libc"] {
            let reason = lacks(other).unwrap();
            assert!(reason.contains(&format!("probe {other},")), "{reason}");
        }
    }
}
