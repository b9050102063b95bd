//! What a terminal shows of coverage: a table of files, and what no scenario does.

use std::collections::{BTreeMap, BTreeSet};

use crate::coverage::{File, Files, Line, Total};
use crate::report::table::aligned;

/// The heads of two lists.
pub(super) const ERRORS: &str = "error returns never seen";
pub(super) const ALONE: &str = "lines that only one scenario reaches";

/// How many of each kind are listed on a terminal.
const LISTED: usize = 20;

/// How many there are, and of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) hit: usize,
    pub(super) found: usize,
}

/// What was counted in a file, or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) lines: Share,
    pub(super) branches: Share,
    pub(super) functions: Share,
}

/// Lines of files, as people write them: `a.c 3-5, 9`.
type Lines = BTreeMap<String, Vec<u32>>;

/// What all runs come to.
pub(super) struct Summary {
    pub(super) files: Vec<(String, Shares)>,
    pub(super) all: Shares,
    /// Kfuncs that no program called.
    pub(super) uncalled: Vec<String>,
    /// Kfuncs of which the verifier checks what they are given, and that it has let everybody call;
    /// with their flags.
    pub(super) unrefused: Vec<String>,
    /// Lines that name an error and did not run.
    pub(super) errors: Vec<(String, u32, String)>,
    /// What only one scenario reaches, by its name.
    pub(super) alone: BTreeMap<String, Lines>,
    /// How many runs told nothing.
    silent: usize,
}

impl Share {
    /// The share of a number of things.
    fn of(hits: impl Iterator<Item = bool>) -> Share {
        let mut share = Share::default();
        for is_hit in hits {
            share.found += 1;
            share.hit += usize::from(is_hit);
        }
        share
    }

    fn add(&mut self, other: Share) {
        self.hit += other.hit;
        self.found += other.found;
    }

    /// Of a hundred; all of none is all.
    fn percent(self) -> f64 {
        match self.found {
            0 => 100.0,
            found => self.hit as f64 * 100.0 / found as f64,
        }
    }

    pub(super) fn words(self) -> String {
        match self.found {
            0 => "-".to_owned(),
            _ => format!(
                "{} of {} ({:.1} %)",
                self.hit,
                self.found,
                down(self.percent())
            ),
        }
    }
}

/// A number with one digit behind the point, never more than it is: 100 is all.
pub(super) fn down(percent: f64) -> f64 {
    (percent * 10.0).floor() / 10.0
}

impl Shares {
    fn of(file: &File) -> Shares {
        let lines = || file.lines.values();
        Shares {
            lines: Share::of(lines().map(|line| line.runs > 0)),
            branches: Share::of(lines().flat_map(|line| &line.branches).map(|it| *it > 0)),
            functions: Share::of(file.functions.values().map(|it| it.calls > 0)),
        }
    }
}

impl Summary {
    /// What these files come to; `read` gives the text of one.
    pub(super) fn of(
        total: &Total,
        files: &Files,
        read: impl Fn(&str) -> Option<String>,
    ) -> Summary {
        let mut all = Shares::default();
        let row = |(path, file): (&String, &File)| {
            let shares = Shares::of(file);
            all.lines.add(shares.lines);
            all.branches.add(shares.branches);
            all.functions.add(shares.functions);
            (path.clone(), shares)
        };
        let rows = files.iter().map(row).collect();
        let kfuncs = || total.covered.kfuncs.iter();
        let mut uncalled = Vec::new();
        for name in total.covered.kfuncs.keys() {
            let of = files.iter();
            let of = of.filter_map(|(path, file)| Some((path, file.functions.get(name)?)));
            let of: Vec<_> = of.collect();
            let not = of.iter().filter(|(_, function)| function.calls == 0);
            uncalled.extend(not.map(|(path, _)| match of.len() {
                1 => name.clone(),
                _ => format!("{name} of {path}"),
            }));
        }
        let unrefused = kfuncs().filter(|(_, it)| !it.flags.is_empty() && !it.is_refused);
        Summary {
            files: rows,
            all,
            uncalled,
            unrefused: unrefused
                .map(|(name, it)| format!("{name} ({})", it.flags.join(", ")))
                .collect(),
            errors: errors(files, read),
            alone: alone(total, files),
            silent: total.silent,
        }
    }

    /// How many of a hundred lines ran.
    pub(super) fn percent(&self) -> f64 {
        self.all.lines.percent()
    }

