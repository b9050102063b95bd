//! A run in shards: which cases each has, and one report of them all.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kassay::Outcome;
use kassay::outcome::{End, Judged, Name, Unbuilt};
use kassay::report::test_run::{Foot, RunFormat, TestRun};
use kassay::shard::{Part, Shard};
use kassay::verdict::Verdict;
use kassay::vm::Accelerator;
use serde_json::Value;
use tempfile::TempDir;

use crate::checkout::{Checkout, Ended};
use crate::repository::repository;

tests! {
    plain:
        what_is_no_shard_is_wrong_usage,
        what_is_no_plan_of_these_files_is_wrong_usage,
        each_case_is_in_one_shard_whatever_the_filter,
        merged_shards_make_the_report_of_the_whole_run_in_each_format,
        a_shard_that_is_missing_or_there_twice_is_told,
        what_is_no_report_of_a_shard_is_told,
        shards_of_different_runs_are_not_merged,
        a_shard_that_was_stopped_leaves_a_run_that_was,
        each_shard_that_was_stopped_is_told_in_their_order,
        kernels_are_told_in_their_order_though_no_case_of_one_has_ended,
        a_kernel_that_is_another_on_each_machine_is_told,
        a_report_takes_the_place_of_none_that_is_merged,
        what_is_broken_counts_more_than_what_is_not_written;
    qemu:
        shards_come_to_what_the_whole_run_does,
        a_plan_goes_by_the_history_and_says_what_is_run,
        a_shard_without_cases_passes;
    nextest:
        each_case_is_in_one_partition_of_nextest;
}

/// Cases that do not take long: one that fails, one that is skipped, and others that pass.
fn small() -> Checkout {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    let needy = "modules = ['kfunc_sum']\nrequires = { config = ['NO_SUCH'] }";
    checkout.scenario("needy", needy);
    checkout
}

const SMALL: [&str; 9] = [
    "kfunc_member",
    "kfunc_strstr",
    "kfunc_sum",
    "maps",
    "needy",
    "own_writes",
    "step_remove",
    "step_signal",
    "tail_calls",
];

/// A run that nobody ran: what cases of two kernels came to, and how they are split.
struct Sample {
    folder: TempDir,
    outcomes: Vec<Outcome>,
    shards: [&'static [usize]; 3],
}

impl Sample {
    fn new() -> Sample {
        let failed = Judged {
            title: "differs".to_owned(),
            reason: "-  1\n+  2".to_owned(),
            seeds: vec![7],
            duration: Duration::from_millis(1500),
            ..Judged::new(Verdict::Mismatch)
        };
        let ran = |judged: Judged| End::Ran(Box::new(judged));
        let outcome = |(kernel, scenario, end): (&str, &str, End)| Outcome {
            case: Name {
                kernel: kernel.to_owned(),
                scenario: scenario.to_owned(),
            },
            file: format!("scenarios/{scenario}.toml").into(),
            release: "6.12.1".to_owned(),
            accelerator: match kernel {
                "distro" => Accelerator::Kvm,
                _ => Accelerator::Tcg,
            },
            end,
        };
        let outcomes = [
            ("distro", "a", ran(Judged::new(Verdict::Pass))),
            ("distro", "b", ran(failed)),
            ("distro", "c", End::Unbuilt(Unbuilt::new("build m: no"))),
            ("./linux", "a", End::Skipped("needs CONFIG_X".to_owned())),
            ("./linux", "b", ran(Judged::new(Verdict::Pass))),
        ];
        Sample {
            folder: tempfile::tempdir().unwrap(),
            outcomes: outcomes.map(outcome).into(),
            // The second one is empty.
            shards: [&[0, 2, 4], &[], &[1, 3]],
        }
    }

