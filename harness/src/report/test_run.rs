//! All cases of a run, and what they are written as.

use anyhow::Result;
use clap::ValueEnum;

use super::{github, html, json, junit, ktap, markdown, matrix, pretty, tap};
use crate::outcome::Outcome;
use crate::shard::Part;
use crate::verdict::Verdict;

/// How the results of a run are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RunFormat {
    /// For people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
    /// XML as Jenkins, GitLab and others read it.
    Junit,
    /// The kernel's own test protocol, a subtest a kernel.
    Ktap,
    /// Version 13 of the Test Anything Protocol.
    Tap,
    /// Log groups and annotations of GitHub Actions, and its job summary.
    Github,
    /// Tables and reasons in Markdown.
    Markdown,
    /// One page for a browser; a report of it is a folder.
    Html,
}

/// What a run has come to.
pub struct TestRun<'a> {
    /// The cases that have ended, in their order.
    pub outcomes: &'a [Outcome],
    /// How many there were to be.
    pub chosen: usize,
    /// Why it did not come to its end.
    pub stopped: Option<String>,
    /// What is told below its cases.
    pub foot: Foot,
    /// The shard that it was, if it was one.
    pub part: Option<&'a Part>,
}

/// What is told of a run beside its cases, in words.
#[derive(Default)]
pub struct Foot {
    /// How much of the modules ran, in lines of a table.
    pub coverage: Vec<String>,
    /// What of each kernel sees faults that leave no trace, for the end of the last line.
    pub detectors: Vec<String>,
}

impl Foot {
    /// The end of the last line.
    pub fn end(&self) -> String {
        let told = self.detectors.iter().map(|told| format!("; {told}"));
        told.collect()
    }
}

/// What programs of others tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Pass,
    Skip,
    /// Something is broken.
    Failure,
    /// Nothing can be said.
    Error,
}

impl Class {
    pub fn of(outcome: &Outcome) -> Class {
        match outcome.verdict() {
            Verdict::Pass => Class::Pass,
            // What is known to be unstable is told, and no failure.
            Verdict::Skipped | Verdict::Unstable => Class::Skip,
            verdict if verdict.is_regression() => Class::Failure,
            _ => Class::Error,
        }
    }

    /// Whether nothing is wrong.
    pub fn is_good(self) -> bool {
        matches!(self, Class::Pass | Class::Skip)
    }
}

impl<'a> TestRun<'a> {
    /// The kernels and their outcomes, in the order in which they come.
    pub(super) fn kernels(&self) -> Vec<(&'a str, Vec<&'a Outcome>)> {
        let names = matrix::unique(self.outcomes, |outcome| &outcome.case.kernel);
        let of = |kernel: &str| {
            let outcomes = self.outcomes.iter();
            let own = outcomes.filter(|outcome| outcome.case.kernel == kernel);
            own.collect()
        };
        names.into_iter().map(|name| (name, of(name))).collect()
    }

    /// How far the run came, where that is not its end.
    pub(super) fn cut(&self) -> Option<String> {
        let (ended, chosen) = (self.outcomes.len(), self.chosen);
        let why = self.stopped.as_ref()?;
        Some(format!("{why}: {ended} of {chosen} cases had ended"))
    }
}

impl RunFormat {
    /// Whether each case is written as soon as it has ended.
    pub fn is_by_case(self) -> bool {
        matches!(
            self,
            RunFormat::Pretty | RunFormat::Json | RunFormat::Github
        )
    }

    /// The whole run.
    ///
    /// # Errors
    /// A snapshot cannot be read.
    pub fn text(self, run: &TestRun) -> Result<String> {
        let each = |line: &dyn Fn(&Outcome) -> Option<String>| -> Vec<String> {
            run.outcomes.iter().filter_map(line).collect()
        };
        let lines = match self {
            RunFormat::Pretty => {
                let told = pretty::Told::default();
                let mut lines = each(&|outcome| told.case(outcome));
                lines.push(pretty::conclusion(run)?);
                lines
            }
            RunFormat::Json => {
                let mut lines = each(&|outcome| Some(json::line(outcome)));
                lines.extend(json::last(run));
                lines
            }
            RunFormat::Github => {
                let mut lines = each(&|outcome| Some(github::case(outcome)));
                lines.push(github::conclusion(run));
                lines
            }
            RunFormat::Junit => vec![junit::text(run)?],
            RunFormat::Ktap => vec![ktap::text(run)],
            RunFormat::Tap => vec![tap::text(run)],
            RunFormat::Markdown => vec![markdown::text(run, usize::MAX)?],
            RunFormat::Html => vec![html::page(run, &[])?],
        };
        Ok(lines.join("\n").trim_end().to_owned() + "\n")
    }
}
