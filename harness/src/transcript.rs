//! What a scenario's run looked like, as text that a person reviews: facts in
//! the order in which they came, without what differs from run to run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;

use kassay_guest::{
    Command, Cost, Driven, During, Fact, ListedModule, Moved, Opened, Outcome, Ran, Record,
};

use crate::attachment;
use crate::facts::Facts;
use crate::kernel_report;
use crate::normalise::{self, Triggers};
use crate::refusal::{self, Refusal};
use crate::scenario::{Scenario, budget};

/// The kfuncs that the kernel shows of each module.
pub type Offered = BTreeMap<String, Vec<String>>;

/// The transcript of complete facts.
pub fn write(scenario: &Scenario, facts: &Facts, offered: &Offered) -> String {
    let (facts, traced) = (&facts.told, facts.trace());
    let triggers = Triggers {
        pids: facts.iter().filter_map(triggers).collect(),
        own: facts.iter().flat_map(own).copied().collect(),
    };
    let mut text = String::new();
    section(
        &mut text,
        "modules",
        facts.iter().filter_map(|fact| module(fact, offered)),
    );
    section(
        &mut text,
        "programs",
        facts.iter().filter_map(|fact| program(fact, facts)),
    );
    section(
        &mut text,
        "steps",
        facts
            .iter()
            .filter_map(|fact| step(scenario, fact, &triggers)),
    );
    section(
        &mut text,
        "failed allocation",
        facts.iter().filter_map(|fact| failed(scenario, fact)),
    );
    section(&mut text, "module list", facts.iter().flat_map(module_list));
    section(
        &mut text,
        "program list",
        facts.iter().flat_map(program_list),
    );
    section(
        &mut text,
        budget::TITLE,
        facts.iter().flat_map(|fact| costs(scenario, fact)),
    );
    section(&mut text, "maps", facts.iter().filter_map(map));
    section(
        &mut text,
        "trace",
        traced.map(|line| normalise::trace_line(line, &triggers)),
    );
    section(
        &mut text,
        "kernel log",
        facts.iter().flat_map(|fact| kernel_log(scenario, fact)),
    );
    text
}

