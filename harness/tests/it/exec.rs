//! `kassay exec`, `shell` and `load` seen from outside: each runs a machine on `distro`.

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::checkout::{Checkout, Ended, Machine, PATIENCE, wait};
use crate::repository::repository;

tests! {
    qemu:
        streams_and_exit_code_are_the_programs_alone,
        stdin_comes_out_as_it_went_in,
        a_signal_is_the_programs,
        a_signal_that_comes_when_the_program_is_over_asks_for_nothing,
        who_insists_ends_a_program_that_does_not_listen,
        a_signal_ends_what_waits_for_a_reader_that_has_stopped,
        a_reader_that_has_gone_away_ends_the_program_as_ever,
        a_guest_is_as_large_as_is_asked_for,
        a_module_of_the_kernel_itself_is_inserted_first,
        a_kernel_that_crashes_or_reports_has_a_code_of_its_own,
        nothing_is_written_to_the_hosts_root,
        a_static_program_needs_no_root_and_another_does,
        a_large_machine_has_a_saved_state_too,
        a_shell_has_a_terminal_that_works,
        a_loaded_program_is_traced_until_ctrl_c,
        what_is_left_running_is_heard_or_told_of,
        a_program_that_traces_what_kassay_does_is_no_endless_one,
        a_program_is_loaded_with_flags_and_global_variables,
        what_is_no_program_is_wrong_usage_each_time,
        the_tests_of_a_crate_run_as_root_on_a_chosen_kernel;
}

const KASSAY: &str = env!("CARGO_BIN_EXE_kassay");

fn kassay(args: &[&str]) -> Command {
    let mut command = Command::new(KASSAY);
    command.args(args).current_dir(repository());
    command
}

/// A program in the host's root, with these options of `exec`.
fn exec_with(options: &[&str], program: &[&str]) -> Command {
    let exec = ["exec", "--kernel", "distro", "--host-root"];
    kassay(&[&exec, options, &["--"], program].concat())
}

/// A shell script in the host's root.
fn sh(script: &str) -> Command {
    exec_with(&[], &["sh", "-c", script])
}

fn run(mut command: Command) -> Ended {
    Ended::of(command.stdin(Stdio::null()).output().unwrap())
}

/// Starts kassay and reads its stdout up to these words.
fn start(mut command: Command, words: &str) -> (Child, String) {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let seen = see(child.stdout.as_mut().unwrap(), words);
    (child, seen)
}

