//! What a machine left, read once: the guest's facts, and what the kernel reported.

use kassay_guest::{Code, Fact, Line, Outcome, PROTOCOL, trace_marks};

use crate::compile::module::Module;
use crate::excerpt::{bounded, tail};
use crate::kernel_report::{self, Kind, Report};
use crate::refusal::{self, Refusal};
use crate::symbol::leak;
use crate::vm::Evidence;

/// What a machine left, and what it says.
pub struct Facts {
    /// What it left, as it came.
    pub evidence: Evidence,
    /// The facts as they came over the command port, as far as they can be read.
    pub told: Vec<Fact>,
    /// Whether they are all, and the same by both ways out; or what is missing.
    pub whole: Result<(), Gap>,
    /// What the kernel reported, on the console or, where messages of that level do
    /// not go there, in its log, and the memory that it lost.
    pub reports: Vec<Report>,
    /// Titles of the memory that the kernel had lost, or was about to lose, before the plan began.
    /// It is not the scenario's: it is told, and fails nothing.
    pub earlier_leaks: Vec<String>,
    /// The ends of the lines that the guest program itself wrote into the trace: before the first
    /// program, and after the last.
    pub marks: [String; 2],
}

/// What keeps facts from being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its stable name.
    pub title: String,
    /// What was seen.
    pub reason: String,
}

impl Facts {
    /// Reads what a machine left in which these modules were inserted.
    pub fn read(evidence: Evidence, modules: &[Module]) -> Facts {
        let (told, is_readable) = parse(&evidence.port);
        Facts {
            whole: whole(&evidence, &told, is_readable),
            reports: reports(&evidence, &told, modules),
            earlier_leaks: earlier_leaks(&told),
            marks: trace_marks(&evidence.mark),
            told,
            evidence,
        }
    }

    /// The lines of the trace, without those that the guest program itself wrote there.
    pub fn trace(&self) -> impl Iterator<Item = &String> {
        let lines = self.told.iter().flat_map(|fact| match fact {
            Fact::Trace { lines, .. } => lines.as_slice(),
            _ => &[],
        });
        lines.filter(|line| !self.marks.iter().any(|mark| line.ends_with(mark)))
    }

    /// What drivers reported by `fact`, by name.
    pub fn of_drivers(&self) -> impl Iterator<Item = &(String, String)> {
        self.told.iter().flat_map(|fact| match fact {
            Fact::Stepped {
                outcome: Ok(Outcome::Drive(driven)),
                ..
            } => driven.facts.as_slice(),
            _ => &[],
        })
    }

    /// The first thing that the kernel, or libbpf, refused. By itself that is no fault:
    /// the snapshot may have it. A program that was loaded by itself is none of these: it
    /// is there to see whether it is refused.
    pub fn refusal(&self) -> Option<String> {
        let refusal = self.told.iter().find_map(refused);
        refusal.map(|title| kernel_report::stable(&title))
    }

    /// Whether there was something to watch, and the guest did not see all of it.
    pub fn is_blind(&self) -> bool {
        let is_blind = |fact: &Fact| matches!(fact, Fact::Left { is_blind: true, .. });
        self.told.iter().any(is_blind)
    }
}

/// What a fact says was refused.
pub fn refused(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Inserted {
            module,
            error: Some(error),
            ..
        } => Some(format!("module {module} was refused: {error}")),
        Fact::Loaded { program: None, .. } => {
            refusal::of(fact).map(|Refusal { name, .. }| format!("program {name} was refused"))
        }
        Fact::Attached {
            program,
            section,
            error: Some(_),
            ..
        } => Some(format!("{program} was not attached to {section}")),
        _ => None,
    }
}

/// Where each module was.
pub fn codes<'a>(told: &'a [Fact], modules: &'a [Module]) -> Vec<(&'a Module, &'a Code)> {
    let code = |fact: &'a Fact| match fact {
        Fact::Inserted {
            module,
            code: Some(code),
            ..
        } => Some((modules.iter().find(|known| known.name == *module)?, code)),
        _ => None,
    };
    told.iter().filter_map(code).collect()
}

