//! Saved states, what is remembered of cases, and the cache, seen from outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::SystemTime;

use rustix::process::{Pid, Signal, kill_process};

use kassay::cli::scenarios::scenarios;
use kassay::step::{self, Asked};

use crate::checkout::{Checkout, Ended, PATIENCE};
use crate::repository::project;

tests! {
    plain:
        what_leaves_out_cases_does_not_go_with_what_wants_them_run,
        a_limit_that_is_no_size_is_wrong_usage,
        no_kind_of_step_is_left_out;
    qemu:
        every_kind_of_step_gives_the_same_cold_and_restored,
        a_truncated_state_is_made_again,
        a_state_of_another_key_is_made_again,
        a_state_that_does_not_answer_is_made_again,
        a_damaged_state_gives_no_verdict_but_pass,
        a_damaged_memory_gives_no_verdict_but_pass,
        two_kassays_make_a_state_once,
        the_clock_and_randomness_are_fresh_after_a_restore,
        only_what_changed_or_did_not_pass_is_run_again,
        watch_runs_what_a_saved_file_touches_until_ctrl_c,
        the_cache_says_what_it_holds_and_what_goes;
}

/// Scenarios that have each kind of step between them.
const OF_EACH_KIND: [&str; 18] = [
    "hook_kprobe",
    "hook_sk_msg",
    "hook_uprobe",
    "kf_iter",
    "kfunc_dropme",
    "kfunc_dropme_storm",
    "kfunc_sum",
    "ring_buffer",
    "step_bind",
    "step_listen",
    "step_mount",
    "step_open",
    "step_send",
    "step_signal",
    "step_write_sysctl",
    "struct_ops_map",
    "test_run",
    "user_ring_buffer",
];

/// What kassay says when it makes a state.
const MAKES: &str = "boot distro and save its state…";

/// Each case with its verdict, and whether every machine was restored as it should be.
#[track_caller]
fn verdicts(ended: &Ended, restored: bool) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let objects = ended.objects();
    let case = |object: &serde_json::Value| {
        let verdict = text(&object["verdict"]);
        assert!(
            verdict == "skipped" || object["restored"] == restored,
            "{object}"
        );
        (text(&object["scenario"]), verdict)
    };
    objects.iter().map(case).collect()
}

/// Damages the state of a checkout that has a cache of its own, and runs a case.
fn after(damage: impl Fn(&Path)) -> Ended {
    let checkout = Checkout::with_cache();
    checkout.run(&["kfunc_sum"]).with(0).says(MAKES);
    damage(&checkout.state());
    let ended = checkout.run(&["kfunc_sum", "--format", "json"]);
    // It is whole again.
    let again = checkout.run(&["kfunc_sum"]);
    assert!(!again.with(0).stderr.contains(MAKES), "{again:?}");
    ended
}

fn every_kind_of_step_gives_the_same_cold_and_restored() {
    let checkout = Checkout::new();
    let run = |more: &[&str]| checkout.run(&[&OF_EACH_KIND, more].concat());
    let cold = run(&["--cold", "--format", "json"]);
    let warm = run(&["--format", "json"]);
    let verdicts_of_cold = verdicts(cold.with(0), false);
    assert_eq!(verdicts_of_cold, verdicts(warm.with(0), true));
    assert!(!verdicts_of_cold.is_empty());
}

fn no_kind_of_step_is_left_out() {
    let all = scenarios(&[], &project()).unwrap();
    let run = all
        .iter()
        .filter(|case| OF_EACH_KIND.contains(&&*case.name));
    let steps = run.flat_map(|case| &case.steps);
    let kind = |asked: &Asked| serde_json::to_value(&asked.step).unwrap();
    let run = steps.flat_map(|asked| kind(asked).as_object().unwrap().clone());
    let run: BTreeSet<String> = run.map(|(kind, _)| kind).collect();
    let first = |(form, _): &(&str, &str)| form.split(' ').next().unwrap().to_owned();
    let mut kinds: BTreeSet<String> = step::forms().map(first).collect();
    // `ready` is a key beside `run`, no scenario of the project has a guest at fault, and a `race` is
    // on a machine with two CPUs, whose state is another.
    kinds.retain(|kind| !["ready", "fault", "race"].contains(&&**kind));
    assert_eq!(run, kinds);
}

fn a_truncated_state_is_made_again() {
    for name in ["state", "ram"] {
        let ended = after(|state| {
            let file = fs::File::options().write(true).open(state.join(name));
            file.unwrap().set_len(1 << 18).unwrap();
        });
        verdicts(ended.with(0).says(MAKES), true);
    }
}

fn a_state_of_another_key_is_made_again() {
    let ended = after(|state| {
        let label = fs::read_to_string(state.join("label.json")).unwrap();
        let key = state.file_name().unwrap().to_str().unwrap();
        fs::write(
            state.join("label.json"),
            label.replace(key, "0123456789abcdef"),
        )
        .unwrap();
    });
    verdicts(ended.with(0).says(MAKES), true);
}

fn a_state_that_does_not_answer_is_made_again() {
    let ended = after(|state| {
        let length = state.join("state").metadata().unwrap().len();
        let file = fs::File::create(state.join("state")).unwrap();
        file.set_len(length).unwrap();
    });
    let ended = ended.with(0).says("does not restore").says(MAKES);
    verdicts(ended, true);
}

