//! What stays behind in the kernel.

use kassay_guest::{Fact, PERMANENT};

use super::excerpt::bounded;
use super::expectation::{LEFT, NOT_REMOVED};
use super::{Fault, Verdict};
use crate::compile::module::Module;

/// Taints that any module of ours may bring: out of tree, unsigned, and of those that say they
/// are tests, `TEST`.
pub const EXPECTED_TAINT: u64 = 1 << 12 | 1 << 13 | TEST;
const TEST: u64 = 1 << 18;

/// The taint that a proprietary module brings.
const PROPRIETARY: u64 = 1;

/// Taints that a report brings: bad page, oops, warning, soft lockup.
const REPORT_TAINT: u64 = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 14;

/// The kernel's letter for each taint, from bit 0 on, and what brings it
/// (Documentation/admin-guide/tainted-kernels.rst, 6.1 to 7.2).
const TAINTS: [(char, &str); 20] = [
    ('P', "proprietary module"),
    ('F', "module inserted by force"),
    ('S', "unsupported hardware"),
    ('R', "module removed by force"),
    ('M', "machine check"),
    ('B', "bad page"),
    ('U', "asked for by a program"),
    ('D', "oops"),
    ('A', "replaced ACPI table"),
    ('W', "warning"),
    ('C', "staging driver"),
    ('I', "firmware bug"),
    ('O', "out-of-tree module"),
    ('E', "unsigned module"),
    ('L', "soft lockup"),
    ('K', "live patch"),
    ('X', "distribution's own"),
    ('T', "randomized structures"),
    ('N', "test"),
    ('J', "firmware changed"),
];

/// Taints in words; a bit that no kernel had yet is a number.
fn taints(bits: u64) -> String {
    let set = (0..u64::BITS as usize).filter(|bit| bits >> bit & 1 == 1);
    let word = |bit: usize| match TAINTS.get(bit) {
        Some((letter, what)) => format!("{letter} ({what})"),
        None => format!("bit {bit}"),
    };
    set.map(word).collect::<Vec<_>>().join(", ")
}

/// Whether modules, BPF objects and taints went as they came.
pub fn check(fact: &Fact, modules: &[Module], is_reported: bool) -> Result<(), Fault> {
    match fact {
        Fact::Removed {
            module,
            error: Some(error),
        } => {
            let title = match error == PERMANENT {
                true => format!("module {module} is permanent"),
                false => format!("module {module}{NOT_REMOVED}"),
            };
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
            let is_proprietary = modules.iter().any(|module| module.is_proprietary);
            let known = EXPECTED_TAINT
                | if is_proprietary { PROPRIETARY } else { 0 }
                | if is_reported { REPORT_TAINT } else { 0 };
            match taint & !taint_before & !known {
                0 => Ok(()),
                bits => Err(Fault::new(
                    Verdict::Leak,
                    format!("the kernel is tainted: {}", taints(bits)),
                )),
            }
        }
        _ => Ok(()),
    }
}
