//! `kassay selftests` seen from outside, with a tree that is no more than its selftests, and those no
//! more than what kassay knows of them.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::symlink;
use std::process::{Child, ChildStderr, Stdio};
use std::thread::available_parallelism;

use rustix::process::{Pid, Signal, kill_process};

use crate::checkout::{Checkout, Ended, copy};

tests! {
    plain:
        what_selftests_cannot_do_is_wrong_usage;
    qemu:
        a_later_choice_and_another_tree_are_built_too,
        each_test_is_judged_by_what_it_said_and_left,
        nobody_builds_what_another_runs,
        what_does_not_compile_is_skipped_and_what_is_missing_is_named;
}

/// Builds an object of each program and of each file of tests, and `test_progs`.
const MAKEFILE: &str = "\
    PROGRAMS := $(patsubst progs/%.c,$(OUTPUT)/%.bpf.o,$(wildcard progs/*.c))\n\
    TESTS := $(patsubst prog_tests/%.c,$(OUTPUT)/%.test.o,$(wildcard prog_tests/*.c))\n\
    test_progs: $(TESTS) prog_tests/tests.h\n\tinstall runner $(OUTPUT)/test_progs\n\
    \techo ours >$(OUTPUT)/bpf_testmod/modules.order\n\
    prog_tests/tests.h: $(wildcard prog_tests/*.c)\n\tcat $^ >$@\n\
    $(TESTS): $(PROGRAMS)\n\
    $(OUTPUT)/%.bpf.o: progs/%.c\n\t$(CLANG) --target=bpf -c $< -o $@\n\
    $(OUTPUT)/%.test.o: prog_tests/%.c\n\tgcc -c $< -o $@\n";

/// What is said of each test, which is told to kassay in the words of `test_progs`.
const RUNNER: &str = "#!/bin/sh\n\
    said() { echo \"Summary: $1 PASSED, $2 SKIPPED, $3 FAILED\"; }\n\
    case $2 in\n\
    good) said 1/2 1 0;;\n\
    config) grep -q ^CONFIG_BPF= /boot/config-$(uname -r) && said 1/0 0 0;;\n\
    dies) said 1/1 0 0; kill -SEGV $$;;\n\
    late) grep -q 'test_late(' prog_tests/tests.h && said 1/0 0 0;;\n\
    partly) echo '#1/2     partly/two:FAIL'; echo '#1       partly:FAIL'; said 0/1 0 1; exit 1;;\n\
    stuck) sleep 600;;\n\
    skips) echo '#1       skips:SKIP'; said 1/0 1 0;;\n\
    splat) echo 1 >/proc/sys/kernel/panic_on_warn; echo c >/proc/sysrq-trigger; said 1/0 0 0;;\n\
    *) said 0/0 0 0;;\n\
    esac\n";

const RUN: [&str; 5] = ["selftests", "--tree", "linux", "--kernel", "distro"];

/// What a kassay says.
type Said = Lines<BufReader<ChildStderr>>;

/// Where the tests lie.
const PLACE: &str = "linux/tools/testing/selftests/bpf";

/// What kbuild writes beside the sources of a module.
const ORDER: &str = "bpf_testmod/modules.order";

/// A checkout with a tree in its folder `linux`, of tests with these bodies.
fn with_tree(tests: &[(&str, &str)]) -> Checkout {
    let checkout = Checkout::with_cache();
    checkout.write("linux/Makefile", "VERSION = 2\nPATCHLEVEL = 6\n");
    checkout.write(&format!("{PLACE}/Makefile"), MAKEFILE);
    checkout.write(&format!("{PLACE}/runner"), RUNNER);
    checkout.write(&format!("{PLACE}/progs/one.c"), "int one;\n");
    checkout.write(
        &format!("{PLACE}/progs/other.c"),
        "#error nobody takes it\n",
    );
    for (name, body) in tests {
        let text = format!("/* one.skel.h */\nvoid test_{name}(void)\n{{{body}}}\n");
        checkout.write(&format!("{PLACE}/prog_tests/{name}.c"), &text);
    }
    // The tree was built in before.
    checkout.write(&format!("{PLACE}/{ORDER}"), "theirs");
    checkout.hide("llvm-strip");
    checkout.program("llvm-strip", "exit 0");
    checkout
}

fn selftests(checkout: &Checkout, more: &[&str]) -> Ended {
    checkout.kassay(&[&RUN, more].concat())
}

fn what_selftests_cannot_do_is_wrong_usage() {
    let checkout = Checkout::new();
    let ended = checkout.kassay(&["selftests", "--tree", "modules"]);
    ended
        .with(2)
        .says("it has no `tools/testing/selftests/bpf`");
    checkout.write(&format!("{PLACE}/progs/x.c"), "");
    checkout.write(&format!("{PLACE}/prog_tests/b.c"), "static int b;\n");
    let list = ["selftests", "--tree", "linux", "--list"];
    let ended = checkout.kassay(&list);
    ended.with(2).says("bpf/Makefile`: No such file");
    checkout.write(&format!("{PLACE}/Makefile"), "");
    let ended = checkout.kassay(&list);
    ended.with(2).says("find tests in `linux`: there are none");
    let tests = format!("{PLACE}/prog_tests");
    checkout.write(&format!("{tests}/a.c"), "void serial_test_a(void)\n{}\n");
    // The lock of an editor leads nowhere.
    symlink("nobody", checkout.path(&tests).join(".#a.c")).unwrap();
    assert_eq!(checkout.kassay(&list).with(0).stdout, "a\n");
    selftests(&checkout, &["b"])
        .with(2)
        .says("no test matches `b`");
}

