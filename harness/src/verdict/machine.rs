//! How the machine itself fared.

use kassay_guest::done;

use super::{Case, Fault, Verdict, plan};
use crate::excerpt::{bounded, tail};
use crate::facts::Facts;
use crate::vm::Evidence;
use crate::vm::written::MOST;

/// How the machine itself fared: deadline, shutdown.
pub fn check(case: &Case, facts: &Facts) -> Result<(), Fault> {
    let evidence = &facts.evidence;
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
        let place = plan::place(case, &facts.told).unwrap_or_default();
        let reason = format!("{place}\n{}", tail(console));
        return Err(Fault::new(Verdict::Hang, title).because(reason.trim_start()));
    }
    let said_why = !evidence.stderr.trim().is_empty();
    let is_silent = console.trim().is_empty();
    if evidence.shutdown.is_none() && !evidence.answered && (said_why || is_silent) {
        return Err(not_started(evidence));
    }
    check_shutdown(evidence, console)?;
    if let Some(trouble) = &evidence.trouble {
        return Err(
            Fault::new(Verdict::Lost, "the guest stopped answering").because(trouble.clone())
        );
    }
    Ok(())
}

/// The machine was shut down by the host's order.
fn check_shutdown(evidence: &Evidence, console: &str) -> Result<(), Fault> {
    let lost = |title: &str, reason: &str| Err(Fault::new(Verdict::Lost, title).because(reason));
    match &evidence.shutdown {
        Some(shutdown) if !shutdown.guest && shutdown.reason == "host-qmp-quit" => Ok(()),
        Some(shutdown) => {
            let title = format!("the machine was shut down: {}", shutdown.reason);
            lost(&title, &tail(console))
        }
        None => {
            let trouble = evidence.trouble.as_deref().unwrap_or_default();
            let reason = format!("{}\n{trouble}", tail(console));
            lost("QEMU ended without a word", reason.trim())
        }
    }
}

/// A console that shows nothing shows no report either. A guest that did not
/// come to its end has nothing to show.
pub fn check_console(evidence: &Evidence) -> Result<(), Fault> {
    let console = evidence.console.as_deref().unwrap_or_default();
    if console.contains(&done(&evidence.mark)) {
        return Ok(());
    }
    let title = "the console does not show the guest";
    Err(Fault::new(Verdict::Lost, title).because(tail(console)))
}

/// What a machine comes to that ended before its guest answered: the kernel does not boot, and
/// nothing was tested, unless it was the host that ended it. A kernel that stopped has said why;
/// other reports come of kernels that boot as well.
pub fn not_booted(reported: Vec<Fault>, ended: Fault, evidence: &Evidence) -> Fault {
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
