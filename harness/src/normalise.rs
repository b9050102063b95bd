//! The one place where text loses what differs from run to run, machine to
//! machine and kernel to kernel. Rules are only ever added; each has a test
//! that shows a line before and after.

use std::ops::RangeInclusive;

use kassay_guest::trace::Event;

/// Text of which every control character but newlines and tabs is shown as Rust
/// writes it: a guest may send what has a terminal do things.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            _ if letter.is_control() => shown.extend(letter.escape_default()),
            _ => shown.push(letter),
        }
    }
    shown
}

/// The processes that a scenario's steps were done by.
pub struct Triggers {
    /// Their ids in the guest, from first to last of each step.
    pub pids: Vec<RangeInclusive<i32>>,
    /// Those of the guest program itself, which serve no step.
    pub own: Vec<i32>,
}

impl Triggers {
    fn has(&self, pid: i32) -> bool {
        self.pids.iter().any(|pids| pids.contains(&pid))
    }
}

/// A line of the trace: without CPU, flags and time; the triggering process is
/// `[pid]`, in front and where the message speaks of a PID, and nowhere else. An interrupt stands
/// in the place of the task that it came upon.
pub fn trace_line(line: &str, triggers: &Triggers) -> String {
    let Some(Event {
        task,
        pid,
        interrupt,
        message,
        ..
    }) = Event::of(line)
    else {
        return line.to_owned();
    };
    let message = name_pids(message, triggers);
    match interrupt {
        Some(interrupt) => format!("[{interrupt}]: {message}"),
        None if triggers.own.contains(&pid) => format!("[kassay]: {message}"),
        None if triggers.has(pid) => format!("{task}[pid]: {message}"),
        // Its name has the map's id (kernel/bpf/cpumap.c, 5.9 to 7.2).
        None if task.starts_with("cpumap/") => format!("[cpumap]: {message}"),
        // What has the signals of a receiver handled (drivers/media/rc/rc-ir-raw.c, 4.16 to 7.2).
        None if is_receiver(task) => format!("[{task}]: {message}"),
        None => format!("{task}-{pid}: {message}"),
    }
}

