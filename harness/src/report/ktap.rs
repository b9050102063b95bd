//! The kernel's own test protocol, version 1, as its `Documentation/dev-tools/ktap.rst` has it.

use super::test_run::{Class, TestRun};
use super::{first_line, printable, seeds, title};
use crate::outcome::Outcome;
use crate::verdict::Verdict;

/// The whole run: a test for each kernel, with a subtest for each scenario.
pub fn text(run: &TestRun) -> String {
    let (kernels, cut) = (run.kernels(), run.cut());
    let count = kernels.len() + usize::from(cut.is_some());
    let mut lines = vec!["KTAP version 1".to_owned(), format!("1..{count}")];
    for (number, (kernel, outcomes)) in (1..).zip(&kernels) {
        // No `# Subtest:` with the kernel's name: kunit.py would take a scenario that is called so
        // for the end of the subtest.
        lines.push("  KTAP version 1".to_owned());
        lines.push(format!("  1..{}", outcomes.len()));
        let cases = (1..).zip(outcomes);
        let cases = cases.flat_map(|(number, outcome)| case(number, outcome));
        lines.extend(cases.map(|line| format!("  {line}")));
        lines.push(whole(number, kernel, outcomes));
    }
    if let Some(cut) = cut {
        let why = printable(&cut);
        lines.push(format!("not ok {count} interrupted # ERROR {why}"));
    }
    lines.join("\n")
}

/// What all cases of a kernel come to.
fn whole(number: usize, kernel: &str, outcomes: &[&Outcome]) -> String {
    let kernel = name(kernel);
    let all = |holds: fn(Class) -> bool| outcomes.iter().all(|outcome| holds(Class::of(outcome)));
    if all(|class| class == Class::Skip) {
        return format!("ok {number} {kernel} # SKIP all of it");
    }
    match all(Class::is_good) {
        true => format!("ok {number} {kernel}"),
        false => format!("not ok {number} {kernel}"),
    }
}

/// The lines of a case: what is to be said of it, and the result.
fn case(number: usize, outcome: &Outcome) -> Vec<String> {
    let class = Class::of(outcome);
    // So far to the right, nothing that a guest sends is a line of the protocol.
    let said = |line: &str| format!("#     {}", whole_log(printable(line.trim_end())));
    let mut lines = Vec::new();
    if !class.is_good() {
        lines.extend(outcome.reason().lines().map(said));
        if let Some(folder) = outcome.artifacts() {
            let told = format!("everything of this run: {}", folder.display());
            lines.push(said(&told));
        }
    }
    let seeds = seeds(outcome);
    if !seeds.is_empty() {
        lines.push(said(&seeds));
    }
    let name = name(&outcome.case.scenario);
    // In a title, `# SKIP` would make a skip of a failure.
    let title = self::name(&whole_log(first_line(&title(outcome))));
    lines.push(match (class, outcome.verdict()) {
        (Class::Pass, _) => format!("ok {number} {name}"),
        (Class::Skip, _) => format!("ok {number} {name} # SKIP {title}"),
        (Class::Failure, Verdict::Hang) => format!("not ok {number} {name} # TIMEOUT {title}"),
        (Class::Failure, verdict) => format!("not ok {number} {name} # {verdict}: {title}"),
        (Class::Error, verdict) => format!("not ok {number} {name} # ERROR {verdict}: {title}"),
    });
    lines
}

/// A name or title, of which `#` would be the end.
fn name(name: &str) -> String {
    printable(name).replace('#', "%23").replace('\n', " ")
}

/// A line with a blank in what kunit.py takes for the end of the log, wherever it stands.
fn whole_log(line: String) -> String {
    let ends = [
        "List of all partitions:",
        "Kernel panic - not syncing: VFS:",
        "reboot: System halted",
    ];
    ends.iter().fold(line, |line, end| {
        line.replace(end, &end.replacen(':', " :", 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{outcome, ran, three, unstable, whole as run};

    #[test]
    fn a_subtest_for_each_kernel_with_all_that_was_said_as_diagnostics() {
        let mut outcomes = three();
        ran(&mut outcomes[2]).reason = "ok 9 z\n# Subtest: c".to_owned();
        let expected = "\
KTAP version 1
1..2
  KTAP version 1
  1..2
  ok 1 sum
  ok 2 drop # SKIP needs `X` & <Y>
ok 1 6.12
  KTAP version 1
  1..1
  #     ok 9 z
  #     # Subtest: c
  #     seed 7
  not ok 1 sum # mismatch: differs: <b> % ]]> %23 SKIP, \\u{1b}[31m
not ok 2 ./a%23b";
        assert_eq!(text(&run(&outcomes)), expected);
    }

    #[test]
    fn a_kernel_of_which_all_is_skipped_is_skipped() {
        let outcomes = [outcome("6.1", "a", Verdict::Skipped)];
        let text = text(&run(&outcomes));
        assert!(text.ends_with("\nok 1 6.1 # SKIP all of it"), "{text}");
    }

    #[test]
    fn what_is_unstable_says_what_it_would_be() {
        let text = text(&run(&[unstable()]));
        let line = "\n  ok 1 flaky # SKIP leak: timer t stayed\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn no_panic_ends_the_log() {
        let line = whole_log("#  Kernel panic - not syncing: VFS: x".to_owned());
        assert_eq!(line, "#  Kernel panic - not syncing : VFS: x");
    }

    #[test]
    fn a_run_that_was_interrupted_has_an_error_that_says_so() {
        let outcomes = [outcome("6.1", "a", Verdict::Pass)];
        let run = TestRun {
            chosen: 2,
            stopped: Some("interrupted".to_owned()),
            ..run(&outcomes)
        };
        let text = text(&run);
        assert!(text.starts_with("KTAP version 1\n1..2\n"), "{text}");
        let last = "\nnot ok 2 interrupted # ERROR interrupted: 1 of 2 cases had ended";
        assert!(text.ends_with(last), "{text}");
    }
}
