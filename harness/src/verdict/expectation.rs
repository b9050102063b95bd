//! The verdict that a scenario expects, and the faults that come of it.

use super::{Fault, Verdict};
use crate::scenario::{Expect, Titles};

/// Whether the fault that decides is an expected one, all that are expected are there, and no other is
/// but what follows from them.
pub fn meet(expect: &Expect, faults: &[Fault]) -> Result<(), Fault> {
    let (verdict, titles) = expected(expect);
    let is_expected = |fault: &&Fault| fault.verdict == verdict && titles.has(&fault.title);
    let follows = |fault: &Fault| {
        let mut earlier = faults.iter().filter(is_expected);
        earlier.any(|earlier| follows(earlier, fault))
    };
    let decides = faults.first().filter(|first| !is_expected(first));
    let mut rest = faults.iter().skip(1);
    let other = decides.or_else(|| rest.find(|fault| !is_expected(fault) && !follows(fault)));
    let is_seen = |title: &&str| {
        faults
            .iter()
            .any(|it| is_expected(&it) && it.title == **title)
    };
    let missing = titles.iter().find(|title| !is_seen(title));
    let seen = match (other, missing) {
        (Some(fault), _) => format!("{}: {}", fault.verdict, fault.title),
        (None, Some(_)) if faults.is_empty() => "no fault".to_owned(),
        (None, Some(title)) => format!("no {verdict}: {title}"),
        (None, None) => return Ok(()),
    };
    let title = format!("expected only {verdict}: {titles}, but there is {seen}");
    let reason = other.map_or("", |fault| &fault.reason);
    Err(Fault::new(Verdict::Mismatch, title).because(reason))
}

/// The verdict and the titles that an expectation is of.
pub fn expected(expect: &Expect) -> (Verdict, &Titles) {
    match expect {
        Expect::Mismatch(titles) => (Verdict::Mismatch, titles),
        Expect::Report(titles) => (Verdict::Report, titles),
        Expect::Panic(titles) => (Verdict::Panic, titles),
        Expect::Hang(titles) => (Verdict::Hang, titles),
        Expect::Oom(titles) => (Verdict::Oom, titles),
        Expect::Leak(titles) => (Verdict::Leak, titles),
        Expect::Lost(titles) => (Verdict::Lost, titles),
    }
}

/// Whether a fault is what an earlier one may bring with it: a kernel that
/// stopped or killed the guest program brings anything, one that reports a
/// stall hangs, one that takes no BTF of a module shows none, and what holds a
/// module keeps it in. A hang follows from nothing but a stall: a warning
/// explains none, and a run that hung has no transcript to tell more.
fn follows(earlier: &Fault, fault: &Fault) -> bool {
    match (earlier.verdict, fault.verdict) {
        _ if earlier.stops => true,
        (_, Verdict::Hang) if earlier.stalls => true,
        (Verdict::Leak, _) if fault.stops => earlier.title.ends_with(STAYED),
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
pub const NO_BTF: &str = " has no BTF";
pub const LEFT: &str = " left behind";
pub const STAYED: &str = " stayed";
pub const NOT_REMOVED: &str = " could not be removed";
/// The kernel's report of a module whose BTF it did not take.
const MISSING_BTF: &str = "BPF: missing module BTF";
