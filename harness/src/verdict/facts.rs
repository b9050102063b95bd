//! What the guest told.

use kassay_guest::{Fact, Line, PROTOCOL};

use super::{Fault, Verdict};
use crate::excerpt::{bounded, tail};
use crate::kernel_report;
use crate::refusal::{self, Refusal};
use crate::vm::Evidence;

/// The facts as they came, as far as they can be read.
pub fn told(evidence: &Evidence) -> impl Iterator<Item = Fact> {
    let lines = evidence.port.iter();
    lines.filter_map(|line| Some(serde_json::from_str::<Line>(line).ok()?.fact))
}

/// The first thing that the kernel, or libbpf, refused. By itself that is no fault:
/// the snapshot may have it. A program that was loaded by itself is none of these: it
/// is there to see whether it is refused.
pub fn refusal(evidence: &Evidence) -> Option<String> {
    let refusal = told(evidence).find_map(|fact| refused(&fact));
    refusal.map(|title| kernel_report::stable(&title))
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

/// The facts, when both ways out tell the same and nothing is missing.
pub fn read(evidence: &Evidence) -> Result<Vec<Fact>, Fault> {
    let file = evidence.file.as_deref().unwrap_or_default();
    check_end(evidence, file)?;
    let facts = parse(&evidence.port)?;
    check_closing(&facts, file)?;
    check_ways(&evidence.port, file)?;
    match facts.first() {
        Some(Fact::Start {
            protocol: PROTOCOL, ..
        }) => Ok(facts),
        _ => Err(lost("no opening record of this protocol", tail(file))),
    }
}

fn lost(title: &str, reason: String) -> Fault {
    Fault::new(Verdict::Lost, title).because(reason)
}

/// The guest program ended by itself and in order.
fn check_end(evidence: &Evidence, file: &str) -> Result<(), Fault> {
    let how = match evidence.exit_code {
        Some(0) => return Ok(()),
        Some(code) if code > 128 => format!("was killed by signal {}", code - 128),
        Some(code) => match failure(evidence) {
            Some(error) => format!("gave up: {}", kernel_report::stable(&error)),
            None => format!("ended with status {code}"),
        },
        None => "did not end".to_owned(),
    };
    Err(lost(&format!("the guest program {how}"), tail(file)))
}

/// The facts of lines that are numbered from 0 on.
fn parse(port: &[String]) -> Result<Vec<Fact>, Fault> {
    let mut facts = Vec::new();
    for (place, text) in port.iter().enumerate() {
        let line: Line = serde_json::from_str(text).map_err(|error| {
            let reason = format!("line {place}: {error}: {text}");
            lost("the guest wrote garbage", bounded(&reason))
        })?;
        if line.seq != place as u64 {
            let reason = format!("line {place} has number {}", line.seq);
            return Err(lost("facts are missing", reason));
        }
        facts.push(line.fact);
    }
    Ok(facts)
}

/// The closing record comes last, and counts the facts before it.
fn check_closing(facts: &[Fact], file: &str) -> Result<(), Fault> {
    let is_closing = |fact: &Fact| matches!(fact, Fact::End { .. });
    let title = match facts.iter().position(is_closing) {
        None => "no closing record",
        Some(end) if end + 1 != facts.len() => "facts follow the closing record",
        Some(end) if facts[end] != (Fact::End { facts: end as u64 }) => {
            "the closing record counts other facts"
        }
        Some(_) => return Ok(()),
    };
    Err(lost(title, tail(file)))
}

/// The command port and the share's file tell the same.
fn check_ways(port: &[String], file: &str) -> Result<(), Fault> {
    if port.iter().map(String::as_str).eq(file.lines()) {
        return Ok(());
    }
    // vmtest leaves out what is no text.
    let mut whole = file
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    if let Some(garbage) = whole.find(|line| serde_json::from_str::<Line>(line).is_err()) {
        return Err(lost("the guest wrote garbage", tail(garbage)));
    }
    let title = "the command port and the share tell different facts";
    Err(lost(title, tail(file)))
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
