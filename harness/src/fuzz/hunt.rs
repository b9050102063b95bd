//! A hunt: batches of programs are made, run side by side, and what goes wrong with them is kept.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use fastrand::Rng;

use super::batch::{Came, Form, Target};
use super::corpus;
use super::finding::{Finding, Keep, slug};
use super::guide::Guide;
use super::learn::Learned;
use super::minimise::minimise;
use super::program::Program;
use super::summary::{self, Summary};
use super::way::Way;
use super::{Subject, Terms};
use crate::progress::{self, Progress};
use crate::verdict::{Fault, Verdict};
use crate::{interrupt, pool, project, refusal, scenario};

/// How many programs go onto one machine.
const PROGRAMS: usize = 24;

/// How many machines a batch is worth: what is behind the program that stopped one goes onto another.
const MACHINES: usize = 4;

/// How many batches are made before anything is learned of them. It is the same however many run
/// at once, so that a seed always gives the same programs.
const BATCHES: u64 = 4;

/// How often a finding is made smaller that does not come again.
const TRIES: u32 = 3;

/// How often the first batches call each kfunc by itself.
const ALONE: usize = 3;

/// Programs that run together.
struct Batch {
    way: &'static Way,
    programs: Vec<Program>,
}

/// What came of some of a batch's programs on one machine.
struct Ran {
    programs: Vec<Program>,
    came: Came,
}

/// The state of it all.
pub(super) struct Hunt<'a> {
    subject: &'a Subject<'a>,
    target: &'a Target<'a>,
    ways: Vec<&'static Way>,
    learned: Learned,
    guide: Guide,
    summary: Summary,
    clock: Arc<Clock>,
}

/// What tells when it is over.
struct Clock {
    terms: Terms,
    begun: Instant,
    machines: AtomicU32,
    is_over: AtomicBool,
}

impl Clock {
    fn is_due(&self) -> bool {
        let machines = self.machines.load(Ordering::Relaxed);
        self.is_over.load(Ordering::Relaxed)
            || interrupt::requested()
            || self
                .terms
                .time
                .is_some_and(|time| self.begun.elapsed() >= time)
            || self.terms.machines.is_some_and(|most| machines >= most)
    }
}

