//! What a kernel prints when something is wrong, and its title.
//!
//! Titles follow syzkaller's: the kind of trouble and the function that it
//! happened in, without addresses, offsets or process ids, so that the same
//! trouble has the same title on every run, kernel and build, and a scenario can
//! expect it.

pub mod frame;
mod line;
mod opening;

use std::borrow::Cow;

use line::Line;
use opening::{End, Opening};

/// Trouble that a console or a kernel log tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What kind of trouble.
    pub kind: Kind,
    /// Its stable name.
    pub title: String,
    /// The lines of its first report, at most [`LINES`].
    pub text: String,
    /// Whether the kernel stopped because of it.
    pub stops: bool,
    culprit: Option<String>,
}

/// Kinds of reports, as far as they mean different things for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Memory that nothing points to.
    Leak,
    /// The kernel goes on.
    Report,
    /// The kernel goes on, but for what hangs.
    Stall,
    /// The kernel stopped.
    Panic,
    /// Memory ran out.
    OutOfMemory,
}

/// The title of a whole system that is out of memory, not only a cgroup.
pub const OUT_OF_MEMORY: &str = "Out of memory";

/// How many lines of a report are kept.
pub const LINES: usize = 150;

/// The line that WARN and BUG put before the first of their own
/// (include/asm-generic/bug.h).
const CUT: &str = "------------[ cut here ]------------";

/// How many lines of a message may come between [`CUT`] and what it is about.
const MESSAGE: usize = 8;

/// How many lines of a list in a report are kept.
const ITEMS: usize = 16;

/// How many reports are told apart. Another one counts if it is graver than these.
const MOST: usize = 100;

/// The longest title, in characters.
const TITLE: usize = 300;

/// One report of a log.
struct Sighting {
    kind: Kind,
    title: String,
    culprit: Option<String>,
    /// Whether it speaks of a report before it.
    is_echo: bool,
    /// The place of the line that it is known by.
    opening: usize,
    /// The places of all its lines.
    lines: Vec<usize>,
}

/// The troubles of a log, in order. What follows from one, such as the panic
/// behind an oops or the same warning once more, is part of it.
pub fn find(log: &str) -> Vec<Report> {
    let lines = line::split(log);
    let mut reports: Vec<Report> = Vec::new();
    let mut covered = vec![false; lines.len()];
    for sighting in sightings(&lines) {
        let is_inside = covered[sighting.opening];
        let gravest = reports.iter().map(|report| report.kind).max();
        let counts = reports.len() < MOST || Some(sighting.kind) > gravest;
        let earlier = reports
            .iter_mut()
            .rev()
            .find(|earlier| is_inside || sighting.follows(earlier));
        match earlier {
            Some(earlier) => sighting.join(earlier, &lines),
            None if counts => reports.push(sighting.report(&lines)),
            None => {}
        }
        sighting.lines.iter().for_each(|at| covered[*at] = true);
        // All that follows a panic is part of it.
        if reports.last().is_some_and(|last| last.kind == Kind::Panic) {
            break;
        }
    }
    reports
}

/// The lines of a log, with a title in the place of each report.
pub fn brief(log: &str) -> Vec<String> {
    let lines = line::split(log);
    let mut titles: Vec<Option<String>> = vec![None; lines.len()];
    let mut covered = vec![false; lines.len()];
    for sighting in sightings(&lines) {
        if !covered[sighting.opening] {
            let first = sighting.lines.iter().find(|at| !covered[**at]);
            titles[*first.unwrap_or(&sighting.opening)] = Some(sighting.title);
        }
        sighting.lines.iter().for_each(|at| covered[*at] = true);
    }
    let mut texts = Vec::new();
    let mut messages = lines.iter().zip(titles).zip(covered).peekable();
    for (number, line) in log.lines().enumerate() {
        // A line with a report may have other messages in it.
        let mut here = Vec::new();
        while let Some(message) = messages.next_if(|((line, _), _)| line.number == number) {
            here.push(message);
        }
        if here.iter().all(|(_, is_covered)| !is_covered) {
            texts.push(line.to_owned());
            continue;
        }
        let plain = |line: &Line, is_covered: bool| (!is_covered).then(|| line.text.to_owned());
        let here = here.into_iter();
        texts.extend(here.filter_map(|((line, title), is)| title.or_else(|| plain(line, is))));
    }
    texts
}

/// Every report of a log, in order, those inside of others too.
fn sightings(lines: &[Line]) -> impl Iterator<Item = Sighting> {
    (0..lines.len())
        .filter_map(|at| Some((at, opening(lines, at)?)))
        .map(|(at, opening)| Sighting::at(lines, at, opening))
}

/// What begins at a line. A [`CUT`] that nothing known follows is trouble as well.
fn opening(lines: &[Line], at: usize) -> Option<&'static Opening> {
    if lines[at].text == CUT {
        let mut next = same_caller(lines, at).skip(1).take(MESSAGE);
        let is_known = next.any(|at| lines[at].opening.is_some());
        return (!is_known).then_some(&opening::UNKNOWN);
    }
    lines[at].opening
}

/// The places of the lines from one on that the same task or CPU printed, as
/// far as the log tells (CONFIG_PRINTK_CALLER).
fn same_caller<'a>(lines: &'a [Line], at: usize) -> impl Iterator<Item = usize> + 'a {
    std::iter::successors(Some(at), |at| lines[*at].next)
}

