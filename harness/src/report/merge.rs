//! The JSON reports of a run's shards, as one run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::json::{Last, Line, VERSION};
use super::test_run::Foot;
use crate::interrupt::Interrupted;
use crate::normalise::visible;
use crate::outcome::Outcome;
use crate::plain;
use crate::shard::Shard;

/// What the shards came to together.
pub struct Merged {
    /// The cases that have ended, in the order of the whole run.
    pub outcomes: Vec<Outcome>,
    /// How many there were to be.
    pub chosen: usize,
    /// What is told below them.
    pub foot: Foot,
    /// Why shards did not come to their end.
    pub stopped: Option<String>,
    /// Whether somebody interrupted one of them.
    pub is_interrupted: bool,
    /// Of which kernels shards had different releases, in words.
    pub differing: Vec<String>,
}

/// The report of a shard.
struct Report {
    path: PathBuf,
    last: Last,
    outcomes: Vec<Outcome>,
}

/// Reads the reports of all shards of a run.
///
/// # Errors
/// One is no such report, they are not of one run, or a shard is missing or there twice.
pub fn read(paths: &[PathBuf]) -> Result<Merged> {
    let reports = paths.iter().map(|path| {
        let told = || format!("read the report `{}`", path.display());
        report(path).with_context(told)
    });
    let mut reports = reports.collect::<Result<Vec<Report>>>()?;
    check(&reports)?;
    reports.sort_by_key(|report| report.last.shard.index);
    merged(reports)
}

fn report(path: &Path) -> Result<Report> {
    let text = plain::text(path, plain::MADE)?;
    let lines: Vec<&str> = text.lines().collect();
    let Some((end, cases)) = lines.split_last() else {
        bail!("it is empty");
    };
    let last: Last = serde_json::from_str(end).with_context(|| unfit(end))?;
    ensure!(last.kassay == VERSION, unfit(end));
    let outcome = |(number, line): (usize, &&str)| {
        let line = serde_json::from_str(line).map_err(anyhow::Error::from);
        line.and_then(Line::outcome)
            .with_context(|| format!("it is damaged: line {number} is no case"))
    };
    let outcomes = (1..).zip(cases).map(outcome).collect::<Result<Vec<_>>>()?;
    ensure!(
        outcomes.len() == last.ended,
        "it is damaged: it has {} cases, and {} had ended",
        outcomes.len(),
        last.ended
    );
    ensure!(
        last.ended == last.chosen || (last.ended < last.chosen && last.stopped.is_some()),
        "it is damaged: {} of {} cases had ended",
        last.ended,
        last.chosen
    );
    Ok(Report {
        path: path.to_owned(),
        last,
        outcomes,
    })
}

/// Why a last line does not say which shard the report is of.
fn unfit(line: &str) -> String {
    let object: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_str(line).ok();
    let version = object.as_ref().and_then(|it| it.get("kassay")?.as_str());
    match (version, object.is_some()) {
        (Some(version), _) if version != VERSION => format!(
            "kassay {version} wrote it, and this is {VERSION}: merge with the version that ran \
             the shards"
        ),
        (_, true) => "its last line does not say which shard it is: it is cut off, or not of \
                      `kassay run --shard K/N --report json=PATH`"
            .to_owned(),
        (_, false) => "it is damaged: its last line is no JSON object".to_owned(),
    }
}

/// Sees that the reports are of all shards of one run.
fn check(reports: &[Report]) -> Result<()> {
    let Some(first) = reports.first() else {
        bail!("there is no report to merge");
    };
    let mut known: BTreeMap<usize, &Report> = BTreeMap::new();
    for report in reports {
        let (shard, one, other) = (report.last.shard, &first.path, &report.path);
        let of = first.last.shard.of;
        let both = format!("`{}` and `{}`", one.display(), other.display());
        ensure!(
            shard.of == of && (1..=of).contains(&shard.index),
            "{both} are not of one run: shards {} and {shard}",
            first.last.shard
        );
        if let Some(case) = difference(&first.last.cases, &report.last.cases) {
            bail!(
                "{both}, shards {} and {shard}, are not of one run: only one of them knows \
                 `{case}`, or has it in this place; run each shard with the same filter, kernels \
                 and plan",
                first.last.shard
            );
        }
        if let Some(twice) = known.insert(shard.index, report) {
            let (one, other) = (twice.path.display(), report.path.display());
            bail!("shard {shard} is there twice, in `{one}` and `{other}`");
        }
    }
    let of = first.last.shard.of;
    let missing = Shard::all(of).filter(|shard| !known.contains_key(&shard.index));
    let missing: Vec<String> = missing.map(|shard| shard.to_string()).collect();
    match &missing[..] {
        [] => Ok(()),
        [shard] => bail!("shard {shard} is missing: no report is of it"),
        shards => bail!(
            "shards {} are missing: no report is of them",
            shards.join(", ")
        ),
    }
}

