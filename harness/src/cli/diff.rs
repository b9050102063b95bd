//! `kassay diff`: what differs between two kernels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::chosen;
use super::error::{Error, Result};
use super::how::How;
use super::run::one;
use super::session::Session;
use super::{is_left, print};
use crate::case::Setting;
use crate::compile::module::{self, Module};
use crate::diff::{self, Finding, Judgement};
use crate::kernel::Kernel;
use crate::kfuncs::{self, Listing};
use crate::normalise::visible;
use crate::outcome::Outcome;
use crate::report::{Format, REGRESSION, UNJUDGED};
use crate::scenario::{Part, Scenario};
use crate::verdict::Verdict;
use crate::{interrupt, pool, progress};

const HELP: &str = "\
Examples:
  kassay diff 6.12 7.2                 every scenario, and the kfuncs of both kernels
  kassay diff 6.1 distro kf_ task      scenarios and kfuncs with `kf_` or `task` in their names
  kassay diff 6.12 ./linux --format json

Exit codes:
  0    nothing differs
  1    something differs
  2    wrong usage
  125  nothing that could be compared differs, but something could not be
  130  interrupted";

/// The arguments of `kassay diff`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct DiffArgs {
    /// A kernel: a name of the catalog (see `kassay list`), or a path
    kernel_a: String,
    /// The kernel that it is compared with
    kernel_b: String,
    /// Compare only scenarios, and of the kernels' own kfuncs those, whose names contain one of
    /// these; without, and with --scenario, no kfuncs of the kernels' own
    filter: Vec<String>,
    #[command(flatten)]
    how: How,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Two kernels, and how scenarios are run on them.
struct Pair {
    setting: Setting,
    kernels: [Kernel; 2],
}

/// Runs scenarios on both kernels, and prints what differs as soon as it is known.
///
/// # Errors
/// A slip; a kernel that cannot be had; an interrupt.
pub fn run(args: &DiffArgs) -> Result<u8> {
    let session = Session::open()?;
    let mut scenarios = args.how.scenarios(&session.project)?;
    scenarios.retain(|scenario| args.has(&scenario.name));
    let setting = args.how.setting(&session.store, false)?;
    let kernel = |name: &str| chosen::kernel(&session, Some(name));
    let kernels = [kernel(&args.kernel_a)?, kernel(&args.kernel_b)?];
    let pair = Pair { setting, kernels };
    let mut found = Found::new(args, &pair);
    let directories = found.scenarios(&scenarios)?;
    let own = pair.own_kfuncs(args)?;
    if scenarios.is_empty() && own.is_none() {
        return Err(args.nothing());
    }
    own.map_or(Ok(()), |finding| found.add(finding))?;
    found.kfuncs(&directories)?;
    if args.format == Format::Pretty {
        print(&summary(&found.findings))?;
    }
    Ok(exit_code(&found.findings))
}

/// Directories of modules, and which modules of them are inserted, each after those that it is
/// built against.
type Directories<'a> = BTreeMap<(&'a Path, &'a [String]), &'a [Part]>;

/// What was found, each of which has been printed.
struct Found<'a> {
    args: &'a DiffArgs,
    pair: &'a Pair,
    findings: Vec<Finding>,
}

impl<'a> Found<'a> {
    fn new(args: &'a DiffArgs, pair: &'a Pair) -> Found<'a> {
        Found {
            args,
            pair,
            findings: Vec::new(),
        }
    }

    fn add(&mut self, finding: Finding) -> anyhow::Result<()> {
        self.args.show(self.pair, &finding)?;
        self.findings.push(finding);
        Ok(())
    }

    /// Runs scenarios. Returns the directories of modules of those that neither kernel skips.
    fn scenarios<'s>(&mut self, scenarios: &'s [Scenario]) -> anyhow::Result<Directories<'s>> {
        let mut directories = BTreeMap::new();
        let scenarios: Vec<&'s Scenario> = scenarios.iter().collect();
        let (pair, jobs) = (self.pair, self.pair.setting.jobs);
        let work = |scenario: &&'s Scenario| Ok((*scenario, pair.run(scenario)?));
        pool::each(&scenarios, jobs, work, |(scenario, [a, b])| {
            let has_run = |outcome: &Outcome| outcome.verdict() != Verdict::Skipped;
            let modules = match has_run(&a) && has_run(&b) {
                true => &*scenario.modules,
                false => &[],
            };
            for (place, part) in modules.iter().enumerate() {
                directories.insert((&*part.path, &*part.insert), &modules[..=place]);
            }
            self.add(diff::outcomes(&a, &b))
        })?;
        Ok(directories)
    }

    /// Compares the kfuncs of modules. A scenario may insert one module of a directory, and another
    /// one all of them.
    fn kfuncs(&mut self, directories: &Directories) -> anyhow::Result<()> {
        let mut seen = BTreeSet::new();
        for ((path, _), parts) in directories {
            for finding in self.pair.modules(parts)? {
                if seen.insert((path, finding.name.clone())) {
                    self.add(finding)?;
                }
            }
        }
        Ok(())
    }
}

impl Pair {
    /// A scenario on both kernels.
    fn run(&self, scenario: &Scenario) -> anyhow::Result<[Outcome; 2]> {
        let run = |kernel: &Kernel| {
            let _line = progress::Live::new(format!("{}::{}", kernel.name, scenario.name));
            one(&self.setting, &Ok(kernel.clone()), &kernel.name, scenario)
        };
        Ok([run(&self.kernels[0])?, run(&self.kernels[1])?])
    }

