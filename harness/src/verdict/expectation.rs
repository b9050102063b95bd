//! The verdict that a scenario expects, and the faults that come of it.

use super::{Fault, Verdict};
use crate::scenario::Expect;

/// Whether the fault that decides is the expected one, and no other is there but
/// what follows from it.
pub fn meet(expect: &Expect, faults: &[Fault]) -> Result<(), Fault> {
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