/// Reads up to these words.
#[track_caller]
fn see(stream: &mut impl Read, words: &str) -> String {
    let (mut seen, mut bytes) = (String::new(), [0; 4096]);
    while !seen.contains(words) {
        let length = stream.read(&mut bytes).unwrap();
        assert_ne!(length, 0, "no {words:?} in: {seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    seen
}

/// A pipe that takes nothing more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
    ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn zoo(module: &str) -> String {
    format!("harness/tests/zoo/modules/{module}")
}

fn streams_and_exit_code_are_the_programs_alone() {
    let mut command = sh("echo $GIVEN; pwd; echo said >&2; exit 7");
    command.env("GIVEN", "a  b").current_dir("/usr/bin");
    let ended = run(command);
    ended.with(7);
    assert_eq!(ended.stdout, "a b\n/usr/bin\n");
    assert_eq!(ended.stderr, "said\n");
    run(sh("kill -SEGV $$")).with(128 + 11);
    run(exec_with(&[], &["no-such-program"])).with(127);
}

fn stdin_comes_out_as_it_went_in() {
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    let mut command = exec_with(&[], &["cat"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), bytes.clone());
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(
        output.stdout == bytes,
        "{} bytes came out",
        output.stdout.len()
    );
    // Nobody reads any further.
    run(sh("yes | head -c 100000 | wc -c"))
        .with(0)
        .says("100000");
}

fn a_signal_is_the_programs() {
    let script = "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 1; done";
    let (child, _) = start(sh(script), "ready");
    signal(&child, Signal::TERM);
    let ended = Ended::of(child.wait_with_output().unwrap());
    ended.with(3).says("caught");
}

fn a_signal_that_comes_when_the_program_is_over_asks_for_nothing() {
    let (mut child, _) = start(sh("trap '' USR1; echo ready; exit 3"), "ready");
    while child.try_wait().unwrap().is_none() {
        signal(&child, Signal::USR1);
        std::thread::sleep(Duration::from_millis(1));
    }
    Ended::of(child.wait_with_output().unwrap()).with(3);
}

fn who_insists_ends_a_program_that_does_not_listen() {
    let script = "trap '' INT; echo ready; while :; do sleep 1; done";
    let (mut child, _) = start(sh(script), "ready");
    let machine = Machine::of(&child).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        signal(&child, Signal::INT);
        std::thread::sleep(Duration::from_millis(300));
    }
    machine.ends();
    Ended::of(child.wait_with_output().unwrap()).with(130);
}

fn a_signal_ends_what_waits_for_a_reader_that_has_stopped() {
    let (mut child, _) = start(sh("exec yes"), "y\n");
    signal(&child, Signal::TERM);
    assert_eq!(ends(&mut child), Some(128 + 15));
    // What is printed at the end finds a pipe that has been full from the beginning.
    let (_reader, writer) = full_pipe();
    let script = "trap 'echo unread; exit 0' INT; echo ready >&2; while :; do sleep 1; done";
    let mut command = sh(script);
    command.stdout(writer).stderr(Stdio::piped());
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    see(child.stderr.as_mut().unwrap(), "ready");
    signal(&child, Signal::INT);
    assert_eq!(ends(&mut child), Some(130));
}

fn a_reader_that_has_gone_away_ends_the_program_as_ever() {
    let (mut child, _) = start(sh("exec yes"), "y\n");
    drop(child.stdout.take());
    assert_eq!(ends(&mut child), Some(128 + 13));
}

fn a_guest_is_as_large_as_is_asked_for() {
    // tail(1) keeps a line of 300 MiB in memory.
    let hog = ["sh", "-c", "head -c 300M /dev/zero | tail | wc -c"];
    run(exec_with(&[], &hog))
        .with(120)
        .says("kassay: Out of memory")
        .says("ran out of its 256 MiB of memory; `--memory MIB`");
    run(exec_with(&["--memory", "512"], &hog))
        .with(0)
        .says("314572800");
    run(exec_with(&["--cpus", "2"], &["nproc"]))
        .with(0)
        .says("2\n");
    for (memory, why) in [
        ("127", "127 is not in 128.."),
        ("much", "invalid digit"),
        ("4000000000", "MiB free"),
    ] {
        run(exec_with(&["--memory", memory], &["true"]))
            .with(2)
            .says(why);
    }
}

fn a_module_of_the_kernel_itself_is_inserted_first() {
    let modules = ["grep", "-c", "^nf_conntrack ", "/proc/modules"];
    let ended = run(exec_with(&["--kernel-module", "nf-conntrack"], &modules));
    ended.with(0).says("1\n");
    let ended = run(exec_with(&["--kernel-module", "a b"], &["true"]));
    ended.with(2).says("no name of a module of the kernel");
}

fn a_kernel_that_crashes_or_reports_has_a_code_of_its_own() {
    let ended = run(sh("echo c > /proc/sysrq-trigger"));
    ended.with(120).says("kassay: panic: sysrq triggered crash");
    let ended = run(exec_with(&["--module", &zoo("warning")], &["true"]));
    ended.with(120).says("kassay: WARNING in zoo_warning");
    run(sh("echo b > /proc/sysrq-trigger"))
        .with(125)
        .says("guest-reset");
}

/// Makes the share below the guest's layer writable, as far as the guest goes, and writes there.
const INTRUDER: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

int main(int n, char **args)
{
	if (setns(open("/proc/1/ns/mnt", O_RDONLY), CLONE_NEWNS))
		return 1;
	if (mount("", "/host/share", 0, MS_REMOUNT, 0))
		return 2;
	return open(args[1], O_CREAT | O_WRONLY, 0600) < 0 ? errno : 0;
}
"#;

/// Compiles a C program into a folder, and returns its path.
fn compile(folder: &Path, name: &str, source: &str, flag: &str) -> String {
    let (program, file) = (folder.join(name), folder.join(format!("{name}.c")));
    fs::write(&file, source).unwrap();
    let mut cc = Command::new("cc");
    let built = cc.args([flag, "-o"]).args([&program, &file]).status();
    assert!(built.unwrap().success());
    program.display().to_string()
}

fn nothing_is_written_to_the_hosts_root() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("written");
    let intruder = compile(folder.path(), "intruder", INTRUDER, "-Wall");
    let below = format!("/host/share{}", file.display());
    let refused = Errno::ROFS.raw_os_error();
    run(exec_with(&[], &[&intruder, &below])).with(refused);
    let write = format!(
        "mount -o remount,rw /; echo text > {0}; cat {0}",
        file.display()
    );
    run(sh(&write)).with(0).says("text");
    assert!(!file.exists());
}

