//! One page for a browser, which needs nothing from elsewhere: the matrix, and all of each case.

mod case;
mod kept;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::place::MARK;
use super::test_run::{Class, TestRun};
use super::{accelerators, matrix, pretty, printable};
use crate::outcome::Outcome;
use crate::project;
pub use case::find;
pub(super) use kept::keep;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The files that are kept of a case: their names, and where the page finds them.
pub(super) type Links = Vec<(String, String)>;

/// The folder of the page that each run leaves.
pub fn folder() -> PathBuf {
    project::target().join("report")
}

/// The page. `links` are those of each outcome; of one that has none there, no file is kept beside
/// the page.
///
/// # Errors
/// A snapshot cannot be read; the system has no randomness.
pub fn page(run: &TestRun, links: &[Links]) -> Result<String> {
    // Whatever else were to get into the page is neither run nor loaded.
    let nonce = nonce()?;
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; \
         base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                (PreEscaped(MARK))
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title(run)) }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                (head(run))
                main {
                    (table(run))
                    (timings(run))
                    h2 id="all" { "Cases" }
                    (cases(run, links)?)
                }
                script nonce=(nonce) { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(page.into_string() + "\n")
}

/// The page with what it links to laid into a folder beside it.
///
/// # Errors
/// As [`page`]; a file cannot be copied.
pub fn page_with_files(run: &TestRun, folder: &Path) -> Result<String> {
    page(run, &keep(run.outcomes, folder)?)
}

