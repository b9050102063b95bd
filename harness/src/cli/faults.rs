//! `kassay faults`: allocations of modules that fail, one after the other.

use std::collections::BTreeMap;

use clap::Args;
use kassay_guest::{Allocation, During};
use serde_json::json;

use super::error::Result;
use super::print;
use super::run::Choice;
use super::session::Session;
use crate::faults::{self, Came, Hunted, TOLD, Try};
use crate::kernel::Kernel;
use crate::outcome::Outcome;
use crate::report::{Format, REGRESSION, UNJUDGED, pretty};
use crate::scenario::Scenario;
use crate::transcript::when;
use crate::verdict::Verdict;
use crate::{interrupt, progress};

const HELP: &str = "\
A scenario is run once to see which memory its modules ask the kernel for, or have it ask for: when
they are inserted, while programs run, and when they are removed. Then each of these allocations
fails in turn, on a machine of its own. A module may be refused, a kfunc may return its error, a step
may fail; a report of the kernel, a panic, a hang, or something that stays behind may not be.

It takes a kernel that is built for it, such as 6.12+fault; 6.12+kasan+fault also sees accesses to
memory that is not there, and memory that is lost.

Examples:
  kassay faults --kernel 6.12+fault                 every scenario of the project
  kassay faults --kernel 6.12+kasan+fault my_module
  kassay faults --kernel 6.12+fault --format json   a line for each allocation

Exit codes:
  0    every allocation that failed was handled
  1    one was not, or something was wrong before any failed
  2    wrong usage
  125  something could not be judged, or nothing was tried
  130  interrupted";

/// The arguments of `kassay faults`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct FaultsArgs {
    #[command(flatten)]
    choice: Choice,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What all of it comes to.
#[derive(Default)]
struct Tally {
    tried: usize,
    /// A verdict that is a regression, and one that says that nothing is known.
    is_bad: bool,
    is_unjudged: bool,
}

/// Goes through the scenarios, kernel by kernel, and prints what became of their allocations.
///
/// # Errors
/// A slip, such as a choice that leaves nothing; an interrupt.
pub fn run(args: &FaultsArgs) -> Result<u8> {
    let (session, choice) = (Session::open()?, &args.choice);
    let scenarios = choice.how.scenarios(&session.project)?;
    let setting = choice.how.setting(&session.store, false)?;
    let kernels = choice.kernels(&session, &scenarios)?;
    let cases = choice.cases(&kernels, &scenarios);
    if cases.is_empty() {
        return Err(choice.no_case());
    }
    let mut tally = Tally::default();
    for case in cases {
        let (name, scenario) = (case.name(), case.scenario);
        match case.kernel() {
            Ok(kernel) => {
                let hunted = faults::run(&setting, kernel, scenario);
                interrupt::check()?;
                let shown = Shown {
                    args,
                    kernel,
                    scenario,
                };
                shown.all(hunted, &mut tally)?;
            }
            Err(why) => {
                tally.is_unjudged = true;
                progress::note(format!("without {name}: {why}"));
            }
        }
    }
    Ok(tally.code())
}

impl Tally {
    fn note(&mut self, outcome: &Outcome) {
        let verdict = outcome.verdict();
        self.is_bad |= verdict.is_regression();
        self.is_unjudged |= matches!(verdict, Verdict::Infra | Verdict::Lost);
    }

    fn code(&self) -> u8 {
        match (self.is_bad, self.is_unjudged || self.tried == 0) {
            (true, _) => REGRESSION,
            (false, true) => UNJUDGED,
            (false, false) => 0,
        }
    }
}

/// What is being told of.
struct Shown<'a> {
    args: &'a FaultsArgs,
    kernel: &'a Kernel,
    scenario: &'a Scenario,
}