    /// What the cases at these places came to in a format, as a whole run or as a shard.
    fn text(&self, format: RunFormat, places: &[usize], part: Option<&Part>) -> String {
        let outcomes: Vec<Outcome> = places.iter().map(|at| self.outcomes[*at].clone()).collect();
        let told = |kernel: &str| {
            let is_of = |outcome: &Outcome| outcome.case.kernel == kernel;
            outcomes
                .iter()
                .any(is_of)
                .then(|| format!("{kernel}: KASAN no"))
        };
        let run = TestRun {
            outcomes: &outcomes,
            chosen: outcomes.len(),
            stopped: None,
            foot: Foot {
                detectors: ["distro", "./linux"].into_iter().filter_map(told).collect(),
                ..Foot::default()
            },
            part,
        };
        format.text(&run).unwrap()
    }

    fn whole(&self, format: RunFormat) -> String {
        self.text(format, &[0, 1, 2, 3, 4], None)
    }

    /// Writes the reports of the shards, `1.json` to `3.json`.
    fn write(&self) {
        let name = |at: &usize| self.outcomes[*at].case.clone();
        for (shard, places) in Shard::all(3).zip(self.shards) {
            let part = Part {
                shard,
                own: places.iter().map(name).collect(),
                all: (0..5).map(|at| name(&at)).collect(),
            };
            let text = self.text(RunFormat::Json, places, Some(&part));
            fs::write(self.path(shard.index), text).unwrap();
        }
    }

    fn path(&self, index: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("{index}.json"))
    }

