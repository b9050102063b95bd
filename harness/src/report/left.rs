//! What a failure left, as much of it as a report shows.

use std::path::Path;

use super::printable;
use crate::outcome::Outcome;
use crate::plain;

/// How much of the end of a file is shown, in bytes.
const MOST: usize = 64 << 10;

/// The files that are shown, in the order in which one reads them.
const SHOWN: [&str; 3] = ["report", "verifier", "console"];

/// The names of files that a case left and their ends, with all that cannot be shown escaped.
pub fn texts(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let Some(folder) = outcome.artifacts() else {
        return Vec::new();
    };
    let text = |name: &&'static str| Some((*name, end(&folder.join(name))?));
    SHOWN.iter().filter_map(text).collect()
}

/// The end of a file; none where there is no file, or nothing in it.
fn end(path: &Path) -> Option<String> {
    let bytes = plain::read(path, plain::MADE).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    if text.is_empty() {
        return None;
    }
    let start = text.len().saturating_sub(MOST);
    if start == 0 {
        return Some(shown(text));
    }
    let rest = text.as_bytes()[start..].iter();
    let line = rest.clone().position(|byte| *byte == b'\n');
    // A line that is longer than all is left out whole.
    let start = start + line.map_or(rest.len(), |line| line + 1);
    let told = format!("({start} bytes before this are left out)\n");
    Some(told + &shown(&text[start..]))
}

/// Lines with all that cannot be shown escaped, but for what a serial console has at their ends.
fn shown(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| printable(line.trim_end_matches('\r')));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{leave, outcome};
    use crate::verdict::Verdict;

    #[test]
    fn only_the_end_of_a_long_file_is_shown_in_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut outcome = outcome("6.1", "a", Verdict::Panic);
        let long = "äöü\n".repeat(MOST / 7 + 1000);
        leave(
            &mut outcome,
            folder.path(),
            &[
                ("console", &long),
                ("report", "\n"),
                ("verifier", "a\r\nb\rc\r\r\n"),
            ],
        );
        let texts = texts(&outcome);
        assert_eq!(texts[0].1, "a\nb\\rc");
        assert_eq!(texts.len(), 2);
        let (first, rest) = texts[1].1.split_once('\n').unwrap();
        assert!(first.ends_with(" bytes before this are left out)"));
        assert!(rest.starts_with("äöü\n") && rest.len() <= MOST);
    }
}
