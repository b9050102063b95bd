//! What a kernel prints when something is wrong, and its title.
//!
//! Titles follow syzkaller's (pkg/report there): the kind of trouble and the
//! function it happened in, without addresses, offsets or process ids, so that
//! the same trouble has the same title on every run.

/// A report found in a console or a kernel log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What kind of trouble.
    pub kind: Kind,
    /// Its stable name.
    pub title: String,
    /// The lines from the first on that speak of it.
    pub text: String,
}

/// Kinds of reports, as far as verdicts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The kernel goes on.
    Report,
    /// The kernel stopped.
    Panic,
    /// Memory ran out.
    OutOfMemory,
}

/// How a report begins: what its first line contains, what kind it is, and
/// what its title begins with. The first that matches counts, so that special
/// ones stand before general ones.
const OPENINGS: &[(&str, Kind, &str)] = &[
    (
        "Out of memory: Killed process",
        Kind::OutOfMemory,
        "Out of memory",
    ),
    (
        "Memory cgroup out of memory",
        Kind::OutOfMemory,
        "Out of memory",
    ),
    (
        "Kernel panic - not syncing: Out of memory",
        Kind::OutOfMemory,
        "Out of memory",
    ),
    ("BUG: KASAN: ", Kind::Report, "KASAN: "),
    ("BUG: KCSAN: ", Kind::Report, "KCSAN: "),
    (
        "BUG: kernel NULL pointer dereference",
        Kind::Panic,
        "BUG: kernel NULL pointer dereference",
    ),
    (
        "BUG: unable to handle page fault",
        Kind::Panic,
        "BUG: unable to handle page fault",
    ),
    (
        "BUG: scheduling while atomic",
        Kind::Report,
        "BUG: scheduling while atomic",
    ),
    (
        "BUG: sleeping function called from invalid context",
        Kind::Report,
        "BUG: sleeping function called from invalid context",
    ),
    ("BUG: soft lockup", Kind::Report, "BUG: soft lockup"),
    ("BUG: ", Kind::Report, "BUG: "),
    ("UBSAN: ", Kind::Report, "UBSAN: "),
    (
        "possible circular locking dependency detected",
        Kind::Report,
        "possible deadlock",
    ),
    (
        "possible recursive locking detected",
        Kind::Report,
        "possible deadlock",
    ),
    (
        "inconsistent lock state",
        Kind::Report,
        "inconsistent lock state",
    ),
    (
        "WARNING: bad unlock balance detected",
        Kind::Report,
        "WARNING: bad unlock balance",
    ),
    (
        "[ BUG: Invalid wait context ]",
        Kind::Report,
        "BUG: Invalid wait context",
    ),
    ("WARNING: ", Kind::Report, "WARNING"),
    ("INFO: task ", Kind::Report, "INFO: task hung"),
    ("rcu: INFO: ", Kind::Report, "INFO: rcu detected stall"),
    ("list_add corruption", Kind::Report, "list_add corruption"),
    ("list_del corruption", Kind::Report, "list_del corruption"),
    ("refcount_t: ", Kind::Report, "refcount bug"),
    (
        "general protection fault",
        Kind::Panic,
        "general protection fault",
    ),
    ("Oops: ", Kind::Panic, "Oops"),
    ("kernel BUG at ", Kind::Panic, "kernel BUG"),
    ("invalid opcode: ", Kind::Panic, "invalid opcode"),
    ("stack-protector: ", Kind::Panic, "stack corruption"),
    (
        "Kernel panic - not syncing: ",
        Kind::Panic,
        "kernel panic: ",
    ),
    ("verifier bug", Kind::Report, "verifier bug"),
    ("verifier backtracking bug", Kind::Report, "verifier bug"),
    (
        "missing module BTF",
        Kind::Report,
        "BPF: missing module BTF",
    ),
    (
        "failed to validate module",
        Kind::Report,
        "BPF: failed to validate module",
    ),
];

/// How many lines of a report are kept.
const LINES: usize = 80;

/// Every report of a log, in order. A report that follows from an earlier one
/// (the panic behind an oops) has an entry of its own.
pub fn find(log: &str) -> Vec<Report> {
    let lines: Vec<&str> = log.lines().map(strip_time).collect();
    let mut reports: Vec<Report> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((opening, kind, title)) =
            OPENINGS.iter().find(|(opening, ..)| line.contains(opening))
        else {
            continue;
        };
        let tail = &lines[at..lines.len().min(at + LINES)];
        reports.push(Report {
            kind: *kind,
            title: name(opening, title, line, tail),
            text: tail.join("\n"),
        });
    }
    reports
}

fn name(opening: &str, title: &str, line: &str, tail: &[&str]) -> String {
    let rest = line.split_once(opening).map_or("", |(_, rest)| rest).trim();
    // Titles that end in a colon or a blank go on with the line's own words.
    if title.ends_with(": ") {
        return format!("{title}{}", words(rest));
    }
    match place(tail) {
        Some(function) => format!("{title} in {function}"),
        None => title.to_owned(),
    }
}

/// The words of a line without offsets, addresses and process ids.
fn words(text: &str) -> String {
    let words = text
        .split_whitespace()
        .filter(|word| !word.starts_with("0x") && !word.starts_with('['));
    let bare = words.map(|word| word.split_once("+0x").map_or(word, |(name, _)| name));
    bare.collect::<Vec<_>>().join(" ")
}

/// The function that the instruction pointer was in: `RIP: 0010:NAME+0x…`.
fn place<'a>(tail: &[&'a str]) -> Option<&'a str> {
    tail.iter().find_map(|line| {
        let (_, rest) = line.split_once("RIP: ")?;
        let (_, name) = rest.split_once(':')?;
        let name = name.split_once("+0x")?.0;
        Some(name)
    })
}

/// A line without the time and the caller that printk puts in front.
fn strip_time(line: &str) -> &str {
    let mut rest = line.trim_start();
    while let Some((head, tail)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        if !head
            .trim()
            .starts_with(|first: char| first.is_ascii_digit() || first == 'T' || first == 'C')
        {
            break;
        }
        rest = tail.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(log: &str) -> Vec<String> {
        find(log).into_iter().map(|report| report.title).collect()
    }

    #[test]
    fn a_warning_is_named_by_its_function() {
        let log = "[    1.5] WARNING: CPU: 0 PID: 70 at a.c:12 f+0x5/0x10 [m]\n[    1.5] RIP: 0010:f+0x5/0x10 [m]";
        assert_eq!(titles(log), ["WARNING in f"]);
    }

    #[test]
    fn kasan_keeps_its_own_words() {
        let log = "[    2.0] BUG: KASAN: slab-out-of-bounds in kfunc_dropme_filter+0x10/0x90 [m]";
        assert_eq!(
            titles(log),
            ["KASAN: slab-out-of-bounds in kfunc_dropme_filter"]
        );
    }

    #[test]
    fn a_panic_keeps_its_reason() {
        let log =
            "[    2.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b";
        assert_eq!(
            titles(log),
            ["kernel panic: Attempted to kill init! exitcode=0x0000000b"]
        );
        assert_eq!(find(log)[0].kind, Kind::Panic);
    }

    #[test]
    fn a_quiet_log_has_none() {
        assert_eq!(
            titles("[    0.1] Linux version 6.11\n[    0.2] Hello, world!"),
            [""; 0]
        );
    }
}