    /// A line of JSON on what was found.
    fn object(&self, finding: &Finding) -> String {
        let [a, b] = &self.kernels;
        json!({
            "kernel_a": a.name,
            "kernel_b": b.name,
            "release_a": a.release,
            "release_b": b.release,
            "accel": self.setting.accelerator.for_arch(a.arch).to_string(),
            "name": finding.name,
            "result": finding.judgement.name(),
            "title": finding.title,
            "diff": finding.diff,
        })
        .to_string()
    }

    /// The kernels' own kfuncs. Someone else's code is not about all that differs between two
    /// kernels.
    fn own_kfuncs(&self, args: &DiffArgs) -> anyhow::Result<Option<Finding>> {
        let is_about = |name: &str| match (args.how.scenario.as_slice(), args.filter.as_slice()) {
            ([_, ..], []) => false,
            _ => args.has(name),
        };
        let listings = self.kernels.each_ref().map(kfuncs::of_kernel);
        self.kfuncs("vmlinux", listings, is_about)
    }

    /// The kfuncs of each module of the last of these directories on both kernels, but for modules
    /// that have none on either.
    fn modules(&self, parts: &[Part]) -> anyhow::Result<Vec<Finding>> {
        let [a, b] = &self.kernels;
        let built = [a, b].map(|kernel| module::build(&self.setting.cache, kernel, parts));
        interrupt::check()?;
        let built = match built {
            [Ok(mut one), Ok(mut other)] => [one.pop(), other.pop()].map(Option::unwrap_or_default),
            [Err(error), _] | [_, Err(error)] => {
                let whose = parts.last().map_or("", |part| &part.name);
                return Ok(vec![unjudged(whose, &error)]);
            }
        };
        let names: BTreeSet<&String> = built.iter().flatten().map(|module| &module.name).collect();
        let finding = |name: &String| {
            let of = |kernel, modules: &[Module]| {
                let named = modules.iter().filter(|module| module.name == *name);
                kfuncs::of_modules(kernel, named.map(|module| module.file.as_path()))
            };
            self.kfuncs(name, [of(a, &built[0]), of(b, &built[1])], |_| true)
        };
        names
            .into_iter()
            .map(finding)
            .filter_map(anyhow::Result::transpose)
            .collect()
    }

    /// What two listings of kfuncs come to; nothing where neither has one that counts.
    fn kfuncs(
        &self,
        whose: &str,
        listings: [anyhow::Result<Listing>; 2],
        counts: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Option<Finding>> {
        interrupt::check()?;
        let [a, b] = &self.kernels;
        let (one, other) = match listings {
            [Ok(one), Ok(other)] => (one, other),
            [Err(error), _] | [_, Err(error)] => return Ok(Some(unjudged(whose, &error))),
        };
        let mut all = one.kfuncs.iter().chain(&other.kfuncs);
        let any = all.any(|kfunc| counts(&kfunc.name));
        Ok(any.then(|| diff::listings(whose, (&a.name, &one), (&b.name, &other), counts)))
    }
}

/// Kfuncs that could not be listed on both kernels.
fn unjudged(whose: &str, error: &anyhow::Error) -> Finding {
    Finding::unjudged(format!("kfuncs of {whose}"), format!("{error:#}"))
}

impl DiffArgs {
    fn has(&self, name: &str) -> bool {
        is_left(&self.filter, name)
    }

    fn nothing(&self) -> Error {
        let filter = self.filter.join("`, `");
        Error::Slip(format!(
            "no scenario and no kfunc matches `{filter}`; `kassay list` and `kassay kfuncs` show \
             what there is"
        ))
    }

    /// Prints a finding; for people only one that says something.
    fn show(&self, pair: &Pair, finding: &Finding) -> anyhow::Result<()> {
        if self.format == Format::Json {
            return print(&pair.object(finding));
        }
        if matches!(finding.judgement, Judgement::Same | Judgement::Skipped) {
            return Ok(());
        }
        let (result, title) = (finding.judgement.name(), visible(&finding.title));
        let mut text = format!("{result:<9} {}: {title}", finding.name);
        for line in finding.diff.lines() {
            text.push_str(&format!("\n    {}", visible(line)));
        }
        print(&text)
    }
}

/// The last line: how many comparisons came to what.
fn summary(findings: &[Finding]) -> String {
    let count = |judgement| {
        findings
            .iter()
            .filter(|one| one.judgement == judgement)
            .count()
    };
    let (same, skipped) = (count(Judgement::Same), count(Judgement::Skipped));
    let others = [
        (count(Judgement::Differs), "differ"),
        (count(Judgement::Unjudged), "not judged"),
        (skipped, "skipped on both"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0);
    let others: String = others
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
    format!(
        "{same} of {} are the same{others}",
        findings.len() - skipped
    )
}

fn exit_code(findings: &[Finding]) -> u8 {
    let any = |judgement| {
        findings
            .iter()
            .any(|finding| finding.judgement == judgement)
    };
    if any(Judgement::Differs) {
        REGRESSION
    } else if any(Judgement::Unjudged) || !any(Judgement::Same) {
        UNJUDGED
    } else {
        0
    }
}
