//! What a failed tool complained of: its first error with the lines that belong to it, and its
//! last lines.

use crate::normalise::visible;

/// How many lines of a failed tool's output an error shows at its end.
const TAIL: usize = 20;
/// How many of them it shows where its first error stands elsewhere.
const SHORT_TAIL: usize = 5;
/// How many lines an error may have, with those on the way to it and its notes.
const MOST: usize = 16;
/// How many bytes of a line are shown: one of pahole's or of a macro may have any length.
const MOST_OF_A_LINE: usize = 400;

/// What a tool's output shows of its failure, each line indented and after a line break. Where the
/// first error is among the last 20 lines they are it; else it comes before the last ones.
pub fn shown(output: &str) -> String {
    let lines: Vec<&str> = output.trim_end().lines().collect();
    let tail = lines.len().saturating_sub(TAIL);
    let (first, last) = match error(&lines) {
        Some((start, end)) if start < tail => {
            let last = lines.len().saturating_sub(SHORT_TAIL).max(end);
            (&lines[start..end], &lines[last..])
        }
        _ => (&[][..], &lines[tail..]),
    };
    let gap = (!first.is_empty()).then_some(&"[…]");
    let shown = first.iter().chain(gap).chain(last);
    shown
        .map(|line| format!("\n    {}", cut(&visible(line))))
        .collect()
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MOST_OF_A_LINE) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

/// Where the first error begins, with how the compiler came there, and where it ends.
fn error(lines: &[&str]) -> Option<(usize, usize)> {
    let at = lines.iter().position(|line| is_error(line))?;
    let way = lines[..at].iter().rev().take_while(|line| is_way(line));
    let start = at - way.count().min(MOST / 2);
    // modpost and resolve_btfids have a line for each symbol.
    let is_listed = |line: &str| {
        [lines[at], line]
            .iter()
            .all(|line| line.starts_with("ERROR: "))
    };
    let rest = lines[at + 1..].iter();
    let rest = rest.take_while(|line| is_listed(line) || !is_next(line));
    Some((start, (at + 1 + rest.count()).min(start + MOST)))
}

/// Whether a line begins an error: of gcc, clang, the assembler, the linker, modpost, pahole and
/// resolve_btfids, or make, which tells of any of them at last.
fn is_error(line: &str) -> bool {
    let begins = ["error: ", "fatal error: ", "ERROR: ", "FAILED"];
    let has = [
        ": error: ",
        ": fatal error: ",
        ": Error: ",
        ": undefined reference to ",
        ": *** ",
        ": command not found",
    ];
    begins.iter().any(|start| line.starts_with(start)) || has.iter().any(|part| line.contains(part))
}

/// Whether a line says how the compiler came to what it says next.
fn is_way(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("In file included from ")
        || line.starts_with("from ")
        || line.contains(": In function ")
        || line.ends_with(": At top level:")
}

/// Whether a line begins something else than notes of an error and lines of source.
fn is_next(line: &str) -> bool {
    let is_step = |line: &str| {
        line.strip_prefix("  ")
            .and_then(|line| line.split_once(' '))
            .is_some_and(|(verb, _)| {
                !verb.is_empty() && verb.chars().all(|letter| letter.is_ascii_uppercase())
            })
    };
    is_error(line)
        || line.contains(": warning: ")
        || line.starts_with("make")
        || line.ends_with(" generated.")
        || (is_way(line) && !line.starts_with(' '))
        || is_step(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of an error with this much behind it.
    fn first(output: &str) -> String {
        let rest = "x.c:9:1: warning: unused\n".repeat(40);
        let shown = shown(&format!("  CC [M]  x.o\n{output}\n{rest}make: *** Error 2"));
        let (first, last) = shown.split_once("\n    […]").unwrap();
        assert!(last.ends_with("make: *** Error 2"), "{last}");
        first
            .replace("\n    ", "\n")
            .trim_start_matches('\n')
            .to_owned()
    }

    #[test]
    fn the_first_error_has_its_way_its_source_and_its_notes() {
        let gcc = "In file included from x.c:1:\n\
                   x.h: In function ‘f’:\n\
                   x.h:6:9: error: ‘b’ undeclared\n    6 |  return b;\n      |         ^\n\
                   x.h:6:9: note: each undeclared identifier";
        assert_eq!(first(gcc), gcc);
        let clang = "x.bpf.c:5:49: error: incomplete definition\n/usr/include/t.h:2: note: \
                     expanded from macro 'T'\n   return c->di;\n          ~^";
        assert_eq!(first(&format!("{clang}\n1 error generated.")), clang);
        let two = "x.c:1:2: error: one\n  f\n  ^\nx.c:3:4: error: two";
        assert_eq!(first(two), "x.c:1:2: error: one\n  f\n  ^");
    }

    #[test]
    fn other_tools_have_errors_of_their_own() {
        let modpost = "ERROR: modpost: \"a\" [x.ko] undefined!\n\
                       ERROR: modpost: \"b\" [x.ko] undefined!";
        assert_eq!(first(modpost), modpost);
        for error in [
            "x.S:3: Error: no such instruction: `foo'",
            "ld: x.o: in function `f': x.c:(.text+0x5): undefined reference to `g'",
            "FAILED: load BTF from vmlinux: Invalid argument",
            "Makefile:3: *** missing separator.  Stop.",
            "make[3]: *** No rule to make target 'x.o'.  Stop.",
        ] {
            assert_eq!(first(error), error);
        }
    }

    #[test]
    fn what_is_near_the_end_is_shown_once_and_whole() {
        let output = "x.c:1:2: error: one\n  f\n  ^\nmake: *** Error 2\n";
        assert_eq!(
            shown(output),
            "\n    x.c:1:2: error: one\n      f\n      ^\n    make: *** Error 2"
        );
        assert_eq!(shown(""), "");
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let long = format!(
            "x.c:1:2: error: {}\n{}",
            "y".repeat(9999),
            "  z\n".repeat(9999)
        );
        let shown = shown(&long);
        assert!(shown.lines().count() <= MOST + SHORT_TAIL + 2, "{shown}");
        assert!(
            shown
                .lines()
                .all(|line| line.chars().count() < MOST_OF_A_LINE + 9)
        );
    }
}
