//! A program that the verifier or libbpf refused, and what it was told.

use kassay_guest::Fact;
use nix::errno::Errno;

use crate::normalise;

/// What was refused, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The program's function; the object, where libbpf came to no program.
    pub name: String,
    /// The verifier's message, else libbpf's, on one line.
    pub message: String,
}

/// The refusal that a fact tells of.
pub fn of(fact: &Fact) -> Option<Refusal> {
    let Fact::Loaded {
        object,
        program,
        error: Some(error),
        log,
        ..
    } = fact
    else {
        return None;
    };
    let message = message(error, log);
    let name = program.as_deref().or_else(|| failed_program(log));
    Some(Refusal {
        name: name.unwrap_or(object).to_owned(),
        message,
    })
}

/// The kfunc that an instruction calls, in the verifier's log (`call NAME#ID` of
/// kernel/bpf/disasm.c, 6.1 to 7.2).
pub fn called(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(") call ")?;
    Some(call.split_once('#')?.0)
}

/// What was said last of an object that could not be loaded.
pub fn message(error: &str, log: &str) -> String {
    let said = verifier(log).or_else(|| libbpf(log));
    normalise::refusal(&said.unwrap_or_else(|| error.to_owned()))
}

/// What stands before words of the kernel's own that libbpf passes on.
const KERNEL: &str = "Kernel error message: ";

/// Why a program could not be attached: what libbpf says of it first, and the kernel through
/// libbpf; else the error by itself.
pub fn of_attach(fact: &Fact) -> Option<String> {
    let Fact::Attached {
        program,
        error: Some(error),
        log,
        ..
    } = fact
    else {
        return None;
    };
    let of_program = said(log).find(|line| program_of(line) == Some(program));
    let of_program = of_program.and_then(|line| Some(line.split_once("': ")?.1));
    // Of some kinds of probes it does not say which program has them.
    let libbpf = of_program.or_else(|| said(log).find(|line| !line.starts_with(KERNEL)));
    let libbpf = libbpf.map(with_error_name);
    let kernel = said(log).find_map(|line| line.strip_prefix(KERNEL));
    let message = libbpf.unwrap_or_else(|| error.clone());
    let message = match kernel {
        Some(kernel) => format!("{message}; the kernel says: {kernel}"),
        None => message,
    };
    Some(normalise::refusal(&message))
}

/// What the verifier says at last, below the trace of what it looked at and above
/// its count of instructions.
fn verifier(log: &str) -> Option<String> {
    let (_, log) = log.split_once("-- BEGIN PROG LOAD LOG --\n")?;
    let (log, _) = log.split_once("-- END PROG LOAD LOG --")?;
    // Its counts begin with the time where nothing but them was asked for.
    let ends = ["processed ", "verification time ", "libbpf: "];
    let lines = log
        .lines()
        .take_while(|line| !ends.iter().any(|end| line.starts_with(end)));
    let lines: Vec<&str> = lines.collect();
    let message = lines.rsplit(|line| is_trace(line)).next()?;
    let message: Vec<&str> = message.iter().map(|line| line.trim()).collect();
    let message = message.join("; ");
    (!message.is_empty()).then_some(message)
}

/// Whether a line of the verifier's is no message: an instruction or a state
/// (`3: …`, `from 3 to 5: …`), a line of source (`; …`).
fn is_trace(line: &str) -> bool {
    let number = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let is_numbered = number.len() < line.len() && number.starts_with(':');
    is_numbered || line.starts_with(';') || line.starts_with("from ") || line.starts_with("func#")
}

/// What libbpf says of why it failed: the first that it says of the program that failed, behind
/// which each caller says that it failed as well, else the last of all.
fn libbpf(log: &str) -> Option<String> {
    let failed = failed_program(log);
    let of_program = said(log).find(|line| program_of(line) == failed);
    let line = match failed {
        Some(_) => of_program?.split_once("': ")?.1,
        None => said(log).last()?,
    };
    Some(with_error_name(line))
}

/// The program that libbpf speaks of at last: behind it come only those that it would load next.
fn failed_program(log: &str) -> Option<&str> {
    said(log).filter_map(program_of).last()
}

/// What libbpf says, but that it loads nothing of an object, and what it goes on without.
fn said(log: &str) -> impl Iterator<Item = &str> {
    let lines = log.lines().filter_map(|line| line.strip_prefix("libbpf: "));
    lines.filter(|line| !line.starts_with("failed to load") && !line.contains(", skipping "))
}

/// The program that a line of libbpf's is about.
fn program_of(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("prog '")?.split_once("': ")?;
    Some(name)
}

