//! What the kernel reported.

use kassay_guest::{Code, Fact};

use super::{Fault, Verdict, told};
use crate::compile::module::Module;
use crate::kernel_report::{self, Kind, Report};
use crate::symbol::leak;
use crate::vm::Evidence;

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

/// Where each module was.
pub fn codes<'a>(facts: &'a [Fact], modules: &'a [Module]) -> Vec<(&'a Module, &'a Code)> {
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

/// The fault that a report is.
pub fn fault(report: &Report) -> Fault {
    let verdict = match report.kind {
        Kind::OutOfMemory => Verdict::Oom,
        Kind::Panic => Verdict::Panic,
        Kind::Report | Kind::Stall => Verdict::Report,
        Kind::Leak => Verdict::Leak,
    };
    Fault {
        stops: report.stops || verdict == Verdict::Oom,
        stalls: report.kind == Kind::Stall,
        ..Fault::new(verdict, report.title.clone()).because(report.text.clone())
    }
}
