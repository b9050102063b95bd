//! Programs on one machine, and what comes of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use kassay_guest::{
    Attach, Data, Fact, NONE, Outcome, Place, Race, Step, TestRan, TestRun, Unlink,
};

use super::callee::Callee;
use super::learn::Learned;
use super::program::{Making, Program};
use super::source;
use super::way::{Trigger, Way};
use crate::case::{Case, Setting};
use crate::compile;
use crate::kernel::Kernel;
use crate::run::{self, Ran};
use crate::scenario::{Allow, Part, Scenario, step};
use crate::step::Asked;
use crate::verdict::{self, Fault, Verdict};

/// How often each program of a race runs.
const TIMES: u32 = 100;

/// How long a machine may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What triggers programs that are attached. Each program runs several times.
const UNLINK: Unlink = Unlink { times: 4 };
const ARRIVAL: &str = "[udp]\npackets = [\n  { name = \"a\", hex = \"00\" },\n  { name = \"b\", hex = \
                       \"616161616161616161616161616161616161616161616161616161616161616161\" },\n  \
                       { name = \"c\", hex = \"\" },\n]\n";

/// A frame that has nothing to say: broadcast, of a type for experiments.
const FRAME: &str = "ffffffffffff02000000000188b5";

/// Where programs are run.
pub struct Target<'a> {
    /// How.
    pub setting: &'a Setting,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The modules.
    pub parts: &'a [Part],
    /// Their kfuncs.
    pub callees: &'a [Callee],
    /// Whether it is told which code they come to.
    pub is_guided: bool,
}

/// How programs are loaded and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Together, but for those that are refused, then one after the other, then at the same time.
    Sifted,
    /// Together, then one after the other.
    Together,
    /// Together, then at the same time.
    AtOnce,
}

/// What came of programs.
pub struct Came {
    /// Of each program, whether the kernel took it, or what it said; nothing where it did not come to
    /// that.
    pub answers: Vec<Option<Result<(), String>>>,
    /// The code that each came to when it was run by itself, where that is told.
    pub reached: Vec<Vec<Place>>,
    /// How many steps were done.
    pub steps: usize,
    /// What was wrong.
    pub fault: Option<Fault>,
    /// The titles of what else was wrong in the same way.
    pub others: Vec<String>,
    /// The console, where something was wrong.
    pub console: String,
}

