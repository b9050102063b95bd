//! `kassay diff`: what differs between two kernels.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::cache::limit;
use super::chosen;
use super::run::{How, one};
use super::{Usage, is_left, print, usage};
use crate::cache::Cache;
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
use crate::{interrupt, inventory, pool, progress};

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
/// Wrong usage; a kernel that cannot be had; an interrupt.
pub fn run(args: &DiffArgs) -> Result<u8> {
    let (catalog, limit) = (super::chosen::catalog(&Cache::open()?)?, limit()?);
    let mut scenarios = args.how.scenarios().map_err(usage)?;
    scenarios.retain(|scenario| args.has(&scenario.name));
    let setting = args.how.setting(false)?;
    let kernel =
        |name: &str| -> Result<Kernel> { chosen::kernel(&setting.cache, &catalog, Some(name)) };
    let kernels = [kernel(&args.kernel_a)?, kernel(&args.kernel_b)?];
    let pair = Pair { setting, kernels };
    let mut findings = Vec::new();
    let mut found = |finding: Finding| {
        args.show(&pair, &finding)?;
        findings.push(finding);
        anyhow::Ok(())
    };
    // Each directory behind those that it is built against.
    let mut directories = BTreeMap::new();
    let work = |scenario: &Scenario| Ok((scenario.name.clone(), pair.run(scenario)?));
    pool::each(&scenarios, pair.setting.jobs, work, |(name, [a, b])| {
        let ran = [&a, &b].map(|outcome| outcome.verdict() != Verdict::Skipped);
        let scenario = scenarios.iter().find(|scenario| scenario.name == name);
        if let (Some(scenario), [true, true]) = (scenario, ran) {
            for (place, part) in scenario.modules.iter().enumerate() {
                let parts = &scenario.modules[..=place];
                directories.insert((&part.path, &part.insert), parts);
            }
        }
        found(diff::outcomes(&a, &b))
    })?;
    let listings = pair.kernels.each_ref().map(kfuncs::of_kernel);
    // Someone else's code is not about all that differs between two kernels.
    let is_about = |name: &str| match (args.how.scenario.as_slice(), args.filter.as_slice()) {
        ([_, ..], []) => false,
        _ => args.has(name),
    };
    let kfuncs = pair.kfuncs("vmlinux", listings, is_about)?;
    if scenarios.is_empty() && kfuncs.is_none() {
        return Err(args.nothing().into());
    }
    kfuncs.map(&mut found).transpose()?;
    // A scenario may insert one module of a directory, and another one all of them.
    let mut seen = BTreeSet::new();
    for ((path, _), parts) in directories {
        for finding in pair.modules(parts)? {
            if seen.insert((path, finding.name.clone())) {
                found(finding)?;
            }
        }
    }
    inventory::clear_up(&pair.setting.cache, limit);
    if args.format == Format::Pretty {
        print(&summary(&findings))?;
    }
    Ok(exit_code(&findings))
}

impl Pair {
    /// A scenario on both kernels.
    fn run(&self, scenario: &Scenario) -> Result<[Outcome; 2]> {
        let run = |kernel: &Kernel| {
            let _line = progress::Live::new(format!("{}::{}", kernel.name, scenario.name));
            one(&self.setting, &Ok(kernel.clone()), &kernel.name, scenario)
        };
        Ok([run(&self.kernels[0])?, run(&self.kernels[1])?])
    }

    /// The kfuncs of each module of the last of these directories on both kernels, but for modules
    /// that have none on either.
    fn modules(&self, parts: &[Part]) -> Result<Vec<Finding>> {
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
            .filter_map(Result::transpose)
            .collect()
    }

    /// What two listings of kfuncs come to; nothing where neither has one that counts.
    fn kfuncs(
        &self,
        whose: &str,
        listings: [Result<Listing>; 2],
        counts: impl Fn(&str) -> bool,
    ) -> Result<Option<Finding>> {
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

    fn nothing(&self) -> Usage {
        let filter = self.filter.join("`, `");
        Usage(format!(
            "no scenario and no kfunc matches `{filter}`; `kassay list` and `kassay kfuncs` show \
             what there is"
        ))
    }

    /// Prints a finding; for people only one that says something.
    fn show(&self, pair: &Pair, finding: &Finding) -> Result<()> {
        let [a, b] = &pair.kernels;
        if self.format == Format::Json {
            let line = json!({
                "kernel_a": a.name,
                "kernel_b": b.name,
                "release_a": a.release,
                "release_b": b.release,
                "accel": pair.setting.accelerator.to_string(),
                "name": finding.name,
                "result": finding.judgement.name(),
                "title": finding.title,
                "diff": finding.diff,
            });
            return print(&line.to_string());
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
