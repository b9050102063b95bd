//! Programs that call the kfuncs of modules in sequences that nobody thought of, and what goes wrong
//! with them. It runs blind: nothing tells which code of a module was reached, only which kfuncs were
//! called.

mod argument;
mod batch;
mod callee;
mod declaration;
mod finding;
mod learn;
mod minimise;
mod program;
mod source;
mod summary;
mod value;
mod way;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use crate::case::Setting;
use crate::compile::module;
use crate::kernel::Kernel;
use crate::kfuncs;
use crate::progress::{self, Progress};
use crate::project::{self, Project};
use crate::refusal;
use crate::scenario::{self, Part};
use crate::trial::types;
use crate::verdict::{Fault, Verdict};
use crate::{interrupt, pool};

use batch::{Came, Form, Target};
use callee::Callee;
pub use finding::Finding;
use finding::{Keep, slug};
use learn::Learned;
pub use minimise::Smallest;
use minimise::minimise;
use program::Program;
pub use summary::Summary;
use way::{WAYS, Way};

/// How many programs go onto one machine.
const PROGRAMS: usize = 24;

/// How many machines a batch is worth: what is behind the program that stopped one goes onto another.
const MACHINES: usize = 4;

/// How many batches are made before anything is learned of them. It is the same however many run
/// at once, so that a seed always gives the same programs.
const BATCHES: u64 = 4;

/// How often the first batches call each kfunc by itself.
const ALONE: usize = 3;

/// What is fuzzed, and where.
pub struct Subject<'a> {
    /// How machines are run.
    pub setting: &'a Setting,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The modules, in the order in which they are inserted.
    pub parts: &'a [Part],
    /// The project that findings are kept in.
    pub project: &'a Project,
}

/// When it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// What all programs follow from.
    pub seed: u64,
    /// How long it goes on.
    pub time: Option<Duration>,
    /// How many machines run programs, but for those that make findings smaller.
    pub machines: Option<u32>,
}

/// Makes programs and runs them until time, machines or the user's patience are over. Each finding is
/// told when it is as small as it gets, and may end it.
///
/// # Errors
/// A module cannot be built, has no kfuncs, or none that programs of a type that is known may call.
pub fn run(
    subject: &Subject,
    terms: Terms,
    tell: impl FnMut(&Finding) -> ControlFlow<()>,
) -> Result<Summary> {
    let callees = callees(subject)?;
    let of_types = |way: &&Way| callees.iter().any(|it| it.types.contains(&way.kind));
    let ways: Vec<&'static Way> = WAYS.iter().filter(of_types).collect();
    if ways.is_empty() {
        let types: BTreeSet<&str> = callees.iter().flat_map(|it| it.types.clone()).collect();
        let types: Vec<&str> = types.into_iter().collect();
        bail!(
            "fuzz on {}: programs that may call these kfuncs are of types that fuzz runs none of: {}",
            subject.kernel.name,
            match types.is_empty() {
                true => "none at all".to_owned(),
                false => types.join(", "),
            }
        );
    }
    let target = Target {
        setting: subject.setting,
        kernel: subject.kernel,
        parts: subject.parts,
        callees: &callees,
    };
    let clock = Clock {
        terms,
        begun: Instant::now(),
        machines: AtomicU32::new(0),
        is_over: AtomicBool::new(false),
    };
    let mut hunt = Hunt::new(subject, &target, &clock, ways);
    hunt.go(tell);
    Ok(hunt.end())
}

/// The kfuncs of the modules, with the types of programs that may call them.
fn callees(subject: &Subject) -> Result<Vec<Callee>> {
    let Subject {
        setting,
        kernel,
        parts,
        ..
    } = subject;
    let built = module::build(&setting.cache, kernel, parts)?;
    let files = built.iter().flatten().map(|module| module.file.as_path());
    let listing = kfuncs::of_modules(kernel, files)?;
    let names = scenario::names(parts).join(", ");
    if listing.kfuncs.is_empty() {
        bail!("fuzz {names} on {}: there is no kfunc in it", kernel.name);
    }
    let tried = types::run(setting, kernel, parts, &listing)
        .with_context(|| format!("ask {} which programs may call its kfuncs", kernel.name))?;
    let callee = |kfunc| Callee::of(kfunc, tried.types(kfunc).unwrap_or_default());
    Ok(listing.kfuncs.iter().filter_map(callee).collect())
}

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
struct Hunt<'a> {
    subject: &'a Subject<'a>,
    target: &'a Target<'a>,
    ways: Vec<&'static Way>,
    learned: Learned,
    summary: Summary,
    clock: &'a Clock,
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
    fn new(
        subject: &'a Subject,
        target: &'a Target,
        clock: &'a Clock,
        ways: Vec<&'static Way>,
    ) -> Hunt<'a> {
        let names = target.callees.iter().map(|it| (it.name.clone(), false));
        Hunt {
            subject,
            target,
            clock,
            ways,
            learned: Learned::default(),
            summary: Summary {
                kfuncs: names.collect(),
                ..Summary::default()
            },
        }
    }

    fn go(&mut self, mut tell: impl FnMut(&Finding) -> ControlFlow<()>) {
        let names = scenario::names(self.subject.parts).join(", ");
        let name = format!("fuzz {names} on {}, blind", self.subject.kernel.name);
        let progress = Progress::steps(name, None);
        let mut number = 0;
        let mut batches = self.first();
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
        let programs = (0..PROGRAMS).map(|_| making.any(&mut rng));
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
        let (target, clock) = (self.target, self.clock);
        let jobs = self.subject.setting.jobs;
        let work = |batch: &Batch| Ok((batch.way, runs(target, batch, clock)?));
        let done = |(way, runs): (&'static Way, Vec<Ran>)| {
            for ran in runs {
                self.take(way, &ran);
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
        self.summary.line()
    }

    /// Counts what came of programs, and learns of it.
    fn take(&mut self, way: &'static Way, ran: &Ran) {
        let callees = self.target.callees;
        self.summary.machines.0 += 1;
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
    }

    /// Makes a finding of what went wrong, unless it is known; whether it did.
    fn find(&mut self, way: &'static Way, ran: &Ran, fault: &Fault) -> Result<bool> {
        if fault.verdict == Verdict::Infra {
            bail!("run programs: {}: {}", fault.title, fault.reason);
        }
        let after = self.summary.machines.0;
        let mut findings = self.summary.findings.iter_mut();
        let is_same = |it: &&mut Finding| (it.verdict, &it.title) == (fault.verdict, &fault.title);
        if let Some(known) = findings.find(is_same) {
            known.seen += 1;
            return Ok(false);
        }
        progress::note(format!(
            "{}: {}; making it smaller…",
            fault.verdict, fault.title
        ));
        let (smallest, done) = minimise(self.target, way, &ran.programs, &ran.came, fault);
        self.summary.machines.1 += smallest.machines;
        if smallest.is_again {
            let last = smallest.programs.iter().filter_map(|it| it.calls.last());
            last.for_each(|call| self.learned.find(call.callee));
        }
        let folder = self.folder().join(slug(&fault.title));
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
        let kept = keep.write(&folder, way, fault, &smallest, done.is_err());
        self.summary.findings.push(Finding {
            verdict: fault.verdict,
            title: fault.title.clone(),
            folder,
            smallest,
            way,
            seen: 1,
            after,
        });
        kept.and(done)?;
        Ok(true)
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
