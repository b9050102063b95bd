//! A program, or the trace, of a machine that somebody looks on at: from what is asked to an exit
//! code. The verdict is found as that of a scenario, but for the snapshot.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kassay_guest::trace::Without;
use kassay_guest::{Fact, Live, PROGRAM, Plan};

use crate::case::{Case, Setting, share};
use crate::compile::{Artifacts, module};
use crate::facts::Facts;
use crate::kernel::Kernel;
use crate::kernel_report::{Kind, OUT_OF_MEMORY};
use crate::normalise::visible;
use crate::refusal;
use crate::report::UNJUDGED;
use crate::run::{self};
use crate::scenario::Scenario;
use crate::streams::Streams;
use crate::verdict::{self, Fault, LOG_OVERFLOW, Verdict};
use crate::{absent, interrupt, progress, tool, transcript};

/// The exit code of a kernel that crashed or reported trouble, whatever the program said.
pub const CRASHED: u8 = 120;

/// The exit code of a machine whose time had passed, as timeout(1) has it.
pub const TOO_LATE: u8 = 124;

/// The exit code of a BPF program that was refused or left something behind.
const REFUSED: u8 = 1;

/// What is asked.
pub struct Asked<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Modules, objects and steps.
    pub scenario: &'a Scenario,
    /// The same, built.
    pub artifacts: &'a Artifacts,
    /// Programs of the objects that are loaded; all of them where there is none here.
    pub programs: Vec<String>,
    /// What goes on.
    pub live: Live,
    /// A program of the host that is copied into the share.
    pub copied: Option<PathBuf>,
    /// Whether it mostly waits for a person.
    pub is_idle: bool,
    /// What the user is told once it goes on.
    pub word: Option<String>,
}

/// Runs it, passes its streams on, and returns the exit code.
///
/// # Errors
/// The machine cannot be set up; an interruption by the user.
pub fn run(setting: &Setting, asked: &Asked) -> Result<u8> {
    let is_tty = asked
        .live
        .program
        .as_ref()
        .is_some_and(|program| program.tty.is_some());
    let streams = Streams::new(is_tty, asked.word.clone());
    let case = Case {
        fill: Box::new(|folder| asked.fill(folder)),
        streams: Some(streams.clone()),
        is_idle: asked.is_idle,
        ..Case::of(asked.kernel, asked.scenario, asked.artifacts)
    };
    let ran = run::execute(setting, &case)?;
    if asked.live.trace {
        print_rest(&streams, &ran.facts);
    }
    let code = conclude(setting, &case, &asked.live, &ran.facts)?;
    if code != 0 && ran.is_of_damage(&setting.cache)? {
        let name = &asked.kernel.name;
        say(&format!(
            "the warm state of {name} was damaged, and is thrown away: run it again"
        ));
        return Ok(UNJUDGED);
    }
    // What was not printed is no success.
    Ok(match (code, streams.is_cut()) {
        (0, true) => interrupt::EXIT_CODE as u8,
        _ => code,
    })
}

impl Asked<'_> {
    fn fill(&self, folder: &Path) -> Result<()> {
        share::lay_out(folder, self.artifacts)?;
        if let Some(program) = &self.copied {
            fs::copy(program, folder.join(PROGRAM))
                .with_context(|| format!("copy `{}` into the share", program.display()))?;
        }
        let plan = Plan {
            programs: self.programs.clone(),
            live: Some(self.live.clone()),
            ..share::plan(self.scenario, self.artifacts)?
        };
        share::write_plan(folder, &plan)
    }
}

/// The exit code of a run, and on stderr whatever is wrong.
fn conclude(setting: &Setting, case: &Case, live: &Live, facts: &Facts) -> Result<u8> {
    let (told, reports) = (&facts.told, &facts.reports);
    if reports.iter().any(|report| report.kind != Kind::Leak) {
        say(&run::told(&run::reports(&setting.cache, case, facts)?));
        if reports.iter().any(|report| report.title == OUT_OF_MEMORY) {
            let memory = setting.size.memory_mib;
            say(&format!(
                "the guest ran out of its {memory} MiB of memory; `--memory MIB` gives it more"
            ));
        }
        return Ok(CRASHED);
    }
    // Who loads a BPF program wants to know what becomes of it; else only the program counts.
    let of_bpf = |code: u8| if live.trace { REFUSED } else { code };
    if let Some(refusal) = facts.refusal() {
        for (_, log) in run::verifier_logs(facts, |_| true) {
            say(&log);
        }
        for error in told.iter().filter_map(refusal::of_attach) {
            say(&error);
        }
        absent::targets(case.kernel, &module::all_kfuncs(case.modules), told)
            .iter()
            .for_each(|absent| say(&absent.to_string()));
        say(&refusal);
        return Ok(of_bpf(UNJUDGED));
    }
    let failed = failed_steps(case, told);
    for step in &failed {
        say(step);
    }
    let status = status(live, told).unwrap_or(UNJUDGED);
    Ok(match verdict::judge(&case.known()?, facts) {
        (Ok(()), _) if failed.is_empty() => status,
        (Ok(()), _) => of_bpf(status),
        (Err(fault), _) => of_fault(&fault, status, of_bpf),
    })
}

/// The exit code of a run with a fault, which is said.
fn of_fault(fault: &Fault, status: u8, of_bpf: impl Fn(u8) -> u8) -> u8 {
    say(&format!("{}: {}", fault.verdict, fault.title));
    match fault.verdict {
        // Beyond the ring buffer nobody can look, and the console has what is grave.
        Verdict::Lost if fault.title == LOG_OVERFLOW => status,
        Verdict::Lost | Verdict::Infra => {
            say(tool::last_lines(&fault.reason).trim_start());
            UNJUDGED
        }
        Verdict::Hang => TOO_LATE,
        _ => of_bpf(status),
    }
}

/// The program's exit status, where it has come to one; without a program it is 0.
fn status(live: &Live, facts: &[Fact]) -> Option<u8> {
    if live.program.is_none() {
        return Some(0);
    }
    facts.iter().find_map(|fact| match fact {
        Fact::Exited { status } => Some(*status as u8),
        _ => None,
    })
}

/// What is to be said of steps that could not be done.
fn failed_steps(case: &Case, facts: &[Fact]) -> Vec<String> {
    let failed = facts.iter().filter_map(|fact| match fact {
        Fact::Stepped { step, outcome } if outcome.is_err() => {
            Some(case.scenario.steps.get(*step)?.tell(outcome))
        }
        _ => None,
    });
    failed.collect()
}

/// Prints the lines of the trace that came too late to be sent as they came.
fn print_rest(streams: &Streams, facts: &Facts) {
    let own = facts
        .told
        .iter()
        .flat_map(transcript::own)
        .copied()
        .collect();
    let mut without = Without::new(own);
    for fact in &facts.told {
        if let Fact::Trace { lines, .. } = fact {
            let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
            // A reader that has gone away wants none of it.
            streams.print(without.feed(text.as_bytes()));
        }
    }
}

/// Says what a guest may have worded.
fn say(text: &str) {
    progress::note(format!("kassay: {}", visible(text.trim_end())));
}
