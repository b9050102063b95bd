//! How reports begin, where they end, and what they are called.
//!
//! Texts are those of Linux 6.1 to 6.12 (6.11 where no version is given):
//! arch/x86/kernel/{dumpstack,traps}.c, arch/x86/mm/fault.c, kernel/panic.c,
//! kernel/locking/lockdep.c, kernel/rcu/tree_stall.h, kernel/watchdog.c,
//! kernel/hung_task.c, kernel/bpf/{btf,log,verifier}.c, lib/{list_debug,refcount,
//! ubsan}.c, mm/{kmemleak,oom_kill,page_alloc,slub}.c, mm/kasan/report.c.

use super::Kind::{self, Leak, OutOfMemory, Panic, Stall};
use super::{OUT_OF_MEMORY, frame};

/// A way for a report to begin.
pub struct Opening {
    /// What its first message begins with.
    begins: &'static str,
    /// What else that message has.
    has: &'static str,
    /// What kind of trouble it is.
    pub kind: Kind,
    /// Where it ends.
    pub end: End,
    title: Title,
}

/// Where a report ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With its first line.
    Line,
    /// With its stack, if it has one.
    Stack,
    /// With a line that says so, or a row of `=`.
    Marker,
    /// Before the first line that does not begin like this.
    While(&'static str),
}