impl Target<'_> {
    /// What programs that are run in a way are written by.
    pub fn making<'a>(&'a self, way: &'a Way, learned: &'a Learned) -> Making<'a> {
        Making {
            callees: self.callees,
            learned,
            way,
        }
    }

    /// Runs programs on a fresh machine.
    ///
    /// # Errors
    /// They cannot be compiled, the machine cannot be set up; an interruption by the user.
    pub fn run(&self, way: &Way, programs: &[Program], form: Form) -> Result<Came> {
        let directory = tempfile::tempdir().context("make a directory for programs")?;
        let scenario = self.scenario(directory.path(), "fuzz", way, programs, form)?;
        let artifacts = compile::build(&self.setting.cache, self.kernel, &scenario)?;
        let case = Case::of(self.kernel, &scenario, &artifacts);
        let known = case.known()?;
        let judge = |ran: &Ran| Ok(verdict::faults(&known, &ran.facts).0);
        let (ran, faults) = run::decide(self.setting, &case, judge, Vec::is_empty)?;
        let told = &ran.facts.told;
        let fault = faults.first().filter(|fault| is_of_module(fault)).cloned();
        let decides = fault.as_ref().map(|fault| (fault.verdict, &fault.title));
        let is_alike = |other: &&Fault| {
            decides
                .is_some_and(|(verdict, title)| other.verdict == verdict && other.title != *title)
        };
        let others = faults
            .iter()
            .filter(is_alike)
            .map(|other| other.title.clone());
        let others: BTreeSet<String> = others.collect();
        let console = fault.as_ref().and(ran.facts.evidence.console.clone());
        let is_step = |fact: &&Fact| matches!(fact, Fact::Stepped { .. });
        Ok(Came {
            answers: answers(programs.len(), told),
            reached: reached(programs.len(), told),
            steps: told.iter().filter(is_step).count(),
            others: others.into_iter().collect(),
            fault,
            console: console.unwrap_or_default(),
        })
    }

    /// A scenario that runs programs, whose file it writes into a folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn scenario(
        &self,
        directory: &Path,
        name: &str,
        way: &Way,
        programs: &[Program],
        form: Form,
    ) -> Result<Scenario> {
        let learned = Learned::default();
        let path = directory.join(format!("{name}.bpf.c"));
        let text = self.making(way, &learned).file(programs);
        fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
        let part = Part {
            name: name.to_owned(),
            path,
            ..Part::default()
        };
        let nowhere = |place: usize| {
            let hook = Some(NONE.to_owned());
            let how = Attach {
                hook,
                ..Attach::default()
            };
            (source::name(place), how)
        };
        let is_attached = way.trigger.is_attached();
        let unattached = (0..programs.len()).filter(|_| !is_attached).map(nowhere);
        let is_sifted = form == Form::Sifted;
        Ok(Scenario {
            about: format!("programs of type {} call kfuncs", way.kind),
            modules: self.parts.to_vec(),
            bpf: vec![part],
            sifts: is_sifted,
            attaches: is_sifted,
            counts: false,
            cpus: Some(2),
            timeout: Some(TIMEOUT),
            sysctl: self.sysctl()?,
            allow: vec![Allow::NoKfuncs, Allow::FailedStep],
            attach: unattached.collect(),
            steps: steps(way, programs.len(), form, self.is_guided)?,
            ..Scenario::new(name)
        })
    }

    /// Settings that have the kernel report soon what does not go on, as far as it has them.
    pub fn sysctl(&self) -> Result<Vec<(String, String)>> {
        let all = [
            ("SOFTLOCKUP_DETECTOR", "kernel.watchdog_thresh", "2"),
            ("DETECT_HUNG_TASK", "kernel.hung_task_timeout_secs", "3"),
            (
                "DETECT_HUNG_TASK",
                "kernel.hung_task_check_interval_secs",
                "1",
            ),
        ];
        let mut settings = Vec::new();
        for (option, name, value) in all {
            if self.kernel.config_has(option)? {
                settings.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(settings)
    }
}

/// Whether a fault is of a module: a step that could not be done is not, nor a log that is full of
/// what a module prints at each call.
fn is_of_module(fault: &Fault) -> bool {
    fault.verdict != Verdict::Mismatch && fault.title != verdict::LOG_OVERFLOW
}

/// What triggers programs.
fn steps(way: &Way, count: usize, form: Form, is_guided: bool) -> Result<Vec<Asked>> {
    let data = (way.trigger == Trigger::Frame).then(|| Data::Bytes(frame()));
    let alone = |place: usize| {
        Asked::from(TestRun {
            program: source::name(place),
            data: data.clone(),
            ctx: None,
            repeat: 0,
            traces: is_guided,
        })
    };
    let at_once = |place: usize| {
        let other = if place + 1 < count { place + 1 } else { place };
        Asked::from(Race {
            programs: [place, other].map(source::name).to_vec(),
            times: TIMES,
            data: data.clone(),
        })
    };
    let pairs = (0..count).step_by(2).map(at_once);
    Ok(match (way.trigger, form) {
        (Trigger::Unlink, _) => vec![UNLINK.into()],
        (Trigger::Arrival, _) => vec![step(ARRIVAL, Path::new(""))?],
        (_, Form::Together) => (0..count).map(alone).collect(),
        (_, Form::AtOnce) => pairs.collect(),
        (_, Form::Sifted) => (0..count).map(alone).chain(pairs).collect(),
    })
}

/// The steps of programs in a scenario file.
pub fn written(way: &Way, count: usize, form: Form) -> Result<String> {
    let hex = || {
        frame()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let data = match way.trigger {
        Trigger::Frame => format!(", data = \"{}\"", hex()),
        _ => String::new(),
    };
    let one = |asked: &Asked| match &asked.step {
        Step::TestRun(TestRun { program, .. }) => {
            format!("\n[[step]]\ntest_run = {{ program = \"{program}\"{data} }}\n")
        }
        Step::Race(Race {
            programs, times, ..
        }) => format!("\n[[step]]\nrace = {{ programs = {programs:?}, times = {times}{data} }}\n"),
        Step::Unlink(Unlink { times }) => format!("\n[[step]]\nunlink = {{ times = {times} }}\n"),
        _ => format!("\n[[step]]\n{}", ARRIVAL.replace("[udp]", "[step.udp]")),
    };
    Ok(steps(way, count, form, false)?.iter().map(one).collect())
}

/// A frame for programs that take one.
fn frame() -> Vec<u8> {
    let head = (0..FRAME.len()).step_by(2);
    let byte = |at: usize| u8::from_str_radix(&FRAME[at..at + 2], 16).unwrap_or_default();
    let mut frame: Vec<u8> = head.map(byte).collect();
    frame.resize(64, b'a');
    frame
}

/// The code that each program came to when it was run by itself.
fn reached(count: usize, told: &[Fact]) -> Vec<Vec<Place>> {
    let mut all = vec![Vec::new(); count];
    for fact in told {
        if let Fact::Stepped {
            step,
            outcome: Ok(Outcome::TestRun(TestRan { reached, .. })),
        } = fact
            && let Some(of) = all.get_mut(*step)
        {
            of.clone_from(reached);
        }
    }
    all
}

/// Of each program, whether the kernel took it, or what it said.
fn answers(count: usize, told: &[Fact]) -> Vec<Option<Result<(), String>>> {
    let mut answers = vec![None; count];
    for fact in told {
        let Fact::Loaded {
            program: Some(program),
            error,
            log,
            ..
        } = fact
        else {
            continue;
        };
        let place = (0..count).find(|place| source::name(*place) == *program);
        let Some(place) = place else {
            continue;
        };
        answers[place] = Some(match error {
            None => Ok(()),
            Some(error) => Err(format!("{log}\n{error}")),
        });
    }
    answers
}
