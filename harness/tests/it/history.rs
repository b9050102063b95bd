//! What cases came to before, and scenarios that are known to be unstable.

use std::fs;

use serde_json::Value;

use crate::checkout::{Checkout, Ended};

tests! {
    plain:
        what_is_no_mark_is_wrong_usage,
        what_goes_by_the_history_needs_one;
    qemu:
        what_failed_last_is_run_again_until_it_passes,
        who_wants_no_history_leaves_none,
        a_history_that_cannot_be_kept_changes_no_verdict,
        the_cache_tells_of_the_history_and_keeps_it,
        a_known_failure_is_told_and_is_no_regression_until_its_date,
        a_mark_is_for_the_kernels_that_it_names,
        a_case_that_is_steady_on_ci_loses_its_mark;
}

/// A mark of a scenario.
fn mark(until: &str) -> String {
    format!("unstable = {{ reason = 'a race', issue = '#7', until = '{until}' }}\n")
}

/// Marks the scenario `kfunc_sum`.
fn marked(checkout: &Checkout, mark: &str) {
    let path = "harness/tests/scenarios/kfunc_sum.toml";
    let text = fs::read_to_string(checkout.path(path)).unwrap();
    let kept = text.lines().filter(|line| !line.starts_with("unstable"));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    checkout.write(path, &format!("{mark}{kept}"));
}

/// Has the program of `kfunc_sum` print another number.
fn changed() -> Checkout {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    checkout
}

/// What the history has of `kfunc_sum`.
fn known(checkout: &Checkout) -> Value {
    let ended = checkout.kassay(&["history", "distro::kfunc_sum", "--format", "json"]);
    ended.with(0).objects().remove(0)
}

fn what_is_no_mark_is_wrong_usage() {
    let checkout = Checkout::new();
    for (mark, why) in [
        (
            "unstable = { reason = '', until = '2027-03-01' }",
            "empty `reason`",
        ),
        (
            "unstable = { reason = 'x', until = '2027-13-01' }",
            "no day such as",
        ),
        ("unstable = { reason = 'x' }", "missing field `until`"),
        (
            "unstable = { reson = 'x', until = '2027-03-01' }",
            "did you mean `reason`?",
        ),
        (
            "unstable = { kernels = ['>6'], reason = 'x', until = '2027-03-01' }",
            "`>6` is not a",
        ),
    ] {
        checkout.scenario("marked", mark);
        checkout.run(&["marked"]).with(2).says(why);
    }
}

fn what_goes_by_the_history_needs_one() {
    let checkout = Checkout::new();
    let ended = checkout.run(&["kfunc_sum", "--failed"]);
    ended.with(2).says("there is none here");
    checkout.run(&["--failed", "--no-history"]).with(2);
}

fn what_failed_last_is_run_again_until_it_passes() {
    let checkout = Checkout::with_history();
    let two = ["kfunc_sum", "kfunc_strstr"];
    let failed = |checkout: &Checkout| checkout.run(&[&two[..], &["--failed"]].concat());
    failed(&checkout)
        .with(125)
        .says("no run of the chosen cases is known");
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    checkout.run(&two).with(1).says("1 of 2 passed");
    failed(&checkout).with(1).says("0 of 1 passed, 1 mismatch");
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 5", "1, 2, 3, 4");
    failed(&checkout).with(0).says("1 of 1 passed");
    failed(&checkout).with(0).says("no chosen case failed");
    checkout.run(&["no_such_case", "--failed"]).with(2);
    let known = known(&checkout);
    assert_eq!((&known["runs"], &known["failed"]), (&3.into(), &2.into()));
    assert_eq!(known["last"]["verdict"], "pass");
    assert_eq!(known["last_failure"]["verdict"], "mismatch");
    let table = checkout.kassay(&["history", "--slowest"]);
    table.with(0).says("2 of 3 (66.7 %)").says("last failure");
}