    fn edit(&self, index: usize, from: &str, to: &str) {
        let path = self.path(index);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no {from:?} in {text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Merges these of the shards.
    fn merge(&self, shards: &[usize], args: &[&str]) -> Ended {
        let files = shards.iter().map(|index| format!("{index}.json"));
        merge(self.folder.path(), &files.collect::<Vec<_>>(), args)
    }
}

fn merge(folder: &Path, files: &[String], args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
    command.args(["report", "merge"]).args(files).args(args);
    Ended::of(command.current_dir(folder).output().unwrap())
}

/// The names of the cases of each shard of a plan.
fn planned(plan: &Value) -> Vec<Vec<String>> {
    let name = |case: &Value| {
        let [kernel, scenario] = ["kernel", "scenario"].map(|key| case[key].as_str().unwrap());
        format!("{kernel}::{scenario}")
    };
    let of = |entry: &Value| {
        entry["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(name)
            .collect()
    };
    plan["include"].as_array().unwrap().iter().map(of).collect()
}

fn what_is_no_shard_is_wrong_usage() {
    let checkout = Checkout::new();
    for shard in ["0/4", "5/4", "2/1", "1/0", "a/b", "1", "1/1001"] {
        let ended = checkout.run(&["--shard", shard]);
        ended.with(2).says("say K/N, such as `1/4`");
        assert_eq!(ended.stdout, "", "{shard}");
    }
    for other in ["--failed", "--gdb"] {
        checkout.run(&["--shard", "1/2", other]).with(2);
    }
    checkout
        .run(&["--shard", "1/2", "no_such_case"])
        .with(2)
        .says("no case matches");
    for count in ["0", "1001", "x"] {
        checkout.kassay(&["shards", count]).with(2);
    }
    checkout
        .kassay(&["shards", "2", "no_such_case"])
        .with(2)
        .says("no case matches");
    let ended = checkout.kassay(&["shards", "2", "--kernel", "no-such-kernel"]);
    ended.with(2).says("there is no kernel `no-such-kernel`");
}

fn what_is_no_plan_of_these_files_is_wrong_usage() {
    let checkout = Checkout::new();
    let plan = checkout.kassay(&[
        "shards", "2", "kfunc_s", "--format", "github", "--kernel", "distro",
    ]);
    let run = |shard: &str| checkout.kassay(&["run", "--shard", shard, "--plan", "plan"]);
    run("1/2").with(2).says("read the plan `plan`");
    checkout.write("plan", &plan.with(0).stdout);
    run("1/3").with(2).says("it is for 2 shards, and not for 3");
    checkout.write("plan", &plan.stdout.replace("kfunc_sum", "no_such"));
    run("1/2").with(2).says("the plan has `distro::no_such`");
    checkout.write("plan", &plan.stdout[..100]);
    run("1/2").with(2).says("it is no plan");
    for more in ["kfunc_sum", "--kernel=distro"] {
        checkout
            .kassay(&["run", "--shard", "1/2", "--plan", "plan", more])
            .with(2);
    }
    checkout
        .kassay(&["run", "--plan", "plan"])
        .with(2)
        .says("--shard");
}

fn each_case_is_in_one_shard_whatever_the_filter() {
    let checkout = Checkout::new();
    let plan = |count: &str, filter: &[&str]| {
        let args = [
            "shards",
            count,
            "--kernel",
            "distro,6.12",
            "--format",
            "github",
        ];
        let ended = checkout.kassay(&[&args, filter].concat());
        ended.with(0).says("no case has a time in the history");
        planned(&serde_json::from_str(&ended.stdout).unwrap())
    };
    let all: BTreeSet<String> = plan("1", &[]).concat().into_iter().collect();
    assert!(all.len() > 200, "{all:?}");
    for filter in [&[][..], &["kfunc"], &["6.12::", "sum"]] {
        let is_left =
            |name: &&String| filter.is_empty() || filter.iter().any(|it| name.contains(it));
        let wanted: Vec<&String> = all.iter().filter(is_left).collect();
        for count in ["2", "4", "7"] {
            let mut names = plan(count, filter).concat();
            names.sort();
            assert_eq!(
                names.iter().collect::<Vec<_>>(),
                wanted,
                "{count} {filter:?}"
            );
        }
    }
}

fn merged_shards_make_the_report_of_the_whole_run_in_each_format() {
    let sample = Sample::new();
    sample.write();
    let ended = sample.merge(&[3, 1, 2], &["--format", "json"]);
    assert_eq!(ended.with(1).stdout, sample.whole(RunFormat::Json));
    for (name, format) in [
        ("pretty", RunFormat::Pretty),
        ("json", RunFormat::Json),
        ("junit", RunFormat::Junit),
        ("ktap", RunFormat::Ktap),
        ("tap", RunFormat::Tap),
        ("markdown", RunFormat::Markdown),
    ] {
        let report = format!("{name}=out");
        sample.merge(&[1, 2, 3], &["--report", &report]).with(1);
        let merged = fs::read_to_string(sample.folder.path().join("out")).unwrap();
        assert_eq!(merged, sample.whole(format), "{name}");
    }
    let ended = sample.merge(&[1, 2, 3], &["--report", "html=page", "--format", "github"]);
    ended.with(1).says("::error ");
    let page = fs::read_to_string(sample.folder.path().join("page/index.html")).unwrap();
    assert!(
        page.contains("<title>kassay: 2 of 5 cases fail</title>"),
        "{page}"
    );
}

fn a_shard_that_is_missing_or_there_twice_is_told() {
    let sample = Sample::new();
    sample.write();
    sample
        .merge(&[1, 2], &[])
        .with(2)
        .says("shard 3/3 is missing");
    sample
        .merge(&[3], &[])
        .with(2)
        .says("shards 1/3, 2/3 are missing");
    let ended = sample.merge(&[1, 2, 3, 2], &[]);
    ended
        .with(2)
        .says("shard 2/3 is there twice, in `2.json` and `2.json`");
    sample
        .merge(&[1, 2, 3, 4], &[])
        .with(2)
        .says("read the report `4.json`");
    sample.merge(&[], &[]).with(2);
}

fn what_is_no_report_of_a_shard_is_told() {
    let cut = "its last line does not say which shard it is";
    let damaged = "it is damaged";
    for (what, why) in [
        ("the whole run", cut),
        ("no last line", cut),
        ("half a line", damaged),
        ("a case less", "it has 1 cases, and 2 had ended"),
        ("a case that did not end", "2 of 3 cases had ended"),
        ("a case too many", "2 of 1 cases had ended"),
        ("a case that is none", "line 1 is no case"),
        ("nothing", "it is empty"),
    ] {
        let sample = Sample::new();
        sample.write();
        let text = fs::read_to_string(sample.path(3)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let text = match what {
            "the whole run" => sample.whole(RunFormat::Json),
            "no last line" => lines[..2].join("\n"),
            "half a line" => text[..text.len() - 20].to_owned(),
            "a case less" => lines[1..].join("\n"),
            "a case that did not end" => text.replace("\"chosen\":2", "\"chosen\":3"),
            "a case too many" => text.replace("\"chosen\":2", "\"chosen\":1"),
            "a case that is none" => text.replacen("\"verdict\"", "\"other\"", 1),
            _ => String::new(),
        };
        fs::write(sample.path(3), text).unwrap();
        let ended = sample.merge(&[1, 2, 3], &["--report", "json=out"]);
        ended.with(2).says("read the report `3.json`").says(why);
        assert!(!sample.folder.path().join("out").exists(), "{what}");
    }
    for new in ["", ",\"new\":1"] {
        let sample = Sample::new();
        sample.write();
        let own = format!("\"kassay\":\"{}\"", env!("CARGO_PKG_VERSION"));
        sample.edit(2, &own, &format!("\"kassay\":\"9.9.9\"{new}"));
        let ended = sample.merge(&[1, 2, 3], &[]);
        ended.with(2).says("kassay 9.9.9 wrote it");
    }
}

fn shards_of_different_runs_are_not_merged() {
    let differing = |from: &str, to: &str, why: &str| {
        let sample = Sample::new();
        sample.write();
        sample.edit(3, from, to);
        sample.merge(&[1, 2, 3], &[]).with(2).says(why);
    };
    differing(
        "\"of\":3",
        "\"of\":4",
        "are not of one run: shards 1/3 and 3/4",
    );
    differing(
        "\"index\":3",
        "\"index\":4",
        "are not of one run: shards 1/3 and 4/3",
    );
    let filter = "only one of them knows `./linux::b`";
    differing(
        "\"cases\":[",
        "\"cases\":[\"distro::z\",",
        "only one of them knows `distro::a`",
    );
    differing(",\"./linux::b\"]", "]", filter);
    differing(
        "\"scenario\":\"a\"",
        "\"scenario\":\"z\"",
        "shard 3/3 has `./linux::z`, which is not of its run",
    );
    // Other files have all that they should, and yet not all cases.
    let other = |shards| {
        let sample = Sample {
            shards,
            ..Sample::new()
        };
        sample.write();
        sample.merge(&[1, 2, 3], &[])
    };
    let twice = other([&[0, 1, 2, 4], &[], &[1, 3]]);
    twice
        .with(2)
        .says("`distro::b` is in shard 1/3 and in shard 3/3");
    other([&[0, 2], &[], &[1, 3]])
        .with(2)
        .says("`./linux::b` is in no shard");
}

fn a_shard_that_was_stopped_leaves_a_run_that_was() {
    for (why, code) in [("interrupted", 130), ("the disk is full", 125)] {
        let sample = Sample::new();
        sample.write();
        let text = fs::read_to_string(sample.path(3)).unwrap();
        let (_, text) = text.split_once('\n').unwrap();
        fs::write(sample.path(3), text).unwrap();
        sample.edit(3, "\"ended\":2", "\"ended\":1");
        sample.edit(3, "\"stopped\":null", &format!("\"stopped\":\"{why}\""));
        let ended = sample.merge(&[1, 2, 3], &["--format", "tap"]);
        let cut = format!("shard 3/3: {why}: 4 of 5 cases had ended");
        ended.with(code).says(&format!("\nBail out! {cut}"));
        assert!(ended.stderr.contains(&cut), "{ended:?}");
        // What the other shards have to have is known all the same.
        sample.edit(
            2,
            "\"chosen\":0,\"detectors\":[],\"ended\":0",
            "\"chosen\":1,\"detectors\":[],\"ended\":0",
        );
        sample.edit(2, "\"stopped\":null", "\"stopped\":\"interrupted\"");
        let ended = sample.merge(&[1, 2, 3], &[]);
        ended
            .with(2)
            .says("the shards have 6 cases together, and the whole run has 5");
    }
}

fn each_shard_that_was_stopped_is_told_in_their_order() {
    let sample = Sample::new();
    sample.write();
    for (shard, why) in [(2, "interrupted"), (3, "the disk is full")] {
        sample.edit(shard, "\"stopped\":null", &format!("\"stopped\":\"{why}\""));
    }
    let ended = sample.merge(&[3, 2, 1], &[]);
    ended
        .with(130)
        .says("shard 2/3: interrupted; shard 3/3: the disk is full: 5 of 5 cases had ended");
}

fn kernels_are_told_in_their_order_though_no_case_of_one_has_ended() {
    let sample = Sample {
        shards: [&[0, 1, 2], &[], &[3, 4]],
        ..Sample::new()
    };
    sample.write();
    let text = fs::read_to_string(sample.path(3)).unwrap();
    fs::write(sample.path(3), text.lines().last().unwrap()).unwrap();
    sample.edit(3, "\"ended\":2", "\"ended\":0");
    sample.edit(3, "\"stopped\":null", "\"stopped\":\"interrupted\"");
    sample
        .merge(&[1, 2, 3], &["--report", "pretty=out"])
        .with(130);
    let told = fs::read_to_string(sample.folder.path().join("out")).unwrap();
    let kernels = "; distro: KASAN no; ./linux: KASAN no\n";
    assert!(told.contains(kernels), "{told}");
}

fn a_kernel_that_is_another_on_each_machine_is_told() {
    let sample = Sample::new();
    sample.write();
    let quiet = sample.merge(&[1, 2, 3], &[]);
    assert_eq!(quiet.with(1).stderr, "");
    // A kernel that could not be had has no release.
    sample.edit(1, "6.12.1", "");
    let quiet = sample.merge(&[1, 2, 3], &[]);
    assert_eq!(quiet.with(1).stderr, "");
    sample.write();
    sample.edit(3, "6.12.1", "6.12.2");
    let ended = sample.merge(&[1, 2, 3], &[]);
    assert_eq!(
        ended.with(1).stderr,
        "./linux is 6.12.1 in shard 1/3, 6.12.2 in shard 3/3\n\
         distro is 6.12.1 in shard 1/3, 6.12.2 in shard 3/3\n"
    );
}

fn a_report_takes_the_place_of_none_that_is_merged() {
    let sample = Sample::new();
    sample.write();
    let before = fs::read_to_string(sample.path(2)).unwrap();
    symlink("2.json", sample.folder.path().join("link")).unwrap();
    for report in ["json=2.json", "tap=./none/../2.json", "junit=link"] {
        let ended = sample.merge(&[1, 2, 3], &["--report", report]);
        ended.with(2).says("would take the place of `2.json`");
        assert_eq!(ended.stdout, "");
    }
    assert_eq!(fs::read_to_string(sample.path(2)).unwrap(), before);
    sample.merge(&[1, 2, 3], &["--report", "html=."]).with(1);
    fs::copy(sample.path(2), sample.folder.path().join("cases/2.json")).unwrap();
    let files = ["1.json", "cases/2.json", "3.json"].map(str::to_owned);
    merge(sample.folder.path(), &files, &["--report", "html=."])
        .with(2)
        .says("the report `.` would take the place of `cases/2.json`");
}

fn what_is_broken_counts_more_than_what_is_not_written() {
    let merge = |sample: &Sample| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        command.args(["report", "merge", "1.json", "2.json", "3.json"]);
        command.args(["--format", "ktap"]);
        let full = fs::File::create("/dev/full").unwrap();
        let ended = command.current_dir(sample.folder.path()).stdout(full);
        let ended = Ended::of(ended.output().unwrap());
        ended.says("No space left on device");
        ended
    };
    let sample = Sample::new();
    sample.write();
    merge(&sample).with(1);
    sample.edit(3, "\"stopped\":null", "\"stopped\":\"interrupted\"");
    merge(&sample).with(130);
    let sample = Sample::new();
    sample.write();
    sample.edit(3, "mismatch", "pass");
    merge(&sample).with(125);
}

/// A case without what differs from run to run.
fn alike(mut object: Value) -> Value {
    for key in ["artifacts", "duration_ms", "peak_kib", "restored"] {
        object.as_object_mut().unwrap().remove(key);
    }
    object
}

fn shards_come_to_what_the_whole_run_does() {
    let checkout = small();
    let run = |more: &[&str]| checkout.run(&[&SMALL[..], &["--format", "json"], more].concat());
    let whole = run(&[]);
    let mut ran = BTreeSet::new();
    let mut files = Vec::new();
    for index in 1..=4 {
        let (shard, file) = (format!("{index}/4"), format!("{index}.json"));
        let report = format!("json={file}");
        let mut objects = run(&["--shard", &shard, "--report", &report]).objects();
        let last = objects.pop().unwrap();
        assert_eq!(last["shard"], serde_json::json!({"index": index, "of": 4}));
        assert_eq!(last["cases"].as_array().unwrap().len(), SMALL.len());
        for object in objects {
            let name = object["scenario"].to_string();
            assert!(ran.insert(name.clone()), "{name} was run twice");
        }
        files.push(file);
    }
    assert_eq!(ran.len(), SMALL.len(), "{ran:?}");
    let merged = merge(&checkout.path(""), &files, &["--format", "json"]);
    let objects = |ended: &Ended| ended.objects().into_iter().map(alike).collect::<Vec<_>>();
    assert_eq!(objects(&merged), objects(&whole));
    assert_eq!((whole.code, merged.code), (Some(1), Some(1)));
    let pretty = merge(&checkout.path(""), &files, &[]);
    pretty.says("7 of 9 passed, 1 mismatch, 1 skipped; distro: KASAN no");
}

fn a_plan_goes_by_the_history_and_says_what_is_run() {
    let checkout = Checkout::with_history();
    checkout.run(&["kfunc_sum", "kfunc_strstr"]).with(0);
    let three = ["kfunc_member", "kfunc_strstr", "kfunc_sum"];
    let plan = |format: &str| {
        let args = ["shards", "2", "--kernel", "distro", "--format", format];
        checkout.kassay(&[&args[..], &three].concat())
    };
    plan("pretty")
        .with(0)
        .says("shard  cases  time  kernels\n1/2 ");
    let plan = plan("github");
    plan.with(0)
        .says("1 of 3 cases have no time in the history");
    checkout.write("plan", &plan.stdout);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    let mut ran = Vec::new();
    for shard in ["1/2", "2/2"] {
        let args = [
            "run", "--format", "json", "--plan", "plan", "--shard", shard,
        ];
        let mut objects = checkout.kassay(&args).with(0).objects();
        objects.pop();
        let name = |object: Value| format!("distro::{}", object["scenario"].as_str().unwrap());
        ran.push(objects.into_iter().map(name).collect::<Vec<_>>());
    }
    assert_eq!(ran, planned(&plan));
}

fn a_shard_without_cases_passes() {
    let checkout = Checkout::new();
    let mut codes = Vec::new();
    for shard in ["1/2", "2/2"] {
        let report = format!("json={}.json", &shard[..1]);
        let ended = checkout.run(&["kfunc_sum", "--shard", shard, "--report", &report]);
        codes.push((ended.code, ended.stderr.contains("has no cases")));
    }
    codes.sort();
    assert_eq!(codes, [(Some(0), false), (Some(0), true)]);
    let files = ["1.json", "2.json"].map(str::to_owned);
    merge(&checkout.path(""), &files, &[])
        .with(0)
        .says("1 of 1 passed");
}

fn each_case_is_in_one_partition_of_nextest() {
    let list = |partition: &[&str]| -> Vec<String> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["nextest", "list", "--package", "kassay", "--test", "vm"]);
        cargo.args(["--message-format", "json"]).args(partition);
        cargo
            .current_dir(repository())
            .env("KASSAY_KERNELS", "distro");
        let ended = Ended::of(cargo.output().unwrap());
        let list: Value = serde_json::from_str(&ended.with(0).stdout).unwrap();
        let cases = list["rust-suites"]["kassay::vm"]["testcases"]
            .as_object()
            .unwrap();
        let is_in = |case: &Value| case["filter-match"]["status"] == "matches";
        let names = cases.iter().filter(|(_, case)| is_in(case));
        names.map(|(name, _)| name.clone()).collect()
    };
    let parts = (1..=4).map(|index| list(&["--partition", &format!("slice:{index}/4")]));
    let mut parts: Vec<String> = parts.flatten().collect();
    parts.sort();
    assert_eq!(parts, list(&[]));
}
