//! From evidence to a verdict. What is missing is never taken for good: every
//! kind of gap has a verdict of its own.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;
use kassay_guest::{
    Code, Command, DONE, Decoder, Disagreement, Fact, Kind as PacketKind, Line, Outcome, PROTOCOL,
    Show, State, Step, Tally,
};

use crate::btf;
use crate::compile::module::Module;
use crate::kernel_report::{self, Kind, Report, leak};
use crate::refusal::{self, Refusal};
use crate::scenario::{self, Expect, Scenario};
use crate::step;
use crate::transcript::{self, Offered};
use crate::vm::Evidence;
use crate::vm::session::MOST;

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Facts complete, transcript as reviewed, console clean, orderly end.
    Pass,
    /// Facts complete, transcript differs.
    Mismatch,
    /// The kernel reported trouble.
    Report,
    /// The kernel panicked or oopsed.
    Panic,
    /// A deadline passed.
    Hang,
    /// The guest ran out of memory.
    Oom,
    /// Something stayed behind in the kernel.
    Leak,
    /// QEMU or the guest program ended without a closing record.
    Lost,
    /// Something could not be built or started; nothing was tested.
    Infra,
    /// The kernel lacks what the scenario needs.
    Skipped,
}

impl Verdict {
    /// Whether this says that something is broken, rather than that nothing
    /// can be said.
    pub fn is_regression(self) -> bool {
        !matches!(
            self,
            Verdict::Pass | Verdict::Skipped | Verdict::Infra | Verdict::Lost
        )
    }
}

impl Verdict {
    /// Its name, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Mismatch => "mismatch",
            Verdict::Report => "report",
            Verdict::Panic => "panic",
            Verdict::Hang => "hang",
            Verdict::Oom => "oom",
            Verdict::Leak => "leak",
            Verdict::Lost => "lost",
            Verdict::Infra => "infra",
            Verdict::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A verdict that needs no look at a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Never [`Verdict::Pass`].
    pub verdict: Verdict,
    /// Its stable name.
    pub title: String,
    /// What was seen, at any length.
    pub reason: String,
    /// Whether the kernel stopped because of it, which brings other faults.
    stops: bool,
}

impl Fault {
    /// A fault of that verdict and name.
    pub fn new(verdict: Verdict, title: impl Into<String>) -> Fault {
        Fault {
            verdict,
            title: title.into(),
            reason: String::new(),
            stops: false,
        }
    }

    /// The same fault, with what was seen.
    pub fn because(mut self, reason: impl Into<String>) -> Fault {
        self.reason = reason.into();
        self
    }
}

/// How many lines of a reason are kept; a report of the kernel fits.
const LINES: usize = kernel_report::LINES + 50;

/// What is known of the case beside the evidence.
pub struct Case<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// The modules that were inserted.
    pub modules: &'a [Module],
    /// The release of the kernel that was asked for.
    pub release: &'a str,
    /// Bytes of strings in the kernel's own BTF.
    pub base_strings: usize,
    /// Whether the kernel looks for memory that nothing points to.
    pub has_kmemleak: bool,
}

/// Judges the evidence: whether it may be compared with the snapshot, or what is
/// wrong before any comparison. Complete facts have a transcript, whatever else
/// is wrong; a fault that is expected may leave none, and then nothing is to be
/// compared.
pub fn judge(case: &Case, evidence: &Evidence) -> (Result<(), Fault>, Option<String>) {
    let (faults, transcript) = faults(case, evidence);
    if let [fault, ..] = &faults[..]
        && fault.verdict == Verdict::Infra
    {
        // Nothing was tested, whatever is expected.
        return (Err(fault.clone()), None);
    }
    let judged = match &case.scenario.expect {
        None => faults.into_iter().next().map_or(Ok(()), Err),
        Some(expect) => meet(expect, &faults),
    };
    (judged, transcript)
}

/// Every fault, the one that decides first, and the transcript of complete facts.
fn faults(case: &Case, evidence: &Evidence) -> (Vec<Fault>, Option<String>) {
    let mut faults: Vec<Fault> = reports(evidence, case.modules)
        .iter()
        .map(reported)
        .collect();
    // The gravest report decides, and among equals the first.
    faults.sort_by_key(|fault| match fault.verdict {
        Verdict::Oom => 0,
        Verdict::Panic => 1,
        Verdict::Report => 2,
        _ => 3,
    });
    if let Err(fault) = check_machine(evidence) {
        if !evidence.answered {
            return (vec![not_booted(faults, fault, evidence)], None);
        }
        faults.push(fault);
        return (faults, None);
    }
    let facts = read_facts(evidence).and_then(|facts| check_whole(case, facts));
    let facts = match facts.and_then(|facts| check_console(evidence).map(|()| facts)) {
        Ok(facts) => facts,
        Err(fault) => {
            faults.push(fault);
            return (faults, None);
        }
    };
    let offered = offered(case, &facts);
    let transcript = transcript::write(case.scenario, &facts, &offered);
    faults.extend(check_facts(case, &facts, &offered, !faults.is_empty()));
    if let (Some(Expect::Mismatch(title)), Some(refusal)) =
        (&case.scenario.expect, refusal(evidence))
        && *title == refusal
    {
        faults.push(Fault::new(Verdict::Mismatch, refusal));
    }
    (faults, Some(transcript))
}

/// What the kernel reported, on the console or, where messages of that level do
/// not go there, in its log, and the memory that it lost.
pub fn reports(evidence: &Evidence, modules: &[Module]) -> Vec<Report> {
    let mut reports = kernel_report::find(evidence.console.as_deref().unwrap_or_default());
    let facts: Vec<Fact> = told(evidence).collect();
    let mut text = String::new();
    for fact in &facts {
        match fact {
            Fact::Log { records, .. } => {
                for record in records {
                    text.extend([record.text.as_str(), "\n"]);
                }
            }
            Fact::Leaks {
                objects: Some(objects),
                since,
            } => {
                // The console only counts what is listed here.
                reports.retain(|report| report.kind != Kind::Leak);
                let (_, lost) = leak::split(objects, *since);
                text.push_str(&leak::name(&lost, &codes(&facts, modules)));
            }
            _ => {}
        }
    }
    let mut new = kernel_report::find(&text);
    new.retain(|report| !reports.iter().any(|known| known.title == report.title));
    reports.extend(new);
    reports
}

/// Titles of the memory that the kernel had lost, or was about to lose, before the plan began.
pub fn earlier_leaks(evidence: &Evidence) -> Vec<String> {
    let objects = told(evidence).filter_map(|fact| match fact {
        Fact::Leaks { objects, since } => Some(leak::split(&objects?, since).0),
        _ => None,
    });
    let reports = objects.flat_map(|objects| kernel_report::find(&objects));
    reports.map(|report| report.title).collect()
}

/// Where each module's code was.
fn codes<'a>(facts: &'a [Fact], modules: &'a [Module]) -> Vec<(&'a Module, &'a Code)> {
    let code = |fact: &'a Fact| match fact {
        Fact::Inserted {
            module,
            code: Some(code),
            ..
        } => Some((modules.iter().find(|known| known.name == *module)?, code)),
        _ => None,
    };
    facts.iter().filter_map(code).collect()
}

/// The facts as they came, as far as they can be read.
pub fn told(evidence: &Evidence) -> impl Iterator<Item = Fact> {
    let lines = evidence.port.iter();
    lines.filter_map(|line| Some(serde_json::from_str::<Line>(line).ok()?.fact))
}

/// The first thing that the kernel, or libbpf, refused. By itself that is no fault:
/// the snapshot may have it. A program that was loaded by itself is none of these: it
/// is there to see whether it is refused.
pub fn refusal(evidence: &Evidence) -> Option<String> {
    let refusal = told(evidence).find_map(|fact| match fact {
        Fact::Inserted {
            module,
            error: Some(error),
            ..
        } => Some(format!("module {module} was refused: {error}")),
        Fact::Loaded { program: None, .. } => {
            refusal::of(&fact).map(|Refusal { name, .. }| format!("program {name} was refused"))
        }
        Fact::Attached {
            program,
            section,
            error: Some(_),
            ..
        } => Some(format!("{program} was not attached to {section}")),
        _ => None,
    });
    refusal.map(|title| kernel_report::stable(&title))
}