/// Whether a task is called as the kernel's thread of a receiver of infrared signals: `rc0`.
fn is_receiver(task: &str) -> bool {
    let number = task.strip_prefix("rc");
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

/// A line that a program printed: a triggering process is `[pid]` where it speaks of a PID. Where
/// lines end in a carriage return too, that is not shown.
pub fn printed_line(line: &str, triggers: &Triggers) -> String {
    name_pids(line.trim_end_matches('\r'), triggers)
}

/// Replaces a triggering PID by `[pid]` behind the word PID, in any case, with
/// or without a colon: elsewhere the same number may be a result.
fn name_pids(message: &str, triggers: &Triggers) -> String {
    let lower = message.to_ascii_lowercase();
    let mut out = String::new();
    let mut rest = message;
    while let Some(at) = lower[message.len() - rest.len()..].find("pid") {
        let (before, after) = rest.split_at(at + 3);
        let gap = after.len() - after.trim_start_matches([' ', ':', '=']).len();
        let digits = after[gap..]
            .chars()
            .take_while(char::is_ascii_digit)
            .count();
        let number = &after[gap..gap + digits];
        out.push_str(before);
        out.push_str(&after[..gap]);
        let pid = number.parse().ok().filter(|_| gap > 0);
        out.push_str(match pid {
            Some(pid) if triggers.has(pid) => "[pid]",
            // The first process has the same number in each run.
            Some(pid) if pid != 1 && triggers.own.contains(&pid) => "[kassay]",
            _ => number,
        });
        rest = &after[gap + digits..];
    }
    out + rest
}

/// Messages that depend on the kernel's configuration or on the host, not on
/// what is tested. Each is the whole message, in which `*` stands for any part of a word: a prefix
/// alone could be anybody's.
const NOISE: &[&str] = &[
    "*: loading out-of-tree module taints kernel.",
    "*: module verification failed: signature and/or required key missing - tainting kernel",
    "IPv6: ADDRCONF(NETDEV_CHANGE): *: link becomes ready",
    "IPv6: ADDRCONF(NETDEV_UP): *: link is not ready",
    "clocksource: Switched to clocksource *",
    "clocksource: *: mask: 0x* max_cycles: 0x*, max_idle_ns: * ns",
    "clocksource: Long readout interval, skipping watchdog check: cs_nsec: * wd_nsec: *",
    "clocksource: timekeeping watchdog on CPU*: * retried * times before success",
    "clocksource: timekeeping watchdog on CPU*: * wd-wd read-back delay of *ns",
    "clocksource: wd-*-wd read-back delay of *ns, clock-skew test skipped!",
    "random: crng init done",
    "random: crng reseeded due to virtual machine fork",
    "random: * urandom warning(s) missed due to ratelimiting",
    "random: *: uninitialized urandom read (* bytes read)",
    "tsc: Refined TSC clocksource calibration: * MHz",
    "Disabling lock debugging due to kernel taint",
    "hrtimer: interrupt took * ns",
    "NOTICE: Automounting of tracing to debugfs is deprecated and will be removed in 2030",
];

/// The kernel's level of errors (KERN_ERR); a lower number is worse.
const ERROR: u8 = 3;

/// Whether a message of the kernel log says nothing of what is tested. An error never is noise.
pub fn is_noise(level: u8, message: &str) -> bool {
    level > ERROR && NOISE.iter().any(|noise| matches(noise, message))
}

/// Whether a message comes of the first module that counts its lines (kernel/gcov/gcc_base.c, 6.1 to
/// 7.2). Without a prefix it could be anybody's in a run in which none does.
pub fn is_of_counting(message: &str) -> bool {
    matches("version magic: 0x*", message)
}

/// Whether a message is that of a pattern, word for word.
fn matches(pattern: &str, message: &str) -> bool {
    let is_word = |(pattern, word): (&str, &str)| match pattern.split_once('*') {
        None => pattern == word,
        Some((before, after)) => {
            word.len() > before.len() + after.len()
                && word.starts_with(before)
                && word.ends_with(after)
        }
    };
    let words = |text: &'_ str| text.split(' ').count();
    words(pattern) == words(message) && pattern.split(' ').zip(message.split(' ')).all(is_word)
}

/// A line of the kernel log that is not noise.
pub fn log_line(line: &str) -> String {
    name_btf_ids(line)
}

/// Replaces the BTF id of a kfunc, which is another in every kernel.
fn name_btf_ids(line: &str) -> String {
    let named = || {
        let (before, rest) = line.split_once("(id: ")?;
        let (id, after) = rest.split_once(')')?;
        let is_id = before.starts_with("kfunc ") && id.parse::<u32>().is_ok();
        is_id.then(|| format!("{before}(id: [id]){after}"))
    };
    named().unwrap_or_else(|| line.to_owned())
}

/// Numbers in the verifier's messages that depend on the order of its work, on what
/// clang makes of a program and on the kernel's BTF: what stands before and behind each.
const NUMBERS: &[(&str, &str)] = &[
    ("id=", ""),
    ("alloc_insn=", ""),
    ("insn ", ""),
    ("#", ""),
    ("R", " invalid mem access"),
];

/// A message with which a program was refused. An argument, `arg#0`, keeps its number;
/// `arg #1` does not, for kernels differ in where they begin to count.
pub fn refusal(message: &str) -> String {
    NUMBERS
        .iter()
        .fold(message.to_owned(), |text, (before, behind)| {
            let mut out = String::new();
            let mut rest = text.as_str();
            while let Some((head, tail)) = rest.split_once(before) {
                let word = head.rsplit(' ').next().unwrap_or_default();
                let is_argument = *before == "#" && matches!(word, "arg" | "args");
                let digits = tail.chars().take_while(char::is_ascii_digit).count();
                rest = &tail[digits..];
                let is_one = digits > 0 && !is_argument && rest.starts_with(behind);
                let number = if is_one { "[n]" } else { &tail[..digits] };
                out.extend([head, before, number]);
            }
            out + rest
        })
}

/// Tags of programs, which are others with every compiler and kernel: numbered as
/// they come, so that it shows which programs are the same.
pub fn tags<'a>(tags: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut known = Vec::new();
    tags.map(|tag| {
        let place = known.iter().position(|one| *one == tag);
        let place = place.unwrap_or_else(|| {
            known.push(tag);
            known.len() - 1
        });
        format!("[tag {}]", place + 1)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(line: &str) -> String {
        trace_line(
            line,
            &Triggers {
                pids: vec![79..=79],
                own: vec![1, 78],
            },
        )
    }

    #[test]
    fn a_command_has_several_processes() {
        let triggers = Triggers {
            pids: vec![79..=81],
            own: Vec::new(),
        };
        let line = "      loader-80      [000] ...21     1.234567: bpf_trace_printk: by PID 81";
        assert_eq!(trace_line(line, &triggers), "loader[pid]: by PID [pid]");
        let line = "pid 79 is not pid: 82 and has 80 files\r";
        let named = "pid [pid] is not pid: 82 and has 80 files";
        assert_eq!(printed_line(line, &triggers), named);
    }

    #[test]
    fn a_trace_line_loses_cpu_flags_and_time() {
        let line = "          unlink-79      [000] ...21     1.234567: bpf_trace_printk: index 7";
        assert_eq!(trace(line), "unlink[pid]: index 7");
    }

    #[test]
    fn an_interrupt_is_no_ones() {
        let line = "              udp-79      [000] b.s31     1.2: bpf_trace_printk: received";
        assert_eq!(trace(line), "[softirq]: received");
        let line = "  cpumap/0/map:2-128     [000] ...1.     1.2: bpf_trace_printk: received";
        assert_eq!(trace(line), "[cpumap]: received");
        let line = "              rc0-128     [000] ...1.     1.2: bpf_trace_printk: a pulse";
        assert_eq!(trace(line), "[rc0]: a pulse");
        let line = "              rcu-128     [000] ...1.     1.2: bpf_trace_printk: a pulse";
        assert_eq!(trace(line), "rcu-128: a pulse");
        let line = "      ksoftirqd/0-12      [000] ..s2.     1.2: bpf_trace_printk: received";
        assert_eq!(trace(line), "[softirq]: received");
        let line = "           <idle>-0       [000] d.H2.     1.2: bpf_trace_printk: ticked";
        assert_eq!(trace(line), "[hardirq]: ticked");
        let line = "           unlink-79      [000] d.Z2.     1.2: bpf_trace_printk: unlinked";
        assert_eq!(trace(line), "unlink[pid]: unlinked");
    }

    #[test]
    fn only_the_triggering_process_is_named_pid() {
        let line =
            "     some-task-80      [001] d..21     1.2: bpf_trace_printk: from PID 80. Result: 79";
        assert_eq!(trace(line), "some-task-80: from PID 80. Result: 79");
        let line =
            "        unlink-79      [001] d..21     1.2: bpf_trace_printk: from PID 79. Result: 79";
        assert_eq!(trace(line), "unlink[pid]: from PID [pid]. Result: 79");
    }

    #[test]
    fn a_pid_may_follow_a_colon() {
        let line =
            "        unlink-79      [001] d..21     1.2: bpf_trace_printk: Hello (pid: 79) found 7";
        assert_eq!(trace(line), "unlink[pid]: Hello (pid: [pid]) found 7");
    }

    #[test]
    fn control_characters_are_shown() {
        let title = "\x1b]0;pass\x07 a\rb\x7f\u{9b}2J\tc\n";
        let shown = "\\u{1b}]0;pass\\u{7} a\\rb\\u{7f}\\u{9b}2J\tc\n";
        assert_eq!(visible(title), shown);
        assert_eq!(visible("Größe \\ 'x'"), "Größe \\ 'x'");
    }

    #[test]
    fn a_long_line_full_of_pids_is_read_once() {
        let line = format!("a-79 [000] d 1.0: {}", "pid: 79 ".repeat(1 << 17));
        assert_eq!(
            trace(&line),
            format!("a[pid]: {}", "pid: [pid] ".repeat(1 << 17))
        );
    }

    #[test]
    fn a_longer_number_is_another_number() {
        let line = "        unlink-79      [001] d..21     1.2: bpf_trace_printk: PID 791";
        assert_eq!(trace(line), "unlink[pid]: PID 791");
    }

    #[test]
    fn a_kfuncs_btf_id_is_no_number() {
        let line = "kfunc bpf_strstr (id: 79183) is already present in vmlinux.";
        let named = "kfunc bpf_strstr (id: [id]) is already present in vmlinux.";
        assert_eq!(log_line(line), named);
        let other = "widget (id: 79183) found";
        assert_eq!(log_line(other), other);
    }

    #[test]
    fn a_refusal_names_no_ids_and_no_instructions() {
        assert_eq!(
            refusal("Unreleased reference id=2 alloc_insn=13"),
            "Unreleased reference id=[n] alloc_insn=[n]"
        );
        assert_eq!(
            refusal("back-edge from insn 7 to 3"),
            "back-edge from insn [n] to 3"
        );
        let message = "kfunc bpf_put#74231 reference has not been acquired before";
        assert_eq!(refusal(message), message.replace("74231", "[n]"));
        let message = "Expected an initialized dynptr as arg #1";
        assert_eq!(refusal(message), message.replace('1', "[n]"));
    }

    #[test]
    fn a_refusal_names_arguments_and_their_registers() {
        for message in [
            "arg#0 arg#1 memory, len pair leads to invalid memory access",
            "kernel function f args#0 expected pointer to STRUCT s",
            "R1 must be referenced or trusted",
        ] {
            assert_eq!(refusal(message), message);
        }
        assert_eq!(
            refusal("R7 invalid mem access 'ptr_or_null_'"),
            "R[n] invalid mem access 'ptr_or_null_'"
        );
    }

    #[test]
    fn the_same_tag_has_the_same_number() {
        let seen = ["3b185187f1855c4c", "6deef7357e7b4530", "3b185187f1855c4c"];
        assert_eq!(tags(seen.into_iter()), ["[tag 1]", "[tag 2]", "[tag 1]"]);
    }

    #[test]
    fn what_is_no_trace_line_stays() {
        assert_eq!(trace("CPU:0 [LOST 5 EVENTS]"), "CPU:0 [LOST 5 EVENTS]");
    }

    /// Whether a warning of this text is noise.
    fn noise(text: &str) -> bool {
        is_noise(4, text)
    }

    #[test]
    fn taint_notes_are_noise() {
        assert!(noise(
            "kfunc_sum: loading out-of-tree module taints kernel."
        ));
        assert!(noise(
            "kfunc_sum: module verification failed: signature and/or required key missing - tainting kernel"
        ));
        assert!(noise("Disabling lock debugging due to kernel taint"));
        assert!(!noise("Hello, world!"));
    }

    #[test]
    fn notes_of_network_clock_and_randomness_are_noise() {
        for note in [
            "IPv6: ADDRCONF(NETDEV_CHANGE): kassay-rx: link becomes ready",
            "clocksource: Switched to clocksource tsc",
            "clocksource: tsc: mask: 0xffffffffffffffff max_cycles: 0x257a3f, max_idle_ns: 440795 ns",
            "tsc: Refined TSC clocksource calibration: 2596.081 MHz",
            "hrtimer: interrupt took 10975430 ns",
            "random: crng reseeded due to virtual machine fork",
            "random: 7 urandom warning(s) missed due to ratelimiting",
        ] {
            assert!(noise(note), "{note}");
        }
    }

    #[test]
    fn the_note_of_counting_is_none_of_other_runs() {
        assert!(is_of_counting("version magic: 0x4232322a"));
        assert!(!noise("version magic: 0x4232322a") && !is_of_counting("version magic: none"));
    }

    #[test]
    fn what_only_begins_like_noise_is_none() {
        for text in [
            "random: the pool is empty",
            "tsc: m lost its clock",
            "clocksource: Switched to clocksource tsc, at last",
            "random: crng init done\nit is broken",
            "m: no module verification failed: signature and/or required key missing - tainting kernel",
            "hrtimer: interrupt took  ns",
            "NOTICE: another",
        ] {
            assert!(!noise(text), "{text}");
        }
    }

    #[test]
    fn an_error_is_no_noise_whatever_it_says() {
        let text = "random: crng init done";
        assert!(is_noise(5, text) && !is_noise(ERROR, text) && !is_noise(0, text));
    }

    #[test]
    fn what_the_guests_own_mounts_bring_is_noise() {
        assert!(noise(
            "NOTICE: Automounting of tracing to debugfs is deprecated and will be removed in 2030"
        ));
    }

    #[test]
    fn the_guest_program_is_named_alike_in_each_run() {
        let line = " kassay-plan-78      [000] ...21     1.2: bpf_trace_printk: write by PID 78";
        assert_eq!(trace(line), "[kassay]: write by PID [kassay]");
        let line = " kassay-plan-78      [000] ...21     1.2: bpf_trace_printk: found PID 1";
        assert_eq!(trace(line), "[kassay]: found PID 1");
        let line = " kassay-plan-78      [000] ..s21     1.2: bpf_trace_printk: received";
        assert_eq!(trace(line), "[softirq]: received");
    }
}
