//! What `kassay run` writes for programs of others, as these read it, and where it goes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kassay::Outcome;
use kassay::cache::Cache;
use kassay::outcome::{End, Judged, Name, Unbuilt};
use kassay::report::html;
use kassay::report::place::Place;
use kassay::report::test_run::{Foot, RunFormat, TestRun};
use kassay::snapshot::Snapshot;
use kassay::verdict::Verdict;
use kassay::vm::Accelerator;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::checkout::{ALONE, Checkout, Ended};
use crate::gate::Gate;

tests! {
    plain:
        what_cannot_be_written_is_told_before_the_run,
        reports_that_get_into_each_others_way_are_refused,
        an_unknown_format_names_those_that_there_are;
    qemu:
        a_run_writes_a_report_in_each_format,
        formats_go_to_stdout_and_nowhere_else,
        ctrl_c_leaves_reports_of_what_had_ended;
    chromium:
        a_browser_opens_a_case_and_runs_nothing_that_a_guest_sent,
        a_browser_finds_what_is_searched_for;
    junitparser:
        junit_is_read_by_a_parser_of_python;
    kunit:
        ktap_is_read_by_the_kernels_own_parser;
    prove:
        tap_is_read_by_perl;
    tap_parser:
        tap_is_read_by_a_parser_of_node;
}

/// What a guest may send to have a reader see something else.
const NASTY: &str = "</pre><script>document.title = 'owned'</script>\n# Subtest: x\nKTAP version 1\n\
                     1..9\nok 7 fake\nreboot: System halted\nBail out!\n  ...\n::error::x\n\
                     \u{1b}[2J\0\u{fffe} ]]> %0A \\\n";

/// Cases of two kernels: a pass, a skip, what fails and what could not be judged, with folders of
/// what they left.
struct Sample {
    outcomes: Vec<Outcome>,
    folder: TempDir,
}

impl Sample {
    fn new() -> Sample {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("console"), NASTY).unwrap();
        let snapshot = Snapshot {
            name: "fails".to_owned(),
            directory: folder.path().to_owned(),
        };
        snapshot.accept("it", "trace\n  10\n").unwrap();
        let failed = |verdict| Judged {
            title: "differs # SKIP, <b>".to_owned(),
            reason: NASTY.to_owned(),
            artifacts: Some(left.clone()),
            transcript: Some((snapshot.clone(), format!("trace\n  11\n{NASTY}"))),
            seeds: vec![7],
            duration: std::time::Duration::from_millis(1500),
            ..Judged::new(verdict)
        };
        let ran = |judged: Judged| End::Ran(Box::new(judged));
        let outcomes = [
            ("6.12", "passes", ran(Judged::new(Verdict::Pass))),
            ("6.12", "skipped", End::Skipped("needs CONFIG_X".to_owned())),
            ("6.12", "fails", ran(failed(Verdict::Mismatch))),
            ("./linux", "hangs", ran(failed(Verdict::Hang))),
            (
                "./linux",
                "unbuilt",
                End::Unbuilt(Unbuilt::new("build m: no")),
            ),
        ];
        let outcomes = outcomes.map(|(kernel, scenario, end)| Outcome {
            case: Name {
                kernel: kernel.to_owned(),
                scenario: scenario.to_owned(),
            },
            file: format!("scenarios/{scenario}.toml").into(),
            release: "6.12.1".to_owned(),
            accelerator: Accelerator::Tcg,
            end,
        });
        Sample {
            outcomes: outcomes.into(),
            folder,
        }
    }

    fn run(&self) -> TestRun<'_> {
        TestRun {
            outcomes: &self.outcomes,
            chosen: self.outcomes.len(),
            stopped: None,
            foot: Foot::default(),
            part: None,
        }
    }

    /// A file of it in a format.
    fn file(&self, format: RunFormat) -> PathBuf {
        let path = self.folder.path().join("report");
        fs::write(&path, format.text(&self.run()).unwrap()).unwrap();
        path
    }

    /// The page, as a browser has it when its script has run.
    fn browsed(&self, address: &str) -> String {
        let page = self.folder.path().join("page");
        let place = Place::of(&page, true).unwrap();
        let fill = |folder: &Path| html::page_with_files(&self.run(), folder);
        place.write_folder(fill).unwrap();
        let mut chromium = Command::new("chromium");
        chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
        let profile = self.folder.path().join("profile");
        chromium.arg(format!("--user-data-dir={}", profile.display()));
        chromium.arg(format!("file://{}/index.html{address}", page.display()));
        read(&mut chromium).stdout
    }
}