fn reported(report: &Report) -> Fault {
    let verdict = match report.kind {
        Kind::OutOfMemory => Verdict::Oom,
        Kind::Panic => Verdict::Panic,
        Kind::Report | Kind::Stall => Verdict::Report,
        Kind::Leak => Verdict::Leak,
    };
    Fault {
        stops: report.stops || verdict == Verdict::Oom,
        ..Fault::new(verdict, report.title.clone()).because(report.text.clone())
    }
}

/// Whether the fault that decides is the expected one, and no other is there but
/// what follows from it.
fn meet(expect: &Expect, faults: &[Fault]) -> Result<(), Fault> {
    let (verdict, title) = expected(expect);
    let is_expected = |fault: &Fault| fault.verdict == verdict && fault.title == title;
    let other = match faults {
        [] => None,
        [first, rest @ ..] if is_expected(first) => {
            match rest.iter().find(|fault| !follows(first, fault)) {
                None => return Ok(()),
                other => other,
            }
        }
        [first, ..] => Some(first),
    };
    let seen = other.map_or("no fault".to_owned(), |fault| {
        format!("{}: {}", fault.verdict, fault.title)
    });
    let title = format!("expected only {verdict}: {title}, but there is {seen}");
    let reason = other.map_or("", |fault| &fault.reason);
    Err(Fault::new(Verdict::Mismatch, title).because(reason))
}

/// The verdict and title that an expectation is of.
pub fn expected(expect: &Expect) -> (Verdict, &str) {
    match expect {
        Expect::Mismatch(title) => (Verdict::Mismatch, title),
        Expect::Report(title) => (Verdict::Report, title),
        Expect::Panic(title) => (Verdict::Panic, title),
        Expect::Hang(title) => (Verdict::Hang, title),
        Expect::Oom(title) => (Verdict::Oom, title),
        Expect::Leak(title) => (Verdict::Leak, title),
        Expect::Lost(title) => (Verdict::Lost, title),
    }
}

/// Whether a fault is what an earlier one may bring with it: a kernel that
/// stopped or killed the guest program brings anything, one that reports a
/// stall hangs, one that takes no BTF of a module shows none, and what holds a
/// module keeps it in.
fn follows(earlier: &Fault, fault: &Fault) -> bool {
    match (earlier.verdict, fault.verdict) {
        _ if earlier.stops => true,
        (Verdict::Report, Verdict::Hang) => true,
        (Verdict::Report, _) if earlier.title.starts_with("BPF: ") => {
            fault.title == MISSING_BTF || fault.title.ends_with(NO_BTF)
        }
        (Verdict::Leak, Verdict::Leak) => {
            earlier.title.ends_with(LEFT) && fault.title.ends_with(NOT_REMOVED)
        }
        _ => false,
    }
}

/// What titles of faults end with that follow from others, or that others follow from.
const NO_BTF: &str = " has no BTF";
const LEFT: &str = " left behind";
const NOT_REMOVED: &str = " could not be removed";
/// The kernel's report of a module whose BTF it did not take.
const MISSING_BTF: &str = "BPF: missing module BTF";

/// How the machine itself fared: deadline, shutdown.
fn check_machine(evidence: &Evidence) -> Result<(), Fault> {
    let Some(console) = &evidence.console else {
        return Err(not_started(evidence));
    };
    if let Some(place) = evidence.flood {
        let title = format!("the guest wrote too much: {place}");
        let reason = format!("more than {} MiB; the rest was not read", MOST >> 20);
        return Err(Fault::new(Verdict::Lost, title).because(reason));
    }
    if evidence.timed_out {
        let title = if evidence.answered {
            "deadline passed"
        } else {
            "deadline passed before the guest answered"
        };
        return Err(Fault::new(Verdict::Hang, title).because(tail(console)));
    }
    let said_why = !evidence.stderr.trim().is_empty();
    let is_silent = console.trim().is_empty();
    if evidence.shutdown.is_none() && !evidence.answered && (said_why || is_silent) {
        return Err(not_started(evidence));
    }
    match &evidence.shutdown {
        Some(shutdown) if !shutdown.guest && shutdown.reason == "host-qmp-quit" => {}
        Some(shutdown) => {
            let title = format!("the machine was shut down: {}", shutdown.reason);
            return Err(Fault::new(Verdict::Lost, title).because(tail(console)));
        }
        None => {
            let trouble = evidence.trouble.as_deref().unwrap_or_default();
            let reason = format!("{}\n{trouble}", tail(console));
            return Err(
                Fault::new(Verdict::Lost, "QEMU ended without a word").because(reason.trim())
            );
        }
    }
    if let Some(trouble) = &evidence.trouble {
        return Err(
            Fault::new(Verdict::Lost, "the guest stopped answering").because(trouble.clone())
        );
    }
    Ok(())
}

/// A console that shows nothing shows no report either. A guest that did not
/// come to its end has nothing to show.
fn check_console(evidence: &Evidence) -> Result<(), Fault> {
    let console = evidence.console.as_deref().unwrap_or_default();
    if console.contains(DONE) {
        return Ok(());
    }
    let title = "the console does not show the guest";
    Err(Fault::new(Verdict::Lost, title).because(tail(console)))
}

/// What a machine comes to that ended before its guest answered: the kernel does not boot, and
/// nothing was tested, unless it was the host that ended it. A kernel that stopped has said why;
/// other reports come of kernels that boot as well.
fn not_booted(reported: Vec<Fault>, ended: Fault, evidence: &Evidence) -> Fault {
    let by_guest = evidence.shutdown.as_ref().is_some_and(|end| end.guest);
    let stopped = reported.into_iter().find(|fault| fault.stops);
    let why = match (stopped, ended.verdict) {
        (_, Verdict::Infra) => return ended,
        (Some(stopped), _) => stopped,
        (None, Verdict::Lost) if !by_guest => return ended,
        (None, _) => ended,
    };
    let title = format!("the kernel does not boot: {}", why.title);
    Fault::new(Verdict::Infra, title).because(why.reason)
}

fn not_started(evidence: &Evidence) -> Fault {
    let said = [
        evidence.trouble.clone().unwrap_or_default(),
        evidence.stderr.clone(),
    ]
    .join("\n");
    Fault::new(Verdict::Infra, "QEMU did not start").because(bounded(said.trim()))
}

/// The facts, when both ways out tell the same and nothing is missing.
fn read_facts(evidence: &Evidence) -> Result<Vec<Fact>, Fault> {
    let lost = |title: &str, reason: String| Fault::new(Verdict::Lost, title).because(reason);
    let file = evidence.file.as_deref().unwrap_or_default();
    let ended = match evidence.exit_code {
        Some(0) => None,
        Some(code) if code > 128 => Some(format!("was killed by signal {}", code - 128)),
        Some(code) => Some(match failure(evidence) {
            Some(error) => format!("gave up: {}", kernel_report::stable(&error)),
            None => format!("ended with status {code}"),
        }),
        None => Some("did not end".to_owned()),
    };
    if let Some(how) = ended {
        return Err(lost(&format!("the guest program {how}"), tail(file)));
    }
    let mut facts = Vec::new();
    for (place, text) in evidence.port.iter().enumerate() {
        let line: Line = serde_json::from_str(text).map_err(|error| {
            lost(
                "the guest wrote garbage",
                bounded(&format!("line {place}: {error}: {text}")),
            )
        })?;
        if line.seq != place as u64 {
            return Err(lost(
                "facts are missing",
                format!("line {place} has number {}", line.seq),
            ));
        }
        facts.push(line.fact);
    }
    match facts
        .iter()
        .position(|fact| matches!(fact, Fact::End { .. }))
    {
        None => return Err(lost("no closing record", tail(file))),
        Some(end) if end + 1 != facts.len() => {
            return Err(lost("facts follow the closing record", tail(file)));
        }
        Some(end) if facts[end] != (Fact::End { facts: end as u64 }) => {
            return Err(lost("the closing record counts other facts", tail(file)));
        }
        Some(_) => {}
    }
    if !evidence.port.iter().map(String::as_str).eq(file.lines()) {
        // vmtest leaves out what is no text.
        let mut whole = file
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        if let Some(garbage) = whole.find(|line| serde_json::from_str::<Line>(line).is_err()) {
            return Err(lost("the guest wrote garbage", tail(garbage)));
        }
        return Err(lost(
            "the command port and the share tell different facts",
            tail(file),
        ));
    }
    match facts.first() {
        Some(Fact::Start {
            protocol: PROTOCOL, ..
        }) => Ok(facts),
        _ => Err(lost("no opening record of this protocol", tail(file))),
    }
}

