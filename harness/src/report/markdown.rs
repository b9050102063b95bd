//! A table of scenarios and kernels, and what is to be said below it, in Markdown.

use anyhow::Result;

use super::test_run::{Class, TestRun};
use super::{matrix, pretty, printable, table};
use crate::outcome::Outcome;

/// The whole run, in at most so many bytes: what has no room is counted at the end.
///
/// # Errors
/// A snapshot cannot be read.
pub fn text(run: &TestRun, most: usize) -> Result<String> {
    let blocks = blocks(run)?;
    let count = blocks.len();
    // The last line has room.
    let room = most.saturating_sub(100);
    let mut text = String::new();
    for (at, block) in blocks.into_iter().enumerate() {
        if text.len() + block.len() + 1 > room {
            let left_out = count - at;
            if text.len() + 100 <= most {
                text += &format!("{left_out} more parts have no room here.\n");
            }
            break;
        }
        text += &block;
        text.push('\n');
    }
    Ok(text)
}

/// The parts, each of which ends with a newline, that which counts most first.
fn blocks(run: &TestRun) -> Result<Vec<String>> {
    let summary = pretty::summary(run.outcomes);
    let mut blocks = Vec::new();
    if let Some(cut) = run.cut() {
        blocks.push(format!("**{}**\n", printable(&cut)));
    }
    let summary: Vec<String> = summary.lines().map(text_of).collect();
    blocks.push(summary.join("\\\n") + "\n");
    blocks.push(matrix(run));
    let (good, bad): (Vec<&Outcome>, Vec<&Outcome>) = run
        .outcomes
        .iter()
        .partition(|outcome| Class::of(outcome).is_good());
    blocks.extend(bad.into_iter().map(failure));
    for (scenario, kernels, diff) in matrix::differences(run.outcomes)? {
        let kernels: Vec<String> = kernels.into_iter().map(code).collect();
        let (name, kernels) = (code(scenario), kernels.join(", "));
        let diff = fenced("diff", &diff);
        blocks.push(format!(
            "#### {name} differs on {kernels}, as reviewed\n\n{diff}"
        ));
    }
    let skipped = good.into_iter();
    let skipped = skipped.filter(|outcome| Class::of(outcome) == Class::Skip);
    blocks.extend(skipped.map(skip));
    Ok(blocks)
}

/// A row a scenario and a column a kernel.
fn matrix(run: &TestRun) -> String {
    let mut rows = matrix::rows(run.outcomes);
    for (at, row) in rows.iter_mut().enumerate() {
        for (column, cell) in row.iter_mut().enumerate() {
            if (at == 0 || column == 0) && !cell.is_empty() {
                *cell = code(cell);
            } else if !["", "pass", "skipped"].contains(&&**cell) {
                *cell = format!("**{}**", cell.replace('*', "\\*"));
            }
        }
    }
    table::markdown(&rows).join("\n") + "\n"
}

/// What is said of a case that is neither a pass nor skipped.
fn failure(outcome: &Outcome) -> String {
    let (verdict, name) = (outcome.verdict(), code(&outcome.case.to_string()));
    let title = code(&super::first_line(outcome.title()));
    let language = match outcome.is_comparison() {
        true => "diff",
        false => "text",
    };
    let seeds = super::seeds(outcome);
    let seeds = match seeds.is_empty() {
        true => seeds,
        false => format!(" ({seeds})"),
    };
    let reason = fenced(language, outcome.reason());
    format!("#### {verdict}: {name}{seeds}\n\n{title}\n\n{reason}")
}

fn skip(outcome: &Outcome) -> String {
    let (verdict, name) = (outcome.verdict(), code(&outcome.case.to_string()));
    let why = super::first_line(&super::title(outcome));
    format!("{verdict}: {name}: {}\n", code(&why))
}

/// A text as it is, in a line.
fn code(text: &str) -> String {
    let text = printable(text).replace('\n', " ");
    let text = match text.trim() {
        "" => "-",
        text => text,
    };
    let fence = "`".repeat(longest_run(text) + 1);
    // A blank on both sides is not shown.
    match text.starts_with('`') || text.ends_with('`') {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}

/// A text as it is, in lines of its own.
fn fenced(language: &str, text: &str) -> String {
    let text = printable(text);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
}

/// How many backticks follow one on another at most.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|letter| letter != '`');
    runs.map(str::len).max().unwrap_or(0)
}

/// A line of words in which nothing is markup.
fn text_of(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for letter in printable(line).chars() {
        if letter.is_ascii_punctuation() && !",.:;()/%".contains(letter) {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{outcome, three, whole};
    use crate::verdict::Verdict;

    #[test]
    fn a_table_with_what_differs_and_why_below_it() {
        let outcomes = three();
        let text = text(&whole(&outcomes), usize::MAX).unwrap();
        let table = "\
            |  | `6.12` | `./a#b` |\n\
            | --- | --- | --- |\n\
            | `sum` | pass | **mismatch** |\n\
            | `drop` | skipped |  |\n";
        assert!(text.contains(table), "{text}");
        let failure = "#### mismatch: `./a#b::sum` (seed 7)\n\n`differs: <b> % ]]> # SKIP,";
        assert!(text.contains(failure), "{text}");
        // What was sent cannot end the block that it is in.
        assert!(text.contains("\n````text\n::error::x\n"), "{text}");
        let skipped = "skipped: `6.12::drop`: ``needs `X` & <Y>``";
        assert!(text.trim_end().ends_with(skipped), "{text}");
    }

    #[test]
    fn no_more_is_said_than_there_is_room_for() {
        let outcomes: Vec<Outcome> = (0..100)
            .map(|at| outcome("6.1", &format!("a{at}"), Verdict::Hang))
            .collect();
        for most in [0, 50, 150, 3000, 5000] {
            let text = text(&whole(&outcomes), most).unwrap();
            assert!(text.len() <= most, "{most}: {}", text.len());
            let is_told = text.ends_with(" more parts have no room here.\n");
            assert_eq!(is_told, most >= 100, "{most}: {text}");
        }
    }

    #[test]
    fn code_ends_where_it_should() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("`a``b"), "``` `a``b ```");
        assert_eq!(code(""), "`-`");
        assert_eq!(text_of("a_b <c>: 1"), "a\\_b \\<c\\>: 1");
    }
}