/// What a program of others says of a report.
fn read(command: &mut Command) -> Ended {
    Ended::of(command.stdin(Stdio::null()).output().unwrap())
}

/// The parser of KTAP in a kernel's source that the cache has.
pub fn kunit() -> Option<PathBuf> {
    let sources = fs::read_dir(Cache::open().ok()?.dir("source")).ok()?;
    let folders = sources
        .flatten()
        .flat_map(|source| fs::read_dir(source.path()));
    let parsers = folders.flatten().flatten();
    let mut parsers = parsers.map(|folder| folder.path().join("tools/testing/kunit/kunit.py"));
    which::which("python3").ok()?;
    parsers.find(|parser| parser.is_file())
}

fn junit_is_read_by_a_parser_of_python() {
    let mut sample = Sample::new();
    for code in [1, 0] {
        let path = sample.file(RunFormat::Junit);
        let ended = read(Command::new("junitparser").arg("verify").arg(path));
        assert_eq!((ended.with(code).stderr.as_str(), code), ("", code));
        // The pass and the skip.
        sample.outcomes.truncate(2);
    }
}

fn ktap_is_read_by_the_kernels_own_parser() {
    let sample = Sample::new();
    let path = sample.file(RunFormat::Ktap);
    let mut python = Command::new("python3");
    let ended = read(python.arg(kunit().unwrap()).arg("parse").arg(path));
    ended.says("Ran 5 tests: passed: 1, failed: 3, skipped: 1\n");
    for line in ["[PASSED] passes", "[SKIPPED] skipped", "[FAILED] hangs"] {
        ended.says(line);
    }
    assert!(!ended.stdout.contains("[ERROR]"), "{ended:?}");
}

fn tap_is_read_by_perl() {
    let sample = Sample::new();
    let path = sample.file(RunFormat::Tap);
    let ended = read(Command::new("prove").args(["--exec", "cat"]).arg(path));
    ended.says("Failed tests:  3-5\n").says("Tests=5,");
    assert!(!ended.stdout.contains("Parse errors"), "{ended:?}");
}

fn tap_is_read_by_a_parser_of_node() {
    let sample = Sample::new();
    let path = sample.file(RunFormat::Tap);
    let mut parser = Command::new("tap-parser");
    let file = File::open(path).unwrap();
    let ended = Ended::of(parser.arg("--json").stdin(file).output().unwrap());
    let events: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let events = events.as_array().unwrap();
    let of = |kind: &str| {
        events
            .iter()
            .filter(|it| it[0] == kind)
            .map(|it| &it[1])
            .collect()
    };
    let (asserted, extra): (Vec<_>, Vec<_>) = (of("assert"), of("extra"));
    assert_eq!((asserted.len(), extra.len()), (5, 0), "{events:?}");
    assert_eq!(asserted[1]["skip"], "needs CONFIG_X");
    assert_eq!(asserted[2]["diag"]["verdict"], "mismatch");
    assert_eq!(of("complete")[0]["fail"], 3);
}

