//! From evidence to a verdict. What is missing is never taken for good: every
//! kind of gap has a verdict of its own.

use std::fmt;

use anyhow::Result;
use kassay_guest::{Fact, Line, Outcome, PROTOCOL, Step};

use crate::btf;
use crate::compile::module::Module;
use crate::kernel_report::{self, Kind, Report};
use crate::scenario::Scenario;
use crate::transcript::{self, Offered};
use crate::vm::Evidence;

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

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
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
        })
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
}

impl Fault {
    fn new(verdict: Verdict, title: impl Into<String>) -> Fault {
        Fault {
            verdict,
            title: title.into(),
            reason: String::new(),
        }
    }

    fn because(mut self, reason: impl Into<String>) -> Fault {
        self.reason = reason.into();
        self
    }
}

/// What is known of the case beside the evidence.
pub struct Case<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// The modules that were inserted.
    pub modules: &'a [Module],
    /// Bytes of strings in the kernel's own BTF.
    pub base_strings: usize,
}

/// Judges the evidence: the transcript to compare, or what is wrong before
/// any comparison. The transcript of complete facts comes along with a fault
/// that lies in the facts themselves.
pub fn judge(case: &Case, evidence: &Evidence) -> (Result<(), Fault>, Option<String>) {
    if let Err(fault) = check_machine(evidence) {
        return (Err(fault), None);
    }
    let facts = match read_facts(evidence) {
        Ok(facts) => facts,
        Err(fault) => return (Err(fault), None),
    };
    let offered = offered(case, &facts);
    let transcript = transcript::write(case.scenario, &facts, &offered);
    (check_facts(case, &facts, &offered), Some(transcript))
}

/// How the machine itself fared: console, deadline, shutdown.
fn check_machine(evidence: &Evidence) -> Result<(), Fault> {
    let Some(console) = &evidence.console else {
        return Err(not_started(evidence));
    };
    check_reports(&kernel_report::find(console))?;
    if evidence.timed_out {
        let title = if evidence.answered {
            "deadline passed"
        } else {
            "deadline passed before the guest answered"
        };
        return Err(Fault::new(Verdict::Hang, title).because(tail(console)));
    }
    if evidence.shutdown.is_none() && evidence.port.is_empty() && !evidence.stderr.trim().is_empty()
    {
        return Err(not_started(evidence));
    }
    match &evidence.shutdown {
        Some(shutdown) if !shutdown.guest && shutdown.reason == "host-qmp-quit" => {}
        Some(shutdown) => {
            let title = format!("the machine was shut down: {}", shutdown.reason);
            return Err(Fault::new(Verdict::Lost, title).because(tail(console)));
        }
        None => {
            return Err(
                Fault::new(Verdict::Lost, "QEMU ended without a word").because(tail(console))
            );
        }
    }
    match &evidence.trouble {
        Some(trouble) => {
            Err(Fault::new(Verdict::Lost, "the guest stopped answering").because(trouble.clone()))
        }
        None => Ok(()),
    }
}

fn not_started(evidence: &Evidence) -> Fault {
    let said = [
        evidence.trouble.clone().unwrap_or_default(),
        evidence.stderr.clone(),
    ]
    .join("\n");
    Fault::new(Verdict::Infra, "QEMU did not start").because(said.trim())
}

/// The gravest report decides; its text is the first one's, which the others
/// mostly follow from.
fn check_reports(reports: &[Report]) -> Result<(), Fault> {
    let Some(first) = reports.first() else {
        return Ok(());
    };
    let verdict = match reports.iter().map(|report| report.kind).max() {
        Some(Kind::OutOfMemory) => Verdict::Oom,
        Some(Kind::Panic) => Verdict::Panic,
        _ => Verdict::Report,
    };
    Err(Fault::new(verdict, first.title.clone()).because(first.text.clone()))
}