fn section(text: &mut String, title: &str, entries: impl Iterator<Item = String>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for line in entries.flat_map(|entry| entry.lines().map(str::to_owned).collect::<Vec<_>>()) {
        let line = format!("  {}", normalise::visible(&line));
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// The allocation that failed. Its number is the scenario's, and its stack another one on another kernel.
fn failed(scenario: &Scenario, fact: &Fact) -> Option<String> {
    let Fact::Allocations { told, .. } = fact else {
        return None;
    };
    let place = scenario.fail_allocation?.checked_sub(1)?;
    let failed = told.get(place as usize)?;
    let (function, when) = (failed.function(), when(&failed.during));
    Some(format!("in {function}, {when}"))
}

/// When that is, in words.
pub fn when(during: &During) -> String {
    match during {
        During::Insert(module) => format!("while {module} is inserted"),
        During::Steps => "while programs run".to_owned(),
        During::Remove => "while modules are removed".to_owned(),
    }
}

/// The processes of the guest program itself.
pub fn own(fact: &Fact) -> &[i32] {
    match fact {
        Fact::Start { pids, .. } => pids,
        _ => &[],
    }
}

/// The processes that a step was done by, from the first id to the last.
fn triggers(fact: &Fact) -> Option<RangeInclusive<i32>> {
    match fact {
        Fact::Stepped {
            outcome: Ok(Outcome::Run(Ran::Command(command))),
            ..
        }
        | Fact::Ended { command, .. } => Some(command.pids.0..=command.pids.1),
        Fact::Stepped {
            outcome: Ok(Outcome::Race(raced)),
            ..
        } => Some(raced.pids.0..=raced.pids.1),
        Fact::Stepped {
            outcome: Ok(outcome),
            ..
        } => outcome.pid().map(|pid| pid..=pid),
        _ => None,
    }
}

fn module(fact: &Fact, offered: &Offered) -> Option<String> {
    match fact {
        Fact::Inserted {
            module,
            error: None,
            ..
        } => {
            let kfuncs = offered.get(module).into_iter().flatten();
            let kfuncs: String = kfuncs.map(|kfunc| format!("\n  kfunc {kfunc}")).collect();
            Some(format!("{module}: inserted{kfuncs}"))
        }
        Fact::Inserted {
            module,
            error: Some(error),
            ..
        } => Some(format!("{module}: refused: {error}")),
        Fact::Removed {
            module,
            error: None,
        } => Some(format!("{module}: removed")),
        Fact::Removed {
            module,
            error: Some(error),
        } => Some(format!("{module}: not removed: {error}")),
        _ => None,
    }
}

fn program(fact: &Fact, facts: &[Fact]) -> Option<String> {
    match fact {
        Fact::Loaded {
            program: Some(program),
            error: None,
            ..
        } => Some(format!("{program}: loaded")),
        Fact::Loaded { .. } => {
            refusal::of(fact).map(|Refusal { name, message }| format!("{name}: refused: {message}"))
        }
        Fact::Attached {
            object,
            program,
            section,
            ..
        } => Some(match refusal::of_attach(fact) {
            Some(message) => format!("{program}: not attached to {section}: {message}"),
            None => {
                let standing = attachment::standing(facts, object, program)?;
                format!("{program}: {}", attachment::tell(section, standing))
            }
        }),
        Fact::Unattached {
            program,
            section,
            why,
            ..
        } => Some(format!("{program}: {}", attachment::idle(section, why))),
        _ => None,
    }
}

fn step(scenario: &Scenario, fact: &Fact, triggers: &Triggers) -> Option<String> {
    match fact {
        Fact::Stepped { step, outcome } => {
            let outcome = outcome.clone().map(|came| printed(came, triggers));
            Some(scenario.steps.get(*step)?.tell(&outcome))
        }
        Fact::Ended { step, command } => {
            let command = command.clone();
            let lines = printed_lines(command.lines, triggers);
            let asked = scenario.steps.get(*step)?;
            Some(asked.tell_end(&Command { lines, ..command }))
        }
        _ => None,
    }
}

/// What came of a step, with what programs printed as it is told.
fn printed(came: Outcome, triggers: &Triggers) -> Outcome {
    match came {
        Outcome::Run(Ran::Command(command)) => {
            let lines = printed_lines(command.lines, triggers);
            Outcome::Run(Ran::Command(Command { lines, ..command }))
        }
        Outcome::Open(Opened {
            pid,
            moved:
                Ok(Moved::Read {
                    bytes,
                    lines,
                    trouble,
                }),
        }) => {
            let lines = printed_lines(lines, triggers);
            let read = Moved::Read {
                bytes,
                lines,
                trouble,
            };
            Outcome::Open(Opened {
                pid,
                moved: Ok(read),
            })
        }
        Outcome::Drive(driven) => {
            let told = printed_lines(driven.told, triggers);
            Outcome::Drive(Driven { told, ..driven })
        }
        came => came,
    }
}

fn printed_lines(lines: Vec<String>, triggers: &Triggers) -> Vec<String> {
    let lines = lines.iter();
    lines
        .map(|line| normalise::printed_line(line, triggers))
        .collect()
}

fn module_list(fact: &Fact) -> Vec<String> {
    let Fact::Modules { modules } = fact else {
        return Vec::new();
    };
    let line = |ListedModule { name, users, state }: &ListedModule| {
        let users = counted(*users as usize, "user", "users");
        format!("{name}: {state}, {users}")
    };
    modules.iter().map(line).collect()
}

fn program_list(fact: &Fact) -> Vec<String> {
    let Fact::Programs { programs } = fact else {
        return Vec::new();
    };
    let tags = normalise::tags(programs.iter().map(|program| program.tag.as_str()));
    let lines = programs.iter().zip(tags);
    lines
        .map(|(program, tag)| format!("{}: {}, {tag}", program.name, program.kind))
        .collect()
}

/// What programs take, as far as the snapshot says how much they may.
fn costs(scenario: &Scenario, fact: &Fact) -> Vec<String> {
    let Fact::Loaded { object, costs, .. } = fact else {
        return Vec::new();
    };
    let line = |cost: &Cost| {
        let name = match scenario.bpf.len() {
            1 => cost.program.clone(),
            _ => format!("{object}/{}", cost.program),
        };
        scenario.budget.line(&name, cost)
    };
    costs.iter().filter_map(line).collect()
}

fn map(fact: &Fact) -> Option<String> {
    let Fact::Map {
        map,
        entries,
        left_out,
    } = fact
    else {
        return None;
    };
    let Some(entries) = entries else {
        return Some(format!("{map}: is gone with the object that was refused"));
    };
    // No name in C has a dot, and each of a section's has.
    let (one, many, is) = match map.contains('.') {
        true => ("variable", "variables", " = "),
        false => ("entry", "entries", ": "),
    };
    let count = counted(entries.len() + left_out, one, many);
    let mut text = format!("{map}: {count}");
    for (key, value) in entries {
        let _ = write!(text, "\n  {key}{is}{value}");
    }
    if *left_out > 0 {
        let _ = write!(text, "\n  {left_out} more");
    }
    Some(text)
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The kernel log, in which a report shows as its title.
fn kernel_log(scenario: &Scenario, fact: &Fact) -> Vec<String> {
    let Fact::Log { records, .. } = fact else {
        return Vec::new();
    };
    let told = |record: &&Record| {
        let is_of_counting = scenario.covers && normalise::is_of_counting(&record.text);
        !is_of_counting && !normalise::is_noise(record.level, &record.text)
    };
    let records = records.iter().filter(told);
    let texts: Vec<&str> = records.map(|record| record.text.as_str()).collect();
    kernel_report::brief(&texts.join("\n"))
        .iter()
        .map(|line| normalise::log_line(line))
        .collect()
}