fn a_browser_opens_a_case_and_runs_nothing_that_a_guest_sent() {
    let page = Sample::new().browsed("#case-3");
    assert!(
        page.contains(r#"id="case-3" data-bad="" open="""#),
        "{page}"
    );
    assert!(
        page.contains("<title>kassay: 3 of 5 cases fail</title>"),
        "{page}"
    );
    assert!(
        page.contains(r#"href="cases/6.12/fails/console.txt""#),
        "{page}"
    );
}

fn a_browser_finds_what_is_searched_for() {
    let page = Sample::new().browsed("?q=needs+config_x");
    assert!(page.contains(">1 of 5 cases</output>"), "{page}");
    let is_shown = |id: &str| page.contains(&format!(r#"<details class="case" id="{id}">"#));
    assert_eq!(
        (is_shown("case-1"), is_shown("case-2")),
        (false, true),
        "{page}"
    );
}

/// A checkout with a case that passes, one that fails and one that is skipped on `distro`.
fn three() -> Checkout {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    checkout.scenario(
        "needy",
        "modules = ['kfunc_sum']\nrequires = { config = ['NO_SUCH'] }",
    );
    checkout
}

const THREE: [&str; 3] = ["kfunc_strstr", "kfunc_sum", "needy"];

fn a_run_writes_a_report_in_each_format() {
    let checkout = three();
    let wanted = [
        (
            "pretty",
            "1 of 3 passed, 1 mismatch, 1 skipped; distro: KASAN no",
        ),
        ("json", r#""scenario":"kfunc_sum""#),
        ("junit", r#"tests="3" failures="1" errors="0""#),
        (
            "ktap",
            "  not ok 2 kfunc_sum # mismatch: the transcript differs",
        ),
        ("tap", "ok 3 - distro::needy # SKIP needs CONFIG_NO_SUCH"),
        (
            "github",
            "::error file=harness/tests/scenarios/kfunc_sum.toml,line=1,title=",
        ),
        ("markdown", "| `kfunc_sum` | **mismatch** |"),
        ("html", "<ins>  unlink[pid]: BPF triggered do_unlinkat"),
    ];
    fs::create_dir(checkout.path(".git")).unwrap();
    let reports = wanted.map(|(format, _)| format!("--report={format}=out/{format}"));
    let reports = reports.iter().map(String::as_str);
    let args: Vec<&str> = THREE.into_iter().chain(reports).collect();
    let ended = checkout.run(&args);
    ended.with(1).says("mismatch  distro::kfunc_sum");
    for (format, part) in wanted {
        let file = if format == "html" {
            "html/index.html"
        } else {
            format
        };
        let text = fs::read_to_string(checkout.path("out").join(file)).unwrap();
        let text = text.replace("vfs_unlink", "do_unlinkat");
        assert!(text.contains(part), "{format}: {text}");
    }
    let console = "out/html/cases/distro/kfunc_sum/console.txt";
    assert!(checkout.path(console).is_file());
    assert_eq!(
        fs::read_dir(checkout.path("out")).unwrap().count(),
        wanted.len()
    );
}

fn formats_go_to_stdout_and_nowhere_else() {
    let checkout = three();
    let summary = checkout.path("summary");
    for (format, first, is_summed) in [
        ("junit", "<?xml ", false),
        ("html", "<!DOCTYPE html>", false),
        ("ktap", "KTAP version 1\n1..1\n", false),
        ("github", "pass      distro::kfunc_strstr (", true),
    ] {
        let mut command = checkout.command(&["run", "--kernel", "distro", "--format", format]);
        command.args(THREE).env("GITHUB_STEP_SUMMARY", &summary);
        let ended = Ended::of(command.output().unwrap());
        assert!(ended.with(1).stdout.starts_with(first), "{ended:?}");
        assert_eq!(summary.exists(), is_summed, "{format}");
    }
    let text = fs::read_to_string(summary).unwrap();
    assert!(text.contains("| `kfunc_sum` | **mismatch** |"), "{text}");
}

/// A checkout in which the module of `broken` is never built, and a gate that is reached when `second`
/// has ended and the module of `third` is being built, which does not end either. A machine that
/// loops would end by itself: its kernel's watchdog barks after 26 s.
fn endless() -> (Checkout, Gate) {
    let (checkout, gate) = (Checkout::broken(""), Gate::new());
    let kbuild = format!("$(shell cat {})\n", gate.path("shut").display());
    checkout.write("modules/broken/Kbuild", &kbuild);
    let kbuild = format!("$(shell {})\nobj-m := third.o\n", gate.wait());
    checkout.write("modules/third/Kbuild", &kbuild);
    checkout.write("modules/third/third.c", "#include <linux/module.h>\n");
    checkout.scenario("second", &format!("modules = ['kfunc_sum']\n{ALONE}"));
    checkout.scenario("third", &format!("modules = ['third']\n{ALONE}"));
    (checkout, gate)
}

fn ctrl_c_leaves_reports_of_what_had_ended() {
    let (checkout, gate) = endless();
    let args = [
        "run", "--kernel", "distro", "--jobs", "2", "broken", "second", "third",
    ];
    let mut command = checkout.command(&args);
    command.args(["junit", "json", "tap", "html"].map(|it| format!("--report={it}=o/{it}")));
    command
        .args(["--report=ktap=gone/x", "--timeout", "500"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let kassay = command.spawn().unwrap();
    gate.reached();
    fs::remove_dir(checkout.path("gone")).unwrap();
    checkout.write("gone", "");
    kill_process(Pid::from_child(&kassay), Signal::INT).unwrap();
    let ended = Ended::of(kassay.wait_with_output().unwrap());
    ended.with(130).says("write the report `gone/x`");
    let text = |name: &str| fs::read_to_string(checkout.path("o").join(name)).unwrap();
    let (cut, json) = ("interrupted: 1 of 3 cases had ended", text("json"));
    assert!(json.contains(r#""scenario":"second""#), "{json}");
    let last = "{\"chosen\":3,\"ended\":1,\"stopped\":\"interrupted\"}\n";
    assert!(json.ends_with(last), "{json}");
    assert!(text("junit").contains(&format!(r#"<error type="interrupted" message="{cut}"/>"#)));
    assert!(text("tap").ends_with(&format!("\nBail out! {cut}\n")));
    assert!(text("html/index.html").contains("<title>kassay: interrupted</title>"));
}

fn what_cannot_be_written_is_told_before_the_run() {
    let checkout = Checkout::new();
    checkout.write("file", "");
    checkout.write("mine/index.html", "<html>mine</html>");
    for (report, why) in [
        (
            "junit=file/x",
            "write the report `file/x`: make the folder `",
        ),
        (
            "junit=mine",
            "write the report `mine`: it is a folder; name a file",
        ),
        ("html=mine", "`index.html` in it is no report of kassay"),
        ("html=file", "write the report `file`: it is no folder"),
        (
            "tap=/dev/null",
            "write the report `/dev/null`: it is no plain file",
        ),
        ("tap=", "say where to, as in `tap=PATH`"),
        ("tap", "say FORMAT=PATH"),
    ] {
        let ended = checkout.run(&["kfunc_sum", "--report", report]);
        ended.with(2).says(why);
        assert_eq!(ended.stdout, "", "{report}");
    }
}

fn reports_that_get_into_each_others_way_are_refused() {
    let checkout = Checkout::new();
    for [one, other] in [
        ["junit=x", "tap=x"],
        ["junit=x", "tap=./modules/../x"],
        ["html=page", "junit=page/junit.xml"],
        ["html=page/deep", "html=page"],
    ] {
        let ended = checkout.run(&["--report", one, "--report", other]);
        ended.with(2).says("report");
        assert!(!checkout.path("x").exists() && !checkout.path("page").exists());
    }
}

fn an_unknown_format_names_those_that_there_are() {
    let checkout = Checkout::new();
    let all = "pretty, json, junit, ktap, tap, github, markdown, html";
    checkout.run(&["--format", "xml"]).with(2).says(all);
    let ended = checkout.run(&["--report", "xml=x"]);
    ended
        .with(2)
        .says(&format!("there is no format `xml`; there are {all}"));
}