fn reports(evidence: &Evidence, told: &[Fact], modules: &[Module]) -> Vec<Report> {
    let mut reports = kernel_report::find(evidence.console.as_deref().unwrap_or_default());
    let mut text = String::new();
    for fact in told {
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
                text.push_str(&leak::name(&lost, &codes(told, modules)));
            }
            _ => {}
        }
    }
    let mut new = kernel_report::find(&text);
    new.retain(|report| !reports.iter().any(|known| known.title == report.title));
    reports.extend(new);
    reports
}

fn earlier_leaks(told: &[Fact]) -> Vec<String> {
    let objects = told.iter().filter_map(|fact| match fact {
        Fact::Leaks { objects, since } => Some(leak::split(objects.as_ref()?, *since).0),
        _ => None,
    });
    let reports = objects.flat_map(|objects| kernel_report::find(&objects));
    reports.map(|report| report.title).collect()
}

fn gap(title: &str, reason: String) -> Gap {
    let title = title.to_owned();
    Gap { title, reason }
}

/// The facts of lines, and whether all of them can be read and are numbered from 0 on.
fn parse(port: &[String]) -> (Vec<Fact>, Result<(), Gap>) {
    let (mut told, mut first) = (Vec::new(), Ok(()));
    for (place, text) in port.iter().enumerate() {
        let found = match serde_json::from_str::<Line>(text) {
            Err(error) => {
                let reason = bounded(&format!("line {place}: {error}: {text}"));
                Err(gap("the guest wrote garbage", reason))
            }
            Ok(line) => {
                told.push(line.fact);
                let reason = || format!("line {place} has number {}", line.seq);
                let is_next = line.seq == place as u64;
                is_next
                    .then_some(())
                    .ok_or_else(|| gap("facts are missing", reason()))
            }
        };
        first = first.and(found);
    }
    (told, first)
}

/// Whether both ways out tell the same and nothing is missing.
fn whole(evidence: &Evidence, told: &[Fact], is_readable: Result<(), Gap>) -> Result<(), Gap> {
    let file = evidence.file.as_deref().unwrap_or_default();
    check_end(evidence, told, file)?;
    is_readable?;
    check_closing(told, file)?;
    check_ways(&evidence.port, file)?;
    match told.first() {
        Some(Fact::Start {
            protocol: PROTOCOL, ..
        }) => Ok(()),
        _ => Err(gap("no opening record of this protocol", tail(file))),
    }
}

/// The guest program ended by itself and in order.
fn check_end(evidence: &Evidence, told: &[Fact], file: &str) -> Result<(), Gap> {
    let how = match (evidence.exit_code, told.last()) {
        (Some(0), _) => return Ok(()),
        (Some(code), _) if code > 128 => format!("was killed by signal {}", code - 128),
        // The last thing that it could not do.
        (Some(_), Some(Fact::Failed { error })) => {
            format!("gave up: {}", kernel_report::stable(error))
        }
        (Some(code), _) => format!("ended with status {code}"),
        (None, _) => "did not end".to_owned(),
    };
    Err(gap(&format!("the guest program {how}"), tail(file)))
}

/// The closing record comes last, and counts the facts before it.
fn check_closing(told: &[Fact], file: &str) -> Result<(), Gap> {
    let is_closing = |fact: &Fact| matches!(fact, Fact::End { .. });
    let title = match told.iter().position(is_closing) {
        None => "no closing record",
        Some(end) if end + 1 != told.len() => "facts follow the closing record",
        Some(end) if told[end] != (Fact::End { facts: end as u64 }) => {
            "the closing record counts other facts"
        }
        Some(_) => return Ok(()),
    };
    Err(gap(title, tail(file)))
}

/// The command port and the share's file tell the same.
fn check_ways(port: &[String], file: &str) -> Result<(), Gap> {
    if port.iter().map(String::as_str).eq(file.lines()) {
        return Ok(());
    }
    // vmtest leaves out what is no text.
    let mut whole = file
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    if let Some(garbage) = whole.find(|line| serde_json::from_str::<Line>(line).is_err()) {
        return Err(gap("the guest wrote garbage", tail(garbage)));
    }
    let title = "the command port and the share tell different facts";
    Err(gap(title, tail(file)))
}