impl Sighting {
    fn at(lines: &[Line], at: usize, opening: &Opening) -> Sighting {
        let is_item = |at: &usize| opening::is_item(lines[*at].text);
        let rest = same_caller(lines, at).filter(|at| !is_item(at));
        let rest: Vec<usize> = rest.take(LINES).collect();
        let texts: Vec<&str> = rest.iter().map(|at| lines[*at].text).collect();
        let other = |at: &usize| lines[*at].opening.is_some_and(|other| !other.shows_stack());
        let mut head = rest
            .iter()
            .take_while(|at| !opening::is_head(lines[**at].text))
            .skip(1);
        let next = head.position(other).map(|at| at + 1);
        let length = opening.length(&texts, next);
        let texts = &texts[..length];
        let last = rest[length - 1];
        let culprit = match opening.kind {
            Kind::Leak => frame::allocator(texts),
            Kind::Stall => frame::stalled(texts),
            _ => frame::culprit(texts),
        };
        Sighting {
            kind: opening.kind,
            title: stable(&opening.title(texts, culprit.as_deref())),
            culprit,
            is_echo: opening.is_echo(texts[0]),
            opening: at,
            lines: preamble(lines, at, opening)
                .chain(same_caller(lines, at).take_while(|at| *at <= last))
                .collect(),
        }
    }

    fn report(&self, lines: &[Line]) -> Report {
        let mut items = 0;
        let texts = self.lines.iter().map(|at| lines[*at].text);
        let texts = texts.filter(|text| {
            items += usize::from(opening::is_item(text));
            items <= ITEMS || !opening::is_item(text)
        });
        let texts: Vec<&str> = texts.collect();
        Report {
            kind: self.kind,
            title: self.title.clone(),
            text: texts.join("\n"),
            stops: self.kind == Kind::Panic,
            culprit: self.culprit.clone(),
        }
    }

    /// Whether this follows from an earlier report. Nothing is hidden by that:
    /// the kind of the whole is the gravest, and what only reports is a trouble
    /// of its own.
    fn follows(&self, earlier: &Report) -> bool {
        let is_same_place = self.culprit.is_some() && self.culprit == earlier.culprit;
        match (earlier.kind, self.kind) {
            (Kind::Panic, _) => true,
            (Kind::OutOfMemory, Kind::Panic) | (Kind::Stall, Kind::Stall) => true,
            (_, Kind::Panic) => self.is_echo || is_same_place,
            (_, Kind::Stall) => is_same_place,
            (_, _) => self.title == earlier.title,
        }
    }

    /// Makes this a part of an earlier report.
    fn join(&self, earlier: &mut Report, lines: &[Line]) {
        // Which stall is noticed first is a matter of timers.
        let are_stalls = (earlier.kind, self.kind) == (Kind::Stall, Kind::Stall);
        if are_stalls && self.title < earlier.title {
            *earlier = Report {
                stops: earlier.stops,
                ..self.report(lines)
            };
        }
        earlier.stops |= self.kind == Kind::Panic;
        // A kernel that stalls is told to stop, which makes it no panic of its own.
        let message = lines[self.opening].text;
        if self.is_echo && opening::is_for_stall(message) {
            // RCU's report shows no stack of the task that runs where it is printed.
            let is_rcu = earlier.kind == Kind::Stall && message.ends_with("RCU Stall");
            if let (None, Some(place), true) = (&earlier.culprit, &self.culprit, is_rcu) {
                earlier.title = format!("{} in {place}", earlier.title);
                earlier.culprit = Some(place.clone());
            }
            return;
        }
        // What is reported of a task that hangs is why it does.
        if earlier.kind != Kind::Panic && self.kind != Kind::Stall {
            earlier.kind = earlier.kind.max(self.kind);
        }
    }
}

/// The places of the lines before a report that belong to it: from [`CUT`] on,
/// or a row of `=`.
fn preamble(lines: &[Line], at: usize, opening: &Opening) -> std::ops::Range<usize> {
    let first = at.saturating_sub(MESSAGE);
    let is_rule = |at: usize| opening::is_rule(lines[at].text);
    let start = (first..at).rev().find(|at| lines[*at].text == CUT);
    match start {
        Some(start) if opening.end == End::Marker => start..at,
        _ if at > 0 && is_rule(at - 1) => at - 1..at,
        _ => at..at,
    }
}

/// A title on one line, without the addresses that a message may have anywhere,
/// and of a length that a person would read.
pub fn stable(title: &str) -> String {
    let is_blank = |letter: char| letter.is_whitespace() || letter.is_control();
    let parts = title.split_inclusive(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let text: String = parts.map(without_address).collect();
    let words: Vec<&str> = text
        .split(is_blank)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").chars().take(TITLE).collect()
}

/// A word, and what ends it, with `ADDR` in the place of an address.
fn without_address(part: &str) -> Cow<'_, str> {
    let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    // `%px` prints 16 digits, without `0x`.
    let is_marked = digits.len() < word.len() && !digits.is_empty();
    match is_number && (is_marked || digits.len() == 16) {
        true => format!("ADDR{}", &part[word.len()..]).into(),
        false => part.into(),
    }
}

#[cfg(test)]
mod tests;
