//! Makes each allocation that a scenario's modules cause fail in turn, each on a machine of its own,
//! and sees whether what is under test gets along without.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kassay_guest::{Allocation, Fact};

use crate::case::{Case, Setting, lacks, lacks_built};
use crate::compile;
use crate::kernel::Kernel;
use crate::outcome::{End, Judged, Outcome};
use crate::run::{self, Ran};
use crate::scenario::{Allow, Scenario};
use crate::symbol;
use crate::verdict::{self, Fault, Verdict};
use crate::{interrupt, pool, progress};

/// How many allocations of one scenario are told, and so can be made to fail: `TOLD` of
/// `failing.bpf.c`.
pub const TOLD: u32 = 2048;

/// What a scenario came to.
pub enum Hunted {
    /// It is none of this kernel, or nothing can be learned from it.
    Skipped(String),
    /// Something is wrong although no allocation fails.
    Before(Box<Outcome>),
    /// Each allocation was tried.
    Tried {
        /// What became of each, in their order.
        tries: Vec<Try>,
        /// How many allocations there were.
        count: u32,
    },
}

/// An allocation that was made to fail.
pub struct Try {
    /// Its number, from 1.
    pub nth: u32,
    /// What it was.
    pub allocation: Allocation,
    /// What came of it.
    pub end: Came,
}

/// What comes of an allocation that fails.
pub enum Came {
    /// All is well, and modules were refused in these words, if any was.
    Handled(Option<String>),
    /// It never came: the run went another way.
    Missed,
    /// It is not well. With it goes the stack of the allocation, with lines of source.
    Unhandled(Box<Outcome>, String),
}

/// Goes through the allocations of a scenario on a kernel.
///
/// # Errors
/// Something cannot be built, or the allocations cannot be told; an interruption by the user.
pub fn run(setting: &Setting, kernel: &Kernel, scenario: &Scenario) -> Result<Hunted> {
    if scenario.expect.is_some() {
        let why = "it expects a fault of its own, behind which none is seen";
        return Ok(Hunted::Skipped(why.to_owned()));
    }
    if scenario.fail_allocation.is_some() {
        let why = "it says itself which allocation fails";
        return Ok(Hunted::Skipped(why.to_owned()));
    }
    let whole = with(scenario, 0);
    if let Some(why) = lacks(&setting.cache, kernel, &whole)? {
        return Ok(Hunted::Skipped(why));
    }
    let artifacts = compile::build(&setting.cache, kernel, &whole)?;
    if let Some(why) = lacks_built(kernel, &whole, &artifacts)? {
        return Ok(Hunted::Skipped(why));
    }
    let hunt = Hunt {
        setting,
        kernel,
        scenario,
        artifacts,
    };
    let (told, count) = match hunt.first(&whole)? {
        Ok(told) => told,
        Err(outcome) => return Ok(Hunted::Before(outcome)),
    };
    let numbered: Vec<(u32, Allocation)> = (1..).zip(told).collect();
    let bar = progress::Progress::steps(
        format!("{}::{}: allocations", kernel.name, scenario.name),
        Some(numbered.len() as u64),
    );
    let mut tries = Vec::new();
    let work = |(nth, allocation): &(u32, Allocation)| hunt.fail(*nth, allocation);
    pool::each(&numbered, setting.jobs, work, |tried| {
        bar.inc(1);
        tries.push(tried);
        Ok(())
    })?;
    Ok(Hunted::Tried { tries, count })
}

/// The scenario with an allocation that fails.
fn with(scenario: &Scenario, nth: u32) -> Scenario {
    let name = match nth {
        0 => scenario.name.clone(),
        nth => format!("{}+fail{nth}", scenario.name),
    };
    // That a scenario triggers or offers nothing is no news here.
    let lacking = [Allow::NoSteps, Allow::NoPrograms, Allow::NoKfuncs];
    Scenario {
        name,
        fail_allocation: Some(nth),
        allow: [scenario.allow.as_slice(), &lacking].concat(),
        ..scenario.clone()
    }
}

struct Hunt<'a> {
    setting: &'a Setting,
    kernel: &'a Kernel,
    scenario: &'a Scenario,
    artifacts: compile::Artifacts,
}

/// What a run without a failure tells: the first allocations, and how many there were.
type Counted = (Vec<Allocation>, u32);

