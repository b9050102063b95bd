//! What no compiler holds: how the repository's files look, and that its
//! modules, programs, scenarios and snapshots belong together.

pub mod sections;
pub mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use kassay::cli::scenarios::scenarios;
use kassay::scenario::{Expect, Scenario, names as part_names, read_all};

use crate::repository::{project, repository};

tests! {
    plain:
        programs_are_ascii,
        kernel_code_is_gpl,
        lines_of_rust_are_not_long,
        lines_end_without_blanks,
        files_end_with_one_newline,
        nothing_is_left_for_later,
        machines_are_started_where_they_get_a_deadline,
        rooms_do_not_reach_back,
        no_file_of_code_is_long,
        rooms_are_read_from_paths_of_the_crate,
        every_module_and_program_is_in_a_scenario,
        every_case_of_the_zoo_has_a_verdict_and_a_timeout,
        every_fuzz_target_is_built_and_has_its_command,
        every_scenario_is_in_the_table_of_sections,
        every_scenario_has_a_snapshot_and_every_snapshot_a_scenario;
}

/// The longest line of Rust. rustfmt ends code at 100 and leaves text alone.
const LINE: usize = 120;

/// Folders of code for the kernel, the zoo's too.
const MODULES: [&str; 4] = [
    "modules/",
    "harness/tests/zoo/modules/",
    "harness/tests/planted/faults/modules/",
    "harness/tests/planted/coverage/modules/",
];
const PROGRAMS: [&str; 4] = [
    "bpf/",
    "harness/tests/zoo/bpf/",
    "harness/tests/planted/faults/bpf/",
    "harness/tests/planted/coverage/bpf/",
];

/// The rooms of the harness. One may use only those that stand before it.
const ROOMS: [&str; 66] = [
    "plain",
    "frame",
    "milestone",
    "nearest",
    "progress",
    "terminal",
    "outlet",
    "pool",
    "interrupt",
    "normalise",
    "complaint",
    "rate",
    "tool",
    "arch",
    "template",
    "cache",
    "assets",
    "streams",
    "kernel_report",
    "excerpt",
    "refusal",
    "attachment",
    "step",
    "btf",
    "value",
    "globals",
    "entries",
    "project",
    "size",
    "state",
    "kernel",
    "detector",
    "kfuncs",
    "absent",
    "vm",
    "scenario",
    "watch",
    "snapshot",
    "compile",
    "record",
    "symbol",
    "flaw",
    "debugger",
    "facts",
    "transcript",
    "verdict",
    "case",
    "coverage",
    "outcome",
    "shard",
    "kit",
    "run",
    "repeat",
    "history",
    "trial",
    "faults",
    "selftests",
    "report",
    "live",
    "diff",
    "fuzz",
    "bench",
    "bisect",
    "inventory",
    "cli",
    "library",
];

/// The files and folders of the guest program, in the same way.
const GUEST: [&str; 36] = [
    "section",
    "stream",
    "trace",
    "wire",
    "facts",
    "system",
    "process",
    "terminal",
    "port",
    "share",
    "kallsyms",
    "kmemleak",
    "gcov",
    "kcov",
    "capability",
    "capture",
    "module",
    "rtnl",
    "socket",
    "net",
    "packet",
    "packet_socket",
    "host_root",
    "hook",
    "slots",
    "sources",
    "value",
    "bpf",
    "show",
    "live",
    "picture",
    "watch",
    "step",
    "plan",
    "follower",
    "agent",
];

/// The files of the room `vm`, in the same way.
const VM: [&str; 15] = [
    "accelerator",
    "qmp",
    "claim",
    "dump",
    "held",
    "slot",
    "tsc",
    "written",
    "directory",
    "machine",
    "vmtest",
    "run",
    "session",
    "save",
    "compared",
];

