//! What a kernel prints when something is wrong, and its title.
//!
//! Titles follow syzkaller's: the kind of trouble and the function that it
//! happened in, without addresses, offsets or process ids, so that the same
//! trouble has the same title on every run, kernel and build.

mod frame;
mod line;
mod opening;
pub mod symbol;

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

/// How many lines of a report are kept.
pub const LINES: usize = 150;

/// The line that WARN and BUG put before the first of their own
/// (include/asm-generic/bug.h).
const CUT: &str = "------------[ cut here ]------------";

/// How many lines of a message may come between [`CUT`] and what it is about.
const MESSAGE: usize = 8;

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
        let earlier = reports
            .iter_mut()
            .rev()
            .find(|earlier| is_inside || sighting.follows(earlier));
        match earlier {
            Some(earlier) => sighting.join(earlier, &lines),
            None => reports.push(sighting.report(&lines)),
        }
        sighting.lines.iter().for_each(|at| covered[*at] = true);
    }
    reports
}

/// The lines of a log, with a title in the place of each report.
pub fn brief(log: &str) -> Vec<String> {
    let lines = line::split(log);
    let mut texts: Vec<Option<String>> = log.lines().map(|line| Some(line.to_owned())).collect();
    let mut covered = vec![false; lines.len()];
    for sighting in sightings(&lines) {
        let mut title = (!covered[sighting.opening]).then(|| sighting.title.clone());
        for at in &sighting.lines {
            if !covered[*at] {
                texts[lines[*at].number] = title.take();
            }
            covered[*at] = true;
        }
    }
    texts.into_iter().flatten().collect()
}

/// Every report of a log, in order, those inside of others too.
fn sightings(lines: &[Line]) -> Vec<Sighting> {
    (0..lines.len())
        .filter_map(|at| Some((at, opening(lines, at)?)))
        .map(|(at, opening)| Sighting::at(lines, at, opening))
        .collect()
}

/// What begins at a line. A [`CUT`] that nothing known follows is trouble as well.
fn opening(lines: &[Line], at: usize) -> Option<&'static Opening> {
    if lines[at].text == CUT {
        let mut next = same_caller(lines, at).skip(1).take(MESSAGE);
        let is_known = next.any(|at| Opening::of(lines[at].text).is_some());
        return (!is_known).then_some(&opening::UNKNOWN);
    }
    Opening::of(lines[at].text)
}

/// The places of the lines from one on that the same task or CPU printed, as
/// far as the log tells (CONFIG_PRINTK_CALLER).
fn same_caller<'a>(lines: &'a [Line], at: usize) -> impl Iterator<Item = usize> + 'a {
    (at..lines.len()).filter(move |other| lines[*other].caller == lines[at].caller)
}

impl Sighting {
    fn at(lines: &[Line], at: usize, opening: &Opening) -> Sighting {
        let rest: Vec<usize> = same_caller(lines, at).take(LINES).collect();
        let texts: Vec<&str> = rest.iter().map(|at| lines[*at].text).collect();
        let length = opening.length(&texts);
        let texts = &texts[..length];
        let culprit = frame::culprit(texts);
        Sighting {
            kind: opening.kind,
            title: opening.title(texts, culprit.as_deref()),
            culprit,
            is_echo: opening.is_echo(texts[0]),
            opening: at,
            lines: preamble(lines, at, opening)
                .chain(rest[..length].iter().copied())
                .collect(),
        }
    }

    fn report(&self, lines: &[Line]) -> Report {
        let texts: Vec<&str> = self.lines.iter().map(|at| lines[*at].text).collect();
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
            *earlier = self.report(lines);
        }
        earlier.stops |= self.kind == Kind::Panic;
        // A kernel that stalls is told to stop, which makes it no panic of its own.
        if earlier.kind == Kind::Stall && self.is_echo {
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

#[cfg(test)]
mod tests;