impl<'a> Hunt<'a> {
    /// One that has not begun; of `places` of code it is told which are reached.
    pub(super) fn new(
        subject: &'a Subject,
        target: &'a Target,
        ways: Vec<&'static Way>,
        places: Option<usize>,
        terms: Terms,
    ) -> Hunt<'a> {
        let names = target.callees.iter().map(|it| (it.name.clone(), false));
        Hunt {
            subject,
            target,
            ways,
            clock: Arc::new(Clock {
                terms,
                begun: Instant::now(),
                machines: AtomicU32::new(0),
                is_over: AtomicBool::new(false),
            }),
            learned: Learned::default(),
            guide: Guide::default(),
            summary: Summary {
                kfuncs: names.collect(),
                code: places.map(|all| (0, all)),
                ..Summary::default()
            },
        }
    }

    /// Makes programs and runs them until it is over.
    ///
    /// # Errors
    /// The corpus cannot be read.
    pub(super) fn run(mut self, tell: impl FnMut(&Finding) -> ControlFlow<()>) -> Result<Summary> {
        let kept = self.kept()?;
        self.go(kept, tell);
        Ok(self.end())
    }

    /// Batches of programs that went further than others when it ran last.
    fn kept(&self) -> Result<Vec<Batch>> {
        let Some(folder) = self.subject.corpus else {
            return Ok(Vec::new());
        };
        let programs = corpus::read(folder, self.target.callees)?;
        let batches = self.ways.iter().flat_map(|way| {
            let of_way = programs.iter().filter(|(of, _)| of == way);
            let programs: Vec<Program> = of_way.map(|(_, program)| program.clone()).collect();
            let chunks = programs.chunks(PROGRAMS).map(<[_]>::to_vec);
            let batch = |programs| Batch { way, programs };
            chunks.map(batch).collect::<Vec<_>>()
        });
        Ok(batches.collect())
    }

    fn go(&mut self, kept: Vec<Batch>, mut tell: impl FnMut(&Finding) -> ControlFlow<()>) {
        let names = scenario::names(self.subject.parts).join(", ");
        let kernel = &self.subject.kernel.name;
        let name = match self.target.is_guided {
            true => format!("fuzz {names} on {kernel}"),
            false => format!("fuzz {names} on {kernel}, blind"),
        };
        let progress = Progress::steps(name, None);
        let mut number = 0;
        let mut batches = kept;
        batches.extend(self.first());
        while !self.clock.is_due() && !batches.is_empty() {
            if let Err(error) = self.generation(&batches, &progress, &mut tell) {
                if !interrupt::requested() {
                    self.summary.trouble = Some(error);
                }
                break;
            }
            self.leave_ways();
            batches = (number..number + BATCHES)
                .filter_map(|it| self.batch(it))
                .collect();
            number += BATCHES;
        }
    }

    /// Batches that call each kfunc by itself, in each way.
    fn first(&self) -> Vec<Batch> {
        let mut rng = Rng::with_seed(self.clock.terms.seed);
        let mut batches = Vec::new();
        for way in &self.ways {
            let making = self.target.making(way, &self.learned);
            let callable = making.callable().into_iter();
            let often = callable.flat_map(|callee| [callee; ALONE]);
            let programs = often.map(|callee| making.alone(callee, &mut rng));
            let mut programs: Vec<Program> = programs.collect();
            programs.retain(|program| !program.calls.is_empty());
            let batch = |programs: &[Program]| Batch {
                way,
                programs: programs.to_vec(),
            };
            batches.extend(programs.chunks(PROGRAMS).map(batch));
        }
        batches
    }

    /// The batch of this number; none where there is no way left.
    fn batch(&self, number: u64) -> Option<Batch> {
        let seed = self.clock.terms.seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = Rng::with_seed(seed);
        let way = *self.ways.get(rng.usize(..self.ways.len().max(1)))?;
        let making = self.target.making(way, &self.learned);
        // Half of them are changes of what went further than others.
        let one = |_| {
            let is_change = self.target.is_guided && rng.bool();
            match is_change.then(|| self.guide.any(way, &mut rng)).flatten() {
                Some(known) => making.changed(known, &mut rng),
                None => making.any(&mut rng),
            }
        };
        let programs = (0..PROGRAMS).map(one);
        let mut programs: Vec<Program> = programs.collect();
        programs.retain(|program| !program.calls.is_empty());
        (!programs.is_empty()).then_some(Batch { way, programs })
    }

    /// Runs batches, side by side, and takes in what came of them in their order.
    fn generation(
        &mut self,
        batches: &[Batch],
        progress: &Progress,
        mut tell: impl FnMut(&Finding) -> ControlFlow<()>,
    ) -> Result<()> {
        let (target, clock) = (self.target, self.clock.clone());
        let jobs = self.subject.setting.jobs;
        let work = |batch: &Batch| Ok((batch.way, runs(target, batch, &clock)?));
        let done = |(way, runs): (&'static Way, Vec<Ran>)| {
            for ran in runs {
                self.take(way, &ran)?;
                progress.message(&self.line());
                progress.position(self.summary.programs.0);
                if let Some(fault) = &ran.came.fault
                    && self.find(way, &ran, fault)?
                    && let Some(finding) = self.summary.findings.last()
                    && tell(finding).is_break()
                {
                    clock.is_over.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        };
        pool::each(batches, jobs, work, done)
    }

    fn line(&mut self) -> String {
        self.summary.took = self.clock.begun.elapsed();
        self.summary.counted()
    }

    /// Counts what came of programs, and learns of it.
    ///
    /// # Errors
    /// What went further than others cannot be kept.
    fn take(&mut self, way: &'static Way, ran: &Ran) -> Result<()> {
        let callees = self.target.callees;
        self.summary.machines.0 += 1;
        for (program, reached) in ran.programs.iter().zip(&ran.came.reached) {
            if self.guide.take(way, program, reached)
                && let Some(folder) = self.subject.corpus
            {
                corpus::keep(folder, callees, way, program)?;
            }
        }
        if let Some((reached, _)) = &mut self.summary.code {
            *reached = self.guide.reached();
        }
        for (program, answer) in ran.programs.iter().zip(&ran.came.answers) {
            match answer {
                None => continue,
                Some(Ok(())) => {
                    self.learned.take(way, program);
                    self.summary.programs.1 += 1;
                    for call in &program.calls {
                        let name = callees[call.callee].name.clone();
                        self.summary.kfuncs.insert(name, true);
                    }
                }
                Some(Err(log)) => {
                    self.learned.refuse(way, program, callees, log);
                    let said = refusal::message("", log);
                    *self.summary.refusals.entry(said).or_default() += 1;
                }
            }
            self.summary.programs.0 += 1;
        }
        Ok(())
    }

    /// Makes a finding of what went wrong, unless it is known; whether it did. One that did not come again
    /// is tried with other programs that come to it.
    fn find(&mut self, way: &'static Way, ran: &Ran, fault: &Fault) -> Result<bool> {
        if fault.verdict == Verdict::Infra {
            bail!("run programs: {}: {}", fault.title, fault.reason);
        }
        let findings = &mut self.summary.findings;
        let is_same = |it: &Finding| (it.verdict, &it.title) == (fault.verdict, &fault.title);
        let known = findings.iter().position(is_same);
        if let Some(place) = known {
            let known = &mut findings[place];
            known.seen += 1;
            if known.smallest.is_again || known.seen > TRIES {
                return Ok(false);
            }
        }
        progress::note(format!(
            "{}: {}; making it smaller…",
            fault.verdict, fault.title
        ));
        let (smallest, done) = minimise(self.target, way, &ran.programs, &ran.came, fault);
        self.summary.machines.1 += smallest.machines;
        let is_again = smallest.is_again;
        if known.is_some() && !is_again {
            return done.map(|()| false);
        }
        if is_again {
            let last = smallest.programs.iter().filter_map(|it| it.calls.last());
            last.for_each(|call| self.learned.find(call.callee));
        }
        let first = known.map(|place| self.summary.findings.remove(place));
        let (seen, after) = first.map_or((1, self.summary.machines.0), |it| (it.seen, it.after));
        let finding = Finding {
            verdict: fault.verdict,
            title: fault.title.clone(),
            folder: self.folder().join(slug(&fault.title)),
            smallest,
            way,
            seen,
            after,
        };
        let kept = self.keep(&finding, fault, &ran.came.console, done.is_err());
        self.summary.findings.push(finding);
        kept.and(done)?;
        Ok(true)
    }

    /// Keeps a finding in its folder.
    fn keep(&self, finding: &Finding, fault: &Fault, console: &str, is_hasty: bool) -> Result<()> {
        let keep = Keep {
            target: self.target,
            project: self.subject.project,
            origin: &format!(
                "kassay fuzz {} --kernel {} --seed {}",
                scenario::names(self.subject.parts).join(" "),
                self.subject.kernel.name,
                self.clock.terms.seed
            ),
        };
        let (folder, smallest) = (&finding.folder, &finding.smallest);
        keep.write(folder, finding.way, fault, smallest, is_hasty, console)
    }

    /// The folder of all findings.
    fn folder(&self) -> PathBuf {
        let kernel = self.subject.kernel.name.replace('/', "_");
        project::target().join("fuzz").join(kernel)
    }

    /// Leaves out ways in which the kernel has taken nothing.
    fn leave_ways(&mut self) {
        let learned = &self.learned;
        self.ways.retain(|way| learned.has_taken(way));
    }

    fn end(mut self) -> Summary {
        self.summary.took = self.clock.begun.elapsed();
        for callee in self.target.callees {
            if self.summary.kfuncs.get(&callee.name) == Some(&false) {
                let why = summary::why_not(callee, self.target.callees);
                self.summary.unreached.insert(callee.name.clone(), why);
            }
        }
        self.summary
    }
}

/// Runs a batch: what is behind the program at which a machine stopped goes onto a fresh one.
fn runs(target: &Target, batch: &Batch, clock: &Clock) -> Result<Vec<Ran>> {
    let mut runs = Vec::new();
    let mut programs = batch.programs.clone();
    while runs.len() < MACHINES && !programs.is_empty() && !clock.is_due() {
        clock.machines.fetch_add(1, Ordering::Relaxed);
        let came = target.run(batch.way, &programs, Form::Sifted)?;
        let is_stopped = came.fault.is_some() && !batch.way.trigger.is_attached();
        let rest = programs.get(came.steps + 1..).filter(|_| is_stopped);
        let rest = rest.unwrap_or_default().to_vec();
        runs.push(Ran { programs, came });
        programs = rest;
    }
    Ok(runs)
}
