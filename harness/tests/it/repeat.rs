//! `kassay run --repeat` and `--until-fail`: each case many times.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::checkout::{Checkout, Ended};

tests! {
    plain:
        what_is_run_once_is_not_repeated;
    qemu:
        a_case_that_sometimes_fails_is_told_with_its_rate,
        the_first_failure_of_a_kind_is_kept_and_can_be_run_again,
        what_fails_ends_what_goes_on_until_then,
        a_time_ends_what_passes,
        what_cannot_be_built_is_told_once,
        ctrl_c_ends_it_and_tells_of_what_there_is;
}

/// A checkout whose module `broken` passes, but for what it does now.
fn broken(provoke: &str) -> Checkout {
    let checkout = Checkout::broken("");
    checkout.run(&["broken", "--accept"]).with(0);
    checkout.edit(
        "modules/broken/broken.c",
        "\n\treturn 0;",
        &format!("{provoke}\n\treturn 0;"),
    );
    checkout
}

/// The lines of the runs, and that of the case.
fn lines(ended: &Ended) -> (Vec<Value>, Value) {
    let mut objects = ended.objects();
    let last = objects.pop().unwrap();
    (objects, last)
}

fn what_is_run_once_is_not_repeated() {
    let checkout = Checkout::new();
    for other in ["--accept", "--gdb", "--changed"] {
        checkout.run(&["--repeat", "2", other]).with(2);
        checkout.run(&["--until-fail", other]).with(2);
    }
    checkout
        .run(&["--repeat", "2", "--report", "tap=t"])
        .with(2);
    let ended = checkout.run(&["kfunc_sum", "--repeat", "2", "--format", "tap"]);
    ended.with(2).says("in the formats `pretty` and `json`");
    checkout.run(&["--repeat", "0"]).with(2);
    let ended = checkout.run(&["--time", "5s"]);
    ended.with(2).says("`--time` goes with `--repeat N`");
    checkout.run(&["--until-fail", "--time", "5d"]).with(2);
}

fn a_case_that_sometimes_fails_is_told_with_its_rate() {
    // Machines of one saved state have randomness of their own, or all would do the same: this
    // passes as often as a coin comes up heads, and never 32 times in a row.
    let checkout = broken("WARN_ON(get_random_u32_below(2));");
    let ended = checkout.run(&["broken", "--repeat", "32", "--format", "json"]);
    let (runs, case) = lines(ended.with(1));
    let failed = runs.iter().filter(|run| run["verdict"] == "report");
    let failed = failed.count();
    assert_eq!((runs.len(), &case["runs"]), (32, &32.into()));
    assert!(failed > 0 && failed < 32, "{case}");
    assert_eq!(case["failed"], failed);
    assert_eq!(case["groups"][0]["title"], "WARNING in provoke");
    assert!(case["low"].as_f64() < case["rate"].as_f64(), "{case}");
}

fn the_first_failure_of_a_kind_is_kept_and_can_be_run_again() {
    let checkout = broken("WARN_ON(1);");
    let ended = checkout.run(&["broken", "--repeat", "3"]);
    ended
        .with(1)
        .says("distro::broken: 3 of 3 runs were no pass: 100.0 %");
    ended.says("   3  report: WARNING in provoke");
    let folder = checkout.path("target/kassay/distro/broken");
    let kept = fs::read_dir(&folder).unwrap().flatten();
    let kept: Vec<_> = kept.map(|entry| entry.file_name()).collect();
    assert_eq!(kept, ["1"]);
    let first = folder.join("1");
    ended.says(&format!("the first: {}", first.display()));
    let again = checkout.kassay(&["repro", first.to_str().unwrap()]);
    again.with(1).says("the same as kept: report");
}

fn what_fails_ends_what_goes_on_until_then() {
    let checkout = broken("WARN_ON(1);");
    let ended = checkout.run(&["broken", "--until-fail", "--jobs", "1"]);
    ended.with(1).says("1 of 1 runs were no pass");
}

fn a_time_ends_what_passes() {
    let ended = Checkout::new().run(&["kfunc_sum", "--until-fail", "--time", "1s"]);
    ended
        .with(0)
        .says("distro::kfunc_sum: 0 of ")
        .says(" no pass");
}

fn what_cannot_be_built_is_told_once() {
    let checkout = Checkout::broken("return nothing;");
    let ended = checkout.run(&["broken", "--repeat", "3"]);
    ended
        .with(125)
        .says("distro::broken: no run, for it is infra");
    assert_eq!(ended.stdout.matches("6:16: error").count(), 1, "{ended:?}");
    checkout.scenario("broken", "requires = { kernel = '>=99.0' }");
    let ended = checkout.run(&["broken", "--until-fail", "--format", "json"]);
    let (runs, case) = lines(ended.with(125));
    assert_eq!((runs.len(), &case["rate"]), (1, &Value::Null));
}

fn ctrl_c_ends_it_and_tells_of_what_there_is() {
    let args = ["run", "--kernel", "distro", "kfunc_sum", "--until-fail"];
    let checkout = Checkout::new();
    let mut kassay = checkout
        .command(&[&args[..], &["--format", "json"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(kassay.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    kill_process(Pid::from_child(&kassay), Signal::INT).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(kassay.wait().unwrap().code(), Some(130));
    let case: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert!(case["runs"].as_u64() >= Some(1), "{case}");
}
