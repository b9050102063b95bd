//! As much of a text as a reason has room for.

use crate::kernel_report;

/// How many lines of a reason are kept; a report of the kernel fits.
pub const LINES: usize = kernel_report::LINES + 50;

/// The last lines of a text, for a reason.
pub fn tail(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().rev().take(15).map(short).collect();
    lines.reverse();
    lines.join("\n")
}

/// The first lines of what a guest may have made any length.
pub fn bounded(text: &str) -> String {
    let lines: Vec<String> = text.lines().take(LINES).map(short).collect();
    lines.join("\n")
}

/// As much of a line as a person would read.
fn short(line: &str) -> String {
    match line.char_indices().nth(500) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
