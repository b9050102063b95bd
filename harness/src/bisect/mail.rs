//! What came of a bisect, as plain text for a mail.

use std::fmt::Write;

use anyhow::Result;

use super::policy::Judgment;
use super::state::Judged;
use super::{Answer, Bisect, Question};
use crate::compile::bpf;
use crate::normalise::visible;
use crate::tool::Tool;

/// How many lines of a failure's reason are shown.
const LINES: usize = 40;

/// The whole text.
///
/// # Errors
/// git's.
pub fn text(bisect: &Bisect, answer: &Answer, command: &str) -> Result<String> {
    let mut text = String::new();
    match answer {
        Answer::Found(hash) => found(bisect, hash, &mut text)?,
        Answer::Among(hashes) => among(bisect, hashes, &mut text)?,
    }
    wanted(bisect, &mut text);
    let steps = bisect.state.steps().count();
    let skipped = |step: &&Judged| step.judgment == Judgment::Skip;
    let skipped = bisect.state.steps().filter(skipped).count();
    let flaky = bisect.state.steps().filter(|step| step.flaky).count();
    let seconds: f64 = bisect
        .state
        .judged
        .iter()
        .map(|judged| judged.seconds)
        .sum();
    let _ = writeln!(
        text,
        "{steps} commits judged between the ends, {skipped} of them skipped and {flaky} flaky, in \
         {seconds:.0} s\n"
    );
    text.push_str(&log(bisect)?);
    let _ = writeln!(text, "\n{}", circumstances(bisect, command)?);
    Ok(text)
}

/// The commit, and the verdicts on both sides of it.
fn found(bisect: &Bisect, hash: &str, text: &mut String) -> Result<()> {
    let repository = &bisect.repository;
    let _ = writeln!(text, "{hash} is the first bad commit\n");
    let _ = writeln!(text, "{}", repository.stat(hash)?.trim_end());
    text.push('\n');
    for parent in repository.parents(hash)? {
        side(bisect, "before it", &parent, text)?;
    }
    side(bisect, "with it", hash, text)
}

fn among(bisect: &Bisect, hashes: &[String], text: &mut String) -> Result<()> {
    let _ = writeln!(
        text,
        "the first bad commit is one of these, of which only the bad one could be judged:\n"
    );
    for hash in hashes {
        side(bisect, "candidate", hash, text)?;
    }
    Ok(())
}

fn side(bisect: &Bisect, place: &str, hash: &str, text: &mut String) -> Result<()> {
    let commit = bisect.repository.show(hash)?;
    let seen = match bisect.state.of(hash) {
        Some(judged) => format!("{}: {}", judged.judgment.word(), judged.seen()),
        None => "good: it is in the history of a good one".to_owned(),
    };
    let _ = writeln!(
        text,
        "{place:<9} {} {}\n    {seen}",
        commit.short, commit.subject
    );
    Ok(())
}

/// The failure that was looked for, in full as far as a mail takes it.
fn wanted(bisect: &Bisect, text: &mut String) {
    if let Some(target) = &bisect.state.target {
        let (seen, looks) = (target.seen, target.looks);
        let _ = writeln!(text, "\n{target}");
        if !target.is_steady() {
            let _ = writeln!(text, "flaky: {seen} of {looks} times at the bad end");
        }
        let lines: Vec<&str> = target.failure.reason.lines().collect();
        for line in lines.iter().take(LINES) {
            let _ = writeln!(text, "    {}", visible(line));
        }
        if lines.len() > LINES {
            let _ = writeln!(text, "    … {} more lines", lines.len() - LINES);
        }
    }
    text.push('\n');
}

/// git's log, with a comment behind each commit that says what was seen of it.
fn log(bisect: &Bisect) -> Result<String> {
    let mut log = String::new();
    let comment = |judged: &Judged| {
        let flaky = if judged.flaky { ", flaky" } else { "" };
        let seconds = judged.seconds;
        let told = judged.told();
        let told: Vec<&str> = told.lines().filter(|line| !is_chatter(line)).collect();
        let told = told.join("\n# ");
        let word = judged.judgment.word();
        format!("# kassay: {word} ({seconds:.1} s{flaky}): {told}\n")
    };
    for line in bisect.worktree.log()?.lines() {
        log.extend([line, "\n"]);
        let marked = line
            .strip_prefix("git bisect ")
            .and_then(|rest| rest.split_once(' '));
        let judged = match marked {
            Some(("start", _)) => [&bisect.state.good, &bisect.state.bad]
                .into_iter()
                .filter_map(|end| bisect.state.of(end))
                .collect(),
            Some((_, hash)) => Vec::from_iter(bisect.state.of(hash)),
            None => Vec::new(),
        };
        log.extend(judged.into_iter().map(comment));
    }
    Ok(log)
}

/// Whether a line of a failed build says nothing about the commit: make's own, of each folder on
/// the way, and where the log is.
fn is_chatter(line: &str) -> bool {
    let starts = ["make[", "make: ", "the whole log: "];
    starts
        .iter()
        .any(|start| line.trim_start().starts_with(start))
}

/// What it was run on and with, and how to do it again.
fn circumstances(bisect: &Bisect, command: &str) -> Result<String> {
    let version = |tool: &str| {
        let said = Tool::new(tool).arg("--version").output();
        let said = said.unwrap_or_else(|error| format!("{error:#}"));
        said.lines().next().unwrap_or_default().to_owned()
    };
    let (kernel, arch) = match &bisect.question {
        Question::Parts { kernel, .. } => {
            (format!("{} ({})", kernel.name, kernel.release), kernel.arch)
        }
        Question::Kernel {
            fragments, arch, ..
        } => {
            let names = fragments.iter().filter_map(|path| path.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            let ends = [&bisect.state.good, &bisect.state.bad];
            let ends = ends.map(|end| bisect.state.of(end)?.release.as_deref());
            let [good, bad] = ends.map(|release| release.unwrap_or("unknown"));
            let config = names.join(", ");
            let told = format!("{good} to {bad}, of each commit, with tinyconfig and {config}");
            (told, *arch)
        }
    };
    let clang = bpf::clang(&bisect.setting.cache)?;
    Ok(format!(
        "kernel: {kernel}\ntools: kassay {}, {}, {}, {}, accelerator {}\nagain: {command}",
        env!("CARGO_PKG_VERSION"),
        version(&arch.qemu()),
        version(&clang.to_string_lossy()),
        version(&arch.tool("gcc")),
        bisect.setting.accelerator.for_arch(arch),
    ))
}