fn a_static_program_needs_no_root_and_another_does() {
    let folder = tempfile::tempdir().unwrap();
    let source = "#include <stdio.h>\nint main(int n, char **args) { puts(args[1]); return n; }\n";
    let exec = |name: &str, flag: &str| {
        let program = compile(folder.path(), name, source, flag);
        run(kassay(&["exec", "--kernel", "distro", &program, "--word"]))
    };
    exec("static", "-static").with(2).says("--word");
    exec("dynamic", "-Wall").with(2).says("`--host-root`");
}

/// Waits for a program to end, and returns its exit code.
fn ends(child: &mut Child) -> Option<i32> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
    let ended = wait(&process);
    assert_eq!(ended, Ok(1), "it still runs");
    child.wait().unwrap().code()
}

/// A terminal, and what has been seen on it.
struct Screen {
    ours: OwnedFd,
    theirs: PathBuf,
    seen: String,
}

impl Screen {
    fn new() -> Screen {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let screen = Screen {
            ours,
            theirs: theirs.into(),
            seen: String::new(),
        };
        screen.resize(40, 100);
        screen
    }

    /// Starts kassay as the terminal's own.
    fn start(&self, args: &[&str]) -> Child {
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(&self.theirs)
                .unwrap()
        };
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", KASSAY]).args(args);
        command.env("SHELL", "/bin/bash");
        command.stdin(open()).stdout(open()).stderr(open());
        command.spawn().unwrap()
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.ours, size).unwrap();
    }

    fn types(&self, keys: &str) {
        assert_eq!(
            rustix::io::write(&self.ours, keys.as_bytes()),
            Ok(keys.len())
        );
    }

    /// Waits for these words, behind those that it was waited for before.
    #[track_caller]
    fn shows(&mut self, words: &str) {
        let mut bytes = [0; 4096];
        loop {
            if let Some(place) = self.seen.find(words) {
                self.seen.drain(..place + words.len());
                return;
            }
            assert_eq!(wait(&self.ours), Ok(1), "no {words:?} in: {}", self.seen);
            let length = rustix::io::read(&self.ours, &mut bytes).unwrap();
            self.seen
                .push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    }
}

fn a_large_machine_has_a_saved_state_too() {
    let ended = run(exec_with(&["--memory", "1024"], &["true"]));
    assert!(
        !ended.with(0).stderr.contains("booting instead"),
        "{ended:?}"
    );
}

fn a_shell_has_a_terminal_that_works() {
    let mut screen = Screen::new();
    // As long as it is open, the terminal keeps its settings.
    let _theirs = File::open(&screen.theirs).unwrap();
    let before = tcgetattr(&screen.ours).unwrap();
    let mut shell = screen.start(&["shell", "--kernel", "distro", "kfunc_sum"]);
    // Quotes keep what is typed, and echoed, apart from what is printed.
    screen.types("stty size; grep -o 'kfunc_''sum' /proc/modules\n");
    screen.shows("40 100");
    screen.shows("kfunc_sum");
    screen.types(
        "sh -c 'trap \"stty size; exit\" WINCH; echo wai''ting; while :; do sleep 1; done'\n",
    );
    screen.shows("waiting");
    screen.resize(50, 120);
    screen.shows("50 120");
    screen.types("sh -c 'echo sleep''ing; exec sleep 1000'\n");
    screen.shows("sleeping");
    screen.types("\x03");
    screen.types("echo code $?\n");
    screen.shows("code 130");
    screen.types("sh -c 'echo doz''ing; exec sleep 1000'\n");
    screen.shows("dozing");
    screen.types("\x1a");
    screen.shows("Stopped");
    screen.types("kill -9 %1; disown; exit 5\n");
    assert_eq!(ends(&mut shell), Some(5));
    let after = tcgetattr(&screen.ours).unwrap();
    assert_eq!(after.local_modes, before.local_modes);
}