impl Shown<'_> {
    fn all(&self, hunted: anyhow::Result<Hunted>, tally: &mut Tally) -> anyhow::Result<()> {
        let name = format!("{}::{}", self.kernel.name, self.scenario.name);
        match hunted {
            Err(error) => {
                tally.is_unjudged = true;
                progress::note(format!("without {name}: {error:#}"));
                Ok(())
            }
            Ok(Hunted::Skipped(why)) => {
                progress::note(format!("skipped {name}: {why}"));
                match self.args.format {
                    Format::Pretty => Ok(()),
                    Format::Json => print(&self.untried("skipped", "", &why)),
                }
            }
            Ok(Hunted::Before(outcome)) => {
                tally.note(&outcome);
                progress::note(format!(
                    "without {name}: it goes wrong before anything fails"
                ));
                match self.args.format {
                    Format::Pretty => print(&pretty::painted(&pretty::case(&outcome))),
                    Format::Json => {
                        let (title, reason) = (outcome.title(), outcome.reason());
                        print(&self.untried(outcome.verdict().name(), title, reason))
                    }
                }
            }
            Ok(Hunted::Tried { tries, count }) => {
                if count > TOLD {
                    tally.is_unjudged = true;
                    progress::note(format!(
                        "{name}: its modules caused {count} allocations, of which the first {TOLD} \
                         were tried"
                    ));
                }
                self.tried(&name, &tries, tally)
            }
        }
    }

    fn tried(&self, name: &str, tries: &[Try], tally: &mut Tally) -> anyhow::Result<()> {
        tally.tried += tries.len();
        for tried in tries {
            if let Came::Unhandled(outcome, _) = &tried.end {
                tally.note(outcome);
            }
        }
        if self.args.format == Format::Json {
            return tries
                .iter()
                .try_for_each(|tried| print(&self.object(tried)));
        }
        summary(name, tries)
            .iter()
            .try_for_each(|line| print(line))?;
        for tried in tries {
            if let Came::Unhandled(outcome, stack) = &tried.end {
                print(&pretty::painted(&pretty::case(outcome)))?;
                self.where_from(tried, outcome, stack)?;
            }
        }
        Ok(())
    }

    /// Which allocation it was, and how to see it again.
    fn where_from(&self, tried: &Try, outcome: &Outcome, stack: &str) -> anyhow::Result<()> {
        let it = &tried.allocation;
        print(&format!(
            "    allocation {} failed, {}, {}:",
            tried.nth,
            size(it),
            when(&it.during)
        ))?;
        for line in stack.lines() {
            print(&format!("      {line}"))?;
        }
        match outcome.artifacts() {
            None => Ok(()),
            Some(folder) => print(&format!(
                "    `kassay repro {0}` runs it again; `{0}/{1}.toml` is a scenario of it",
                folder.display(),
                outcome.case.scenario
            )),
        }
    }

    /// The object of a scenario of which no allocation failed.
    fn untried(&self, verdict: &str, title: &str, reason: &str) -> String {
        let (kernel, release) = (&self.kernel.name, &self.kernel.release);
        json!({
            "kernel": kernel,
            "release": release,
            "scenario": self.scenario.name,
            "allocation": null,
            "verdict": verdict,
            "title": title,
            "reason": reason,
        })
        .to_string()
    }

    fn object(&self, tried: &Try) -> String {
        let it = &tried.allocation;
        let outcome = match &tried.end {
            Came::Unhandled(outcome, _) => Some(outcome),
            _ => None,
        };
        json!({
            "kernel": self.kernel.name,
            "release": self.kernel.release,
            "scenario": self.scenario.name,
            "allocation": tried.nth,
            "during": when(&it.during),
            "function": it.function(),
            "size": size(it),
            "stack": it.stack,
            "verdict": match &tried.end {
                Came::Handled(_) => "handled",
                Came::Missed => "missed",
                Came::Unhandled(outcome, _) => outcome.verdict().name(),
            },
            "title": outcome.map_or("", |outcome| outcome.title()),
            "reason": match &tried.end {
                Came::Handled(refused) => refused.clone().unwrap_or_default(),
                Came::Missed => String::new(),
                Came::Unhandled(outcome, _) => outcome.reason().to_owned(),
            },
            "artifacts": outcome.and_then(|outcome| outcome.artifacts()),
        })
        .to_string()
    }
}

/// What was asked for.
fn size(it: &Allocation) -> String {
    match (it.is_pages, it.size) {
        (false, size) => format!("an object of {size} bytes"),
        (true, 0) => "a page".to_owned(),
        (true, order) => format!("{} pages", 1_u64 << order.min(63)),
    }
}

/// How many were handled, and how, each time that something went on.
fn summary(name: &str, tries: &[Try]) -> Vec<String> {
    let mut times: BTreeMap<&During, Vec<&Try>> = BTreeMap::new();
    for tried in tries {
        times
            .entry(&tried.allocation.during)
            .or_default()
            .push(tried);
    }
    let head = match tries {
        [] => format!("{name}: its modules cause no allocation"),
        _ => format!("{name}: {}", share(&tries.iter().collect::<Vec<_>>())),
    };
    let line = |(during, tries): (&&During, &Vec<&Try>)| {
        let refused = |tried: &&&Try| matches!(tried.end, Came::Handled(Some(_)));
        let refused = tries.iter().filter(refused).count();
        let refused = match refused {
            0 => String::new(),
            count => format!(", {count} by a refusal"),
        };
        format!("  {}: {}{refused}", when(during), share(tries))
    };
    [head].into_iter().chain(times.iter().map(line)).collect()
}

/// How many of these were handled.
fn share(tries: &[&Try]) -> String {
    let handled = tries
        .iter()
        .filter(|tried| matches!(tried.end, Came::Handled(_)));
    let missed = tries
        .iter()
        .filter(|tried| matches!(tried.end, Came::Missed))
        .count();
    let missed = match missed {
        0 => String::new(),
        count => format!(", {count} did not come again"),
    };
    format!("{} of {} handled{missed}", handled.count(), tries.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(during: During, end: Came) -> Try {
        let allocation = Allocation {
            during,
            size: 64,
            is_pages: false,
            stack: vec!["kmalloc+0x1/0x2".to_owned(), "f+0x1/0x2 [m]".to_owned()],
        };
        Try {
            nth: 1,
            allocation,
            end,
        }
    }

    #[test]
    fn a_summary_counts_by_what_went_on() {
        let refused = || Came::Handled(Some("module m was refused".to_owned()));
        let tries = [
            tried(During::Insert("m".to_owned()), refused()),
            tried(During::Steps, Came::Handled(None)),
            tried(During::Steps, Came::Missed),
        ];
        let lines = summary("k::s", &tries);
        assert_eq!(
            lines,
            [
                "k::s: 2 of 3 handled, 1 did not come again",
                "  while m is inserted: 1 of 1 handled, 1 by a refusal",
                "  while programs run: 1 of 2 handled, 1 did not come again",
            ]
        );
    }

    #[test]
    fn nothing_tried_is_not_judged_and_a_regression_outweighs_it() {
        let code = |tried, is_bad, is_unjudged| {
            Tally {
                tried,
                is_bad,
                is_unjudged,
            }
            .code()
        };
        assert_eq!(code(0, false, false), UNJUDGED);
        assert_eq!(code(1, false, true), UNJUDGED);
        assert_eq!(code(1, true, true), REGRESSION);
        assert_eq!(code(1, false, false), 0);
    }
}
