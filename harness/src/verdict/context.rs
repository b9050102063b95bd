//! The context that kfuncs return in.

use std::fs;

use kassay_guest::Fact;
use kassay_guest::trace::Event;

use super::{Fault, Verdict};
use crate::facts::Facts;
use crate::scenario::Scenario;

/// Whether interrupts were on for what a program printed first in each run, and off for what it
/// printed last in the same one: the flags of a line of the trace say so. A kprobe gives the
/// interrupts back as they were, so nothing else does.
///
/// Which lines are of one run is plain if one program ran alone and prints alike in each.
pub fn check(facts: &Facts) -> Option<Fault> {
    let standing = facts.told.iter().flat_map(|fact| match fact {
        Fact::Standing { programs } => programs.as_slice(),
        _ => &[],
    });
    let mut ran = standing.filter(|standing| standing.runs != Some(0));
    let (program, None) = (ran.next()?, ran.next()) else {
        return None;
    };
    let events: Vec<Event> = facts
        .trace()
        .map(|line| Event::of(line))
        .collect::<Option<_>>()?;
    let runs = usize::try_from(program.runs?).ok()?;
    let each = events.len() / runs;
    if each == 0 || each * runs != events.len() {
        return None;
    }
    let runs: Vec<&[Event]> = events.chunks(each).collect();
    let is_one = runs
        .iter()
        .all(|run| is_of_one(run) && are_alike(run, runs[0]));
    let is_left = |run: &&[Event]| !run[0].is_off && run[each - 1].is_off;
    if !is_one || !runs.iter().all(is_left) {
        return None;
    }
    let title = format!("{} ran on with interrupts off", program.program);
    let reason = "what it printed first was printed with interrupts on, and what it printed last with them off: \
                  a kfunc that switches them off has to switch them on again before it returns";
    Some(Fault::new(Verdict::Mismatch, title).because(reason))
}

/// Whether a program itself may switch interrupts off, by `bpf_local_irq_save` and the like: the
/// verifier sees to it that they are on again at its end, after it may have printed its last.
pub fn is_switched(scenario: &Scenario) -> bool {
    scenario.bpf.iter().any(|part| {
        let text = fs::read(&part.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.contains("irq_save") || text.contains("irqsave")
    })
}

/// Whether these were printed in one task, and in no interrupt.
fn is_of_one(run: &[Event]) -> bool {
    run.iter()
        .all(|event| event.pid == run[0].pid && event.interrupt.is_none())
}

/// Whether two runs printed the same but for numbers.
fn are_alike(one: &[Event], other: &[Event]) -> bool {
    let text = |event: &Event| -> String {
        let letters = event.message.chars();
        letters
            .filter(|letter| !letter.is_ascii_hexdigit())
            .collect()
    };
    one.iter().map(text).eq(other.iter().map(text))
}

#[cfg(test)]
mod tests {
    use kassay_guest::{Standing, trace_marks};

    use super::*;
    use crate::vm::Evidence;

    fn check(runs: u64, lines: &[&str]) -> Option<String> {
        let standing = Standing {
            object: "b".to_owned(),
            program: "p".to_owned(),
            place: None,
            choice: String::new(),
            runs: Some(runs),
        };
        let line = |line: &&str| {
            let (flags, message) = line.split_once(' ').unwrap();
            format!("  unlink-70  [000] {flags}  1.2: bpf_trace_printk: {message}")
        };
        let marks = trace_marks("word");
        let [begins, ends] = marks
            .each_ref()
            .map(|mark| format!("  kassay-plan-69  [000] .....  1.1: tracing_mark_write: {mark}"));
        let lines = lines.iter().map(line);
        let trace = Fact::Trace {
            lines: [begins].into_iter().chain(lines).chain([ends]).collect(),
            lost: 0,
            read: 0,
            unseen: 0,
        };
        let programs = vec![standing];
        let facts = Facts {
            evidence: Evidence::default(),
            told: vec![Fact::Standing { programs }, trace],
            whole: Ok(()),
            reports: Vec::new(),
            earlier_leaks: Vec::new(),
            marks,
        };
        super::check(&facts).map(|fault| fault.title)
    }

    #[test]
    fn interrupts_that_go_off_within_each_run_are_a_fault() {
        let fault = Some("p ran on with interrupts off".to_owned());
        let (before, after) = ("...21 before 1", "d..21 after 2");
        assert_eq!(check(1, &[before, after]), fault);
        assert_eq!(check(2, &[before, after, "...21 before 3", after]), fault);
        assert_eq!(check(1, &[before, "...21 after"]), None);
        // They may be off where a program begins, and which lines are of one run may be unknown.
        assert_eq!(check(1, &["d..21 before", after]), None);
        assert_eq!(check(2, &[before, after]), None);
        assert_eq!(check(2, &[before, after, after]), None);
        assert_eq!(check(2, &[before, after, before, "...21 after 1"]), None);
        assert_eq!(check(1, &[before, "d.h21 after"]), None);
    }
}
