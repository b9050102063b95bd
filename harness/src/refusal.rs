//! A program that the verifier or libbpf refused, and what it was told.

use kassay_guest::Fact;

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
    } = fact
    else {
        return None;
    };
    let message = verifier(log)
        .or_else(|| libbpf(log))
        .unwrap_or_else(|| error.clone());
    let name = program.as_deref().or_else(|| failed_program(log));
    Some(Refusal {
        name: name.unwrap_or(object).to_owned(),
        message: normalise::refusal(&message),
    })
}

/// What the verifier says at last, below the trace of what it looked at and above
/// its count of instructions.
fn verifier(log: &str) -> Option<String> {
    let (_, log) = log.split_once("-- BEGIN PROG LOAD LOG --\n")?;
    let (log, _) = log.split_once("-- END PROG LOAD LOG --")?;
    let lines = log
        .lines()
        .take_while(|line| !line.starts_with("processed ") && !line.starts_with("libbpf: "));
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

/// The last that libbpf says but that it failed.
fn libbpf(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| line.strip_prefix("libbpf: "));
    let said = lines.map(|line| match line.strip_prefix("prog '") {
        Some(rest) => rest.split_once("': ").map_or(line, |(_, rest)| rest),
        None => line,
    });
    let mut said =
        said.filter(|line| !line.starts_with("failed to load") && !line.starts_with("-- "));
    said.next_back().map(str::to_owned)
}

/// The first program that libbpf says could not be loaded.
fn failed_program(log: &str) -> Option<&str> {
    let failed = log.lines().find_map(|line| {
        line.strip_prefix("libbpf: prog '")?
            .split_once("': BPF program load failed")
    });
    failed.map(|(name, _)| name)
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
    }

    #[test]
    fn what_was_loaded_is_not_refused() {
        let loaded = Fact::Loaded {
            object: "o".to_owned(),
            program: None,
            error: None,
            log: String::new(),
        };
        assert_eq!(of(&loaded), None);
    }
}