    /// What a terminal shows.
    pub(super) fn lines(&self) -> Vec<String> {
        let row = |name: &str, of: &Shares| {
            let shares = [of.lines, of.branches, of.functions].map(Share::words);
            [vec![name.to_owned()], shares.to_vec()].concat()
        };
        let head = ["", "lines", "branches", "functions"].map(str::to_owned);
        let mut rows = vec![head.to_vec()];
        rows.extend(self.files.iter().map(|(path, shares)| row(path, shares)));
        rows.push(row("in all", &self.all));
        let mut lines = aligned(&rows);
        let errors = self.errors.iter();
        let errors = errors.map(|(path, line, text)| format!("{path}:{line}: {text}"));
        let alone = self.alone.iter();
        let alone = alone.map(|(scenario, of)| format!("{scenario}: {}", self::lines(of)));
        for (head, of) in self.lists() {
            lines.extend(listed(head, of));
        }
        lines.extend(listed(ERRORS, &errors.collect::<Vec<_>>()));
        lines.extend(listed(ALONE, &alone.collect::<Vec<_>>()));
        if self.silent > 0 {
            let (runs, they) = match self.silent {
                1 => ("run", "it was left out or did not come to its end"),
                _ => ("runs", "they were left out or did not come to their end"),
            };
            lines.push(String::new());
            lines.push(format!("{} {runs} counted nothing, as {they}", self.silent));
        }
        lines.push(String::new());
        lines
    }

    /// What is told of kfuncs, each kind under its head.
    pub(super) fn lists(&self) -> [(&'static str, &[String]); 2] {
        [
            ("kfuncs never called", &self.uncalled),
            (
                "kfuncs that the verifier never refused to have called",
                &self.unrefused,
            ),
        ]
    }
}

/// A list under its head, up to a bound; nothing where there is none.
fn listed(head: &str, all: &[String]) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("{head}:")];
    lines.extend(all.iter().take(LISTED).map(|one| format!("  {one}")));
    if all.len() > LISTED {
        lines.push(format!("  and {} more", all.len() - LISTED));
    }
    lines
}

/// Lines of files, with ranges.
pub(super) fn lines(of: &Lines) -> String {
    let file = |(path, lines): (&String, &Vec<u32>)| format!("{path} {}", ranges(lines));
    of.iter().map(file).collect::<Vec<_>>().join("; ")
}

