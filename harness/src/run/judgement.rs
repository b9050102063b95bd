//! What a case's run comes to, and what is kept of it.

use anyhow::Result;

use super::machine::Ran;
use super::reason::{self, told, verifier_logs};
use crate::case::{Case, Setting, left_out};
use crate::compile::imports;
use crate::coverage;
use crate::facts::Facts;
use crate::kernel_report::Report;
use crate::kit::Kit;
use crate::outcome::Judged;
use crate::progress;
use crate::scenario::Allow;
use crate::snapshot::{Comparison, Snapshot};
use crate::verdict::{self, Fault, Verdict};

/// What a run comes to. Of one that is no pass it keeps what is needed to understand it, and
/// to run it again.
///
/// # Errors
/// A file that it is judged by cannot be read.
pub fn conclude(setting: &Setting, case: &Case, ran: &Ran) -> Result<Judged> {
    let facts = &ran.facts;
    if !case.is_again {
        warn(case, facts)?;
    }
    let known = case.known()?;
    let (judged, transcript) = verdict::judge(&known, facts);
    let snapshot = Snapshot::of(case.scenario, case.kernel);
    let settle = |seen: String| match snapshot.reviewed()? {
        // What is accepted is what was seen.
        Some(reviewed) if !case.scenario.budget.is_none() && !setting.accept => {
            anyhow::Ok(case.scenario.budget.settle(&reviewed, &seen))
        }
        _ => Ok(seen),
    };
    let transcript = transcript.map(settle).transpose()?;
    let is_comparison = judged.is_ok();
    let fault = match (judged, &transcript) {
        (Err(fault), _) => Some(fault),
        (Ok(()), Some(transcript)) => mismatch(case, &snapshot, transcript, facts)?,
        // What was expected left nothing to compare.
        (Ok(()), None) => None,
    };
    let mut judged = Judged {
        duration: facts.evidence.duration,
        seeds: case.scenario.seeds(),
        restored: facts.evidence.restored,
        peak_kib: facts.evidence.peak_kib,
        refused: facts.refusal(),
        facts: facts.of_drivers().cloned().collect(),
        covered: coverage::of(&setting.cache, case, facts)?,
        transcript: transcript.map(|transcript| (snapshot, transcript)),
        ..Judged::new(Verdict::Pass)
    };
    let is_kept = fault.is_some() || setting.keep;
    let reports = || reason::reports(&setting.cache, case, facts);
    let reports = is_kept.then(reports).transpose()?.unwrap_or_default();
    if let Some(fault) = fault {
        judged.reason = reason::explain(&fault, &reports, case, facts);
        judged.reason += &reason::refused_for(&known, facts, &fault);
        judged.reason += &left_out(case.kernel, case.scenario)?;
        if let (Verdict::Leak, Some((_, text))) = (fault.verdict, &judged.transcript) {
            judged.reason = format!("{}\n\n{text}", judged.reason).trim().to_owned();
        }
        judged.verdict = fault.verdict;
        judged.title = fault.title;
        judged.is_comparison = is_comparison && fault.verdict == Verdict::Mismatch;
    } else {
        let expect = case.scenario.expect.as_ref().map(verdict::expected);
        judged.expected = expect.map(|(_, titles)| titles.to_string());
    }
    if is_kept {
        keep(setting, case, &mut judged, Some((ran, &reports)));
    }
    Ok(judged)
}

/// Says what no verdict tells of.
fn warn(case: &Case, facts: &Facts) -> Result<()> {
    let (kernel, scenario) = (&case.kernel.name, &case.scenario.name);
    let earlier = &facts.earlier_leaks;
    if !earlier.is_empty() {
        let titles = earlier[..earlier.len().min(5)].join(", ");
        progress::note(format!("before the plan, {kernel} had: {titles}"));
    }
    if facts.is_blind() {
        progress::note(format!(
            "{kernel}::{scenario}: not all timers, work, notifiers and workqueues of its modules \
             could be watched"
        ));
    }
    for function in imports::unseen(case.modules)? {
        progress::note(format!(
            "{kernel}::{scenario}: nothing tells whether what its modules began by `{function}` \
             has ended"
        ));
    }
    Ok(())
}

/// Keeps what a failure leaves. That it cannot be kept changes no verdict.
pub(super) fn keep(
    setting: &Setting,
    case: &Case,
    judged: &mut Judged,
    ran: Option<(&Ran, &[(&Report, String)])>,
) {
    let Some(folder) = (case.place)(judged.verdict, &judged.title) else {
        return;
    };
    let write = || -> Result<()> {
        let kit = Kit::new(&folder)?;
        kit.text("reason", &judged.reason)?;
        kit.case(setting, case, judged)?;
        let Some((Ran { plan, facts, .. }, reports)) = ran else {
            return Ok(());
        };
        let transcript = judged.transcript.as_ref();
        kit.text("transcript", transcript.map_or("", |(_, text)| text))?;
        let logs = verifier_logs(facts, |_| true).into_iter();
        let logs: Vec<String> = logs.map(|(_, log)| log).collect();
        kit.text("verifier", &logs.join("\n"))?;
        kit.text("report", &told(reports))?;
        // With the clock and the randomness of this very run.
        kit.text("plan.json", plan)?;
        kit.evidence(facts)
    };
    let written = write();
    judged.artifacts = folder.is_dir().then_some(folder);
    if let Err(error) = written {
        progress::note(format!("{error:#}"));
    }
}

/// How the transcript is not the reviewed one. Where the kernel refused something,
/// that is what it is called.
fn mismatch(
    case: &Case,
    snapshot: &Snapshot,
    transcript: &str,
    facts: &Facts,
) -> Result<Option<Fault>> {
    let (title, reason) = match snapshot.compare(transcript)? {
        Comparison::Same => return Ok(None),
        Comparison::Differs(mut diff) => {
            let reviewed = snapshot.reviewed()?.unwrap_or_default();
            for line in case.scenario.budget.over(&reviewed, transcript) {
                diff.push_str(&format!("\n{line}"));
            }
            ("the transcript differs from the snapshot", diff)
        }
        Comparison::Missing if case.scenario.allow.contains(&Allow::NoSnapshot) => return Ok(None),
        Comparison::Missing => {
            let how = "there is no snapshot yet; `kassay run --accept` makes this one";
            ("there is no snapshot", format!("{transcript}\n{how}"))
        }
    };
    let title = facts.refusal().unwrap_or_else(|| title.to_owned());
    Ok(Some(Fault::new(Verdict::Mismatch, title).because(reason)))
}
