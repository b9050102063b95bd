//! `kassay selftests` seen from outside, with a tree that is no more than its selftests, and those no
//! more than what kassay knows of them.

use crate::checkout::{Checkout, Ended};

tests! {
    plain:
        what_selftests_cannot_do_is_wrong_usage;
    qemu:
        each_test_is_judged_by_what_it_said_and_left,
        what_does_not_compile_is_left_out_and_what_is_missing_is_named;
}

/// Builds an object of each program and of each file of tests, and `test_progs`.
const MAKEFILE: &str = "\
    PROGRAMS := $(patsubst progs/%.c,$(OUTPUT)/%.bpf.o,$(wildcard progs/*.c))\n\
    TESTS := $(patsubst prog_tests/%.c,$(OUTPUT)/%.test.o,$(wildcard prog_tests/*.c))\n\
    test_progs: $(TESTS)\n\tinstall runner $(OUTPUT)/test_progs\n\
    $(TESTS): $(PROGRAMS)\n\
    $(OUTPUT)/%.bpf.o: progs/%.c\n\t$(CLANG) --target=bpf -c $< -o $@\n\
    $(OUTPUT)/%.test.o: prog_tests/%.c\n\tgcc -c $< -o $@\n";

/// What is said of each test, which is told to kassay in the words of `test_progs`.
const RUNNER: &str = "#!/bin/sh\n\
    said() { echo \"Summary: $1 PASSED, $2 SKIPPED, $3 FAILED\"; }\n\
    case $2 in\n\
    good) said 1/2 1 0;;\n\
    partly) echo '#1/2     partly/two:FAIL'; echo '#1       partly:FAIL'; said 0/1 0 1; exit 1;;\n\
    skips) echo '#1       skips:SKIP'; said 0/0 1 0;;\n\
    splat) echo 1 >/proc/sys/kernel/panic_on_warn; echo c >/proc/sysrq-trigger; said 1/0 0 0;;\n\
    *) said 0/0 0 0;;\n\
    esac\n";

/// A checkout with a tree in its folder `linux`, of tests with these bodies.
fn with_tree(tests: &[(&str, &str)]) -> Checkout {
    let checkout = Checkout::with_cache();
    let place = "linux/tools/testing/selftests/bpf";
    checkout.write("linux/Makefile", "VERSION = 6\nPATCHLEVEL = 12\n");
    checkout.write(&format!("{place}/Makefile"), MAKEFILE);
    checkout.write(&format!("{place}/runner"), RUNNER);
    checkout.write(&format!("{place}/progs/one.c"), "int one;\n");
    checkout.write(
        &format!("{place}/progs/other.c"),
        "#error nobody takes it\n",
    );
    for (name, body) in tests {
        let text = format!("/* one.skel.h */\nvoid test_{name}(void)\n{{{body}}}\n");
        checkout.write(&format!("{place}/prog_tests/{name}.c"), &text);
    }
    checkout.hide("llvm-strip");
    checkout.program("llvm-strip", "exit 0");
    checkout
}

fn selftests(checkout: &Checkout, more: &[&str]) -> Ended {
    let args = ["selftests", "--tree", "linux", "--kernel", "distro"];
    checkout.kassay(&[&args, more].concat())
}

fn what_selftests_cannot_do_is_wrong_usage() {
    let checkout = Checkout::new();
    let ended = checkout.kassay(&["selftests", "--tree", "modules"]);
    ended
        .with(2)
        .says("it has no `tools/testing/selftests/bpf`");
    let tests = "linux/tools/testing/selftests/bpf/prog_tests";
    checkout.write(&format!("{tests}/a.c"), "void serial_test_a(void)\n{}\n");
    checkout.write("linux/tools/testing/selftests/bpf/progs/x.c", "");
    checkout.write("linux/tools/testing/selftests/bpf/Makefile", "");
    let list = ["selftests", "--tree", "linux", "--list"];
    assert_eq!(checkout.kassay(&list).with(0).stdout, "a\n");
    let ended = selftests(&checkout, &["b"]);
    ended.with(2).says("no test matches `b`");
}

fn each_test_is_judged_by_what_it_said_and_left() {
    let names = ["good", "partly", "skips", "splat", "idle"];
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
            "good pass ",
            "idle mismatch test_progs ran no test",
            "partly mismatch partly/two failed",
            "skips skipped test_progs skips it",
            "splat panic panic: sysrq triggered crash",
        ]
    );
    assert_eq!(ended.objects()[0]["reason"], "2 subtests passed, 1 skipped");
}

fn what_does_not_compile_is_left_out_and_what_is_missing_is_named() {
    let checkout = with_tree(&[("good", ""), ("bad", "no_such_thing;")]);
    let ended = selftests(&checkout, &["good", "bad"]);
    ended
        .with(0)
        .says("pass      distro::good")
        .says("without `tools/testing/selftests/bpf/prog_tests/bad.c`, which does not compile: ")
        .says("undeclared");
    selftests(&checkout, &["bad"]).with(125).says("undeclared");
    std::fs::remove_file(checkout.path("bin/llvm-strip")).unwrap();
    selftests(&checkout, &["good"])
        .with(125)
        .says("install it with `kassay setup --selftests`");
}