fn a_loaded_program_is_traced_until_ctrl_c() {
    let load = [
        "load",
        "--kernel",
        "distro",
        "bpf/kfunc_sum.bpf.c",
        "--module",
        "kfunc_sum",
    ];
    let step = ["--step", "unlink = { times = 2 }"];
    let checkout = Checkout::new();
    let load_and_step = checkout.command(&[&load[..], &step].concat());
    let (child, seen) = start(load_and_step, "Result: 10");
    assert!(seen.contains("BPF triggered do_unlinkat"), "{seen}");
    signal(&child, Signal::INT);
    let ended = Ended::of(child.wait_with_output().unwrap());
    ended.with(0).says("kassay: attached on distro");
    let ended = run(kassay(&load[..4]));
    ended
        .with(1)
        .says("'bpf_kfunc_call_test'")
        .says("program kfunc_sum was refused");
    run(kassay(&[&load[..4], &["kfunc_sun"]].concat()))
        .with(2)
        .says("did you mean `kfunc_sum`?");
}

fn what_is_left_running_is_heard_or_told_of() {
    let ended = run(sh("(sleep 2; echo late) & echo early"));
    ended.with(0).says("early\n").says("late\n");
    assert!(!ended.stderr.contains("left running"), "{ended:?}");
    let ended = run(sh("sleep 1000 & echo early; exit 3"));
    ended
        .with(3)
        .says("early\n")
        .says("kassay: what the program left running was ended");
    // What prints to nobody is no matter.
    let ended = run(sh("sleep 1000 > /dev/null 2>&1 &"));
    let is_told = ended.with(0).stderr.contains("left running");
    assert!(!is_told, "{ended:?}");
}

/// Prints for each write, also for those with which what it prints is sent.
const WRITES: &str = r#"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/vfs_write")
int writes(void *ctx)
{
	bpf_printk("a write");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"#;

fn a_program_that_traces_what_kassay_does_is_no_endless_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("writes.bpf.c");
    fs::write(&file, WRITES).unwrap();
    let load = ["load", "--kernel", "distro", file.to_str().unwrap()];
    let ended = run(kassay(
        &[&load[..], &["--", "sh", "-c", "echo > /dev/null"]].concat(),
    ));
    ended.with(0).says("a write");
    assert!(!ended.stdout.contains("kassay-plan-"), "{ended:?}");
    let mut command = kassay(&load);
    command.stderr(Stdio::piped());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    see(child.stderr.as_mut().unwrap(), "attached");
    signal(&child, Signal::INT);
    let ended = Ended::of(child.wait_with_output().unwrap());
    ended.with(0);
    assert!(!ended.stderr.contains("not ended"), "{ended:?}");
}

fn a_program_is_loaded_with_flags_and_global_variables() {
    let load = |more: &[&str]| {
        let load = ["load", "--kernel", "distro", "bpf/globals.bpf.c"];
        let trigger = ["--", "sh", "-c", "touch a; rm a"];
        run(kassay(&[&load[..], more, &trigger].concat()))
    };
    let ended = load(&[
        "--flag=-Dsteps=paces",
        "--global",
        "who=nobody",
        "--global",
        "paces=[7]",
    ]);
    ended.with(0).says("nobody takes 7 and 0");
    load(&["--global", "limt=1"])
        .with(125)
        .says("did you mean `limit`?");
    load(&["--global", "limit"]).with(2).says("NAME=VALUE");
}

fn what_is_no_program_is_wrong_usage_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let load = |file: &str| run(kassay(&["load", "--kernel", "distro", file]));
    for _ in 0..2 {
        load("/bin/true").with(2).says("where a C file (`.c`)");
        load(&path("notes", "int x;"))
            .with(2)
            .says("where a C file (`.c`)");
    }
    let empty = load(&path("empty.bpf.c", "int x;\n"));
    empty.with(2).says("empty.bpf.c`: one is a function");
}

fn the_tests_of_a_crate_run_as_root_on_a_chosen_kernel() {
    let mut cargo = Command::new(env!("CARGO"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crate");
    cargo
        .args(["test", "--lib", "--offline", "--locked", "--target-dir"])
        .arg(target)
        .args(["--", "--nocapture"])
        .env_remove("RUSTFLAGS")
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{KASSAY} exec --kernel distro --host-root --"),
        )
        .current_dir(repository().join("harness/tests/crate"));
    let ended = run(cargo);
    ended
        .with(0)
        .says("2 passed")
        .says("loaded on ")
        .says("-amd64");
}