/// A line whose error stands at its end as most of libbpf's have it (1.7), `-ESRCH`; some have
/// the number, `-3` or `(-3)`.
fn with_error_name(line: &str) -> String {
    let named = || {
        let bare = line.strip_suffix(')').unwrap_or(line);
        let (before, number) = bare.rsplit_once([' ', '('])?;
        let number = number.strip_prefix('-')?.parse().ok()?;
        let error = Errno::from_raw(number);
        let behind = &line[before.len()..];
        let behind = behind.replace(&number.to_string(), &format!("{error:?}"));
        (error != Errno::UnknownErrno).then(|| format!("{before}{behind}"))
    };
    named().unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(log: &str) -> (String, String) {
        let refusal = of(&Fact::Loaded {
            object: "o".to_owned(),
            program: None,
            error: Some("Invalid argument".to_owned()),
            log: log.to_owned(),
            costs: Vec::new(),
        });
        let Refusal { name, message } = refusal.unwrap();
        (name, message)
    }

    fn pair(name: &str, message: &str) -> (String, String) {
        (name.to_owned(), message.to_owned())
    }

    #[test]
    fn the_verifier_s_message_is_below_its_trace() {
        let log = "libbpf: prog 'p': BPF program load failed: -EACCES\n\
                   libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n\
                   0: R1=ctx() R10=fp0\n\
                   ; f(a, b); @ p.bpf.c:7\n\
                   3: (85) call f#1\n\
                   R2 unbounded memory access\n\
                   arg#0 arg#1 memory, len pair leads to invalid memory access\n\
                   processed 4 insns (limit 1000000)\n\
                   -- END PROG LOAD LOG --\n\
                   libbpf: prog 'p': failed to load: -EACCES\n\
                   libbpf: failed to load object 'o'\n";
        let message = "R2 unbounded memory access; \
                       arg#0 arg#1 memory, len pair leads to invalid memory access";
        assert_eq!(refused(log), pair("p", message));
    }

    #[test]
    fn without_the_verifier_libbpf_speaks() {
        let log = "libbpf: extern (func ksym) 'f': not found in kernel or module BTFs\n\
                   libbpf: failed to load object 'o'\n";
        let message = "extern (func ksym) 'f': not found in kernel or module BTFs";
        assert_eq!(refused(log), pair("o", message));
        let log = "libbpf: prog 'p': BPF program load failed: -EPERM\n\
                   libbpf: prog 'p': failed to load: -EPERM\n";
        assert_eq!(refused(log), pair("p", "BPF program load failed: -EPERM"));
        assert_eq!(refused(""), pair("o", "Invalid argument"));
        let log = "libbpf: map 'ring': failed to create: -EINVAL\n\
                   libbpf: failed to load object 'o'\n";
        let message = "map 'ring': failed to create: -EINVAL";
        assert_eq!(refused(log), pair("o", message));
    }

    #[test]
    fn what_is_missing_is_said_before_all_that_fails_for_it() {
        let log = |name: &str| {
            format!(
                "libbpf: prog 'other': missing .BTF.ext line info for the main program, skipping \
                 all of .BTF.ext line info.\n\
                 libbpf: prog 'p': failed to find kernel BTF type ID of '{name}': -ESRCH\n\
                 libbpf: prog 'p': failed to prepare load attributes: -ESRCH\n\
                 libbpf: prog 'p': failed to load: -ESRCH\n\
                 libbpf: failed to load object 'o'\n"
            )
        };
        for name in ["no_such_function", "another"] {
            let message = format!("failed to find kernel BTF type ID of '{name}': -ESRCH");
            assert_eq!(refused(&log(name)), pair("p", &message));
        }
    }

    #[test]
    fn the_program_that_failed_is_not_one_that_libbpf_only_warned_of() {
        let log = "libbpf: prog 'first': failed to bind map '.rodata': -EINVAL\n\
                   libbpf: prog 'p': missing BPF prog type, check ELF section name 'kpobe'\n\
                   libbpf: prog 'p': failed to load: -EINVAL\n";
        let message = "missing BPF prog type, check ELF section name 'kpobe'";
        assert_eq!(refused(log), pair("p", message));
    }

    #[test]
    fn errors_have_their_names() {
        let named = |text: &str| with_error_name(text);
        assert_eq!(named("no type of 'f': -3"), "no type of 'f': -ESRCH");
        assert_eq!(named("no type of 'f': -ESRCH"), "no type of 'f': -ESRCH");
        assert_eq!(named("no extern 'f' (-2)"), "no extern 'f' (-ENOENT)");
        for other in ["at offset 3", "error: -100000", "-3", "", "(-", "- -"] {
            assert_eq!(named(other), other);
        }
    }

    #[test]
    fn what_could_not_be_attached_has_libbpfs_words_and_the_kernels() {
        let told = |log: &str| {
            of_attach(&Fact::Attached {
                object: "o".to_owned(),
                program: "p".to_owned(),
                section: "kprobe/f".to_owned(),
                end: None,
                error: Some("Invalid argument (os error 22)".to_owned()),
                log: log.to_owned(),
            })
        };
        let log = "libbpf: prog 'p': failed to create kprobe 'f+0x0' perf event: -ENOENT\n";
        let message = "failed to create kprobe 'f+0x0' perf event: -ENOENT";
        assert_eq!(told(log).unwrap(), message);
        let log = "libbpf: Kernel error message: MTU too large\n";
        let message = "Invalid argument (os error 22); the kernel says: MTU too large";
        assert_eq!(told(log).unwrap(), message);
        let log = "libbpf: usdt: failed to find USDT support BPF maps\n";
        let message = "usdt: failed to find USDT support BPF maps";
        assert_eq!(told(log).unwrap(), message);
        assert_eq!(told("").unwrap(), "Invalid argument (os error 22)");
    }

    #[test]
    fn what_was_loaded_is_not_refused() {
        let loaded = Fact::Loaded {
            object: "o".to_owned(),
            program: None,
            error: None,
            log: String::new(),
            costs: Vec::new(),
        };
        assert_eq!(of(&loaded), None);
    }
}