/// Changes a byte of a file of a state that no machine reads, and runs a case that fails.
fn damaged(name: &str, place: impl Fn(u64) -> u64) {
    let checkout = Checkout::with_cache();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    checkout.run(&["kfunc_sum"]).with(1).says(MAKES);
    let state = checkout.state();
    let file = fs::File::options().write(true).open(state.join(name));
    let file = file.unwrap();
    let length = file.metadata().unwrap().len();
    file.write_all_at(b"?", place(length)).unwrap();
    let ended = checkout.run(&["kfunc_sum", "--format", "json"]);
    ended
        .with(1)
        .says("the warm state of distro is damaged; booting instead");
    assert_eq!(ended.objects()[0]["restored"], false);
    assert!(!state.exists());
}

fn a_damaged_state_gives_no_verdict_but_pass() {
    // The end of the stream is a description of the devices.
    damaged("state", |length| length - 100);
}

fn a_damaged_memory_gives_no_verdict_but_pass() {
    // The first page has the firmware's interrupt vectors.
    damaged("ram", |_| 0x100);
}

fn two_kassays_make_a_state_once() {
    let checkout = Checkout::with_cache();
    let start = || {
        let mut command = checkout.command(&["run", "--kernel", "distro", "kfunc_sum"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()].map(|child| Ended::of(child.wait_with_output().unwrap()));
    let makers = both
        .iter()
        .filter(|ended| ended.with(0).stderr.contains(MAKES));
    assert_eq!(makers.count(), 1, "{both:?}");
    checkout.state();
}

fn the_clock_and_randomness_are_fresh_after_a_restore() {
    let print = "pr_info(\"saw %llx %lld.\", get_random_u64(), ktime_get_real_seconds());";
    let checkout = Checkout::broken(print);
    let see = || {
        let ended = checkout.run(&["broken", "--format", "json"]);
        verdicts(ended.with(1), true);
        let facts = checkout.artifact("broken", "facts.jsonl");
        let seen = facts
            .split("saw ")
            .nth(1)
            .unwrap()
            .split('.')
            .next()
            .unwrap();
        let (random, clock) = seen.split_once(' ').unwrap();
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        assert!(
            now.as_secs().abs_diff(clock.parse().unwrap()) < 60,
            "{clock}"
        );
        random.to_owned()
    };
    assert_ne!(see(), see());
}

fn only_what_changed_or_did_not_pass_is_run_again() {
    let checkout = Checkout::new();
    let changed = || checkout.run(&["kfunc_s", "--changed", "--format", "json"]);
    let names = |ended: &Ended| -> Vec<String> {
        let objects = ended.objects().into_iter();
        let run = objects.filter(|object| object["reason"] != "unchanged since it passed");
        run.map(|object| object["scenario"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(changed().with(0)), ["kfunc_strstr", "kfunc_sum"]);
    let ended = changed();
    let left_out = verdicts(ended.with(0), false);
    assert_eq!(left_out.len(), 2);
    assert!(left_out.iter().all(|(_, verdict)| verdict == "pass") && names(&ended).is_empty());
    let told = checkout.run(&["kfunc_s", "--changed"]);
    told.with(0)
        .says("unchanged distro::kfunc_sum\n0 of 0 passed, 2 unchanged");
    checkout.edit(
        "modules/kfunc_sum/kfunc_sum.c",
        "// SPDX",
        "/* new */\n// SPDX",
    );
    assert_eq!(names(changed().with(0)), ["kfunc_sum"]);
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    for _ in 0..2 {
        assert_eq!(names(changed().with(1)), ["kfunc_sum"]);
    }
}

fn what_leaves_out_cases_does_not_go_with_what_wants_them_run() {
    let checkout = Checkout::new();
    for other in ["--accept", "--cold", "--gdb", "--seed=7"] {
        let ended = checkout.run(&["kfunc_sum", "--changed", other]);
        ended.with(2).says("cannot be used with");
    }
}

fn watch_runs_what_a_saved_file_touches_until_ctrl_c() {
    let checkout = Checkout::new();
    let mut kassay = checkout
        .command(&["watch", "--kernel", "distro", "kfunc_s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let stdout = BufReader::new(kassay.stdout.take().unwrap());
    thread::spawn(move || {
        stdout
            .lines()
            .try_for_each(|line| sender.send(line.unwrap()))
    });
    let next = || lines.recv_timeout(PATIENCE).unwrap();
    let expect = |start: &str| {
        let line = next();
        assert!(line.starts_with(start), "{line}");
    };
    expect("pass      distro::kfunc_strstr");
    expect("pass      distro::kfunc_sum");
    expect("2 of 2 passed");
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    expect("mismatch  distro::kfunc_sum");
    while !next().starts_with("0 of 1 passed, 1 mismatch") {}
    kill_process(Pid::from_child(&kassay), Signal::INT).unwrap();
    assert_eq!(kassay.wait().unwrap().code(), Some(130));
}

fn the_cache_says_what_it_holds_and_what_goes() {
    let checkout = Checkout::with_cache();
    checkout.run(&["kfunc_sum"]).with(0);
    let list = checkout.kassay(&["cache", "list", "--format", "json"]);
    let objects = list.with(0).objects();
    let state = objects.iter().find(|object| object["kind"] == "state");
    assert_eq!(state.unwrap()["what"], "the warm state of distro");
    checkout.kassay(&["cache", "prune"]).with(0);
    checkout.state();
    let removed = checkout.kassay(&["kernel", "remove", "distro"]);
    removed.with(0).says("distro: removed\n  kernel ");
    removed.says("the warm state of distro");
    let list = checkout.kassay(&["cache", "list"]);
    assert!(!list.with(0).stdout.contains("state "), "{list:?}");
}

fn a_limit_that_is_no_size_is_wrong_usage() {
    let checkout = Checkout::new();
    let mut command = checkout.command(&["cache", "list"]);
    let output = command.env("KASSAY_CACHE_LIMIT", "much").output().unwrap();
    Ended::of(output)
        .with(2)
        .says("`much` is no size such as `20G`");
}