fn each_test_is_judged_by_what_it_said_and_left() {
    let names = ["good", "config", "dies", "partly", "skips", "splat", "idle"];
    let checkout = with_tree(&names.map(|name| (name, "")));
    let ended = selftests(&checkout, &["--format", "json"]);
    let told = |object: &serde_json::Value| {
        let text = |key: &str| object[key].as_str().unwrap().to_owned();
        format!("{} {} {}", text("scenario"), text("verdict"), text("title"))
    };
    let told: Vec<String> = ended.with(1).objects().iter().map(told).collect();
    assert_eq!(
        told,
        [
            "config pass ",
            "dies mismatch test_progs ended with status 139",
            "good pass ",
            "idle mismatch test_progs ran no test",
            "partly mismatch partly/two failed",
            "skips skipped test_progs skips it",
            "splat panic panic: sysrq triggered crash",
        ]
    );
    assert_eq!(ended.objects()[2]["reason"], "2 subtests passed, 1 skipped");
    let order = checkout.path(&format!("{PLACE}/{ORDER}"));
    assert_eq!(fs::read_to_string(order).unwrap(), "theirs");
}

fn what_does_not_compile_is_skipped_and_what_is_missing_is_named() {
    // More than are made at once, so that some would come after the one that fails.
    let programs = 0..4 * available_parallelism().unwrap().get();
    let programs: Vec<String> = programs.map(|number| format!("p{number}")).collect();
    let taken = format!("/* {} */", programs.join(" "));
    let checkout = with_tree(&[
        ("good", taken.as_str()),
        ("bad", "no_such_thing;"),
        ("asks", "/* wanting */"),
        ("takes", "/* other */"),
    ]);
    for program in programs {
        checkout.write(&format!("{PLACE}/progs/{program}.c"), "int x;\n");
    }
    checkout.write(
        &format!("{PLACE}/progs/wanting.c"),
        "#error nobody has it\n",
    );
    let ended = selftests(&checkout, &[]);
    ended
        .with(0)
        .says("pass      distro::good")
        .says("skipped   distro::bad: `prog_tests/bad.c` does not compile: ")
        .says("undeclared")
        .says("skipped   distro::asks: `progs/wanting.c` does not compile: nobody has it")
        .says("skipped   distro::takes: `progs/other.c` does not compile: nobody takes it");
    selftests(&checkout, &["bad"]).with(125).says("undeclared");
    fs::remove_file(checkout.path("bin/llvm-strip")).unwrap();
    selftests(&checkout, &["good"])
        .with(125)
        .says("install it with `kassay setup --selftests`");
}

fn a_later_choice_and_another_tree_are_built_too() {
    let checkout = with_tree(&[("good", ""), ("late", "")]);
    let ended = selftests(&checkout, &["good"]);
    ended
        .with(0)
        .says("the selftests are those of 2.6, and the kernel is ")
        .says("1 of 1 passed; 2 subtests passed, 1 skipped");
    let ended = selftests(&checkout, &["late"]);
    ended.with(0).says("pass      distro::late");
    copy(&checkout.path("linux"), &checkout.path("other"));
    let runner = PLACE.replace("linux", "other") + "/runner";
    checkout.edit(&runner, "good) said 1/2 1 0", "good) said 1/7 0 0");
    let ended = checkout.kassay(&["selftests", "--tree", "other", "--kernel", "distro", "good"]);
    ended
        .with(0)
        .says("1 of 1 passed; 7 subtests passed, 0 skipped");
}

fn nobody_builds_what_another_runs() {
    let checkout = with_tree(&[("good", ""), ("stuck", "")]);
    let (mut first, mut said) = start(&checkout, "stuck");
    wait_for(&mut said, "save its state: done");
    let (mut second, mut of_second) = start(&checkout, "good");
    wait_for(&mut of_second, "waiting until `test_progs` is made");
    kill_process(Pid::from_child(&first), Signal::INT).unwrap();
    said.for_each(drop);
    assert_eq!(first.wait().unwrap().code(), Some(130));
    of_second.for_each(drop);
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

/// Starts a run of a test, with what it says on stderr.
fn start(checkout: &Checkout, test: &str) -> (Child, Said) {
    let mut command = checkout.command(&[&RUN[..], &[test]].concat());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, said)
}

#[track_caller]
fn wait_for(said: &mut Said, part: &str) {
    assert!(said.any(|line| line.unwrap().contains(part)), "no {part:?}");
}
