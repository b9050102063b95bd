//! What stays behind in the kernel.

use kassay_guest::Fact;

use super::excerpt::bounded;
use super::expectation::{LEFT, NOT_REMOVED};
use super::{Fault, Verdict};

/// Taints that every module of ours brings: out-of-tree and unsigned
/// (Documentation/admin-guide/tainted-kernels.rst).
pub const EXPECTED_TAINT: u64 = 1 << 12 | 1 << 13;

/// Taints that a report brings: bad page, oops, warning, soft lockup.
const REPORT_TAINT: u64 = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 14;

/// Whether modules, BPF objects and taints went as they came.
pub fn check(fact: &Fact, is_reported: bool) -> Result<(), Fault> {
    match fact {
        Fact::Removed {
            module,
            error: Some(error),
        } => {
            let title = format!("module {module}{NOT_REMOVED}");
            Err(Fault::new(Verdict::Leak, title).because(error.clone()))
        }
        Fact::Left {
            programs,
            maps,
            links,
            taint_before,
            taint,
        } => {
            // A link holds its program, and a program its maps.
            let kinds = [
                ("link", *links),
                ("program", programs.len()),
                ("map", maps.len()),
            ];
            if let Some((kind, count)) = kinds.into_iter().find(|(_, count)| *count > 0) {
                let names = [programs.as_slice(), maps].concat().join(", ");
                let title = format!("{count} BPF {kind}{LEFT}");
                return Err(Fault::new(Verdict::Leak, title).because(bounded(&names)));
            }
            let known = EXPECTED_TAINT | if is_reported { REPORT_TAINT } else { 0 };
            match taint & !taint_before & !known {
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
