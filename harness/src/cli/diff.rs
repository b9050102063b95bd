//! `kassay diff`: what differs between two kernels.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::cache::limit;
use super::kfuncs::listing;
use super::run::{self, How, one};
use super::{Usage, is_left, print, usage};
use crate::diff::{self, Finding, Judgement};
use crate::kernel::{Catalog, Kernel};
use crate::normalise::visible;
use crate::report::{Format, REGRESSION, UNJUDGED};
use crate::run::{Outcome, Setting};
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
    /// Compare only scenarios, and of the kernels' own kfuncs those, whose names contain one of these
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
    let (catalog, limit) = (Catalog::load()?, limit()?);
    let mut scenarios = args.how.scenarios().map_err(usage)?;
    scenarios.retain(|scenario| args.has(&scenario.name));
    let setting = args.how.setting(false)?;
    let kernel =
        |name: &str| -> Result<Kernel> { run::kernel(&setting.cache, &catalog, Some(name)) };
    let kernels = [kernel(&args.kernel_a)?, kernel(&args.kernel_b)?];
    let pair = Pair { setting, kernels };
    let mut findings = Vec::new();
    let mut found = |finding: Finding| {
        args.show(&pair, &finding)?;
        findings.push(finding);
        anyhow::Ok(())
    };
    let mut modules: BTreeMap<PathBuf, &Part> = BTreeMap::new();
    let work = |scenario: &Scenario| Ok((scenario.name.clone(), pair.run(scenario)?));
    pool::each(&scenarios, pair.setting.jobs, work, |(name, [a, b])| {
        let ran = [&a, &b].map(|outcome| outcome.verdict != Verdict::Skipped);
        let scenario = scenarios.iter().find(|scenario| scenario.name == name);
        if let (Some(scenario), [true, true]) = (scenario, ran) {
            let parts = scenario.modules.iter();
            modules.extend(parts.map(|part| (part.path.clone(), part)));
        }
        found(diff::outcomes(&a, &b))
    })?;
    let kfuncs = pair.kfuncs(None, |name| args.has(name))?;
    if scenarios.is_empty() && kfuncs.is_none() {
        return Err(args.nothing().into());
    }
    kfuncs.map(&mut found).transpose()?;
    for part in modules.into_values() {
        pair.kfuncs(Some(part), |_| true)?
            .map(&mut found)
            .transpose()?;
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

    /// The kfuncs of a module or of the kernels themselves on both kernels; nothing where neither
    /// has one that counts.
    fn kfuncs(
        &self,
        part: Option<&Part>,
        counts: impl Fn(&str) -> bool,
    ) -> Result<Option<Finding>> {
        let whose = part.map_or("vmlinux", |part| &part.name);
        let [a, b] = &self.kernels;
        let listings = [a, b].map(|kernel| listing(&self.setting.cache, kernel, part));
        interrupt::check()?;
        let finding = match listings {
            [Ok(one), Ok(other)] => {
                let mut all = one.kfuncs.iter().chain(&other.kfuncs);
                if !all.any(|kfunc| counts(&kfunc.name)) {
                    return Ok(None);
                }
                diff::listings(whose, (&a.name, &one), (&b.name, &other), counts)
            }
            [Err(error), _] | [_, Err(error)] => {
                Finding::unjudged(format!("kfuncs of {whose}"), format!("{error:#}"))
            }
        };
        Ok(Some(finding))
    }
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
