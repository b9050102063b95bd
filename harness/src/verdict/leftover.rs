//! What stays behind in the kernel.

use kassay_guest::{Code, Fact, PERMANENT, Stayed, Thing};

use super::expectation::{LEFT, NOT_REMOVED, STAYED};
use super::{Fault, Verdict};
use crate::compile::module::Module;
use crate::excerpt::bounded;
use crate::facts::codes;
use crate::kernel_report;
use crate::symbol::leak;

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

/// What a thing is called in front of its name.
fn word(what: Thing) -> &'static str {
    match what {
        Thing::Module => "module",
        Thing::KernelThread => "kernel thread",
        Thing::Workqueue => "workqueue",
        Thing::TraceEvent => "trace event",
        Thing::Interface => "network interface",
        Thing::MiscDevice => "misc device",
        Thing::DeviceNumber => "device number of",
        Thing::Device => "device",
        Thing::ProcEntry => "proc entry",
        Thing::Sysctl => "sysctl",
        Thing::SlabCache => "slab cache",
        Thing::SysfsEntry => "sysfs entry",
        Thing::DebugfsEntry => "debugfs entry",
        Thing::Kprobe => "kprobe on",
        Thing::FtraceHook => "ftrace hook on",
        Thing::FileSystem => "file system",
        Thing::CryptoDriver => "crypto driver",
        Thing::Timer => "timer",
        Thing::DelayedWork => "delayed work",
        Thing::Work => "work",
        Thing::Notifier => "notifier",
    }
}

/// Where modules were.
pub type Codes<'a> = [(&'a Module, &'a Code)];

/// A thing by its name, which of one that goes by an address the module has.
fn named(Stayed { what, name }: &Stayed, codes: &Codes) -> String {
    let (place, module) = match name.split_once(" [") {
        Some((place, rest)) => (place, rest.strip_suffix(']')),
        None => (name.as_str(), None),
    };
    let what = word(*what);
    match (leak::symbol(codes, place), module) {
        (Some(symbol), _) => format!("{what} {symbol}"),
        (None, Some(module)) => format!("{what} of {module}"),
        (None, None) => format!("{what} {name}"),
    }
}

/// What the guest told to have stayed, whatever came of the machine then.
pub fn first_stayed(told: &[Fact], modules: &[Module]) -> Option<Fault> {
    let codes = codes(told, modules);
    told.iter().find_map(|fact| match fact {
        Fact::Left { stayed, .. } => check_stayed(stayed, &codes).err(),
        _ => None,
    })
}

/// Whether all that was not there before has gone, where every module has.
fn check_stayed(stayed: &[Stayed], codes: &Codes) -> Result<(), Fault> {
    let Some(first) = stayed.first() else {
        return Ok(());
    };
    let title = kernel_report::stable(&format!("{}{STAYED}", named(first, codes)));
    let mut all: Vec<String> = stayed.iter().map(|thing| named(thing, codes)).collect();
    all.dedup();
    let fault = Fault::new(Verdict::Leak, title);
    Err(match all.len() {
        1 => fault,
        _ => fault.because(bounded(&format!("in all: {}", all.join(", ")))),
    })
}

/// Whether modules, BPF objects and taints went as they came.
///
/// What a module that is still in holds is its own.
pub fn check(
    fact: &Fact,
    modules: &[Module],
    is_reported: bool,
    is_held: bool,
    codes: &Codes,
) -> Result<(), Fault> {
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
            pins,
            stayed,
            is_blind: _,
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
                let pins = pins.iter().map(|path| format!("\npinned: {path}"));
                let reason = format!("{names}{}", pins.collect::<String>());
                let title = format!("{count} BPF {kind}{LEFT}");
                return Err(Fault::new(Verdict::Leak, title).because(bounded(&reason)));
            }
            if !is_held {
                check_stayed(stayed, codes)?;
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