fn nonce() -> Result<String> {
    let mut bytes = [0; 16];
    let filled = getrandom::fill(&mut bytes);
    filled
        .map_err(|error| anyhow!("{error}"))
        .context("get randomness")?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

fn title(run: &TestRun) -> String {
    let bad = run.outcomes.iter();
    let bad = bad.filter(|outcome| !Class::of(outcome).is_good()).count();
    match (run.stopped.is_some(), bad) {
        (true, _) => "kassay: interrupted".to_owned(),
        (false, 0) => format!("kassay: {} cases, all good", run.outcomes.len()),
        (false, bad) => format!("kassay: {bad} of {} cases fail", run.outcomes.len()),
    }
}

fn head(run: &TestRun) -> Markup {
    let summary = pretty::summary(run.outcomes) + &run.foot.end();
    html! {
        header {
            h1 { "kassay" }
            @if let Some(cut) = run.cut() { p.cut role="alert" { (printable(&cut)) } }
            @for line in summary.lines() { p { (printable(line)) } }
            form.search role="search" {
                label for="search" { "Search" }
                input id="search" type="search" placeholder="name, verdict or any text"
                    aria-keyshortcuts="/" autocomplete="off";
                label { input id="bad" type="checkbox"; " failures only" }
                output id="found" for="search" aria-live="polite" {}
                small { kbd { "/" } " searches, arrow keys move in the table, "
                    kbd { "Enter" } " opens a case" }
            }
        }
    }
}

/// A row a scenario and a column a kernel, each cell with a link to its case.
fn table(run: &TestRun) -> Markup {
    let kernels = run.kernels();
    let scenarios = matrix::unique(run.outcomes, |outcome| &outcome.case.scenario);
    html! {
        div.wide tabindex="0" role="region" aria-label="Scenarios and kernels" {
            table id="matrix" {
                thead {
                    tr {
                        th scope="col" { "scenario" }
                        @for (kernel, outcomes) in &kernels {
                            th scope="col" {
                                (printable(kernel))
                                small { (release(outcomes)) " "
                                    (accelerators(outcomes).join(", ")) }
                            }
                        }
                    }
                }
                tbody {
                    @for scenario in scenarios {
                        tr {
                            th scope="row" { (printable(scenario)) }
                            @for (kernel, _) in &kernels { (cell(run, kernel, scenario)) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(run: &TestRun, kernel: &str, scenario: &str) -> Markup {
    let Some(outcome) = matrix::find(run.outcomes, kernel, scenario) else {
        return html! { td {} };
    };
    html! {
        td {
            a class=(class(outcome)) href=(format!("#{}", id(run, outcome))) {
                (matrix::mark(outcome))
            }
            @if !outcome.duration().is_zero() { small { (seconds(outcome)) } }
        }
    }
}

/// What took longest comes first.
fn timings(run: &TestRun) -> Markup {
    let mut ran: Vec<&Outcome> = run.outcomes.iter().collect();
    ran.retain(|outcome| !outcome.duration().is_zero());
    ran.sort_by_key(|outcome| std::cmp::Reverse(outcome.duration()));
    let most = ran
        .first()
        .map_or(0.0, |first| first.duration().as_secs_f64());
    html! {
        @if !ran.is_empty() {
            details id="timings" {
                summary { "Timings" }
                table {
                    thead { tr { th scope="col" { "case" } th scope="col" { "time" }
                        th scope="col" { "machine" } th scope="col" { "memory" } } }
                    tbody { @for outcome in ran { (timing(run, outcome, most)) } }
                }
            }
        }
    }
}

fn timing(run: &TestRun, outcome: &Outcome, most: f64) -> Markup {
    let judged = outcome.judged();
    let restored = judged.is_some_and(|judged| judged.restored);
    let peak = judged.and_then(|judged| judged.peak_kib);
    let took = outcome.duration().as_secs_f64();
    html! {
        tr {
            th scope="row" {
                a href=(format!("#{}", id(run, outcome))) { (printable(&outcome.case.to_string())) }
            }
            td { meter min="0" max=(format!("{most:.3}")) value=(format!("{took:.3}")) {} " "
                (seconds(outcome)) }
            td { @if restored { "restored" } @else { "booted" } }
            td { @if let Some(kib) = peak { (kib / 1024) " MiB" } }
        }
    }
}

/// What is wrong comes first.
fn cases(run: &TestRun, links: &[Links]) -> Result<Markup> {
    let none = Links::new();
    let all = run.outcomes.iter().enumerate();
    let mut all: Vec<(&Outcome, &Links)> = all
        .map(|(at, outcome)| (outcome, links.get(at).unwrap_or(&none)))
        .collect();
    all.sort_by_key(|(outcome, _)| Class::of(outcome).is_good());
    let each = all.into_iter();
    let each = each.map(|(outcome, links)| case::section(run, outcome, links));
    let each = each.collect::<Result<Vec<Markup>>>()?;
    Ok(html! { @for case in each { (case) } })
}

/// What a case is called in the page.
fn id(run: &TestRun, outcome: &Outcome) -> String {
    let mut outcomes = run.outcomes.iter();
    let place = outcomes.position(|other| std::ptr::eq(other, outcome));
    format!("case-{}", place.map_or(0, |place| place + 1))
}

fn class(outcome: &Outcome) -> &'static str {
    match Class::of(outcome) {
        Class::Pass => "verdict pass",
        Class::Skip => "verdict skip",
        Class::Failure => "verdict failure",
        Class::Error => "verdict error",
    }
}

fn seconds(outcome: &Outcome) -> String {
    format!("{:.2} s", outcome.duration().as_secs_f64())
}

fn release(outcomes: &[&Outcome]) -> String {
    let mut releases = outcomes.iter().map(|outcome| &outcome.release);
    let release = releases.find(|release| !release.is_empty());
    release.map_or(String::new(), |release| printable(release))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{leave, outcome, ran, three, whole};
    use crate::snapshot::Snapshot;
    use crate::verdict::Verdict;

    #[test]
    fn nothing_that_was_sent_is_markup() {
        let folder = tempfile::tempdir().unwrap();
        let mut outcomes = three();
        let evil = "</pre></td><script>alert(1)</script><img src=x onerror=alert(2)>\"'";
        let snapshot = Snapshot {
            name: "none".to_owned(),
            directory: folder.path().to_owned(),
        };
        ran(&mut outcomes[2]).transcript = Some((snapshot, evil.to_owned()));
        outcomes[2].case.scenario = "\"><script>x".to_owned();
        let files = [("console", evil), ("report", evil), ("verifier", evil)];
        leave(&mut outcomes[2], folder.path(), &files);
        let page = page(&whole(&outcomes), &[]).unwrap();
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert_eq!(page.matches("<img").count(), 0, "{page}");
        // In the reason, the transcript and three files.
        assert_eq!(page.matches("&lt;script&gt;alert(1)").count(), 5, "{page}");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let outcomes = three();
        let page = page(&whole(&outcomes), &[]).unwrap();
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("default-src 'none'"), "{page}");
        assert!(page[..1024].contains(MARK));
    }

    #[test]
    fn both_transcripts_stand_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = Snapshot {
            name: "a".to_owned(),
            directory: folder.path().to_owned(),
        };
        snapshot.accept("it", "same\n10\n").unwrap();
        let mut outcomes = vec![outcome("6.1", "a", Verdict::Mismatch)];
        ran(&mut outcomes[0]).transcript = Some((snapshot, "same\n11\n".to_owned()));
        let page = page(&whole(&outcomes), &[]).unwrap();
        let rows = "<tr><td>same</td><td>same</td></tr>\
                    <tr><td class=\"gone\"><del>10</del></td><td class=\"new\"><ins>11</ins></td></tr>";
        assert!(page.contains(rows), "{page}");
    }

    #[test]
    fn a_run_that_was_interrupted_says_so() {
        let outcomes = three();
        let run = TestRun {
            chosen: 9,
            stopped: Some("interrupted".to_owned()),
            ..whole(&outcomes)
        };
        let page = page(&run, &[]).unwrap();
        assert!(page.contains("interrupted: 3 of 9 cases had ended</p>"));
    }
}
