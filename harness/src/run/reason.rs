//! What is said of a fault, and of what the kernel reported.

use anyhow::Result;
use kassay_guest::Fact;

use crate::cache::Cache;
use crate::case::Case;
use crate::compile::module;
use crate::facts::Facts;
use crate::kernel_report::Report;
use crate::verdict::{self, Fault};
use crate::{absent, flaw, symbol, tool};

/// Why the kernel did not take modules, where it says little and their files tell more than the
/// fault.
pub(super) fn refused_for(known: &verdict::Case, facts: &Facts, fault: &Fault) -> String {
    let why = |fact: &Fact| match fact {
        Fact::Inserted {
            module,
            error: Some(error),
            ..
        } => {
            let module = known.modules.iter().find(|other| other.name == *module)?;
            let flaws = known.flaws.get(&module.name)?;
            let is_told = flaws.iter().any(|flaw| fault.reason == flaw.to_string());
            flaw::why(module, flaws, error).filter(|_| !is_told)
        }
        _ => None,
    };
    let told = facts.told.iter().filter_map(why);
    told.map(|why| format!("\n\n{why}")).collect()
}

/// The reason of a fault: a report of the kernel as it is told, where each CPU was at the deadline,
/// and the verifier's log where an object was refused.
pub(super) fn explain(
    fault: &Fault,
    reports: &[(&Report, String)],
    case: &Case,
    facts: &Facts,
) -> String {
    let kernel = case.kernel;
    let told = reports
        .iter()
        .find(|(report, _)| report.text == fault.reason);
    let mut reason = told.map_or(&fault.reason, |(_, text)| text).clone();
    for (cpu, address) in facts.evidence.stood.iter().enumerate() {
        let place = symbol::at(kernel, *address);
        reason.push_str(&format!("\nat the deadline CPU {cpu} was at {place}"));
    }
    for (object, log) in verifier_logs(facts, |program| program.is_none()) {
        // Where they say nothing, it was refused before they were asked.
        let who = match log.starts_with('\n') {
            true => "",
            false => " libbpf and the verifier say at last",
        };
        reason.push_str(&format!("\n\nof {object}{who}:"));
        reason.push_str(&tool::last_lines(&log));
    }
    for absent in absent::targets(kernel, &module::all_kfuncs(case.modules), &facts.told) {
        reason.push_str(&format!("\n\n{absent}"));
    }
    reason
}

/// What libbpf and the verifier said of what was refused, under the names of the objects: of objects,
/// and of these programs of those that were loaded by themselves.
pub fn verifier_logs(facts: &Facts, wanted: fn(&Option<String>) -> bool) -> Vec<(&str, String)> {
    let told = facts.told.iter();
    told.filter_map(|fact| match fact {
        Fact::Loaded {
            object,
            program,
            error: Some(error),
            log,
            ..
        } if wanted(program) => Some((object.as_str(), format!("{log}\n{error}"))),
        _ => None,
    })
    .collect()
}

/// What the kernel reported: each report as it came, and as it is told, with the source lines of
/// frames and the user's own files.
///
/// # Errors
/// Only an interruption by the user.
pub fn reports<'a>(
    cache: &Cache,
    case: &Case,
    facts: &'a Facts,
) -> Result<Vec<(&'a Report, String)>> {
    let tell = |report: &'a Report| {
        let text = symbol::add_lines(&report.text, case.kernel, case.modules)?;
        let text = module::name_sources(text.trim_end(), cache, &case.scenario.modules);
        Ok((report, text))
    };
    facts.reports.iter().map(tell).collect()
}

/// Reports as they are told, each under its title.
pub fn told(reports: &[(&Report, String)]) -> String {
    let one = |(report, text): &(&Report, String)| format!("{}\n\n{text}\n", report.title);
    reports.iter().map(one).collect()
}
