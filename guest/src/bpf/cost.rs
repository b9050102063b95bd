//! What programs take: the verifier's counts, and the size of what was made of them.

use std::ffi::{CStr, c_char};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use kassay_guest::Cost;
use libbpf_rs::{AsRawLibbpf, Object, OpenObject, OpenProgramMut, Program, libbpf_sys};

/// How many instructions the verifier may have gone through for it to tell of each in another load:
/// libbpf (1.7) asks again with a larger buffer until all of it fits.
const TOLD: u64 = 100_000;

/// The verifier's counts without its trace (BPF_LOG_STATS of include/linux/bpf_verifier.h).
const STATS: u32 = 4;

/// How much it may say then, in bytes: a few lines, and what it remarks on.
const ROOM: usize = 16 << 10;

/// What the verifier is to say of each program of an object.
pub struct Meter(Vec<Log>);

struct Log {
    /// The program, of which no more is known before it is loaded.
    cost: Cost,
    text: Vec<u8>,
}

impl Meter {
    /// Has the verifier count when the object is loaded.
    pub fn of(object: &mut OpenObject) -> libbpf_rs::Result<Meter> {
        let programs = object.progs_mut().filter(|program| program.autoload());
        programs.map(Log::of).collect::<Result<_, _>>().map(Meter)
    }

    /// Reads what libbpf only knows once it has put the object together: how many instructions a
    /// program has with those of its subprograms, and where a callback belongs.
    pub fn prepare(&mut self, object: &mut OpenObject) -> libbpf_rs::Result<()> {
        // SAFETY: the object is open, and is loaded or dropped later, which both may follow.
        let error = unsafe { libbpf_sys::bpf_object__prepare(object.as_libbpf_object().as_ptr()) };
        if error != 0 {
            return Err(libbpf_rs::Error::from_raw_os_error(-error));
        }
        let programs = object.progs_mut().filter(|program| program.autoload());
        for (mut program, log) in programs.zip(&mut self.0) {
            log.describe(&mut program);
        }
        Ok(())
    }

    /// What the programs took; nothing is counted of those that the verifier did not come to, and
    /// nothing was made of those that it refused.
    pub fn read(&self, object: Option<&Object>) -> Vec<Cost> {
        let cost = |log: &Log| {
            let mut programs = object.into_iter().flat_map(Object::progs);
            let loaded = programs.find(|program| program.name() == log.cost.program.as_str());
            let known = log.cost.clone();
            Cost {
                program: known.program,
                size: known.size,
                kind: known.kind,
                attach_kind: known.attach_kind,
                jited: loaded.map_or(0, |program| jited(&program).unwrap_or_default()),
                ..counts(&log.text()).unwrap_or_default()
            }
        };
        self.0.iter().map(cost).collect()
    }

    /// What the verifier said of the program that it came to last, where all of its trace would be
    /// too much, as libbpf shows a log.
    pub fn remarks(&self) -> Option<String> {
        let mut texts = self.0.iter().rev().map(Log::text);
        let text = texts.find(|text| !text.is_empty())?;
        counts(&text).filter(|cost| cost.insns > TOLD)?;
        Some(format!(
            "-- BEGIN PROG LOAD LOG --\n{text}-- END PROG LOAD LOG --\n"
        ))
    }
}

impl Log {
    fn of(mut program: OpenProgramMut<'_>) -> libbpf_rs::Result<Log> {
        let mut text = vec![0; ROOM];
        let raw = program.as_libbpf_object().as_ptr();
        program.set_log_level(STATS);
        let (start, length) = (text.as_mut_ptr().cast(), text.len());
        // SAFETY: libbpf writes into the buffer only while it loads. The meter is there until then,
        // and has it at the same place.
        let error = unsafe { libbpf_sys::bpf_program__set_log_buf(raw, start, length as _) };
        if error != 0 {
            return Err(libbpf_rs::Error::from_raw_os_error(-error));
        }
        let cost = Cost {
            program: program.name().to_string_lossy().into_owned(),
            ..Cost::default()
        };
        let mut log = Log { cost, text };
        log.describe(&mut program);
        Ok(log)
    }

    /// What libbpf knows of the program by now.
    fn describe(&mut self, program: &mut OpenProgramMut<'_>) {
        let raw = program.as_libbpf_object().as_ptr();
        self.cost.size = program.insn_cnt() as u64;
        // SAFETY: the program is open; libbpf's names are static, and null where it knows none.
        (self.cost.kind, self.cost.attach_kind) = unsafe {
            let kind = libbpf_sys::bpf_program__type(raw);
            let attach = libbpf_sys::bpf_program__expected_attach_type(raw);
            (
                name(libbpf_sys::libbpf_bpf_prog_type_str(kind)),
                name(libbpf_sys::libbpf_bpf_attach_type_str(attach)),
            )
        };
    }

    fn text(&self) -> String {
        let text = CStr::from_bytes_until_nul(&self.text);
        text.map_or_else(
            |_| String::new(),
            |text| text.to_string_lossy().into_owned(),
        )
    }
}

/// # Safety
/// The text ends in a zero, or there is none.
unsafe fn name(text: *const c_char) -> String {
    match text.is_null() {
        true => String::new(),
        // SAFETY: the caller says so.
        false => unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned(),
    }
}

/// Bytes of machine code of a loaded program.
fn jited(program: &Program<'_>) -> io::Result<u64> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = size_of_val(&info) as u32;
    let fd = program.as_fd().as_raw_fd();
    // SAFETY: the structure is as large as is said.
    let done = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(fd, &raw mut info, &raw mut size) };
    match done {
        0 => Ok(info.jited_prog_len.into()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// The counts in what the verifier said, if it came to its end.
fn counts(log: &str) -> Option<Cost> {
    let after = |line: &str, word: &str| {
        let (_, rest) = line.split_once(word)?;
        rest.trim_start().split(' ').next()?.parse().ok()
    };
    let line = |start: &str| log.lines().rfind(|line| line.starts_with(start));
    let processed = line("processed ")?;
    let of = |word| after(processed, word);
    let stack = line("stack depth ").and_then(|line| line.strip_prefix("stack depth "));
    let time = line("verification time ");
    Some(Cost {
        insns: of("processed ")?,
        states: of("total_states ")?,
        peak_states: of("peak_states ")?,
        states_per_insn: of("max_states_per_insn ")?,
        mark_read: of("mark_read ").unwrap_or(0),
        time_us: time
            .and_then(|line| after(line, "time "))
            .unwrap_or_default(),
        stack: stack.map_or_else(Vec::new, |depths| {
            let depths = depths.split([' ', '+']);
            depths.map_while(|depth| depth.parse().ok()).collect()
        }),
        ..Cost::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_in_the_last_lines_of_the_log() {
        let log = "a remark\nverification time 42 usec\nstack depth 16+8 max 24\n\
                   processed 12 insns (limit 1000000) max_states_per_insn 1 total_states 3 \
                   peak_states 2 mark_read 1\n";
        let cost = counts(log).unwrap();
        assert_eq!((cost.insns, cost.states, cost.peak_states), (12, 3, 2));
        assert_eq!((cost.states_per_insn, cost.mark_read), (1, 1));
        assert_eq!((cost.time_us, cost.stack), (42, vec![16, 8]));
        assert_eq!(counts("R1 is not a pointer\n"), None);
    }
}
