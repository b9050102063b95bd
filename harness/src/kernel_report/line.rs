//! Lines of a console or a kernel log, without what printk puts in front.

use std::collections::HashMap;

use super::opening::Opening;

/// One message.
pub struct Line<'a> {
    /// The number of the line that it stands in.
    pub number: usize,
    /// The task or CPU that printed it, such as `T70` or `C0`, where that is told.
    pub caller: Option<&'a str>,
    /// What was printed.
    pub text: &'a str,
    /// What begins here.
    pub opening: Option<&'static Opening>,
    /// The place of the next message of the same caller.
    pub next: Option<usize>,
}

/// The messages of a log.
pub fn split(log: &str) -> Vec<Line<'_>> {
    let mut messages = Vec::new();
    for (number, mut line) in log.lines().enumerate() {
        // A message may come into one that was not at its end.
        while let Some(at) = inner(line) {
            messages.push(message(number, &line[..at]));
            line = &line[at..];
        }
        messages.push(message(number, line));
    }
    let mut next = HashMap::new();
    for (at, message) in messages.iter_mut().enumerate().rev() {
        message.next = next.insert(message.caller, at);
    }
    messages
}

fn message(number: usize, line: &str) -> Line<'_> {
    let line = line.trim_end();
    let line = kmsg(line).or_else(|| level(line)).unwrap_or(line);
    let timed = time(line.trim_start());
    let (caller, rest) = match caller(timed.unwrap_or(line)) {
        Some((caller, rest)) => (Some(caller), Some(rest)),
        None => (None, timed),
    };
    // printk puts a blank behind what it puts in front.
    let text = rest.map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
    Line {
        number,
        caller,
        text,
        opening: Opening::of(text),
        next: None,
    }
}

/// Where a message begins inside of a line.
fn inner(line: &str) -> Option<usize> {
    let text = line.len() - line.trim_start().len();
    let mut starts = line.match_indices('[').map(|(at, _)| at);
    starts.find(|at| *at > text && is_head(&line[..*at], &line[*at..]))
}

/// Whether a time stands here, and not right behind a level or a record's head.
fn is_head(before: &str, text: &str) -> bool {
    let is_whole = |stamp: &str| {
        stamp
            .split_once('.')
            .is_some_and(|(_, micros)| micros.len() == 6)
    };
    bracket(text).is_some_and(|(stamp, _)| is_whole(stamp))
        && time(text).is_some()
        && level(before) != Some("")
        && kmsg(before) != Some("")
}

/// How far behind a `[` its `]` is looked for, in bytes: what printk brackets is
/// shorter, and a line may have any number of `[` and no `]`.
const BRACKET: usize = 32;

/// What stands in brackets here, and the rest.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('[')?;
    let end = text.bytes().take(BRACKET).position(|byte| byte == b']')?;
    Some((&text[..end], &text[end + 1..]))
}

/// The rest behind `[    1.234567]` (print_time in kernel/printk/printk.c).
fn time(text: &str) -> Option<&str> {
    let (stamp, rest) = bracket(text)?;
    let (seconds, fraction) = stamp.trim_start().split_once('.')?;
    (is_number(seconds) && is_number(fraction)).then_some(rest)
}

/// `T70` or `C0` and the rest behind `[   T70]` (print_caller, as above).
fn caller(text: &str) -> Option<(&str, &str)> {
    let (caller, rest) = bracket(text.trim_start())?;
    let caller = caller.trim_start();
    let number = caller.strip_prefix('T').or(caller.strip_prefix('C'))?;
    is_number(number).then_some((caller, rest))
}

/// The rest behind `<4>`.
fn level(text: &str) -> Option<&str> {
    let (level, rest) = text.strip_prefix('<')?.split_once('>')?;
    is_number(level).then_some(rest)
}

/// The rest behind `4,123,456,-;` (Documentation/ABI/testing/dev-kmsg).
fn kmsg(text: &str) -> Option<&str> {
    let (head, rest) = text.split_once(';')?;
    let mut fields = head.split(',');
    let is_head = (0..3).all(|_| fields.next().is_some_and(is_number)) && fields.next().is_some();
    is_head.then_some(rest)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &str) -> Vec<&str> {
        split(log).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn what_printk_puts_in_front_is_not_the_message() {
        assert_eq!(texts("[    1.500000] a"), ["a"]);
        assert_eq!(texts("[12345.500000][    T1]  a\r\n"), [" a"]);
        assert_eq!(texts("<4>[    1.500000] a"), ["a"]);
        assert_eq!(texts("4,339,5140900,-,caller=T1;a"), ["a"]);
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in ["[ BUG: x ]", "[1.a] a", "[T] a", "a; b", "[   12] a", ""] {
            assert_eq!(texts(&format!("{text}\n")), [text]);
        }
    }

    #[test]
    fn a_caller_is_told() {
        assert_eq!(split("[    1.500000][   C0] a")[0].caller, Some("C0"));
        assert_eq!(split("[    1.500000] a")[0].caller, None);
    }

    #[test]
    fn a_message_inside_of_another_is_one() {
        assert_eq!(
            texts("[0.1] not [0.2] at its end[    1.500000] a\n[    2.000000] b"),
            ["not [0.2] at its end", "a", "b"]
        );
        assert_eq!(texts("<4>[    1.500000] a[    2.000000] b"), ["a", "b"]);
    }
}
