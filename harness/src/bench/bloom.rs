//! What a bloom filter in front of a hash map saves a lookup of what is not in
//! the map, beside the figures of the tutorial on the features of 2022.

use anyhow::{Context, Result, anyhow, bail};
use kassay_guest::{Fact, Run};

use super::{median, picture, sorted};
use crate::case::{Case, Setting};
use crate::compile;
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::project::Project;
use crate::run::{self, Ran};
use crate::scenario::{Finder, Scenario};
use crate::step::Asked;
use crate::verdict;

/// Numbers of entries, and by how many percent the tutorial found lookups faster.
pub const TUTORIAL: [(u32, f64); 4] = [
    (50_000, 15.0),
    (100_000, 25.0),
    (500_000, 180.0),
    (1_000_000, 200.0),
];

/// The program, in `bpf/`, that looks up.
pub const PROGRAM: &str = "bloom_bench";

/// What was measured at one number of entries. Each machine measures both ways in
/// turn, with the same keys.
pub struct Row {
    /// How many entries map and filter have.
    pub entries: u32,
    /// By how many percent the tutorial found lookups faster with the filter.
    pub tutorial: f64,
    /// Nanoseconds that a lookup takes without the filter, and with it, sorted.
    pub ns: [Vec<f64>; 2],
    /// By how many percent lookups are faster with the filter: the median of the rounds.
    pub faster: f64,
}

/// Measures each number of entries in a machine of its own; each row is handed to
/// `done` as soon as it is there.
///
/// # Errors
/// A run that is not in order, or a lookup that found what is not there.
pub fn measure(
    setting: &Setting,
    kernel: &Kernel,
    rounds: usize,
    mut done: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    let progress = Progress::steps("measure bloom filters", Some(TUTORIAL.len() as u64));
    for (entries, tutorial) in TUTORIAL {
        let rounds = rounds_of(setting, kernel, entries, rounds)
            .with_context(|| format!("measure a bloom filter of {entries} entries"))?;
        let side = |side: usize| sorted(rounds.iter().map(|round| round[side]).collect());
        let faster = rounds.iter().map(|[without, with]| without / with - 1.0);
        let faster = 100.0 * median(&sorted(faster.collect()));
        progress.inc(1);
        done(Row {
            entries,
            tutorial,
            ns: [side(0), side(1)],
            faster,
        })?;
    }
    progress.finish();
    Ok(())
}

/// The nanoseconds of a lookup, without the filter and with it, in each round.
fn rounds_of(
    setting: &Setting,
    kernel: &Kernel,
    entries: u32,
    rounds: usize,
) -> Result<Vec<[f64; 2]>> {
    let scenario = scenario(entries, rounds)?;
    let artifacts = compile::build(&setting.cache, kernel, &scenario)?;
    let case = Case::of(kernel, &scenario, &artifacts);
    let known = case.known()?;
    let judge = |ran: &Ran| Ok(verdict::judge(&known, &ran.facts));
    let (ran, (judged, transcript)) =
        run::decide(setting, &case, judge, |(judged, _)| judged.is_ok())?;
    judged.map_err(|fault| anyhow!("{}: {}", fault.verdict, fault.reason))?;
    // A program that failed to add an entry, or found one that it should not, says so.
    let transcript = transcript.context("read the transcript")?;
    let zeros = transcript.matches(": returned 0\n").count();
    if zeros != rounds + 1 {
        bail!("a program did not return 0:\n{transcript}");
    }
    traced(&ran, rounds)
}

/// The rounds that the trace tells of, which are so many.
fn traced(ran: &Ran, rounds: usize) -> Result<Vec<[f64; 2]>> {
    let trace = ran.facts.told.iter().filter_map(|fact| match fact {
        Fact::Trace { lines, .. } => Some(lines),
        _ => None,
    });
    let found: Vec<_> = trace.flatten().filter_map(|line| round(line)).collect();
    if found.len() != rounds {
        bail!("{} of {rounds} rounds are in the trace", found.len());
    }
    Ok(found)
}

fn scenario(entries: u32, rounds: usize) -> Result<Scenario> {
    let project = Project::or_here()?;
    let file = project.scenarios.join("bloom.toml");
    let mut part = Finder::new(&file, &project).program(PROGRAM)?;
    part.flags.push(format!("-DENTRIES={entries}"));
    let run = |program: &str| {
        let program = program.to_owned();
        Asked::from(Run::Program { program })
    };
    let mut steps = vec![run("measure"); rounds];
    steps.insert(0, run("fill"));
    let scenario = Scenario {
        about: "lookups with a bloom filter and without".to_owned(),
        bpf: vec![part],
        steps,
        ..Scenario::new(&format!("bloom_{entries}"))
    };
    scenario.with_defaults(&project.defaults)
}

/// Reads `… 100000 lookups without 17276267 ns with 9329239 ns`.
fn round(line: &str) -> Option<[f64; 2]> {
    let (head, times) = line.split_once(" lookups without ")?;
    let lookups: f64 = head.rsplit(' ').next()?.parse().ok()?;
    let (without, with) = times.strip_suffix(" ns")?.split_once(" ns with ")?;
    let ns = |time: &str| Some(time.parse::<f64>().ok()? / lookups);
    Some([ns(without)?, ns(with)?])
}

/// Draws what was measured beside the tutorial's figures, as SVG.
///
/// # Errors
/// The picture cannot be drawn.
pub fn picture(rows: &[Row], kernel: &str) -> Result<String> {
    let line = |label: &str, value: fn(&Row) -> f64| picture::Line {
        label: label.to_owned(),
        points: rows
            .iter()
            .map(|row| (f64::from(row.entries) / 1000.0, value(row)))
            .collect(),
    };
    picture::draw(&picture::Picture {
        caption: format!("Lookups behind a bloom filter on {kernel}"),
        x: "thousand entries",
        y: "% faster",
        lines: vec![
            line("here", |row| row.faster),
            line("tutorial", |row| row.tutorial),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_the_time_of_one_lookup() {
        let line =
            "run-7 [000] ..... 1.2: bpf_trace_printk: 1000 lookups without 17000 ns with 9500 ns";
        assert_eq!(round(line), Some([17.0, 9.5]));
        assert_eq!(round("run: 1000 lookups without 17000 ns"), None);
    }

    #[test]
    fn each_number_of_entries_is_a_program_of_its_own() {
        let scenario = scenario(50_000, 3).unwrap();
        assert_eq!(scenario.bpf[0].flags, ["-DENTRIES=50000"]);
        assert_eq!(scenario.steps.len(), 4);
    }
}