/// Numbers in order as ranges.
fn ranges(numbers: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let range = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

/// Lines that did not run and name an error, such as `return -EINVAL;`.
fn errors(files: &Files, read: impl Fn(&str) -> Option<String>) -> Vec<(String, u32, String)> {
    let mut errors = Vec::new();
    for (path, file) in files {
        let code = without_comments(&read(path).unwrap_or_default());
        for (number, text) in (1..).zip(&code) {
            if names_error(text) && never_ran(file, &code, number) {
                errors.push((path.clone(), number, text.trim().to_owned()));
            }
        }
    }
    errors
}

/// Whether a line never ran, as far as that is known. gcc makes no code of its own for what only
/// chooses a value to return: then a way out of the condition before it was never taken.
fn never_ran(file: &File, code: &[String], number: u32) -> bool {
    let text = |number: u32| code[number as usize - 1].trim();
    let is_untaken = |line: &Line| line.runs == 0 || line.branches.contains(&0);
    match file.lines.get(&number) {
        Some(line) if is_condition(text(number)) => is_untaken(line),
        Some(line) => line.runs == 0,
        None => {
            let before = (1..number).rev().filter(|before| !text(*before).is_empty());
            let mut before = before.take(CONDITION);
            // One that goes over several lines has its branches at the first.
            let first = before.next().filter(|at| text(*at).ends_with(')'));
            let mut condition = first.into_iter().chain(before);
            let condition = condition.find(|at| is_condition(text(*at)));
            let line = condition.and_then(|at| file.lines.get(&at));
            first.is_some() && line.is_some_and(is_untaken)
        }
    }
}

/// Over how many lines a condition goes at most.
const CONDITION: usize = 4;

fn is_condition(text: &str) -> bool {
    ["if (", "else if (", "} else if ("]
        .iter()
        .any(|begin| text.starts_with(begin))
}

fn names_error(text: &str) -> bool {
    let mut after = text.split("-E").skip(1);
    after.any(|rest| {
        let name = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        name.starts_with(|letter: char| letter.is_ascii_uppercase())
    })
}

/// The lines of a text of C without its comments.
fn without_comments(text: &str) -> Vec<String> {
    let mut is_inside = false;
    let line = |line: &str| {
        let (mut code, mut rest) = (String::new(), line);
        loop {
            if is_inside {
                let Some((_, after)) = rest.split_once("*/") else {
                    break;
                };
                (rest, is_inside) = (after, false);
            }
            let end = rest.find("//").unwrap_or(rest.len());
            match rest[..end].split_once("/*") {
                None => {
                    code.push_str(&rest[..end]);
                    break;
                }
                Some((before, _)) => {
                    code.push_str(before);
                    rest = &rest[before.len() + 2..];
                    is_inside = true;
                }
            }
        }
        code
    };
    text.lines().map(line).collect()
}

/// What only one scenario reaches.
fn alone(total: &Total, files: &Files) -> BTreeMap<String, Lines> {
    let mut alone: BTreeMap<String, Lines> = BTreeMap::new();
    let scenarios: BTreeSet<&String> = total.reached.values().flatten().collect();
    if scenarios.len() < 2 {
        return alone;
    }
    let reached = total.reached.iter();
    for ((path, number), by) in reached.filter(|((path, _), _)| files.contains_key(path)) {
        if let (1, Some(scenario)) = (by.len(), by.first()) {
            let lines = alone.entry(scenario.clone()).or_default();
            lines.entry(path.clone()).or_default().push(*number);
        }
    }
    alone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::{Covered, Function, Kfunc};

    const TEXT: &str = "int f(int x)\n{\n\tif (x)\n\t\treturn -EINVAL;\n\treturn 0;\n}\n";

    /// A run that goes through line 4 so often, and line 5 once.
    fn covered(fails: u64) -> Covered {
        let line = |runs| Line {
            runs,
            branches: Vec::new(),
        };
        let file = File {
            functions: [("f".to_owned(), Function { line: 1, calls: 0 })].into(),
            lines: [(4, line(fails)), (5, line(1))].into(),
        };
        let kfunc = Kfunc {
            flags: vec!["KF_TRUSTED_ARGS".to_owned()],
            is_refused: fails > 0,
        };
        Covered {
            objects: [("m.o".to_owned(), [("m.c".to_owned(), file)].into())].into(),
            kfuncs: [("f".to_owned(), kfunc)].into(),
        }
    }

    fn summary(runs: &[(&str, u64)]) -> Summary {
        let mut total = Total::default();
        for (scenario, fails) in runs {
            total.add(scenario, Some(&covered(*fails)));
        }
        Summary::of(&total, &total.covered.files(), |_| Some(TEXT.to_owned()))
    }

    #[test]
    fn what_no_scenario_does_is_told() {
        let summary = summary(&[("one", 0), ("two", 0)]);
        assert_eq!(
            (summary.percent(), &*summary.uncalled),
            (50.0, &["f".to_owned()][..])
        );
        assert_eq!(summary.unrefused, ["f (KF_TRUSTED_ARGS)"]);
        let errors = [("m.c".to_owned(), 4, "return -EINVAL;".to_owned())];
        assert_eq!(summary.errors, errors);
        assert!(summary.alone.is_empty());
    }

    /// The lines of a text that name an error which was never seen, where these lines have code.
    fn unseen(text: &str, lines: &[(u32, u64, &[u64])]) -> Vec<u32> {
        let line = |(number, runs, branches): &(u32, u64, &[u64])| {
            let line = Line {
                runs: *runs,
                branches: branches.to_vec(),
            };
            (*number, line)
        };
        let file = File {
            lines: lines.iter().map(line).collect(),
            ..File::default()
        };
        let files = [("m.c".to_owned(), file)].into();
        let errors = errors(&files, |_| Some(text.to_owned()));
        errors.into_iter().map(|(_, number, _)| number).collect()
    }

    #[test]
    fn an_error_without_code_of_its_own_is_seen_by_the_condition_before_it() {
        assert_eq!(unseen(TEXT, &[(3, 2, &[0, 2])]), [4]);
        assert_eq!(unseen(TEXT, &[(3, 2, &[1, 1])]), [0; 0]);
        let long = "if (a &&\n    b)\n\treturn -E2BIG;\n";
        assert_eq!(unseen(long, &[(1, 2, &[0, 2])]), [3]);
        let short = "if (!p) return -ENOMEM;\n";
        assert_eq!(unseen(short, &[(1, 2, &[0, 2])]), [1]);
    }

    #[test]
    fn what_is_no_code_and_what_nothing_is_known_of_is_no_error_that_was_never_seen() {
        let after = "if (x)\n\treturn 0;\nreturn -ENODEV;\n";
        assert_eq!(unseen(after, &[(1, 2, &[0, 2]), (2, 0, &[])]), [0; 0]);
        let comments = "if (x)\n/* -EIO\n * -EINVAL */ y(); // -EPERM\n";
        assert_eq!(unseen(comments, &[(1, 2, &[0, 2]), (3, 0, &[])]), [0; 0]);
        let left_out = "#ifdef NEVER\nif (x)\n\treturn -EIO;\n#endif\n";
        assert_eq!(unseen(left_out, &[]), [0; 0]);
    }

    #[test]
    fn a_share_is_never_more_than_it_is() {
        let share = Share {
            hit: 2507,
            found: 2508,
        };
        assert_eq!(share.words(), "2507 of 2508 (99.9 %)");
    }

    #[test]
    fn what_only_one_scenario_reaches_is_told() {
        let summary = summary(&[("one", 0), ("two", 2)]);
        assert_eq!((summary.percent(), summary.errors.len()), (100.0, 0));
        assert!(summary.unrefused.is_empty());
        let alone: Vec<_> = summary.alone.into_iter().collect();
        assert_eq!(
            (&*alone[0].0, lines(&alone[0].1)),
            ("two", "m.c 4".to_owned())
        );
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3, 7, 9-10");
    }
}