/// What a report is called.
enum Title {
    /// This.
    Just(&'static str),
    /// This, and the culprit.
    In(&'static str),
    /// This, and the culprit, where a module or a program is on the stack: it may be long gone when
    /// the kernel comes upon what it left, and then who was there is chance.
    InStack(&'static str),
    /// This, and what its first message goes on with until something varies.
    Says(&'static str),
    /// Both.
    SaysIn(&'static str),
    /// The whole first message, in which nothing varies, and the culprit.
    Message,
    /// As its first message says, with the kind of the access: `KASAN: KIND Read in f`.
    Sanitizer,
    /// A general protection fault, which is how KASAN makes a NULL dereference show.
    Protection,
    /// `BUG CACHE (TAINT): TEXT`.
    Slab,
    /// The CPU's word for the trap: `Oops: WORD: 0000 [#1]`.
    Trap,
    /// The function that the stack protector names.
    Protector,
    /// The module whose init returned a number above 0.
    Init,
}

use End::{Line, Marker, Stack, While};
use Title::{
    In, InStack, Init, Just, Message, Protection, Protector, Sanitizer, Says, SaysIn, Slab, Trap,
};

const fn opening(
    begins: &'static str,
    has: &'static str,
    kind: Kind,
    end: End,
    title: Title,
) -> Opening {
    Opening {
        begins,
        has,
        kind,
        end,
        title,
    }
}

const REPORT: Kind = Kind::Report;
const NULL_DEREFERENCE: &str = "BUG: unable to handle kernel NULL pointer dereference";
const NULL: Title = In(NULL_DEREFERENCE);
const FAULT: Title = In("BUG: unable to handle page fault");
const LOCK_HELD: Title = Just("WARNING: lock held when returning to user space");
const KEY: Title = In("INFO: trying to register non-static key");
const SLEEP: Title = InStack("BUG: sleeping function called from invalid context");
const NETDEVICE: Title = Just("unregister_netdevice: waiting for DEV to become free");
const WARNING: Title = In("WARNING");
const BUG: Title = In("kernel BUG");
const DEADLOCK: Title = In("possible deadlock");
const SOFT: Title = In("BUG: soft lockup");
const HARD: Title = In("BUG: hard lockup");
const RCU: Title = In("INFO: rcu detected stall");
const OOM: Title = Just(OUT_OF_MEMORY);
const BTF: Title = Just("BPF: failed to validate BTF");
/// What KASAN adds to the fault of an inline check (kasan_non_canonical_hook).
const KASAN_NULL: &str = "KASAN: null-ptr-deref in range";
/// What do_init_module (kernel/module/main.c, 6.1 to 6.12 and 7.2) says after the module's name.
const INIT_RETURNED: &str = "'->init suspiciously returned ";
const NEW_INIT_RETURNED: &str = ": init suspiciously returned ";
const DETECTED_HARD: &str = "Watchdog detected hard LOCKUP";

/// The first that matches counts: special ones stand before general ones.
#[rustfmt::skip]
const OPENINGS: &[Opening] = &[
    opening("BUG: KASAN: ", "", REPORT, Marker, Sanitizer),
    opening("BUG: KCSAN: ", "", REPORT, Marker, Sanitizer),
    opening("BUG: KFENCE: ", "", REPORT, Marker, Sanitizer),
    opening("BUG: KMSAN: ", "", REPORT, Marker, Sanitizer),
    opening("UBSAN: ", " in ", REPORT, Marker, Sanitizer),
    opening("BUG: kernel NULL pointer dereference", "", Panic, Marker, NULL),
    opening("BUG: unable to handle kernel NULL pointer", "", Panic, Marker, NULL),
    opening("BUG: unable to handle page fault", "", Panic, Marker, FAULT),
    opening("BUG: unable to handle kernel paging request", "", Panic, Marker, FAULT),
    // arm64's words (arch/arm64/mm/fault.c, 6.1 to 7.2).
    opening("Unable to handle kernel NULL pointer dereference", "", Panic, Marker, NULL),
    opening("Unable to handle kernel ", " at virtual address ", Panic, Marker, FAULT),
    opening("BUG: ", "stack guard page was hit", Panic, Marker, In("BUG: stack guard page was hit")),
    opening("PANIC: double fault", "", Panic, Marker, In("double fault")),
    opening("traps: PANIC: double fault", "", Panic, Marker, In("double fault")),
    opening("kernel BUG at ", "", Panic, Marker, BUG),
    opening("Kernel BUG at ", "", Panic, Marker, BUG),
    opening("Oops: general protection fault", "", Panic, Marker, Protection),
    opening("Oops: ", " [#", Panic, Marker, Trap),
    // Without `Oops: ` before 6.10.
    opening("general protection fault", " [#", Panic, Marker, Protection),
    opening("divide error: ", " [#", Panic, Marker, Trap),
    opening("double fault: ", " [#", Panic, Marker, Trap),
    opening("int3: ", " [#", Panic, Marker, Trap),
    opening("invalid opcode: ", " [#", Panic, Marker, Trap),
    opening("stack guard page: ", " [#", Panic, Marker, Trap),
    opening("stack segment: ", " [#", Panic, Marker, Trap),
    opening("list_add corruption", "", REPORT, Marker, In("list_add corruption")),
    opening("list_add double add", "", REPORT, Marker, In("list_add corruption")),
    opening("list_del corruption", "", REPORT, Marker, In("list_del corruption")),
    opening("do_init_module: '", INIT_RETURNED, REPORT, Stack, Init),
    // Without a stack.
    opening("", NEW_INIT_RETURNED, REPORT, Line, Init),
    opening("refcount_t: ", "", REPORT, Marker, Message),
    opening("ODEBUG: ", "", REPORT, Marker, SaysIn("ODEBUG: ")),
    opening("verifier bug", "", REPORT, Marker, Says("verifier bug")),
    opening("verifier backtracking bug", "", REPORT, Marker, Says("verifier backtracking bug")),
    opening("WARNING: possible circular locking dependency", "", REPORT, Stack, DEADLOCK),
    opening("WARNING: possible recursive locking", "", REPORT, Stack, DEADLOCK),
    opening("WARNING: possible irq lock inversion", "", REPORT, Stack, DEADLOCK),
    opening("WARNING: ", "-unsafe lock order detected", REPORT, Stack, DEADLOCK),
    opening("WARNING: inconsistent lock state", "", REPORT, Stack, In("inconsistent lock state")),
    opening("WARNING: bad unlock balance", "", REPORT, Stack, In("WARNING: bad unlock balance")),
    opening("WARNING: bad contention", "", REPORT, Stack, In("WARNING: bad contention")),
    opening("WARNING: held lock freed", "", REPORT, Stack, In("WARNING: held lock freed")),
    opening("WARNING: lock held when returning", "", REPORT, Line, LOCK_HELD),
    opening("WARNING: ", "still has locks held", REPORT, Stack, In("WARNING: still has locks held")),
    opening("WARNING: Nested lock was not taken", "", REPORT, Stack, In("WARNING: Nested lock was not taken")),
    opening("WARNING: suspicious RCU usage", "", REPORT, Stack, In("WARNING: suspicious RCU usage")),
    opening("[ BUG: Invalid wait context ]", "", REPORT, Stack, In("BUG: Invalid wait context")),
    opening("INFO: trying to register non-static key", "", REPORT, Stack, KEY),
    opening("BUG: scheduling while atomic", "", REPORT, Stack, InStack("BUG: scheduling while atomic")),
    opening("BUG: sleeping function called from", "", REPORT, Stack, SLEEP),
    opening("watchdog: BUG: soft lockup", "", Stall, Stack, SOFT),
    opening("BUG: soft lockup", "", Stall, Stack, SOFT),
    opening("watchdog: ", DETECTED_HARD, Stall, Stack, HARD),
    opening("NMI watchdog: ", DETECTED_HARD, Stall, Stack, HARD),
    opening("BUG: workqueue lockup", "", Stall, Line, Just("BUG: workqueue lockup")),
    opening("rcu: INFO: ", " stall", Stall, Stack, RCU),
    opening("INFO: rcu_", " stalls", Stall, Stack, RCU),
    opening("INFO: task ", " for more than ", Stall, Stack, In("INFO: task hung")),
    opening("BUG: Bad page state", "", REPORT, Stack, In("BUG: Bad page state")),
    opening("BUG: Bad page map", "", REPORT, Stack, In("BUG: Bad page map")),
    opening("BUG: Bad page cache", "", REPORT, Stack, In("BUG: Bad page cache")),
    opening("BUG: ", "", REPORT, Stack, SaysIn("BUG: ")),
    opening("BUG ", "): ", REPORT, Stack, Slab),
    // Before 6.18 with the CPU first, since then with the function.
    opening("WARNING: CPU: ", " at ", REPORT, Marker, WARNING),
    opening("WARNING: ", ", CPU#", REPORT, Marker, WARNING),
    opening("unregister_netdevice: waiting for ", "", REPORT, Line, NETDEVICE),
    opening("Out of memory: Kill", "", OutOfMemory, Line, OOM),
    opening("Memory cgroup out of memory: Kill", "", OutOfMemory, Line, Just("Memory cgroup out of memory")),
    opening("Kernel panic - not syncing: Out of memory", "", OutOfMemory, Marker, OOM),
    opening("Kernel panic - not syncing: System is deadlocked on memory", "", OutOfMemory, Marker, OOM),
    opening("Kernel panic - not syncing: stack-protector: ", "", Panic, Marker, Protector),
    opening("Kernel panic - not syncing: ", "", Panic, Marker, Says("panic: ")),
    opening("missing module BTF", "", REPORT, Line, Just("BPF: missing module BTF")),
    opening("missing vmlinux BTF", "", REPORT, Line, Just("BPF: missing vmlinux BTF")),
    opening("BPF: [", "]", REPORT, While("BPF:"), BTF),
    opening("failed to validate module [", "BTF", REPORT, Line, BTF),
    // The same where CONFIG_MODULE_ALLOW_BTF_MISMATCH lets the module in without.
    opening("Kernel module BTF mismatch detected", "", REPORT, Line, BTF),
    opening("kmemleak: ", "new suspected memory leaks", Leak, Line, Just("memory leak")),
    opening("unreferenced object 0x", "", Leak, While("  "), In("memory leak")),
];

/// What begins with a `cut here` and goes on like nothing that is known.
pub const UNKNOWN: Opening = opening("", "", REPORT, Marker, In("unknown report"));

/// What the lines begin with that end a report (kernel/panic.c).
const END: &str = "---[ end ";

/// Reasons of a panic that speak of a report before it, and of a stall before it.
const ECHOES: &[&str] = &["Fatal exception", "panic_on_warn"];
const STALL_ECHOES: &[&str] = &[
    "Hard LOCKUP",
    "RCU Stall",
    "hung_task: blocked tasks",
    "softlockup: hung tasks",
];

impl Opening {
    /// How the report begins whose first message this is.
    pub fn of(message: &str) -> Option<&'static Opening> {
        OPENINGS
            .iter()
            .find(|opening| message.starts_with(opening.begins) && message.contains(opening.has))
    }

    /// Whether the message is a panic for the sake of a report before it.
    pub fn is_echo(&self, message: &str) -> bool {
        let mut reasons = ECHOES.iter().chain(STALL_ECHOES);
        self.kind == Panic && reasons.any(|reason| message.contains(reason))
    }

    /// Whether others say what they have to say and then begin like this, to have
    /// registers and a stack shown.
    pub fn shows_stack(&self) -> bool {
        matches!(self.title, In("WARNING" | "kernel BUG") | Trap)
    }

    /// How many of the lines from its first on are the report's, when `next` is
    /// where another begins.
    pub fn length(&self, lines: &[&str], next: Option<usize>) -> usize {
        // A report without a stack does not end with that of the next one.
        let lines = match next {
            Some(next) if self.kind < Panic => &lines[..next],
            _ => lines,
        };
        let through = |is_last: fn(&str) -> bool| {
            let last = lines.iter().skip(1).position(|line| is_last(line.trim()));
            last.map(|last| last + 2)
        };
        let stack = || {
            let end = through(|line| line == "</TASK>")?;
            // A stack that a warning shows ends with its marker.
            Some(end + usize::from(lines.get(end).is_some_and(|line| line.starts_with(END))))
        };
        // Only x86 marks where a stack ends.
        let frames = || {
            let head = lines.iter().position(|line| is_head(line))?;
            let frames = lines[head + 1..].iter();
            let count = frames.take_while(|line| frame::is_frame(line)).count();
            (count > 0 && self.kind < Panic).then_some(head + 1 + count)
        };
        let end = match self.end {
            Line => Some(1),
            Stack => stack().or_else(frames),
            Marker => through(is_marker).or_else(stack).or_else(frames),
            While(start) => {
                let rest = lines.iter().skip(1);
                Some(1 + rest.take_while(|line| line.starts_with(start)).count())
            }
        };
        // A kernel that stopped says nothing else.
        end.unwrap_or(if self.kind < Panic { 1 } else { lines.len() })
    }

    /// What the report of these lines is called.
    pub fn title(&self, lines: &[&str], culprit: Option<&str>) -> String {
        let rest = &lines[0][self.begins.len()..];
        let (words, place) = match self.title {
            Just(words) => return words.to_owned(),
            In(words) => (words.to_owned(), culprit),
            InStack(words) => {
                let is_known = lines.iter().any(|line| frame::is_of_others(line));
                (words.to_owned(), culprit.filter(|_| is_known))
            }
            Says(words) => return format!("{words}{}", constant(rest)),
            SaysIn(words) => (format!("{words}{}", constant(rest)), culprit),
            Message => (lines[0].trim_end_matches('.').to_owned(), culprit),
            Sanitizer => return sanitizer(lines, culprit),
            Protection => {
                let is_null = lines
                    .get(1)
                    .is_some_and(|line| line.starts_with(KASAN_NULL));
                let words = if is_null {
                    NULL_DEREFERENCE
                } else {
                    "general protection fault"
                };
                (words.to_owned(), culprit)
            }
            Slab => (slab(rest), culprit),
            Trap => (trap(lines[0]).to_owned(), culprit),
            Init => {
                let module = rest.split(['\'', ':']).next();
                ("init returned more than 0".to_owned(), module)
            }
            Protector => {
                let place = rest.rsplit(' ').find_map(frame::place).map(frame::bare);
                ("stack corruption".to_owned(), place)
            }
        };
        place.map_or(words.clone(), |place| format!("{words} in {place}"))
    }
}

/// Whether a panic that speaks of a report speaks of a stall.
pub fn is_for_stall(message: &str) -> bool {
    STALL_ECHOES.iter().any(|reason| message.contains(reason))
}

/// Whether a stack begins behind a line.
pub fn is_head(line: &str) -> bool {
    line.eq_ignore_ascii_case("Call Trace:")
}

/// Whether a line is one of a list that a report may have before its stack: the objects of a slab, or the
/// bytes of one (list_slab_objects and print_trailer of mm/slub.c, 6.12). There are up to hundreds, and
/// how many there are must not decide whether the stack is looked at.
pub fn is_item(line: &str) -> bool {
    let is_object = line.starts_with("Object 0x") && line.contains(" @offset=");
    is_object
        || ["Object   ", "Redzone  ", "Padding  "]
            .iter()
            .any(|it| line.starts_with(it))
}

/// Whether a line is one of those that only draw a rule.
pub fn is_rule(line: &str) -> bool {
    line.len() > 20 && line.bytes().all(|byte| byte == b'=')
}

fn is_marker(line: &str) -> bool {
    line.starts_with(END) || is_rule(line)
}

/// `BUG: KASAN: KIND in f+0x1/0x2`, or `UBSAN: KIND in FILE:LINE`, and on the
/// next line `Read of size 1 at addr …`. KCSAN names two functions.
fn sanitizer(lines: &[&str], culprit: Option<&str>) -> String {
    let line = lines[0].strip_prefix("BUG: ").unwrap_or(lines[0]);
    let (what, places) = line.split_once(" in ").unwrap_or((line, ""));
    let access = lines.get(1).and_then(|line| line.split(' ').next());
    let access = access.filter(|word| matches!(*word, "Read" | "Write"));
    let named: Vec<&str> = match places.contains("+0x") {
        true => places.split(' ').filter_map(frame::place).collect(),
        false => places
            .split(" / ")
            .filter(|_| places.contains(" / "))
            .collect(),
    };
    let named: Vec<&str> = named.into_iter().map(frame::bare).collect();
    let place = match named.as_slice() {
        [] => culprit.map(str::to_owned),
        [name] if frame::is_machinery(name) => Some(culprit.unwrap_or(name).to_owned()),
        names => Some(names.join(" / ")),
    };
    let access = access.map_or(String::new(), |access| format!(" {access}"));
    let place = place.map_or(String::new(), |place| format!(" in {place}"));
    format!("{what}{access}{place}")
}

/// `kmalloc-64: TEXT` of `kmalloc-64 (TAINT): TEXT`. Which of its copies a cache
/// is (CONFIG_RANDOM_KMALLOC_CACHES), chance decides.
fn slab(rest: &str) -> String {
    let (cache, text) = rest.split_once("): ").unwrap_or((rest, ""));
    let cache = cache.split(' ').next().unwrap_or_default();
    let cache = match cache.split_once("-rnd-") {
        Some((kind, copy)) => format!("{kind}-{}", copy.rsplit('-').next().unwrap_or_default()),
        None => cache.to_owned(),
    };
    // 6.1 names the cache twice.
    let text = text.replace(&format!("remaining in {cache} on"), "remaining on");
    format!("BUG {cache}: {}", constant(&text))
}

/// `divide error` of `Oops: divide error: 0000 [#1] SMP`.
fn trap(line: &str) -> &str {
    let line = line.strip_prefix("Oops: ").unwrap_or(line);
    let (words, _) = line.rsplit_once(" [#").unwrap_or((line, ""));
    let (words, _) = words.rsplit_once(": ").unwrap_or(("Oops", ""));
    words
}

/// What of a message is the same each time: the words before the first that is
/// a number, an address or the like, without what only led to it.
fn constant(text: &str) -> String {
    let varies = |word: &&str| {
        word.contains(|letter: char| letter.is_ascii_digit()) || word.starts_with(['(', '['])
    };
    let mut words: Vec<&str> = text
        .split_whitespace()
        .take_while(|word| !varies(word))
        .collect();
    while let Some("at" | "for" | "in" | "on" | "-") = words.last().copied() {
        words.pop();
    }
    let text = words.join(" ");
    text.trim_end_matches(['.', ':', ',']).to_owned()
}