fn who_wants_no_history_leaves_none() {
    let checkout = Checkout::with_history();
    checkout.run(&["kfunc_sum", "--no-history"]).with(0);
    let mut command = checkout.command(&["run", "--kernel", "distro", "kfunc_sum"]);
    command.env("KASSAY_NO_HISTORY", "1");
    Ended::of(command.output().unwrap()).with(0);
    assert!(!checkout.path("cache/history.sqlite").exists());
    checkout.run(&["kfunc_sum"]).with(0);
    assert!(checkout.path("cache/history.sqlite").exists());
}

fn a_history_that_cannot_be_kept_changes_no_verdict() {
    let checkout = Checkout::with_history();
    fs::create_dir(checkout.path("cache/history.sqlite")).unwrap();
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(0).says("going on without a history");
    let ended = checkout.kassay(&["history"]);
    ended.with(125).says("there is no history to show");
}

fn the_cache_tells_of_the_history_and_keeps_it() {
    let checkout = Checkout::with_history();
    checkout.run(&["kfunc_sum", "--repeat", "2"]).with(0);
    checkout.kassay(&["cache", "list"]).says("results of runs");
    checkout.kassay(&["cache", "prune"]).with(0);
    assert_eq!(known(&checkout)["runs"], 2);
}

fn a_known_failure_is_told_and_is_no_regression_until_its_date() {
    let checkout = changed();
    marked(&checkout, &mark("9000-01-01"));
    let ended = checkout.run(&["kfunc_sum"]);
    ended
        .with(0)
        .says("unstable  distro::kfunc_sum")
        .says(": mismatch: the transcript differs from the snapshot")
        .says("marked unstable until 9000-01-01: a race (#7)")
        .says("0 of 1 passed, 1 unstable");
    let object = checkout
        .run(&["kfunc_sum", "--format", "json"])
        .objects()
        .remove(0);
    let its = |key: &str| object["unstable"][key].as_str().unwrap().to_owned();
    assert_eq!(object["verdict"], "unstable");
    assert_eq!(["verdict", "issue"].map(its), ["mismatch", "#7"]);
    checkout
        .run(&["kfunc_sum", "--repeat", "2"])
        .with(0)
        .says("2 of 2 runs were no pass");
    marked(&checkout, &mark("2020-01-01"));
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(1).says("mismatch  distro::kfunc_sum");
    ended.says("that is over, and it still fails");
}

fn a_mark_is_for_the_kernels_that_it_names() {
    let checkout = Checkout::new();
    marked(&checkout, &mark("9000-01-01"));
    checkout
        .run(&["kfunc_sum"])
        .with(0)
        .says(": marked unstable until 9000-01-01: a race");
    marked(&checkout, &mark("2020-01-01"));
    let ended = checkout.run(&["kfunc_sum"]);
    ended
        .with(1)
        .says("`unstable` ended on 2020-01-01")
        .says("set a new date");
    // What has passed is run again because of its date.
    let ended = checkout.run(&["kfunc_sum", "--changed"]);
    ended.with(1).says("`unstable` ended on 2020-01-01");
    let other = mark("2020-01-01").replace("{ reason", "{ kernels = ['99.0'], reason");
    marked(&checkout, &other);
    let object = checkout
        .run(&["kfunc_sum", "--format", "json"])
        .with(0)
        .objects()
        .remove(0);
    assert_eq!(object["unstable"], Value::Null);
}

fn a_case_that_is_steady_on_ci_loses_its_mark() {
    let checkout = Checkout::with_history();
    marked(&checkout, &mark("9000-01-01"));
    let on_ci = |args: &[&str]| {
        let args = [&["run", "--kernel", "distro", "kfunc_sum"], args].concat();
        Ended::of(checkout.command(&args).env("CI", "true").output().unwrap())
    };
    on_ci(&["--repeat", "8"]).with(0);
    on_ci(&[]).with(0);
    // Passes elsewhere neither count nor do they fail.
    let mut elsewhere = checkout.command(&["run", "--kernel", "distro", "kfunc_sum"]);
    Ended::of(elsewhere.env_remove("CI").output().unwrap()).with(0);
    for _ in 0..2 {
        on_ci(&[])
            .with(1)
            .says("passed 10 times in a row")
            .says("take it out");
    }
    marked(&checkout, &mark("9000-01-02"));
    on_ci(&[]).with(0);
}