/// The facts, when both ways out tell the same and nothing is missing.
fn read_facts(evidence: &Evidence) -> Result<Vec<Fact>, Fault> {
    let lost = |title: &str, reason: String| Fault::new(Verdict::Lost, title).because(reason);
    let file = evidence.file.as_deref().unwrap_or_default();
    let ended = evidence.exit_code.filter(|code| *code > 128);
    if let Some(code) = ended {
        let title = format!("the guest program was killed by signal {}", code - 128);
        return Err(lost(&title, tail(file)));
    }
    let mut facts = Vec::new();
    for (place, text) in evidence.port.iter().enumerate() {
        let line: Line = serde_json::from_str(text).map_err(|error| {
            lost(
                "the guest wrote garbage",
                format!("line {place}: {error}: {text}"),
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

/// What the facts say by themselves, whatever the snapshot.
fn check_facts(case: &Case, facts: &[Fact], offered: &Offered) -> Result<(), Fault> {
    for fact in facts {
        check_capture(fact)?;
    }
    for module in case.modules {
        check_contract(module, facts, offered)?;
    }
    for fact in facts {
        check_left(fact)?;
        check_counts(case.scenario, fact)?;
    }
    Ok(())
}

fn check_capture(fact: &Fact) -> Result<(), Fault> {
    match fact {
        Fact::Failed { error } => {
            Err(Fault::new(Verdict::Infra, "the plan could not be followed").because(error.clone()))
        }
        Fact::Trace { lost: 1.., .. } => {
            Err(Fault::new(Verdict::Lost, "the trace buffer overflowed"))
        }
        Fact::Log { lost: 1.., .. } => Err(Fault::new(Verdict::Lost, "the kernel log overflowed")),
        Fact::Log { records, .. } => {
            let log: Vec<&str> = records.iter().map(|record| record.text.as_str()).collect();
            check_reports(&kernel_report::find(&log.join("\n")))
        }
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
            Fault::new(Verdict::Mismatch, format!("{} has no BTF", module.name)).because(reason),
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

fn check_left(fact: &Fact) -> Result<(), Fault> {
    match fact {
        Fact::Removed {
            module,
            error: Some(error),
        } => {
            let title = format!("module {module} could not be removed");
            Err(Fault::new(Verdict::Leak, title).because(error.clone()))
        }
        Fact::Left {
            programs,
            maps,
            links,
            taint_before,
            taint,
        } => {
            let kinds = [
                ("program", programs.len()),
                ("map", maps.len()),
                ("link", *links),
            ];
            if let Some((kind, count)) = kinds.into_iter().find(|(_, count)| *count > 0) {
                let names = [programs.as_slice(), maps].concat().join(", ");
                let title = format!("{count} BPF {kind} left behind");
                return Err(Fault::new(Verdict::Leak, title).because(names));
            }
            match taint & !taint_before & !EXPECTED_TAINT {
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
fn check_counts(scenario: &Scenario, fact: &Fact) -> Result<(), Fault> {
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
    let Some(Step::Udp { packets }) = scenario.steps.get(*step) else {
        return Ok(());
    };
    let due = packets
        .iter()
        .filter(|packet| transcript::has_datagram(packet))
        .count() as u64
        + 1;
    let arrived = delivered.len() as u64 + u64::from(*sentinel);
    let classified = !scenario.bpf.is_empty();
    let seen_all = !classified || seen == sent;
    // What has no datagram of its own may have been dropped or not; the
    // classifier's count bounds it.
    let strays = *sent - due;
    let missing = due.saturating_sub(arrived);
    let agree = *sent == packets.len() as u64 + 1
        && *sentinel
        && seen_all
        && (missing..=missing + strays).contains(dropped);
    if agree {
        return Ok(());
    }
    let reason = format!(
        "{sent} sent, {seen} classified, {dropped} dropped, {arrived} of {due} datagrams delivered{}",
        if *sentinel {
            ""
        } else {
            " (the sentinel was not)"
        }
    );
    Err(Fault::new(Verdict::Mismatch, "the packet counts disagree").because(reason))
}

/// The last lines of a text, for a reason.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