/// The last thing that the guest program could not do.
fn failure(evidence: &Evidence) -> Option<String> {
    let lines = evidence.port.iter().rev();
    let mut facts = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    match facts.next()?.fact {
        Fact::Failed { error } => Some(error),
        _ => None,
    }
}

/// What complete facts say by themselves, whatever the snapshot.
fn check_facts(case: &Case, facts: &[Fact], offered: &Offered, is_reported: bool) -> Vec<Fault> {
    let contracts = case
        .modules
        .iter()
        .map(|module| check_contract(module, facts, offered));
    // What a module's users left behind is why it could not be removed.
    let mut order: Vec<&Fact> = facts.iter().collect();
    order.sort_by_key(|fact| matches!(fact, Fact::Removed { .. }));
    let others = order.into_iter().flat_map(|fact| {
        [
            check_left(fact, is_reported),
            check_counts(case.scenario, facts, fact),
            check_storm(case.scenario, fact),
        ]
    });
    contracts.chain(others).filter_map(Result::err).collect()
}

/// The facts, where they are those of a plan that was followed to its end.
fn check_whole(case: &Case, facts: Vec<Fact>) -> Result<Vec<Fact>, Fault> {
    facts
        .iter()
        .try_for_each(|fact| check_capture(case, fact))?;
    check_complete(case, &facts)?;
    Ok(facts)
}

/// Every part of the plan has its fact, once and in its place, and they are of
/// the kernel that was asked for.
fn check_complete(case: &Case, facts: &[Fact]) -> Result<(), Fault> {
    let names = |kind: &'static str, names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("{kind} {name}")).collect()
    };
    let mut inserted: Vec<String> = facts.iter().filter_map(inserted).cloned().collect();
    inserted.reverse();
    let steps: Vec<String> = (0..case.scenario.steps.len())
        .map(|step| step.to_string())
        .collect();
    let mut running: Vec<String> = facts.iter().filter_map(running).collect();
    running.reverse();
    let modules: Vec<String> = case
        .modules
        .iter()
        .map(|module| module.name.clone())
        .collect();
    let due = [
        vec![format!("start {}", case.release)],
        names("insert", &modules),
        names("load", &scenario::names(&case.scenario.bpf)),
        names("step", &steps),
        shown(&case.scenario.show),
        names("end of step", &running),
        vec!["trace".to_owned()],
        names("remove", &inserted),
        ["left", "log", "leaks", "end"].map(str::to_owned).to_vec(),
    ]
    .concat();
    let seen: Vec<String> = facts.iter().filter_map(part).collect();
    if seen == due {
        return Ok(());
    }
    let reason = format!("due:  {}\nseen: {}", due.join(", "), seen.join(", "));
    if seen.first() != due.first() {
        return Err(
            Fault::new(Verdict::Infra, "another kernel was started").because(bounded(&reason))
        );
    }
    Err(Fault::new(Verdict::Lost, "the facts are not those of the plan").because(bounded(&reason)))
}

/// What a scenario has looked up.
fn shown(show: &Show) -> Vec<String> {
    let lists = [(show.modules, "modules"), (show.programs, "programs")];
    let lists = lists.into_iter().filter(|(is_shown, _)| *is_shown);
    let maps = show.maps.iter().map(|map| format!("map {map}"));
    lists.map(|(_, list)| list.to_owned()).chain(maps).collect()
}

/// The module that a fact says was inserted.
fn inserted(fact: &Fact) -> Option<&String> {
    match fact {
        Fact::Inserted {
            module,
            error: None,
            ..
        } => Some(module),
        _ => None,
    }
}

/// The step whose command goes on behind this fact.
fn running(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Stepped {
            step,
            outcome:
                Ok(Outcome::Command(Command {
                    state: State::Ready,
                    ..
                })),
        } => Some(step.to_string()),
        _ => None,
    }
}

/// The part of the plan that a fact is of. How many programs an object has, only
/// the object knows; the transcript names them.
fn part(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::Start { release, .. } => format!("start {release}"),
        Fact::Inserted { module, .. } => format!("insert {module}"),
        Fact::Loaded {
            object,
            program: None,
            ..
        } => format!("load {object}"),
        Fact::Loaded { .. } | Fact::Attached { .. } | Fact::Exited { .. } => return None,
        Fact::Stepped { step, .. } => format!("step {step}"),
        Fact::Ended { step, .. } => format!("end of step {step}"),
        Fact::Modules { .. } => "modules".to_owned(),
        Fact::Programs { .. } => "programs".to_owned(),
        Fact::Map { map, .. } => format!("map {map}"),
        Fact::Trace { .. } => "trace".to_owned(),
        Fact::Removed { module, .. } => format!("remove {module}"),
        Fact::Left { .. } => "left".to_owned(),
        Fact::Log { .. } => "log".to_owned(),
        Fact::Leaks { .. } => "leaks".to_owned(),
        Fact::Failed { .. } => "failed".to_owned(),
        Fact::End { .. } => "end".to_owned(),
    })
}

/// The title of a run of which the kernel log is not whole.
pub const LOG_OVERFLOW: &str = "the kernel log overflowed";

fn check_capture(case: &Case, fact: &Fact) -> Result<(), Fault> {
    match fact {
        Fact::Failed { error } => {
            Err(Fault::new(Verdict::Infra, "the plan could not be followed")
                .because(bounded(error)))
        }
        Fact::Trace { lost: 1.., .. } => {
            Err(Fault::new(Verdict::Lost, "the trace buffer overflowed"))
        }
        Fact::Log { lost: 1.., .. } => Err(Fault::new(Verdict::Lost, LOG_OVERFLOW)),
        Fact::Leaks { objects: None, .. } if case.has_kmemleak => Err(Fault::new(
            Verdict::Lost,
            "the kernel did not look for leaks",
        )),
        _ => Ok(()),
    }
}

/// The kfuncs that the kernel shows of each module that was inserted: those of
/// the module that both its BTF and kallsyms name.
fn offered(case: &Case, facts: &[Fact]) -> Offered {
    let mut offered = Offered::new();
    for fact in facts {
        let Fact::Inserted {
            module: name,
            error: None,
            btf: Ok(btf),
            symbols,
            ..
        } = fact
        else {
            continue;
        };
        let Some(module) = case.modules.iter().find(|module| module.name == *name) else {
            continue;
        };
        let functions = btf::functions(btf, case.base_strings).unwrap_or_default();
        let shown = module
            .kfuncs
            .iter()
            .filter(|kfunc| functions.contains(kfunc) && symbols.contains(kfunc));
        offered.insert(name.clone(), shown.cloned().collect());
    }
    offered
}