/// The files of the room `verdict`, in the same way.
const VERDICT: [&str; 12] = [
    "fault",
    "expectation",
    "reports",
    "plan",
    "machine",
    "leftover",
    "context",
    "standing",
    "contract",
    "omission",
    "budget",
    "failing",
];

/// How many lines a file of code has at most, without its tests.
const LINES: usize = 450;

/// A file of the repository.
struct File {
    /// Its path from the root.
    path: String,
    /// Its content; what is not UTF-8 shows as U+FFFD.
    text: String,
}

impl File {
    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    fn ends(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }
}

/// The repository's files that `wanted` picks, of which there is at least one.
fn files(wanted: impl Fn(&File) -> bool) -> Vec<File> {
    let root = repository();
    let paths = listed(&root).unwrap_or_else(|| walked(&root, ""));
    let read = |path: String| {
        let text = fs::read(root.join(&path)).ok()?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Some(File { path, text })
    };
    let files: Vec<File> = paths.into_iter().filter_map(read).filter(wanted).collect();
    assert!(!files.is_empty(), "no file to look at");
    files
}

/// What git tracks or would track; none where this is not a git checkout.
fn listed(root: &Path) -> Option<Vec<String>> {
    let list = "ls-files -z --cached --others --exclude-standard";
    let output = Command::new("git")
        .current_dir(root)
        .args(list.split(' '))
        .output()
        .ok()
        .filter(|output| output.status.success() && !output.stdout.is_empty())?;
    let paths = String::from_utf8(output.stdout).ok()?;
    Some(paths.split_terminator('\0').map(str::to_owned).collect())
}

/// Every file below a folder but git's own and what is built.
fn walked(root: &Path, folder: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join(folder)).unwrap().flatten() {
        let path = format!("{folder}{}", entry.file_name().into_string().unwrap());
        if !entry.file_type().unwrap().is_dir() {
            paths.push(path);
        } else if ![".git", "target"].contains(&path.as_str()) && !is_fuzzers(&path) {
            paths.extend(walked(root, &format!("{path}/")));
        }
    }
    paths
}

/// Whether a folder is one that cargo-fuzz makes.
fn is_fuzzers(folder: &str) -> bool {
    let folder = folder.strip_prefix("fuzz/").unwrap_or_default();
    ["artifacts", "corpus", "coverage", "target"].contains(&folder)
}

