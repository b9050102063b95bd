//! A driver of kassay. It has the programs of `bpf/bloom_bench.bpf.c` look up keys that are not in
//! a hash map, without a bloom filter in front of the map and with it, and reports how long a
//! lookup takes. The book's section on drivers has the lines that it speaks in.

use std::fmt::Display;
use std::io::{self, BufRead, Write};

use anyhow::{Context, Result, bail};

/// Numbers of entries, each of which has a map, a filter and two programs of its own.
const SIZES: [u32; 4] = [50_000, 100_000, 500_000, 1_000_000];

/// How many rounds there are where nobody says, and at most. The program counts the keys that it
/// has looked up by a `u32`, which must not begin again at the keys that are in the map.
const ROUNDS: usize = 3;
const MOST_ROUNDS: usize = 1000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = rounds(&arguments)?;
    let (answers, lines) = (io::stdin().lock(), io::stdout().lock());
    Talk { answers, lines }.bench(rounds)
}

fn rounds(arguments: &[String]) -> Result<usize> {
    let rounds = match arguments {
        [] => Some(ROUNDS),
        [rounds] => rounds.parse().ok(),
        _ => None,
    };
    rounds
        .filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))
        .with_context(|| format!("give it as `bloom [ROUNDS]`, with 1 to {MOST_ROUNDS} rounds"))
}

/// The talk with kassay's guest program.
struct Talk<R, W> {
    answers: R,
    lines: W,
}

impl<R: BufRead, W: Write> Talk<R, W> {
    fn bench(&mut self, rounds: usize) -> Result<()> {
        for entries in SIZES {
            self.run(&format!("fill_{entries}"), "an entry was not added")?;
            let measured = (0..rounds).map(|_| self.measure(entries));
            let measured: Vec<[f64; 2]> = measured.collect::<Result<_>>()?;
            self.report(entries, &measured)?;
        }
        let sizes = SIZES.map(|entries| entries.to_string()).join(", ");
        self.say(format_args!(
            "tell {rounds} rounds of lookups of missing keys at each of {sizes} entries"
        ))?;
        self.say("end")
    }

    /// The nanoseconds of a lookup in one round, without the filter and with it.
    fn measure(&mut self, entries: u32) -> Result<[f64; 2]> {
        self.run(&format!("measure_{entries}"), "a missing key was found")?;
        let mut read = |place| self.ask(&format!("read measured {place}"));
        let (lookups, without, with) = (read(0)? as f64, read(1)? as f64, read(2)? as f64);
        Ok([without / lookups, with / lookups])
    }

    /// The medians of the rounds. By how much lookups are faster is compared within each round,
    /// because a busy host slows both of its sides.
    fn report(&mut self, entries: u32, measured: &[[f64; 2]]) -> Result<()> {
        let median_of = |value: fn(&[f64; 2]) -> f64| median(measured.iter().map(value).collect());
        let without = median_of(|[without, _]| *without);
        let with = median_of(|[_, with]| *with);
        let faster = median_of(|[without, with]| 100.0 * (without / with - 1.0));
        self.say(format_args!("fact without_ns_{entries} {without:.1}"))?;
        self.say(format_args!("fact with_ns_{entries} {with:.1}"))?;
        self.say(format_args!("fact faster_percent_{entries} {faster:.1}"))
    }

    /// Runs a program, which returns how often something went wrong that must not.
    fn run(&mut self, program: &str, fault: &str) -> Result<()> {
        let returned = self.ask(&format!("run {program}"))?;
        if returned == 0 {
            return Ok(());
        }
        self.say(format_args!("fault {fault}"))?;
        self.say(format_args!(
            "because `{program}` returned {returned}, not 0"
        ))
    }

    /// What the guest program answers to a line.
    fn ask(&mut self, line: &str) -> Result<u64> {
        self.say(line)?;
        let mut answer = String::new();
        let length = self.answers.read_line(&mut answer);
        if length.with_context(|| format!("ask `{line}`"))? == 0 {
            bail!("ask `{line}`: stdin has ended; run this by a step `drive` of kassay");
        }
        let answer = answer.trim();
        let number = answer.parse().ok();
        number.with_context(|| format!("ask `{line}`: {answer}"))
    }

    fn say(&mut self, line: impl Display) -> Result<()> {
        writeln!(self.lines, "{line}")
            .and_then(|()| self.lines.flush())
            .context("write to the guest program")
    }
}

/// The value in the middle; the upper one of two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said in one round at each number of entries, where the programs return these.
    fn said(fill: u32, measure: u32) -> Vec<String> {
        let answers = format!("{fill}\n{measure}\n100\n1800\n900\n").repeat(SIZES.len());
        let mut said = Vec::new();
        let (answers, lines) = (answers.as_bytes(), &mut said);
        Talk { answers, lines }.bench(1).unwrap();
        let said = String::from_utf8(said).unwrap();
        said.lines().map(str::to_owned).collect()
    }

    #[test]
    fn times_of_a_lookup_are_facts() {
        let said = said(0, 0);
        let of_first = [
            "run fill_50000",
            "run measure_50000",
            "read measured 0",
            "read measured 1",
            "read measured 2",
            "fact without_ns_50000 18.0",
            "fact with_ns_50000 9.0",
            "fact faster_percent_50000 100.0",
        ];
        assert_eq!(said[..8], of_first);
        assert!(said.contains(&"fact with_ns_1000000 9.0".to_owned()));
        assert_eq!(said.last().unwrap(), "end");
    }

    #[test]
    fn what_a_program_should_not_return_is_a_fault() {
        let has = |said: &[String], line: &str| said.iter().any(|it| it == line);
        let lost = said(3, 0);
        assert!(has(&lost, "fault an entry was not added"), "{lost:?}");
        assert!(has(&lost, "because `fill_50000` returned 3, not 0"));
        let found = said(0, 1);
        assert!(has(&found, "fault a missing key was found"), "{found:?}");
        assert!(!said(0, 0).iter().any(|line| line.starts_with("fault")));
    }

    #[test]
    fn an_answer_that_is_no_number_is_an_error() {
        let ended = |answers: &str| {
            let (answers, lines) = (answers.as_bytes(), Vec::new());
            let ended = Talk { answers, lines }.bench(1);
            format!("{:#}", ended.unwrap_err())
        };
        let error = "no program `fill_50000` is loaded";
        assert_eq!(ended(error), format!("ask `run fill_50000`: {error}"));
        assert!(ended("0\n").contains("stdin has ended"));
    }

    #[test]
    fn rounds_are_a_number_within_bounds() {
        let rounds = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).collect();
            rounds(&arguments).ok()
        };
        assert_eq!(rounds(&[]), Some(3));
        assert_eq!(rounds(&["1000"]), Some(1000));
        for wrong in [&["0"][..], &["1001"], &["x"], &["1", "2"]] {
            assert_eq!(rounds(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
