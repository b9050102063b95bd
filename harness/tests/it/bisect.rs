//! `kassay bisect` from outside: scratch repositories with a module that some commit breaks.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use kassay::arch::HOST;
use kassay::bisect::Question;
use kassay::cache::Cache;
use kassay::project::Project;
use kassay::scenario::Scenario;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::checkout::{self, Ended};
use crate::gate::Gate;

tests! {
    qemu:
        a_regression_among_64_commits_is_found_though_the_search_is_killed,
        only_the_wanted_failure_makes_a_commit_bad,
        what_no_longer_builds_is_searched_for,
        a_budget_that_is_exceeded_is_searched_for,
        a_failure_that_comes_and_goes_is_said_and_found,
        a_search_that_was_stopped_goes_on_with_the_same_question_only,
        a_failure_that_was_mended_is_not_searched_for,
        scenarios_may_be_those_of_a_folder,
        ends_that_are_not_what_they_are_said_to_be_are_told,
        a_question_is_another_when_anything_of_it_is;
}

const SCENARIO: &str = "about = 'a program prints what the module says'
modules = ['scratch']
bpf = ['scratch']

[[step]]
unlink = { times = 1 }
";

const SNAPSHOT: &str = "---
source: harness/tests/vm.rs
---
modules
  scratch: inserted
    kfunc bpf_scratch
  scratch: removed
programs
  scratch: attached to kprobe/vfs_unlink
steps
  unlink: 1 unlinked
trace
  unlink[pid]: It is 10
kernel log
  Hello, world!
  bpf_kfunc_example: Module loaded successfully
  Goodbye, world!
";

const PROGRAM: &str = "#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u64 bpf_scratch(void) __ksym;

