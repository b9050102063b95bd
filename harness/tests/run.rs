//! `kassay run` seen from outside: what goes wrong, what is then said, and that nothing stays.
//!
//! Each test breaks a checkout of its own. Kernels and the guest program come from the
//! cache that the environment names, for their sources are not touched.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kassay::cache::Cache;
use kassay::vm::accelerator::Probe;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tempfile::TempDir;

/// What a module does that never lets go of the CPU.
const LOOP: &str = "for (;;)\n\t\tcpu_relax();";

/// A copy of the repository, and a target directory in it.
struct Checkout(TempDir);

/// How a run of kassay ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A machine that runs.
struct Machine {
    directory: PathBuf,
    qemu: Pid,
}

impl Checkout {
    fn new() -> Checkout {
        let dir = tempfile::tempdir().unwrap();
        let root = kassay::repository();
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(root.join(file), dir.path().join(file)).unwrap();
        }
        for folder in ["bpf", "guest", "harness", "kernel-config", "modules"] {
            copy(&root.join(folder), &dir.path().join(folder));
        }
        Checkout(dir)
    }

    /// A checkout with a module `broken` that does this when it is inserted, and a
    /// scenario `broken` that inserts it.
    fn broken(provoke: &str) -> Checkout {
        let checkout = Checkout::new();
        checkout.write("modules/broken/Kbuild", "obj-m := broken.o\n");
        checkout.write(
            "modules/broken/broken.c",
            &format!(
                "#include <linux/module.h>\n\
                 static noinline int provoke(void)\n{{\n\t{provoke}\n\treturn 0;\n}}\n\
                 static int __init broken_init(void)\n{{\n\treturn provoke();\n}}\n\
                 module_init(broken_init);\n\
                 static void __exit broken_exit(void)\n{{\n}}\n\
                 module_exit(broken_exit);\n\
                 MODULE_DESCRIPTION(\"A module that misbehaves\");\n\
                 MODULE_LICENSE(\"GPL\");\n"
            ),
        );
        checkout.scenario("broken", "modules = ['broken']");
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn scenario(&self, name: &str, text: &str) {
        let path = format!("harness/tests/scenarios/{name}.toml");
        self.write(&path, &format!("about = 'a test of kassay'\n{text}\n"));
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "no {from:?} in {name}");
        self.write(name, &text.replace(from, to));
    }

    /// Gives the checkout a `PATH` of its own: all that is in PATH, but for programs
    /// whose names begin like this.
    fn hide(&self, hidden: &str) {
        fs::create_dir(self.path("bin")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let programs = std::env::split_paths(&path).filter_map(|dir| fs::read_dir(dir).ok());
        for program in programs.flatten().flatten() {
            let name = program.file_name().into_string().unwrap();
            if !name.starts_with(hidden) {
                // The first of a name counts, as in PATH.
                let _ = symlink(program.path(), self.path("bin").join(name));
            }
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        command
            .arg("run")
            .args(args)
            .current_dir(self.0.path())
            .env("KASSAY_REPOSITORY", self.0.path())
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env_remove("KASSAY_CATALOG")
            .env_remove("KASSAY_KERNELS");
        if self.path("bin").is_dir() {
            command.env("PATH", self.path("bin"));
        }
        command
    }

    fn run_on(&self, kernel: &str, args: &[&str]) -> Ended {
        let args = [&["--kernel", kernel], args].concat();
        let output = self.command(&args).output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.run_on("distro", args)
    }

    /// Starts a run and waits for its QEMU.
    fn start(&self, scenario: &str) -> (Child, Machine) {
        let mut command = self.command(&["--kernel", "distro", scenario]);
        let mut kassay = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(machine) = Machine::of(&kassay) {
                return (kassay, machine);
            }
            assert_eq!(kassay.try_wait().unwrap(), None, "kassay ended by itself");
            assert!(Instant::now() < deadline, "no QEMU was started");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a failure of a scenario left for a look afterwards.
    fn artifact(&self, scenario: &str, name: &str) -> String {
        let folder = self.path("target/kassay/distro").join(scenario);
        fs::read_to_string(folder.join(name)).unwrap()
    }
}

impl Ended {
    #[track_caller]
    fn with(&self, code: i32) -> &Ended {
        assert_eq!(self.code, Some(code), "{self:?}");
        // Whatever the input, kassay says it in its own words.
        assert!(!self.stderr.contains("panicked at"), "{}", self.stderr);
        self
    }

    #[track_caller]
    fn says(&self, part: &str) -> &Ended {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(said.contains(part), "no {part:?} in: {said}");
        self
    }

    /// The lines of `--format json`.
    fn objects(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Machine {
    /// The machine that a kassay has started, once the stand-in wrote its process id down.
    fn of(kassay: &Child) -> Option<Machine> {
        let runs = fs::read_dir(Cache::open().unwrap().dir("run")).ok()?;
        let parent = format!("PPid:\t{}\n", kassay.id());
        runs.flatten().find_map(|run| {
            let pid = fs::read_to_string(run.path().join("pid")).ok()?;
            let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).ok()?;
            let qemu = Pid::from_raw(pid.trim().parse().ok()?)?;
            status.contains(&parent).then(|| Machine {
                directory: run.path(),
                qemu,
            })
        })
    }

    /// Removes what nobody is left to remove: vmtest's sockets and the directory.
    fn tidy(self) {
        let command = fs::read_to_string(self.directory.join("command")).unwrap();
        let words = command.split([':', '=', ',', '\0']);
        for socket in words.filter(|word| word.starts_with("/tmp/") && word.ends_with(".sock")) {
            let _ = fs::remove_file(socket);
        }
        fs::remove_dir_all(self.directory).unwrap();
    }

    /// Waits for QEMU to end, for at most ten seconds.
    #[track_caller]
    fn ends(&self) {
        // No process of this id: it has ended and was waited for.
        let Ok(process) = pidfd_open(self.qemu, PidfdFlags::empty()) else {
            return;
        };
        let limit = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit));
        assert_eq!(ended, Ok(1), "QEMU still runs in {:?}", self.directory);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The processes whose command line has this in it.
fn processes_with(part: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    commands
        .map(|command| String::from_utf8_lossy(&command).into_owned())
        .filter(|command| command.contains(part))
        .collect()
}

#[test]
fn a_changed_result_is_a_mismatch_that_shows_both() {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(1).says("mismatch  distro::kfunc_sum");
    let line = "  unlink[pid]: BPF triggered do_unlinkat from PID [pid]. Result:";
    ended
        .says(&format!("-{line} 10"))
        .says(&format!("+{line} 11"));
    for name in [
        "facts.jsonl",
        "plan.json",
        "command",
        "transcript",
        "reason",
    ] {
        assert_ne!(checkout.artifact("kfunc_sum", name), "", "{name}");
    }
    assert!(
        checkout
            .artifact("kfunc_sum", "console")
            .contains("kassay-guest")
    );
}

#[test]
fn a_first_transcript_is_shown_accepted_and_then_passes() {
    let checkout = Checkout::new();
    fs::remove_file(checkout.path("harness/tests/snapshots/kfunc_strstr.snap")).unwrap();
    let ended = checkout.run(&["kfunc_strstr"]);
    ended.with(1).says("there is no snapshot").says("--accept");
    ended.says("at index 7").says("kernel log");
    checkout
        .run(&["kfunc_strstr", "--accept"])
        .with(0)
        .says("accepted `");
    let ended = checkout.run(&["kfunc_strstr", "--format", "json"]);
    let object = &ended.with(0).objects()[0];
    assert_eq!(
        (&object["verdict"], &object["artifacts"]),
        (&"pass".into(), &Value::Null)
    );
}

#[test]
fn json_has_the_keys_of_the_contract_one_object_a_line() {
    let checkout = Checkout::new();
    checkout.scenario("future", "requires = { kernel = '>=99.0' }");
    checkout.scenario("future_too", "requires = { config = ['NO_SUCH_OPTION'] }");
    let ended = checkout.run(&["future", "--format", "json"]);
    let keys = "kernel release accel scenario verdict title reason duration_ms restored artifacts";
    let keys: BTreeSet<&str> = keys.split(' ').collect();
    for (object, scenario) in ended
        .with(125)
        .objects()
        .iter()
        .zip(["future", "future_too"])
    {
        let found: BTreeSet<&str> = object
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(found, keys);
        assert_eq!(
            (&object["scenario"], &object["verdict"]),
            (&scenario.into(), &"skipped".into())
        );
    }
}

#[test]
fn a_module_that_does_not_compile_shows_the_compilers_line() {
    let checkout = Checkout::broken("return nothing;");
    let ended = checkout.run(&["broken"]);
    ended.with(125).says("infra     distro::broken");
    ended.says("broken.c:4:16: error: ").says("undeclared");
}

#[test]
fn a_program_that_does_not_compile_shows_the_compilers_line() {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3");
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(125).says("infra     distro::kfunc_sum");
    ended.says("too few arguments to function call");
}

#[test]
fn a_program_that_the_verifier_rejects_shows_its_log() {
    let checkout = Checkout::new();
    let beyond = "*(volatile __u64 *)(ctx + 4096)";
    checkout.edit(
        "bpf/kfunc_sum.bpf.c",
        "bpf_kfunc_call_test(1, 2, 3, 4)",
        beyond,
    );
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(1).says("mismatch  distro::kfunc_sum");
    let why = "invalid bpf_context access off=4096";
    ended.says("kfunc_sum: refused").says(why);
    assert!(checkout.artifact("kfunc_sum", "verifier").contains(why));
}

#[test]
fn a_module_that_refuses_to_load_is_a_mismatch() {
    let ended = Checkout::broken("return -EINVAL;").run(&["broken"]);
    ended.with(1).says("mismatch  distro::broken");
    ended.says("broken: refused: Invalid argument");
}

#[test]
fn a_panic_is_named_and_never_accepted() {
    let checkout = Checkout::broken("panic(\"on purpose\");");
    let ended = checkout.run(&["broken", "--accept"]);
    ended
        .with(1)
        .says("panic     distro::broken")
        .says(": panic: on purpose\n");
    assert!(
        !checkout
            .path("harness/tests/snapshots/broken.snap")
            .exists()
    );
}

#[test]
fn a_warning_is_named_by_its_function() {
    let ended = Checkout::broken("WARN_ON(1);").run(&["broken"]);
    ended
        .with(1)
        .says("report    distro::broken")
        .says(": WARNING in provoke\n");
}

#[test]
fn an_expected_warning_is_a_pass_and_a_line_of_the_transcript() {
    let checkout = Checkout::broken("WARN_ON(1);");
    let expect = "expect = { report = 'WARNING in provoke' }";
    checkout.scenario("broken", &format!("modules = ['broken']\n{expect}"));
    checkout.run(&["broken", "--accept"]).with(0).says("pass ");
    let snapshot = checkout.path("harness/tests/snapshots/broken.snap");
    let snapshot = fs::read_to_string(snapshot).unwrap();
    assert!(
        snapshot.ends_with("kernel log\n  WARNING in provoke\n"),
        "{snapshot}"
    );
    checkout.edit("modules/broken/broken.c", "WARN_ON(1);", "");
    let ended = checkout.run(&["broken"]);
    ended.with(1).says("mismatch  distro::broken");
    ended.says("expected only report: WARNING in provoke, but there is no fault");
}

#[test]
fn a_stuck_machine_ends_at_the_deadline_and_is_gone() {
    let checkout = Checkout::broken(LOOP);
    let ended = checkout.run(&["broken", "--timeout", "3"]);
    ended
        .with(1)
        .says("hang      distro::broken")
        .says("deadline passed");
    let command = checkout.artifact("broken", "command");
    let share = command
        .split("path=")
        .find(|part| part.contains("/share"))
        .unwrap();
    let directory = share.split("/share").next().unwrap();
    assert!(!Path::new(directory).exists(), "{directory} is still there");
    assert_eq!(processes_with(directory), [""; 0]);
}

#[test]
fn ctrl_c_leaves_no_machine_and_no_directory() {
    let (mut kassay, machine) = Checkout::broken(LOOP).start("broken");
    // timeout(1) sends two signals at once, which are one request.
    for _ in 0..2 {
        kill_process(Pid::from_child(&kassay), Signal::INT).unwrap();
    }
    assert_eq!(kassay.wait().unwrap().code(), Some(130));
    machine.ends();
    assert!(!machine.directory.exists());
}

#[test]
fn a_machine_does_not_outlive_a_kassay_that_is_killed() {
    let (mut kassay, machine) = Checkout::broken(LOOP).start("broken");
    kassay.kill().unwrap();
    kassay.wait().unwrap();
    machine.ends();
    machine.tidy();
}

#[test]
fn a_slip_in_a_scenario_shows_what_was_meant() {
    let checkout = Checkout::new();
    let slips = [
        ("module = ['kfunc_sum']", "modules"),
        ("modules = ['kfunc_sun']", "kfunc_sum"),
        ("bpf = ['kfunc_strtsr']", "kfunc_strstr"),
        ("[[step]]\nunlnk = { times = 2 }", "unlink"),
        ("[[step]]\nunlink = { time = 2 }", "times"),
        ("requires = { kernels = '>=6.10' }", "kernel"),
    ];
    for (text, meant) in slips {
        checkout.write("slip.toml", &format!("about = 'x'\n{text}\n"));
        let ended = checkout.run(&["--scenario", "slip.toml"]);
        ended
            .with(2)
            .says("scenario `slip.toml`")
            .says(&format!("did you mean `{meant}`?"));
    }
}

#[test]
fn what_does_not_exist_is_wrong_usage() {
    let checkout = Checkout::new();
    checkout
        .run_on("distor", &[])
        .with(2)
        .says("did you mean `distro`?");
    checkout
        .run_on("./no/tree", &[])
        .with(2)
        .says("`./no/tree`");
    checkout
        .run(&["no_such_case"])
        .with(2)
        .says("no case matches `no_such_case`");
    let ended = checkout.run(&["--scenario", "none.toml"]);
    ended.with(2).says("read scenario `none.toml`");
}

#[test]
fn kvm_that_does_not_work_is_never_replaced() {
    // Where KVM works, there is nothing to refuse.
    if Probe::here().verdict().is_err() {
        let ended = Checkout::new().run(&["kfunc_sum", "--accel", "kvm"]);
        ended
            .with(125)
            .says("use KVM: ")
            .says("`--accel tcg` runs without it");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_missing_program_is_named_with_how_to_get_it() {
    for program in ["qemu-system-x86_64", "clang", "make"] {
        // A module that is in no cache needs make.
        let checkout = Checkout::broken("return nothing;");
        let scenario = if program == "make" {
            "broken"
        } else {
            "kfunc_sum"
        };
        checkout.hide(program);
        let ended = checkout.run(&[scenario]);
        ended
            .with(125)
            .says("infra ")
            .says(program)
            .says("`cargo kassay setup`");
    }
}

#[test]
fn a_qemu_that_does_not_start_shows_what_it_said() {
    let checkout = Checkout::new();
    checkout.hide("qemu-system-x86_64");
    let qemu = checkout.path("bin/qemu-system-x86_64");
    fs::write(&qemu, "#!/bin/sh\necho no machine today >&2\nexit 1\n").unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let ended = checkout.run(&["kfunc_sum"]);
    ended
        .with(125)
        .says("QEMU did not start")
        .says("no machine today");
}
