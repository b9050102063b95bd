//! What the kernel reported.

use super::{Fault, Verdict};
use crate::kernel_report::{Kind, Report};

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