/// Fails with the place of each line that is wrong.
#[track_caller]
fn no_line(files: Vec<File>, is_wrong: impl Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    for File { path, text } in files {
        for (number, line) in (1..).zip(text.split('\n')) {
            if is_wrong(line) {
                wrong.push(format!("{path}:{number}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Fails with the path of each file that is wrong.
#[track_caller]
fn no_file(files: Vec<File>, is_wrong: impl Fn(&File) -> bool) {
    let wrong: Vec<String> = files
        .into_iter()
        .filter(is_wrong)
        .map(|file| file.path)
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Fails with each name of a room, of those in a folder, that the code of one before it, or its own
/// file, uses. `order` has all that there are.
#[track_caller]
fn none_reaches_back(folder: &str, order: &[&str]) {
    let place = |name: &str| order.iter().position(|other| *other == name);
    let (mut there, mut wrong) = (BTreeSet::new(), Vec::new());
    for File { path, text } in files(|file| file.is_in(&[folder]) && file.ends(&[".rs"])) {
        let inside = path.strip_prefix(folder).unwrap();
        let room = inside.split(['/', '.']).next().unwrap();
        if ["lib", "main", "mod"].contains(&room) || path.ends_with("/tests.rs") {
            continue;
        }
        there.insert(room.to_owned());
        let depth = inside.trim_end_matches("/mod.rs").matches('/').count();
        for used in used(&text, depth) {
            if place(&used) > place(room) {
                wrong.push(format!(
                    "{path}: `{room}` uses `{used}`, which stands after it"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(there, order.iter().copied().map(str::to_owned).collect());
}

/// The text of a file before its tests.
fn without_tests(text: &str) -> &str {
    let end = text.find("\n#[cfg(test)]\nmod ");
    &text[..end.unwrap_or(text.len())]
}

/// The rooms that a text names in paths from the crate on, its tests aside. So many `super::` more
/// than one lead there as well.
fn used(text: &str, depth: usize) -> BTreeSet<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = without_tests(text).lines().filter(is_code).collect();
    let code = code
        .join("\n")
        .replace(&"super::".repeat(depth + 1), "crate::");
    let paths = code.split("crate::").skip(1);
    paths.flat_map(beginnings).map(str::to_owned).collect()
}

/// The word that a text begins with.
fn word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The names that a path begins with: one, or those of its braces.
fn beginnings(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut depth, mut names) = (0, vec![word(group)]);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Licences are kept byte for byte.
fn is_ours(file: &File) -> bool {
    !file.is_in(&["LICENSE"])
}

/// The names between a beginning and an end of paths.
fn names(before: &str, after: &str) -> BTreeSet<String> {
    let name = |file: &File| {
        let name = file.path.strip_prefix(before)?.strip_suffix(after)?;
        Some(name.to_owned())
    };
    files(|file| name(file).is_some())
        .iter()
        .filter_map(name)
        .collect()
}

fn programs_are_ascii() {
    // Many kernels, 6.11 for one, print nothing for a bpf_printk with any other format.
    no_line(files(|file| file.is_in(&PROGRAMS)), |line| !line.is_ascii());
}

fn kernel_code_is_gpl() {
    let planted = ["harness/tests/planted/fuzz/"];
    let is_code =
        |file: &File| file.is_in(&MODULES) || file.is_in(&PROGRAMS) || file.is_in(&planted);
    no_file(files(is_code), |file| {
        let first = file.text.lines().next().unwrap_or_default();
        !first.contains("SPDX-License-Identifier: GPL-2.0-only")
    });
}

fn lines_of_rust_are_not_long() {
    no_line(files(|file| file.ends(&[".rs"])), |line| {
        line.chars().count() > LINE
    });
}

fn lines_end_without_blanks() {
    no_line(files(is_ours), |line| line != line.trim_end());
}

fn files_end_with_one_newline() {
    no_file(files(is_ours), |file| {
        !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n"))
    });
}

fn nothing_is_left_for_later() {
    let marks = [
        concat!("to", "do!("),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
    ];
    let code = files(|file| file.ends(&[".rs", ".c", ".h", ".sh", ".toml", ".yml"]));
    no_line(code, |line| marks.iter().any(|mark| line.contains(mark)));
}

fn machines_are_started_where_they_get_a_deadline() {
    let places = ["harness/src/vm/vmtest.rs", "harness/src/vm/compared.rs"];
    let others = |file: &File| file.is_in(&["harness/src/"]) && !places.contains(&&*file.path);
    let starts = [".run_one(", "new(\"qemu-system", "Vmtest::new("];
    no_line(files(others), |line| {
        starts.iter().any(|start| line.contains(start))
    });
}

fn rooms_do_not_reach_back() {
    none_reaches_back("harness/src/", &ROOMS);
    none_reaches_back("harness/src/vm/", &VM);
    none_reaches_back("harness/src/verdict/", &VERDICT);
    none_reaches_back("guest/src/", &GUEST);
}

fn no_file_of_code_is_long() {
    let is_code = |file: &File| {
        file.is_in(&["harness/src/", "guest/src/", "drivers/"]) && file.ends(&[".rs"])
    };
    let is_ours = |file: &File| !file.ends(&["/tests.rs"]);
    no_file(files(|file| is_code(file) && is_ours(file)), |file| {
        without_tests(&file.text).lines().count() > LINES
    });
}

fn rooms_are_read_from_paths_of_the_crate() {
    let names = |text: &str| used(text, 0).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use crate::a as b;\nuse std::c;"), "a");
    assert_eq!(names("use crate::{\n    a::{b, c},\n    d,\n};"), "a d");
    assert_eq!(names("let a = super::a::b(crate::c);"), "a c");
    assert_eq!(
        names("// crate::a\n#[cfg(test)]\nmod tests { use crate::b; }"),
        ""
    );
    assert_eq!(names("\n#[cfg(test)]\nmod tests {\nuse crate::b;\n}"), "");
    assert_eq!(
        used("use super::super::a;\nuse super::b;", 1),
        ["a".to_owned()].into()
    );
}

fn every_module_and_program_is_in_a_scenario() {
    let own = scenarios(&[], &project()).unwrap();
    let planted = ["faults", "coverage"].map(|hunt| {
        let folder = repository().join("harness/tests/planted").join(hunt);
        read_all(&folder, &project()).unwrap()
    });
    let [faults, coverage] = planted;
    for (place, scenarios) in [own, zoo(), faults, coverage].iter().enumerate() {
        let modules = scenarios.iter().flat_map(|case| part_names(&case.modules));
        let programs = scenarios.iter().flat_map(|case| part_names(&case.bpf));
        assert_eq!(names(MODULES[place], "/Kbuild"), modules.collect());
        assert_eq!(names(PROGRAMS[place], ".bpf.c"), programs.collect());
    }
}

fn zoo() -> Vec<Scenario> {
    read_all(&repository().join("harness/tests/zoo"), &project()).unwrap()
}

fn every_case_of_the_zoo_has_a_verdict_and_a_timeout() {
    let lacks = |case: &&Scenario| case.expect.is_none() || case.timeout.is_none();
    let lacking: Vec<String> = zoo()
        .iter()
        .filter(lacks)
        .map(|case| case.name.clone())
        .collect();
    assert_eq!(lacking, [""; 0]);
}

fn every_fuzz_target_is_built_and_has_its_command() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let (manifest, how) = (read("fuzz/Cargo.toml"), read("CONTRIBUTING.md"));
    for target in names("fuzz/fuzz_targets/", ".rs") {
        let path = format!("path = \"fuzz_targets/{target}.rs\"");
        assert!(manifest.contains(&path), "{target}");
        let command = format!("cargo fuzz run -s none {target} fuzz/corpus/{target} ");
        assert!(how.contains(&command), "{target}");
    }
}

fn every_scenario_is_in_the_table_of_sections() {
    let table = files(|file| file.path == "harness/tests/scenarios/README.md");
    let row = |line: &str| Some(line.strip_prefix("| [")?.split_once(']')?.0.to_owned());
    let listed: BTreeSet<String> = table[0].text.lines().filter_map(row).collect();
    assert_eq!(names("harness/tests/scenarios/", ".toml"), listed);
}

fn every_scenario_has_a_snapshot_and_every_snapshot_a_scenario() {
    let snapshots = names("harness/tests/snapshots/", ".snap");
    let scenario = |name: &String| name.split('@').next().unwrap_or_default().to_owned();
    let reviewed: BTreeSet<String> = snapshots.iter().map(scenario).collect();
    let scenarios = scenarios(&[], &project()).unwrap();
    let all = scenarios.iter().map(|case| case.name.clone()).collect();
    let strays: Vec<_> = reviewed.difference(&all).collect();
    assert!(strays.is_empty(), "without a scenario: {strays:?}");
    // What stops the guest leaves no transcript.
    let stops = |case: &Scenario| {
        use Expect::{Hang, Lost, Oom, Panic};
        matches!(case.expect, Some(Panic(_) | Hang(_) | Oom(_) | Lost(_)))
    };
    let due = scenarios.iter().filter(|case| !stops(case));
    let missing: Vec<_> = due.filter(|case| !reviewed.contains(&case.name)).collect();
    assert!(missing.is_empty(), "without a snapshot: {missing:?}");
}