SEC(\"kprobe/vfs_unlink\")
int scratch(void *ctx)
{
	bpf_printk(\"It is %llu\", bpf_scratch());
	return 0;
}

char LICENSE[] SEC(\"license\") = \"GPL\";
";

/// A git repository with a module, a program, and a scenario that no commit has.
struct Scratch {
    dir: TempDir,
    /// The hashes of its commits, the oldest first.
    commits: Vec<String>,
}

impl Scratch {
    /// A repository whose module returns, at each commit, one of these expressions.
    fn new(results: &[&str]) -> Scratch {
        Scratch::with(results, "")
    }

    /// Such a repository, the modules of which are not built in this step of a search.
    fn gated(results: &[&str], gate: &Gate, step: usize) -> Scratch {
        let said = gate.path("said");
        let is_there = format!("grep -qs 'step {step} of' {}", said.display());
        Scratch::with(
            results,
            &format!("$(shell {is_there} && {{ {}; }})\n", gate.wait()),
        )
    }

    /// A repository each Kbuild of which has this as well.
    fn with(results: &[&str], more: &str) -> Scratch {
        let dir = tempfile::tempdir().unwrap();
        let mut scratch = Scratch {
            dir,
            commits: Vec::new(),
        };
        scratch.git(&["init", "--quiet", "--initial-branch=main"]);
        let mut stream = String::new();
        for (number, result) in results.iter().enumerate() {
            let who = format!("A <a@example.org> {} +0000", 1_700_000_000 + number);
            let subject = format!("commit {number}");
            let _ = write!(stream, "commit refs/heads/main\ncommitter {who}\n");
            let _ = write!(stream, "data {}\n{subject}\n", subject.len());
            // Modules and programs take turns, so that each commit changes something.
            let program = format!("/* {} */\n{PROGRAM}", number / 2);
            let module = module(result, number.div_ceil(2));
            let kbuild = format!("{more}obj-m := scratch.o\nccflags-y += -I$(src)/../include\n");
            for (path, text) in [
                ("modules/scratch/Kbuild", &kbuild),
                ("modules/scratch/scratch.c", &module),
                ("bpf/scratch.bpf.c", &program),
            ] {
                let _ = write!(stream, "M 644 inline {path}\ndata {}\n{text}\n", text.len());
            }
        }
        scratch.import(&stream);
        scratch.git(&["reset", "--quiet", "--hard"]);
        let hashes = scratch.git(&["rev-list", "--reverse", "main"]);
        scratch.commits = hashes.lines().map(str::to_owned).collect();
        scratch.write("scenarios/scratch.toml", SCENARIO);
        scratch.write("snapshots/scratch.snap", SNAPSHOT);
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        checkout::write(self.dir.path(), name, text);
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(self.dir.path()).args(args).output();
        let ended = Ended::of(output.unwrap());
        ended.with(0);
        ended.stdout
    }

    /// Commits a change of a file; returns the commit's hash.
    fn commit(&self, file: &str, from: &str, to: &str) -> String {
        checkout::edit(self.dir.path(), file, from, to);
        let who = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
        self.git(&[&who[..], &["commit", "--quiet", "-a", "-m", to]].concat());
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn import(&self, stream: &str) {
        let mut import = Command::new("git")
            .arg("-C")
            .arg(self.dir.path())
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = import.stdin.take().unwrap();
        stdin.write_all(stream.as_bytes()).unwrap();
        drop(stdin);
        assert!(import.wait().unwrap().success());
    }

    /// A search of the whole history on the kernel `distro`.
    fn command(&self, args: &[&str]) -> Command {
        self.command_in(self.dir.path(), args)
    }

    fn command_in(&self, tree: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        command
            .args(["bisect", "--tree"])
            .arg(tree)
            .args(args)
            .env("CARGO_TARGET_DIR", self.path(".git/target"));
        command
    }

    fn bisect(&self, args: &[&str]) -> Ended {
        self.bisect_in(self.dir.path(), args)
    }

    fn bisect_in(&self, tree: &Path, args: &[&str]) -> Ended {
        Ended::of(self.command_in(tree, args).output().unwrap())
    }

    fn whole(&self) -> [&str; 6] {
        let (good, bad) = (&self.commits[0], self.commits.last().unwrap());
        ["--good", good, "--bad", bad, "--kernel", "distro"]
    }

    /// What a user sees of the repository: branches, HEAD, index, files.
    fn seen(&self) -> String {
        self.git(&["status", "--short", "--branch"]) + &self.git(&["for-each-ref"])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What it left in the cache is of no use to anybody.
        let _ = self.command(&["--abandon"]).output();
    }
}

fn module(result: &str, number: usize) -> String {
    format!(
        "/* {number} */\n\
         #include <linux/random.h>\n\n\
         #include \"kassay_kfunc.h\"\n\n\
         __bpf_kfunc_start_defs();\n\n\
         __bpf_kfunc u64 bpf_scratch(void)\n{{\n\treturn {result};\n}}\n\n\
         __bpf_kfunc_end_defs();\n\n\
         BTF_KFUNCS_START(scratch_ids)\n\
         BTF_ID_FLAGS(func, bpf_scratch)\n\
         BTF_KFUNCS_END(scratch_ids)\n\n\
         MODULE_DESCRIPTION(\"A kfunc that returns a number\");\n\
         KASSAY_KFUNC_MODULE(scratch_ids, KASSAY_PROG_TYPE_KPROBE);\n"
    )
}

/// Starts a search of the whole history, and sends it a signal in the step that ends at the gate.
/// Returns its exit code, if it has one, and what it said.
fn signal_at(gate: &Gate, scratch: &Scratch, signal: Signal) -> Ended {
    let mut command = scratch.command(&scratch.whole());
    let said = fs::File::create(gate.path("said")).unwrap();
    command.stdout(Stdio::null()).stderr(said);
    let mut bisect = command.spawn().unwrap();
    gate.reached();
    kill_process(Pid::from_child(&bisect), signal).unwrap();
    let code = bisect.wait().unwrap().code();
    let stderr = fs::read_to_string(gate.path("said")).unwrap();
    // The next search goes past the gate.
    fs::remove_file(gate.path("said")).unwrap();
    Ended {
        code,
        stdout: String::new(),
        stderr,
    }
}

/// How many commits were judged between the ends.
fn judged(ended: &Ended) -> usize {
    let mut lines = ended.stdout.lines();
    let count = lines.find_map(|line| line.split_once(" commits judged between the ends"));
    count.unwrap().0.parse().unwrap()
}

fn a_regression_among_64_commits_is_found_though_the_search_is_killed() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first_bad = 1 + clock.subsec_nanos() as usize % 63;
    let results: Vec<&str> = (0..64)
        .map(|number| if number < first_bad { "10" } else { "11" })
        .collect();
    let gate = Gate::new();
    let scratch = Scratch::gated(&results, &gate, 4);
    let before = scratch.seen();

    signal_at(&gate, &scratch, Signal::KILL);
    let ended = scratch.bisect(&scratch.whole());

    let hash = &scratch.commits[first_bad];
    ended.with(0).says("going on, with 3 steps judged before");
    ended.says(&format!("{hash} is the first bad commit"));
    ended.says("+  unlink[pid]: It is 11");
    ended.says(&format!(
        "# first bad commit: [{hash}] commit {first_bad}\n"
    ));
    assert!(judged(&ended) <= 7, "{}", ended.stdout);
    assert_eq!(scratch.seen(), before);
}

fn only_the_wanted_failure_makes_a_commit_bad() {
    let scratch = Scratch::new(&["10", "10", "10", "nothing", "12", "11", "11", "11"]);
    let ended = scratch.bisect(&scratch.whole());

    ended.with(125).says("the first bad commit is one of these");
    for number in [3, 4, 5] {
        let hash = &scratch.commits[number];
        ended.says(&format!("# possible first bad commit: [{hash}]"));
    }
    ended.says("error: ‘nothing’ undeclared");
    ended.says("surprising, looking again");
    for number in [3, 4] {
        let hash = &scratch.commits[number];
        assert!(!ended.stdout.contains(&format!("git bisect bad {hash}")));
    }
}

fn what_no_longer_builds_is_searched_for() {
    let scratch = Scratch::new(&["10", "10", "nothing", "other", "other"]);
    let ended = scratch.bisect(&scratch.whole());

    ended.with(125).says("the first bad commit is one of these");
    ended
        .says("infra: build module scratch")
        .says("error: ‘other’ undeclared");
    for number in [2, 3] {
        let hash = &scratch.commits[number];
        ended.says(&format!("# possible first bad commit: [{hash}]"));
    }
}

fn a_budget_that_is_exceeded_is_searched_for() {
    let mut scratch = Scratch::new(&["10", "10"]);
    let budget = "budget = { insns = 100 }\n\n[[step]]";
    let scenario = SCENARIO.replace("\n[[step]]", budget);
    scratch.write("scenarios/scratch.toml", &scenario);
    let (program, last) = ("bpf/scratch.bpf.c", "\treturn 0;");
    let long = "\tfor (int i = 0; i < 100; i++)\n\t\tbpf_get_prandom_u32();\n\treturn 0;";
    let first = scratch.commit(program, last, long);
    let bad = scratch.commit(program, last, "\treturn 0; /* as long */");
    scratch.commits.extend([first.clone(), bad]);
    let ended = scratch.bisect(&scratch.whole());
    ended.with(0).says("program scratch is over its budget");
    ended.says(&format!("{first} is the first bad commit"));
}

fn a_failure_that_comes_and_goes_is_said_and_found() {
    // It comes five times of eight: that 20 looks are all the same happens once in 10000 tests.
    let scratch = Scratch::new(&["10", "10 + (get_random_u32() % 8 < 5)", "12"]);
    let [good, flaky, bad] = &scratch.commits[..] else {
        panic!("three commits")
    };
    let search = |good: &str, bad: &str| {
        let ends = ["--good", good, "--bad", bad, "--kernel", "distro"];
        scratch.bisect(&[&ends[..], &["--repeat", "20"]].concat())
    };
    let ended = search(good, flaky);
    ended.with(0).says("    flaky: ").says("pass (20 times)");
    ended.says(&format!("{flaky} is the first bad commit"));
    ended.says(" of 20 times at the bad end");
    search(flaky, bad).with(2).says("is flaky: ");
}

fn a_search_that_was_stopped_goes_on_with_the_same_question_only() {
    let (gate, results) = (
        Gate::new(),
        ["10", "10", "10", "10", "10", "11", "11", "11"],
    );
    let scratch = Scratch::gated(&results, &gate, 2);
    let stopped = signal_at(&gate, &scratch, Signal::INT);
    stopped
        .with(130)
        .says("1 steps judged; the same command goes on from here");
    let asked = scratch.path("snapshots/scratch.snap");
    scratch.write("snapshots/scratch.snap", &SNAPSHOT.replace("10", "11"));
    let ended = scratch.bisect(&scratch.whole());
    ended.with(2).says("is under way, with 1 steps judged");
    fs::write(asked, SNAPSHOT).unwrap();
    let ended = scratch.bisect(&scratch.whole());
    ended.with(0).says("going on, with 1 steps judged before");
    ended.says(&format!("{} is the first bad commit", scratch.commits[5]));
}

fn a_failure_that_was_mended_is_not_searched_for() {
    let scratch = Scratch::new(&["11", "11", "11"]);
    let [first, _, bad] = &scratch.commits[..] else {
        panic!("three commits")
    };
    scratch.git(&["checkout", "--quiet", "-b", "mended", first]);
    scratch.commit("modules/scratch/scratch.c", "return 11;", "return 10;");
    // From a folder in the repository, too.
    let tree = scratch.path("modules/scratch");
    let ends = ["--good", "mended", "--bad", bad, "--kernel", "distro"];
    let ended = scratch.bisect_in(&tree, &ends);
    ended.with(2).says("the failure was mended on the way");
}

fn scenarios_may_be_those_of_a_folder() {
    let scratch = Scratch::new(&["10", "11"]);
    let folder = scratch.path("scenarios");
    scratch.write("scenarios/other.toml", "[package]");
    let folder = ["--scenario", folder.to_str().unwrap()];
    let ended = scratch.bisect(&[&scratch.whole()[..], &folder].concat());
    let hash = &scratch.commits[1];
    ended
        .with(0)
        .says(&format!("{hash} is the first bad commit"));
}

fn ends_that_are_not_what_they_are_said_to_be_are_told() {
    let scratch = Scratch::new(&["11", "10", "10"]);
    let [first, second, last] = &scratch.commits[..] else {
        panic!("three commits")
    };
    let search = |good: &str, bad: &str| {
        scratch.bisect(&["--good", good, "--bad", bad, "--kernel", "distro"])
    };
    search(first, last)
        .with(2)
        .says("is not good: scratch: mismatch");
    search(second, last).with(2).says("is not bad");
    search(last, first).with(2).says("mistaken for each other");
    search("none", last).with(2).says("find the commit `none`");
}

fn a_question_is_another_when_anything_of_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = "about = 'x'\nmodules = ['m']\n\
                    bpf = [{ file = 'p', flags = ['-include', '../other/flag.h'] }]";
    let program = "#include \"vmlinux.h\"\n#include \"beside.h\"\n";
    let texts = [
        ("a.toml", scenario),
        ("snapshots/a.snap", ""),
        ("a.config", ""),
        ("modules/m/Kbuild", ""),
        ("modules/m/m.c", ""),
        ("modules/include/kassay_kfunc.h", ""),
        ("bpf/p.bpf.c", program),
        ("bpf/beside.h", ""),
        ("other/flag.h", ""),
    ];
    let write = |name: &str, text: &str| checkout::write(dir.path(), name, text);
    texts.iter().for_each(|(name, text)| write(name, text));
    let cache = Cache::at(&dir.path().join("cache")).unwrap();
    let file = dir.path().join("a.toml");
    let digest = |seed| {
        let question = Question::Kernel {
            added: String::new(),
            arch: HOST,
            fragments: vec![dir.path().join("a.config")],
            scenarios: vec![Scenario::read(&file, &Project::of(dir.path()).unwrap()).unwrap()],
            seed,
        };
        question.digest(&cache, Path::new("/none")).unwrap()
    };
    let mut seen = vec![digest(Some(2)), digest(Some(1)), digest(None)];
    for (number, (name, text)) in texts.iter().enumerate() {
        let more = match name.ends_with(".h") || name.ends_with(".c") {
            true => format!("int more{number};\n"),
            false => "\n# more\n".to_owned(),
        };
        write(name, &(text.to_string() + &more));
        seen.push(digest(None));
    }
    assert_eq!(digest(None), *seen.last().unwrap());
    seen.dedup();
    assert_eq!(seen.len(), 3 + texts.len());
}