/// A module that is in shows its BTF, and its kfuncs there and in kallsyms.
fn check_contract(module: &Module, facts: &[Fact], offered: &Offered) -> Result<(), Fault> {
    let inserted = facts.iter().find_map(|fact| match fact {
        Fact::Inserted {
            module: name,
            error: None,
            btf,
            ..
        } if *name == module.name => Some(btf),
        _ => None,
    });
    let Some(btf) = inserted else { return Ok(()) };
    if let Err(error) = btf {
        let reason = format!("read `/sys/kernel/btf/{}`: {error}", module.name);
        return Err(
            Fault::new(Verdict::Mismatch, format!("{}{NO_BTF}", module.name)).because(reason),
        );
    }
    let shown = offered
        .get(&module.name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    match module.kfuncs.iter().find(|kfunc| !shown.contains(kfunc)) {
        None => Ok(()),
        Some(kfunc) => {
            let title = format!("{} does not offer {kfunc}", module.name);
            let reason = "the module defines it, but its BTF or kallsyms does not name it";
            Err(Fault::new(Verdict::Mismatch, title).because(reason))
        }
    }
}

/// Taints that every module of ours brings: out-of-tree and unsigned
/// (Documentation/admin-guide/tainted-kernels.rst).
const EXPECTED_TAINT: u64 = 1 << 12 | 1 << 13;

/// Taints that a report brings: bad page, oops, warning, soft lockup.
const REPORT_TAINT: u64 = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 14;

fn check_left(fact: &Fact, is_reported: bool) -> Result<(), Fault> {
    match fact {
        Fact::Removed {
            module,
            error: Some(error),
        } => {
            let title = format!("module {module}{NOT_REMOVED}");
            Err(Fault::new(Verdict::Leak, title).because(error.clone()))
        }
        Fact::Left {
            programs,
            maps,
            links,
            taint_before,
            taint,
        } => {
            // A link holds its program, and a program its maps.
            let kinds = [
                ("link", *links),
                ("program", programs.len()),
                ("map", maps.len()),
            ];
            if let Some((kind, count)) = kinds.into_iter().find(|(_, count)| *count > 0) {
                let names = [programs.as_slice(), maps].concat().join(", ");
                let title = format!("{count} BPF {kind}{LEFT}");
                return Err(Fault::new(Verdict::Leak, title).because(bounded(&names)));
            }
            let known = EXPECTED_TAINT | if is_reported { REPORT_TAINT } else { 0 };
            match taint & !taint_before & !known {
                0 => Ok(()),
                bits => Err(Fault::new(
                    Verdict::Leak,
                    format!("the kernel is tainted: {bits:#x}"),
                )),
            }
        }
        _ => Ok(()),
    }
}

/// A `udp` step counts its packets three ways, which must agree.
fn check_counts(scenario: &Scenario, facts: &[Fact], fact: &Fact) -> Result<(), Fault> {
    let Fact::Stepped {
        step,
        outcome:
            Ok(Outcome::Udp {
                sent,
                seen,
                dropped,
                delivered,
                sentinel,
                ..
            }),
    } = fact
    else {
        return Ok(());
    };
    let Some(Step::Udp { packets }) = scenario.steps.get(*step).map(|asked| &asked.step) else {
        return Ok(());
    };
    let attached = |kind: &str| {
        facts.iter().any(|fact| {
            matches!(fact, Fact::Attached { section, error: None, .. } if section.starts_with(kind))
        })
    };
    let in_order = delivered.windows(2).all(|pair| pair[0] < pair[1])
        && delivered.last().is_none_or(|last| *last < packets.len());
    let arrived: BTreeSet<&usize> = delivered.iter().collect();
    let gone = |datagram: bool| {
        let places = packets.iter().enumerate();
        let gone = places.filter(|(place, packet)| {
            step::has_datagram(packet) == datagram && !arrived.contains(place)
        });
        gone.count() as u64
    };
    // What has no datagram of its own may have been dropped or not; the
    // classifier's count bounds it. What XDP and cgroups drop no qdisc counts.
    let (missing, strays) = (gone(true), gone(false));
    let agree = *sent == packets.len() as u64 + 1
        && *sentinel
        && in_order
        && (attached("tc") == attached("xdp") || seen == sent)
        && *dropped <= missing + strays
        && (*dropped >= missing || attached("xdp") || attached("cgroup"));
    if agree {
        return Ok(());
    }
    let reason = format!(
        "{sent} sent, {seen} classified, {dropped} dropped, delivered {delivered:?}, and the sentinel {}",
        if *sentinel { "too" } else { "not" }
    );
    Err(Fault::new(Verdict::Mismatch, "the packet counts disagree").because(bounded(&reason)))
}

/// A `storm` step has no packet that the module and the decoder disagree on, and
/// has really tested what it says: its packets were all handled, they were of
/// every kind and layout, and of each layout some were to be dropped and some not.
fn check_storm(scenario: &Scenario, fact: &Fact) -> Result<(), Fault> {
    let Fact::Stepped {
        step,
        outcome: Ok(Outcome::Storm(storm)),
    } = fact
    else {
        return Ok(());
    };
    let Some(Step::Storm {
        packets,
        seed,
        decoder,
    }) = scenario.steps.get(*step).map(|asked| &asked.step)
    else {
        return Ok(());
    };
    let mismatch = |title: &str, reason: String| {
        let reason = format!("{packets} packets of seed {seed}: {reason}");
        Err(Fault::new(Verdict::Mismatch, title).because(reason))
    };
    if storm.disagreements > 0 {
        let examples = storm.examples.iter().map(|it| disagreement(it, *decoder));
        let examples: String = examples.collect();
        let reason = format!("{} of them{examples}", storm.disagreements);
        let title = format!("the module and {decoder} disagree on a packet");
        return mismatch(&title, reason);
    }
    let sums = [false, true].map(|paged| {
        let of_layout = storm.tallies.iter().filter(|tally| tally.paged == paged);
        of_layout.fold((0, 0), |(sent, dropped), tally| {
            (sent + tally.sent, dropped + tally.dropped)
        })
    });
    let [(linear, linear_drops), (paged, paged_drops)] = sums;
    let agree = storm.seed == *seed
        && linear + paged == u64::from(*packets)
        && storm.closed == storm.batches
        && storm.seen == linear + paged + storm.batches
        && storm.paged == paged
        && storm.dropped == linear_drops + paged_drops
        && storm.apart_seen == storm.apart
        && storm.delivered + storm.dropped == linear + paged;
    if !agree {
        return mismatch("the packet counts disagree", format!("{storm:?}"));
    }
    let is_sent = |kind: PacketKind, paged: bool| {
        let is_its = |tally: &Tally| tally.kind == kind && tally.paged == paged;
        storm
            .tallies
            .iter()
            .any(|tally| is_its(tally) && tally.sent > 0)
    };
    let has_all = PacketKind::ALL
        .into_iter()
        .all(|kind| is_sent(kind, false) && is_sent(kind, true));
    let is_mixed = |(sent, dropped): (u64, u64)| 0 < dropped && dropped < sent;
    // What is said of their differences is to be seen as well.
    let differ = storm.apart > 0 || *decoder == Decoder::Prost;
    if has_all && differ && sums.into_iter().all(is_mixed) {
        return Ok(());
    }
    let reason = format!("{:?}; it takes more packets", storm.tallies);
    mismatch("the storm lacks a kind of packet", reason)
}

/// One packet that the module and the decoder disagree on. All of it is in the facts.
fn disagreement(example: &Disagreement, decoder: Decoder) -> String {
    let (module, decided) = match example.dropped {
        true => ("accepted", "drop"),
        false => ("dropped", "accept"),
    };
    let layout = example.linear.map_or("linear".to_owned(), |end| {
        format!("non-linear from byte {end} on")
    });
    let frame = &example.frame[..example.frame.len().min(256)];
    let rest = (example.frame.len() - frame.len()) / 2;
    let more = match rest {
        0 => String::new(),
        _ => format!(" and {rest} bytes more"),
    };
    format!(
        "\npacket {} ({:?}, {layout}): the module {module} it, {decoder} says {decided}\n  {frame}{more}",
        example.packet, example.kind
    )
}

/// The last lines of a text, for a reason.
fn tail(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().rev().take(15).map(short).collect();
    lines.reverse();
    lines.join("\n")
}

/// The first lines of what a guest may have made any length.
fn bounded(text: &str) -> String {
    let lines: Vec<String> = text.lines().take(LINES).map(short).collect();
    lines.join("\n")
}

/// As much of a line as a person would read.
fn short(line: &str) -> String {
    match line.char_indices().nth(500) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Part;
    use crate::step::Asked;
    use crate::vm::Shutdown;
    use kassay_guest::{Packet, Record, Storm};

    const RELEASE: &str = "6.11.0";

    fn scenario() -> Scenario {
        let names = ["drop", "accept"].map(str::to_owned).to_vec();
        let packets = vec![Packet::default(); names.len()];
        let udp = Asked {
            step: Step::Udp { packets },
            names,
        };
        let part = |name: &str| Part {
            name: name.to_owned(),
            path: name.into(),
            ..Part::default()
        };
        Scenario {
            name: "case".to_owned(),
            path: "case.toml".into(),
            about: String::new(),
            modules: vec![part("m")],
            bpf: vec![part("b")],
            each: false,
            host_root: false,
            requires: Default::default(),
            expect: None,
            timeout: None,
            sysctl: Default::default(),
            without: Vec::new(),
            show: Show::default(),
            steps: vec![Step::Unlink { times: 1 }.into(), udp],
        }
    }

    fn udp(sent: u64, seen: u64, dropped: u64, delivered: &[usize], sentinel: bool) -> Fact {
        Fact::Stepped {
            step: 1,
            outcome: Ok(Outcome::Udp {
                pid: 71,
                sent,
                seen,
                dropped,
                delivered: delivered.to_vec(),
                sentinel,
            }),
        }
    }

    fn left(programs: &[&str], maps: &[&str], links: usize, taint: u64) -> Fact {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Fact::Left {
            programs: names(programs),
            maps: names(maps),
            links,
            taint_before: 0,
            taint,
        }
    }

    fn log(text: &str, lost: u64) -> Fact {
        let text = text.to_owned();
        Fact::Log {
            records: vec![Record {
                level: 6,
                time_us: 0,
                text,
            }],
            lost,
        }
    }

    fn leaks(objects: Option<&str>) -> Fact {
        Fact::Leaks {
            objects: objects.map(str::to_owned),
            since: 5000,
        }
    }

    fn inserted(btf: Result<Vec<u8>, String>, symbols: &[&str]) -> Fact {
        Fact::Inserted {
            module: "m".to_owned(),
            error: None,
            btf,
            symbols: symbols.iter().map(|name| (*name).to_owned()).collect(),
            code: None,
        }
    }

    /// The facts of a run in which all is well, without the closing record.
    fn facts() -> Vec<Fact> {
        vec![
            Fact::Start {
                protocol: PROTOCOL,
                release: RELEASE.to_owned(),
            },
            inserted(Ok(btf::sample()), &["f"]),
            Fact::Loaded {
                object: "b".to_owned(),
                program: None,
                error: None,
                log: String::new(),
            },
            Fact::Attached {
                object: "b".to_owned(),
                program: "p".to_owned(),
                section: "tc/ingress".to_owned(),
                error: None,
            },
            Fact::Stepped {
                step: 0,
                outcome: Ok(Outcome::Unlink {
                    pid: 70,
                    unlinked: 1,
                }),
            },
            udp(3, 3, 1, &[1], true),
            Fact::Trace {
                lines: Vec::new(),
                lost: 0,
            },
            Fact::Removed {
                module: "m".to_owned(),
                error: None,
            },
            left(&[], &[], 0, EXPECTED_TAINT),
            log("Hello, world!", 0),
            leaks(Some("")),
        ]
    }

    /// What a machine leaves that reported these facts and a closing record.
    fn evidence(mut facts: Vec<Fact>) -> Evidence {
        facts.push(Fact::End {
            facts: facts.len() as u64,
        });
        let lines = facts
            .into_iter()
            .zip(0..)
            .map(|(fact, seq)| Line { seq, fact });
        let port: Vec<String> = lines
            .map(|line| serde_json::to_string(&line).unwrap())
            .collect();
        Evidence {
            answered: true,
            file: Some(port.join("\n") + "\n"),
            port,
            console: Some(format!("{DONE}\n")),
            shutdown: Some(Shutdown {
                guest: false,
                reason: "host-qmp-quit".to_owned(),
            }),
            exit_code: Some(0),
            ..Evidence::default()
        }
    }

    fn judged(evidence: &Evidence) -> String {
        judged_by(&scenario(), evidence)
    }

    /// The judgement of a scenario that expects a verdict.
    fn expecting(expect: Expect, evidence: &Evidence) -> String {
        let expect = Some(expect);
        judged_by(
            &Scenario {
                expect,
                ..scenario()
            },
            evidence,
        )
    }

    fn judged_by(scenario: &Scenario, evidence: &Evidence) -> String {
        let module = Module {
            name: "m".to_owned(),
            file: "m.ko".into(),
            kfuncs: vec!["f".to_owned()],
        };
        match judge(&case(scenario, &[module]), evidence).0 {
            Ok(()) => "no fault".to_owned(),
            Err(fault) => format!("{}: {}", fault.verdict, fault.title),
        }
    }

    fn case<'a>(scenario: &'a Scenario, modules: &'a [Module]) -> Case<'a> {
        Case {
            scenario,
            modules,
            release: RELEASE,
            base_strings: btf::SAMPLE_BASE,
            has_kmemleak: true,
        }
    }

    /// The judgement of evidence that was whole before this change.
    fn after(change: impl FnOnce(&mut Evidence)) -> String {
        let mut evidence = evidence(facts());
        change(&mut evidence);
        judged(&evidence)
    }

    /// The judgement when the lines of both ways out were changed alike.
    fn after_lines(change: impl FnOnce(&mut Vec<String>)) -> String {
        after(|evidence| {
            change(&mut evidence.port);
            evidence.file = Some(evidence.port.join("\n"));
        })
    }

    /// The judgement of a run in which this fact stands in place of its like.
    fn with(fact: Fact) -> String {
        let mut facts = facts();
        let place = facts
            .iter()
            .position(|other| part(other) == part(&fact))
            .unwrap();
        facts[place] = fact;
        judged(&evidence(facts))
    }

    #[test]
    fn a_command_that_goes_on_has_an_end() {
        let command = |state| Command {
            pids: (70, 72),
            state,
            lines: Vec::new(),
        };
        let stepped = |state| Fact::Stepped {
            step: 0,
            outcome: Ok(Outcome::Command(command(state))),
        };
        let mut scenario = scenario();
        let asked = ["x", "r", "/"].map(str::to_owned);
        let [line, ready, directory] = asked;
        scenario.steps[0] = Step::Command {
            line,
            ready: Some(ready),
            directory,
        }
        .into();
        let mut facts = facts();
        let lost = "lost: the facts are not those of the plan";
        facts[4] = stepped(State::Ready);
        assert_eq!(judged_by(&scenario, &evidence(facts.clone())), lost);
        let command = command(State::Ended(0));
        facts.insert(6, Fact::Ended { step: 0, command });
        assert_eq!(judged_by(&scenario, &evidence(facts.clone())), "no fault");
        facts[4] = stepped(State::Ended(0));
        assert_eq!(judged_by(&scenario, &evidence(facts)), lost);
    }

    #[test]
    fn whole_evidence_has_no_fault() {
        assert_eq!(judged(&evidence(facts())), "no fault");
    }

    #[test]
    fn a_closing_record_comes_once_and_last() {
        assert_eq!(
            after_lines(|lines| drop(lines.pop())),
            "lost: no closing record"
        );
        let follow = "lost: facts follow the closing record";
        let again = r#"{"seq":12,"fact":"end","facts":12}"#;
        assert_eq!(after_lines(|lines| lines.push(again.to_owned())), follow);
        let more = r#"{"seq":12,"fact":"trace","lines":[],"lost":0}"#;
        assert_eq!(after_lines(|lines| lines.push(more.to_owned())), follow);
        let other = r#"{"seq":11,"fact":"end","facts":12}"#;
        let title = "lost: the closing record counts other facts";
        assert_eq!(after_lines(|lines| lines[11] = other.to_owned()), title);
    }

    #[test]
    fn what_is_no_line_is_lost() {
        let garbage = "lost: the guest wrote garbage";
        assert_eq!(
            after_lines(|lines| lines.insert(3, "kassay".to_owned())),
            garbage
        );
        assert_eq!(after_lines(|lines| lines[10].truncate(20)), garbage);
        assert_eq!(
            after_lines(|lines| drop(lines.remove(3))),
            "lost: facts are missing"
        );
        let start = r#"{"seq":0,"fact":"start","protocol":0,"release":"6.11.0"}"#;
        let title = "lost: no opening record of this protocol";
        assert_eq!(after_lines(|lines| lines[0] = start.to_owned()), title);
    }

    #[test]
    fn what_only_the_share_shows_as_garbage_is_garbage() {
        let garbled = |evidence: &mut Evidence| {
            let file = evidence.file.as_mut().unwrap();
            file.insert_str(file.find('\n').unwrap() + 1, "\u{fffd}{\n");
        };
        assert_eq!(after(garbled), "lost: the guest wrote garbage");
    }

    #[test]
    fn both_ways_out_tell_the_same() {
        let differ = "lost: the command port and the share tell different facts";
        assert_eq!(after(|evidence| evidence.file = None), differ);
        let half = |evidence: &mut Evidence| evidence.file.as_mut().unwrap().truncate(100);
        assert_eq!(after(half), differ);
        let other = |evidence: &mut Evidence| {
            evidence.file = evidence
                .file
                .take()
                .map(|file| file.replace("Hello", "Howdy"));
        };
        assert_eq!(after(other), differ);
        assert_eq!(
            after(|evidence| evidence.port.clear()),
            "lost: no closing record"
        );
    }

    #[test]
    fn without_any_one_fact_it_is_lost() {
        for place in 0..facts().len() {
            let mut facts = facts();
            let gone = facts.remove(place);
            let verdict = judged(&evidence(facts));
            // The transcript says which programs there were.
            let attached = matches!(gone, Fact::Attached { .. });
            assert_eq!(
                verdict.starts_with("lost: "),
                !attached,
                "{gone:?}: {verdict}"
            );
        }
    }

    #[test]
    fn with_any_one_fact_twice_it_is_lost() {
        for place in 0..facts().len() {
            let mut facts = facts();
            let twice = facts[place].clone();
            facts.insert(place, twice.clone());
            let verdict = judged(&evidence(facts));
            let attached = matches!(twice, Fact::Attached { .. });
            assert_ne!(verdict == "no fault", !attached, "{twice:?}: {verdict}");
        }
    }

    #[test]
    fn a_refused_object_has_a_title_and_a_program_by_itself_has_none() {
        let refused = |program: Option<&str>| Fact::Loaded {
            object: "b".to_owned(),
            program: program.map(str::to_owned),
            error: Some("Invalid argument".to_owned()),
            log: String::new(),
        };
        let mut facts = facts();
        facts.insert(3, refused(Some("p")));
        let evidence = |facts: &[Fact]| self::evidence(facts.to_vec());
        assert_eq!(judged(&evidence(&facts)), "no fault");
        assert_eq!(refusal(&evidence(&facts)), None);
        facts[2] = refused(None);
        let title = Some("program b was refused".to_owned());
        assert_eq!(refusal(&evidence(&facts)), title);
    }

    #[test]
    fn a_guest_program_ends_by_itself() {
        let end = |code| after(|evidence| evidence.exit_code = code);
        assert_eq!(
            end(Some(137)),
            "lost: the guest program was killed by signal 9"
        );
        assert_eq!(end(Some(1)), "lost: the guest program ended with status 1");
        assert_eq!(end(None), "lost: the guest program did not end");
    }

    #[test]
    fn a_guest_program_that_gives_up_says_why() {
        let error = "write the facts to the share".to_owned();
        let mut facts = facts();
        facts[1] = Fact::Failed { error };
        let mut evidence = evidence(facts);
        evidence.port.truncate(2);
        evidence.exit_code = Some(1);
        let title = "lost: the guest program gave up: write the facts to the share";
        assert_eq!(judged(&evidence), title);
    }

    #[test]
    fn a_guest_that_did_not_end_is_not_looked_for_on_the_console() {
        let killed = |evidence: &mut Evidence| {
            (evidence.exit_code, evidence.console) = (Some(137), Some(String::new()));
        };
        let title = "lost: the guest program was killed by signal 9";
        assert_eq!(after(killed), title);
    }

    #[test]
    fn incomplete_facts_are_not_compared() {
        let expect = Expect::Lost("the facts are not those of the plan".to_owned());
        let scenario = Scenario {
            expect: Some(expect),
            ..scenario()
        };
        let evidence = evidence(facts()[..1].to_vec());
        let case = case(&scenario, &[]);
        assert_eq!(judge(&case, &evidence), (Ok(()), None));
    }

    #[test]
    fn a_machine_ends_when_the_host_says_so() {
        assert_eq!(
            after(|evidence| evidence.timed_out = true),
            "hang: deadline passed"
        );
        let end = |shutdown| after(|evidence| evidence.shutdown = shutdown);
        let by = |guest, reason: &str| {
            end(Some(Shutdown {
                guest,
                reason: reason.to_owned(),
            }))
        };
        assert_eq!(
            by(true, "guest-shutdown"),
            "lost: the machine was shut down: guest-shutdown"
        );
        assert_eq!(
            by(false, "host-signal"),
            "lost: the machine was shut down: host-signal"
        );
        assert_eq!(end(None), "lost: QEMU ended without a word");
        let trouble = Some("no answer".to_owned());
        let title = "lost: the guest stopped answering";
        assert_eq!(after(|evidence| evidence.trouble = trouble), title);
    }

    #[test]
    fn a_console_that_cannot_be_read_is_no_clean_one() {
        let console =
            |text: Option<&str>| after(|evidence| evidence.console = text.map(str::to_owned));
        assert_eq!(console(None), "infra: QEMU did not start");
        assert_eq!(
            console(Some("")),
            "lost: the console does not show the guest"
        );
        assert_eq!(
            console(Some("[    0.1] Linux version 6.11")),
            "lost: the console does not show the guest"
        );
        let said = |text: &str| console(Some(&format!("{DONE}\n[    1.0] {text}\n")));
        assert_eq!(said("Kernel panic - not syncing: no"), "panic: panic: no");
        assert_eq!(
            said("Out of memory: Killed process 70 (m)"),
            "oom: Out of memory"
        );
        assert_eq!(said("BUG: no"), "report: BUG: no");
    }

    #[test]
    fn a_guest_that_writes_too_much_is_lost_whatever_else_it_is() {
        let flood = |evidence: &mut Evidence| evidence.flood = Some("console");
        let title = "lost: the guest wrote too much: console";
        assert_eq!(after(flood), title);
        let late = |evidence: &mut Evidence| {
            flood(evidence);
            evidence.timed_out = true;
        };
        assert_eq!(after(late), title);
    }

    #[test]
    fn a_kernel_that_does_not_boot_was_not_tested_whatever_is_expected() {
        let unanswered = |change: fn(&mut Evidence)| {
            let mut evidence = Evidence {
                console: Some("Linux".to_owned()),
                shutdown: Some(Shutdown {
                    guest: true,
                    reason: "guest-reset".to_owned(),
                }),
                ..Evidence::default()
            };
            change(&mut evidence);
            let seen = judged(&evidence);
            let expect = Expect::Panic("panic: no way".to_owned());
            assert_eq!(expecting(expect, &evidence), seen);
            seen
        };
        let no_boot = |why: &str| format!("infra: the kernel does not boot: {why}");
        let panic = unanswered(|evidence| {
            let text = "Kernel panic - not syncing: no way\n---[ end Kernel panic - not syncing: no way ]---\n";
            evidence.console = Some(text.to_owned());
        });
        assert_eq!(panic, no_boot("panic: no way"));
        let late = unanswered(|evidence| evidence.timed_out = true);
        assert_eq!(late, no_boot("deadline passed before the guest answered"));
        let reset = unanswered(|_| ());
        assert_eq!(reset, no_boot("the machine was shut down: guest-reset"));
    }

    #[test]
    fn a_log_in_many_facts_is_one_log() {
        let mut facts = facts();
        let record = |number: u32| log(&format!("BUG: {}", "a".repeat(number as usize)), 0);
        facts.extend((1..3000).map(record));
        let reports = reports(&evidence(facts), &[]);
        assert_eq!(reports[0].title, "BUG: a");
        assert!(reports.len() <= 100, "{}", reports.len());
    }

    #[test]
    fn a_reason_has_lines_that_can_be_read() {
        let error = "long ".repeat(1000) + &"\nmore".repeat(1000);
        let reason = bounded(&error);
        assert_eq!(reason.lines().count(), LINES);
        assert!(reason.lines().all(|line| line.chars().count() <= 501));
    }

    #[test]
    fn a_qemu_that_says_why_was_not_started() {
        let title = after(|evidence| {
            *evidence = Evidence {
                console: Some("QEMU".to_owned()),
                stderr: "no such machine".to_owned(),
                ..Evidence::default()
            };
        });
        assert_eq!(title, "infra: QEMU did not start");
    }

    #[test]
    fn a_qemu_of_which_nothing_was_heard_was_not_started() {
        let title = |console: &str| {
            after(|evidence| {
                *evidence = Evidence {
                    console: Some(console.to_owned()),
                    ..Evidence::default()
                };
            })
        };
        assert_eq!(title(""), "infra: QEMU did not start");
        assert_eq!(title("Linux"), "lost: QEMU ended without a word");
    }

    #[test]
    fn what_was_not_captured_is_lost() {
        let trace = Fact::Trace {
            lines: Vec::new(),
            lost: 1,
        };
        assert_eq!(with(trace), "lost: the trace buffer overflowed");
        assert_eq!(with(log("", 1)), "lost: the kernel log overflowed");
        assert_eq!(
            with(log("BUG: KASAN: use-after-free in f+0x1/0x2", 0)),
            "report: KASAN: use-after-free in f"
        );
        let mut facts = facts();
        facts.push(Fact::Failed {
            error: "no veth".to_owned(),
        });
        assert_eq!(
            judged(&evidence(facts)),
            "infra: the plan could not be followed"
        );
    }

    /// Evidence with these texts more on the console.
    fn printing(facts: Vec<Fact>, texts: &[&str]) -> Evidence {
        let mut evidence = evidence(facts);
        let console = evidence.console.get_or_insert_default();
        texts
            .iter()
            .for_each(|text| *console += &format!("{text}\n"));
        evidence
    }

    const WARNING: &str =
        "WARNING: CPU: 0 PID: 1 at m.c:5 f+0x1/0x2\nRIP: 0010:f+0x1/0x2\n---[ end trace 0 ]---";
    const OOPS: &str = "Oops: Oops: 0000 [#1]\nRIP: 0010:f+0x1/0x2";
    const LOCKUP: &str = "watchdog: BUG: soft lockup - CPU#0 stuck\nRIP: 0010:f+0x1/0x2\n </TASK>";

    #[test]
    fn an_expected_verdict_is_a_pass() {
        let expect = Expect::Report("WARNING in f".to_owned());
        assert_eq!(
            expecting(expect.clone(), &printing(facts(), &[WARNING])),
            "no fault"
        );
        // It brings a taint, and may be repeated.
        let mut tainted = facts();
        tainted[8] = left(&[], &[], 0, 1 << 9);
        let twice = printing(tainted, &[WARNING, WARNING]);
        assert_eq!(expecting(expect, &twice), "no fault");
        let expect = Expect::Panic("Oops in f".to_owned());
        let mut stopped = printing(facts(), &[OOPS]);
        (stopped.exit_code, stopped.file) = (None, None);
        assert_eq!(expecting(expect, &stopped), "no fault");
        let expect = Expect::Report("BUG: soft lockup in f".to_owned());
        let mut late = printing(facts(), &[LOCKUP]);
        late.timed_out = true;
        assert_eq!(expecting(expect, &late), "no fault");
    }

    #[test]
    fn any_other_verdict_than_the_expected_is_a_mismatch() {
        let seen = |facts: Vec<Fact>, texts: &[&str]| {
            let expect = Expect::Report("WARNING in f".to_owned());
            expecting(expect, &printing(facts, texts))
        };
        let due = "mismatch: expected only report: WARNING in f, but there is";
        assert_eq!(seen(facts(), &[]), format!("{due} no fault"));
        assert_eq!(seen(facts(), &[OOPS]), format!("{due} panic: Oops in f"));
        let two = [WARNING, "BUG: another"];
        assert_eq!(seen(facts(), &two), format!("{due} report: BUG: another"));
        let mut leaking = facts();
        leaking[8] = left(&["p"], &[], 0, 0);
        let leak = format!("{due} leak: 1 BPF program left behind");
        assert_eq!(seen(leaking, &[WARNING]), leak);
        let lost = format!("{due} lost: the facts are not those of the plan");
        assert_eq!(seen(facts()[..9].to_vec(), &[WARNING]), lost);
    }

    #[test]
    fn what_stays_may_be_expected_and_nothing_else_with_it() {
        let error = Some("Resource temporarily unavailable".to_owned());
        let module = "m".to_owned();
        let mut facts = facts();
        facts[7] = Fact::Removed { module, error };
        let expect = || Expect::Leak("module m could not be removed".to_owned());
        assert_eq!(expecting(expect(), &evidence(facts.clone())), "no fault");
        facts[8] = left(&["p"], &[], 0, 0);
        let seen = expecting(expect(), &evidence(facts));
        assert!(
            seen.ends_with("but there is leak: 1 BPF program left behind"),
            "{seen}"
        );
    }

    #[test]
    fn what_holds_a_module_keeps_it_in() {
        let error = Some("Resource temporarily unavailable".to_owned());
        let module = "m".to_owned();
        let mut facts = facts();
        facts[7] = Fact::Removed { module, error };
        facts[8] = left(&["p"], &["a"], 1, 0);
        let link = "1 BPF link left behind";
        let left = evidence(facts);
        assert_eq!(judged(&left), format!("leak: {link}"));
        let expect = Expect::Leak(link.to_owned());
        assert_eq!(expecting(expect, &left), "no fault");
    }

    #[test]
    fn a_module_whose_btf_the_kernel_does_not_take_has_none() {
        const MISSING: &str = "missing module BTF, cannot register kfuncs";
        const INVALID: &str = "failed to validate module [m] BTF: -22";
        let mut facts = facts();
        facts[1] = inserted(Err("No such file or directory".to_owned()), &["f"]);
        let seen = |title: &str, texts: &[&str]| {
            let expect = Expect::Report(title.to_owned());
            expecting(expect, &printing(facts.clone(), texts))
        };
        assert_eq!(seen("BPF: missing module BTF", &[MISSING]), "no fault");
        let both = [INVALID, MISSING];
        assert_eq!(seen("BPF: failed to validate BTF", &both), "no fault");
        let due = "mismatch: expected only report: WARNING in f, but there is";
        assert_eq!(
            seen("WARNING in f", &[WARNING]),
            format!("{due} mismatch: m has no BTF")
        );
    }

    #[test]
    fn another_kernel_is_never_judged() {
        let start = Fact::Start {
            protocol: PROTOCOL,
            release: "6.12.0".to_owned(),
        };
        let mut facts = facts();
        facts[0] = start;
        assert_eq!(
            judged(&evidence(facts)),
            "infra: another kernel was started"
        );
    }

    #[test]
    fn a_module_shows_its_btf_and_its_kfuncs() {
        let absent = Err("No such file or directory".to_owned());
        assert_eq!(with(inserted(absent, &["f"])), "mismatch: m has no BTF");
        let not_offered = "mismatch: m does not offer f";
        assert_eq!(with(inserted(Ok(Vec::new()), &["f"])), not_offered);
        assert_eq!(with(inserted(Ok(btf::sample()), &["g"])), not_offered);
    }

    #[test]
    fn what_stays_behind_is_a_leak() {
        let error = Some("Resource temporarily unavailable".to_owned());
        let stays = Fact::Removed {
            module: "m".to_owned(),
            error,
        };
        assert_eq!(with(stays), "leak: module m could not be removed");
        assert_eq!(
            with(left(&["p"], &[], 0, 0)),
            "leak: 1 BPF program left behind"
        );
        assert_eq!(
            with(left(&[], &["a", "b"], 0, 0)),
            "leak: 2 BPF map left behind"
        );
        assert_eq!(with(left(&[], &[], 1, 0)), "leak: 1 BPF link left behind");
        assert_eq!(
            with(left(&[], &[], 0, 1 << 9)),
            "leak: the kernel is tainted: 0x200"
        );
    }

    /// The judgement of a storm of 100 packets that was whole before this change.
    fn after_storm(change: impl FnOnce(&mut Storm)) -> String {
        after_storm_of(Decoder::Prost, change)
    }

    fn after_storm_of(decoder: Decoder, change: impl FnOnce(&mut Storm)) -> String {
        let tally = |kind, paged| Tally {
            kind,
            paged,
            sent: 10,
            dropped: 1,
        };
        let kinds = PacketKind::ALL.into_iter();
        let mut storm = Storm {
            seed: 7,
            batches: 2,
            closed: 2,
            seen: 102,
            paged: 50,
            dropped: 10,
            delivered: 90,
            tallies: kinds
                .flat_map(|kind| [tally(kind, false), tally(kind, true)])
                .collect(),
            ..Storm::default()
        };
        change(&mut storm);
        let packets = 100;
        let scenario = Scenario {
            steps: vec![
                Step::Storm {
                    packets,
                    seed: 7,
                    decoder,
                }
                .into(),
            ],
            ..scenario()
        };
        let fact = Fact::Stepped {
            step: 0,
            outcome: Ok(Outcome::Storm(storm)),
        };
        check_storm(&scenario, &fact).map_or_else(|fault| fault.title, |()| "no fault".to_owned())
    }

    #[test]
    fn a_storm_is_counted_five_ways_that_agree() {
        assert_eq!(after_storm(|_| {}), "no fault");
        let lies: [fn(&mut Storm); 10] = [
            |storm| storm.apart_seen = 1,
            |storm| storm.seed = 8,
            |storm| storm.closed = 1,
            |storm| storm.batches = 3,
            |storm| storm.seen = 100,
            |storm| storm.paged = 0,
            |storm| storm.dropped = 9,
            |storm| storm.delivered = 89,
            |storm| storm.tallies[0].sent = 11,
            |storm| storm.tallies[0].dropped = 2,
        ];
        for (place, lie) in lies.into_iter().enumerate() {
            assert_eq!(after_storm(lie), "the packet counts disagree", "{place}");
        }
    }

    #[test]
    fn a_storm_has_all_kinds_and_both_decisions() {
        let lacks = "the storm lacks a kind of packet";
        let moves = |storm: &mut Storm| {
            storm.tallies[0].sent += storm.tallies[2].sent;
            storm.tallies[2].sent = 0;
        };
        assert_eq!(after_storm(moves), lacks);
        for all in [0, 10] {
            let one_way = |storm: &mut Storm| {
                let linear = storm.tallies.iter_mut().filter(|tally| !tally.paged);
                linear.for_each(|tally| tally.dropped = all);
                storm.dropped = 5 + 5 * all;
                storm.delivered = 100 - storm.dropped;
            };
            assert_eq!(after_storm(one_way), lacks, "{all}");
        }
    }

    #[test]
    fn a_storm_of_pbtools_has_packets_that_prost_decides_otherwise() {
        let apart = |count| {
            let change = move |storm: &mut Storm| (storm.apart, storm.apart_seen) = (count, count);
            after_storm_of(Decoder::Pbtools, change)
        };
        assert_eq!(apart(1), "no fault");
        assert_eq!(apart(0), "the storm lacks a kind of packet");
    }

    #[test]
    fn a_disagreement_is_a_mismatch_whatever_the_counts() {
        let title = "the module and prost disagree on a packet";
        assert_eq!(after_storm(|storm| storm.disagreements = 1), title);
    }

    #[test]
    fn packets_are_counted_three_ways_that_agree() {
        let lies = [
            udp(2, 3, 1, &[1], true),
            udp(0, 0, 0, &[], true),
            udp(3, 2, 1, &[1], true),
            udp(3, 3, 0, &[1], true),
            udp(3, 3, 2, &[1], true),
            udp(3, 3, 1, &[0, 1], true),
            udp(3, 3, 1, &[1, 1], true),
            udp(3, 3, 1, &[7], true),
            udp(3, 3, 1, &[1], false),
        ];
        for lie in lies {
            assert_eq!(
                with(lie.clone()),
                "mismatch: the packet counts disagree",
                "{lie:?}"
            );
        }
    }

    /// An object that `f` allocated at this time in `jiffies`.
    fn lost(jiffies: u64) -> String {
        format!(
            "unreferenced object 0xff11 (size 8):\n  comm \"unlink\", pid 70, jiffies {jiffies}\n  \
             backtrace (crc 0):\n    f+0x1/0x2 [m]\n"
        )
    }

    #[test]
    fn memory_that_was_lost_since_the_plan_began_is_a_leak() {
        assert_eq!(with(leaks(Some(&lost(5000)))), "leak: memory leak in f");
        assert_eq!(with(leaks(Some(&lost(4999)))), "no fault");
        assert_eq!(with(leaks(None)), "lost: the kernel did not look for leaks");
        let counted = "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n";
        let after = |objects: &str| {
            let mut facts = facts();
            facts.pop();
            facts.push(leaks(Some(objects)));
            let mut evidence = evidence(facts);
            evidence.console.as_mut().unwrap().push_str(counted);
            judged(&evidence)
        };
        assert_eq!(after(&lost(5000)), "leak: memory leak in f");
        assert_eq!(after(&lost(4999)), "no fault");
    }

    #[test]
    fn memory_that_was_lost_before_the_plan_has_a_title() {
        let mut facts = facts();
        facts.pop();
        facts.push(leaks(Some(&lost(4999))));
        assert_eq!(earlier_leaks(&evidence(facts)), ["memory leak in f"]);
    }

    #[test]
    fn what_xdp_and_cgroups_drop_no_qdisc_counts() {
        let with = |kind: &str, fact: Fact| {
            let mut facts = facts();
            if let Fact::Attached { section, .. } = &mut facts[3] {
                *section = kind.to_owned();
            }
            facts[5] = fact;
            judged(&evidence(facts))
        };
        let disagree = "mismatch: the packet counts disagree";
        assert_eq!(with("xdp", udp(3, 3, 0, &[1], true)), "no fault");
        assert_eq!(with("xdp", udp(3, 2, 0, &[1], true)), disagree);
        let ingress = "cgroup_skb/ingress";
        assert_eq!(with(ingress, udp(3, 0, 0, &[1], true)), "no fault");
        assert_eq!(with(ingress, udp(3, 0, 2, &[1], true)), disagree);
    }
}