/// The first case by which two lists differ.
fn difference<'a>(one: &'a [String], other: &'a [String]) -> Option<&'a String> {
    let same = one
        .iter()
        .zip(other)
        .take_while(|(one, other)| one == other);
    let same = same.count();
    one.get(same).or_else(|| other.get(same))
}

/// The reports as one, which are of all shards of one run.
fn merged(reports: Vec<Report>) -> Result<Merged> {
    let cases = match reports.first() {
        Some(report) => report.last.cases.clone(),
        None => Vec::new(),
    };
    let stopped = reports.iter().filter_map(|report| {
        let why = report.last.stopped.as_ref()?;
        Some(format!("shard {}: {why}", report.last.shard))
    });
    let stopped: Vec<String> = stopped.collect();
    let interrupted = Interrupted.to_string();
    let is_interrupted = reports
        .iter()
        .any(|report| report.last.stopped.as_ref() == Some(&interrupted));
    let differing = differing(&reports);
    let chosen: usize = reports.iter().map(|report| report.last.chosen).sum();
    let known: BTreeSet<&String> = cases.iter().collect();
    let mut ended: BTreeMap<String, (Shard, Outcome)> = BTreeMap::new();
    let mut detectors = BTreeSet::new();
    for report in reports {
        let shard = report.last.shard;
        detectors.extend(report.last.detectors);
        for outcome in report.outcomes {
            let name = outcome.case.to_string();
            ensure!(
                known.contains(&name),
                "shard {shard} has `{name}`, which is not of its run"
            );
            if let Some((other, _)) = ended.insert(name.clone(), (shard, outcome)) {
                bail!(
                    "`{name}` is in shard {other} and in shard {shard}: run each shard with the \
                     same plan, or each without one"
                );
            }
        }
    }
    if stopped.is_empty()
        && let Some(name) = cases.iter().find(|name| !ended.contains_key(*name))
    {
        bail!("`{name}` is in no shard: run each shard with the same plan, or each without one");
    }
    ensure!(
        chosen == cases.len(),
        "the shards have {chosen} cases together, and the whole run has {}: run each shard with \
         the same plan, or each without one",
        cases.len()
    );
    let outcomes = cases.iter().filter_map(|name| ended.remove(name));
    let outcomes: Vec<Outcome> = outcomes.map(|(_, outcome)| outcome).collect();
    Ok(Merged {
        foot: Foot {
            detectors: sorted(detectors, &cases),
            ..Foot::default()
        },
        chosen: cases.len(),
        stopped: (!stopped.is_empty()).then(|| stopped.join("; ")),
        is_interrupted,
        differing,
        outcomes,
    })
}

/// What is told of kernels, in the order of the cases of the whole run.
fn sorted(told: BTreeSet<String>, cases: &[String]) -> Vec<String> {
    let mut told: Vec<String> = told.into_iter().collect();
    let place = |told: &String| {
        let (kernel, _) = told.split_once(": ")?;
        let start = format!("{kernel}::");
        cases.iter().position(|name| name.starts_with(&start))
    };
    told.sort_by_key(place);
    told
}

/// Of which kernels shards had different releases: machines may know different ones by one name.
fn differing(reports: &[Report]) -> Vec<String> {
    let mut known: BTreeMap<&str, BTreeMap<&str, Shard>> = BTreeMap::new();
    for report in reports {
        for outcome in report.outcomes.iter().filter(|it| !it.release.is_empty()) {
            let releases = known.entry(&outcome.case.kernel).or_default();
            let shard = releases.entry(&outcome.release);
            shard.or_insert(report.last.shard);
        }
    }
    let differing = known.into_iter().filter(|(_, releases)| releases.len() > 1);
    let told = differing.map(|(kernel, releases)| {
        let each = releases.iter();
        let each = each.map(|(release, shard)| format!("{release} in shard {shard}"));
        let each: Vec<String> = each.collect();
        format!("{kernel} is {}", visible(&each.join(", ")))
    });
    told.collect()
}
