//! Lines of the trace, as the kernel writes them.

/// What a line of the trace tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The name of the task that it came up in.
    pub task: &'a str,
    /// The task's process id.
    pub pid: i32,
    /// What the CPU was serving in the place of the task, if anything.
    pub interrupt: Option<&'static str>,
    /// Whether interrupts were off.
    pub is_off: bool,
    /// What is said, without the name of `bpf_trace_printk`.
    pub message: &'a str,
}

impl Event<'_> {
    /// Splits `TASK-PID [CPU] FLAGS TIME: EVENT: MESSAGE` (Documentation/trace/ftrace.rst).
    pub fn of(line: &str) -> Option<Event<'_>> {
        let (head, rest) = line.split_once(" [")?;
        let (task, pid) = head.trim().rsplit_once('-')?;
        let (_, rest) = rest.split_once("] ")?;
        let (flags, rest) = rest.split_once(": ")?;
        let message = rest.strip_prefix("bpf_trace_printk: ").unwrap_or(rest);
        Some(Event {
            task,
            pid: pid.parse().ok()?,
            interrupt: interrupt(flags),
            is_off: flags.starts_with(['d', 'D']),
            message,
        })
    }

    /// Whether one of these processes itself did what is told.
    pub fn is_of(&self, pids: &[i32]) -> bool {
        self.interrupt.is_none() && pids.contains(&self.pid)
    }
}

/// The third flag (trace_print_lat_fmt in kernel/trace/trace_output.c, 6.1 to 7.2). An NMI is left
/// to its task: a kprobe's breakpoint shows as one.
fn interrupt(flags: &str) -> Option<&'static str> {
    match flags.chars().nth(2)? {
        's' => Some("softirq"),
        'h' | 'H' => Some("hardirq"),
        _ => None,
    }
}

/// Leaves out of text that comes in any portions the lines of some processes, each with the lines
/// that its message goes on in.
pub struct Without {
    pids: Vec<i32>,
    /// A line that has not come to its end.
    rest: Vec<u8>,
    /// Whether the last line was left out.
    is_out: bool,
}

impl Without {
    /// Nothing has come yet.
    pub fn new(pids: Vec<i32>) -> Without {
        Without {
            pids,
            rest: Vec::new(),
            is_out: false,
        }
    }

    /// The whole lines up to the end of this portion that are left.
    pub fn feed(&mut self, portion: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(portion);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n');
        let rest = self.rest.split_off(end.map_or(0, |end| end + 1));
        let whole = std::mem::replace(&mut self.rest, rest);
        let mut left = Vec::new();
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            if let Some(event) = Event::of(&String::from_utf8_lossy(line)) {
                self.is_out = event.is_of(&self.pids);
            }
            if !self.is_out {
                left.extend_from_slice(line);
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_process_are_left_out_whatever_the_portions() {
        let text = b"  a-1  [000] ...21  1.0: bpf_trace_printk: one\nmore\n\
            b-2  [000] ...21  1.0: bpf_trace_printk: two\n\
            a-1  [000] ..s21  1.0: bpf_trace_printk: three\n";
        for length in 1..text.len() {
            let mut without = Without::new(vec![1]);
            let left: Vec<u8> = text
                .chunks(length)
                .flat_map(|part| without.feed(part))
                .collect();
            let left = String::from_utf8(left).unwrap();
            assert!(
                left.starts_with("b-2") && left.ends_with("three\n"),
                "{left}"
            );
        }
    }
}