impl Hunt<'_> {
    /// The allocations, none of which fails.
    fn first(&self, whole: &Scenario) -> Result<Result<Counted, Box<Outcome>>> {
        let case = Case::of(self.kernel, whole, &self.artifacts);
        let known = case.known()?;
        let judge = |ran: &Ran| {
            let is_well = verdict::judge(&known, &ran.facts).0.is_ok();
            if is_well && ran.facts.refusal().is_none() {
                return Ok(None);
            }
            // What is refused may be what the snapshot has.
            let judged = run::conclude(self.setting, &case, ran)?;
            Ok(Some(judged).filter(|judged| judged.verdict != Verdict::Pass))
        };
        let done = run::decide(self.setting, &case, judge, Option::is_none);
        interrupt::check()?;
        let (ran, judged) = done?;
        if let Some(judged) = judged {
            return Ok(Err(Box::new(self.outcome(whole, judged))));
        }
        let counted = told(&ran).map(|(told, count)| (told.to_vec(), count));
        let counted = counted.with_context(|| {
            format!(
                "count the allocations of `{}`: the guest tells none",
                whole.name
            )
        })?;
        Ok(Ok(counted))
    }

    /// One allocation fails.
    fn fail(&self, nth: u32, allocation: &Allocation) -> Result<Try> {
        let scenario = with(self.scenario, nth);
        let folder = tempfile::tempdir().context("make a folder for a scenario")?;
        let scenario = Scenario {
            path: written(&scenario, folder.path())?,
            ..scenario
        };
        let (ran, judged) = self.judged(&scenario)?;
        let allocation = failed(&ran, nth).unwrap_or(allocation);
        let end = match judged {
            Some(judged) => Came::Unhandled(
                Box::new(self.outcome(&scenario, judged)),
                self.stack(allocation)?,
            ),
            None if is_missed(&ran, nth) => Came::Missed,
            None => Came::Handled(ran.facts.refusal()),
        };
        Ok(Try {
            nth,
            allocation: allocation.clone(),
            end,
        })
    }

    /// Runs a scenario; what is wrong, unless that is only what is refused, fails or is not seen for
    /// want of memory.
    fn judged(&self, scenario: &Scenario) -> Result<(Ran, Option<Judged>)> {
        let case = Case::of(self.kernel, scenario, &self.artifacts);
        let known = case.known()?;
        let judge = |ran: &Ran| match verdict::judge(&known, &ran.facts).0 {
            Ok(())
            | Err(Fault {
                verdict: Verdict::Mismatch,
                ..
            }) => Ok(None),
            Err(_) => run::conclude(self.setting, &case, ran).map(Some),
        };
        let done = run::decide(self.setting, &case, judge, Option::is_none);
        interrupt::check()?;
        done
    }

    fn stack(&self, allocation: &Allocation) -> Result<String> {
        let frames = allocation.stack.join("\n");
        symbol::add_lines(&frames, self.kernel, &self.artifacts.modules)
    }

    fn outcome(&self, scenario: &Scenario, judged: Judged) -> Outcome {
        Outcome {
            release: self.kernel.release.clone(),
            ..Outcome::new(
                &self.kernel.name,
                self.setting.accelerator_of(&self.kernel.name),
                scenario,
                End::Ran(Box::new(judged)),
            )
        }
    }
}

/// The allocations that a run had; those of one that did not come to its end are not known.
fn told(ran: &Ran) -> Option<(&[Allocation], u32)> {
    ran.facts.told.iter().find_map(|fact| match fact {
        Fact::Allocations { told, count } => Some((told.as_slice(), *count)),
        _ => None,
    })
}

/// The allocation that failed.
fn failed(ran: &Ran, nth: u32) -> Option<&Allocation> {
    told(ran).and_then(|(told, _)| told.get(nth as usize - 1))
}

/// Whether the run never asked for so many.
fn is_missed(ran: &Ran, nth: u32) -> bool {
    told(ran).is_some_and(|(_, count)| count < nth)
}

/// Writes the scenario's file with the key, as it can be kept for itself, and returns its path.
fn written(scenario: &Scenario, folder: &Path) -> Result<std::path::PathBuf> {
    let path = folder.join(format!("{}.toml", scenario.name));
    let from = &scenario.path;
    let text = fs::read_to_string(from).with_context(|| format!("read `{}`", from.display()))?;
    let nth = scenario.fail_allocation.unwrap_or_default();
    fs::write(&path, format!("fail_allocation = {nth}\n{text}"))
        .with_context(|| format!("write `{}`", path.display()))?;
    Ok(path)
}
