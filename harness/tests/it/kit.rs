//! What a failure leaves, seen from outside: the folder, running it again, dumps and debuggers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use kassay::vm::qmp::Qmp;
use object::elf::ET_CORE;
use object::read::elf::FileHeader;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::checkout::{Checkout, Ended, LOOP, Machine};

tests! {
    plain:
        a_debugger_takes_one_case;
    qemu:
        every_verdict_but_a_pass_leaves_what_there_is,
        the_kernel_log_and_the_trace_are_files,
        what_was_never_built_leaves_its_reason,
        a_case_that_is_run_again_is_the_one_that_failed,
        another_end_than_the_kept_one_is_said,
        what_cannot_be_run_again_says_why,
        each_failure_leaves_a_dump_where_one_is_asked_for,
        without_a_failure_or_a_wish_there_is_no_dump,
        a_machine_for_a_debugger_stands_still_until_ctrl_c;
}

/// Where the one case of a checkout leaves its failure.
const KIT: &str = "target/kassay/distro/broken";

/// A checkout whose case `broken` has failed, and how it did.
fn failed(provoke: &str, args: &[&str]) -> (Checkout, Ended) {
    let checkout = Checkout::broken(provoke);
    // What never ends needs no more time than it takes to get there.
    let timeout = if provoke == LOOP { "5" } else { "60" };
    let ended = checkout.run(&[&["broken", "--timeout", timeout], args].concat());
    (checkout, ended)
}

/// The verdict and title of the one JSON line.
fn verdict(ended: &Ended) -> (String, String) {
    let object = &ended.objects()[0];
    let text = |key: &str| object[key].as_str().unwrap().to_owned();
    (text("verdict"), text("title"))
}

/// Whether a file is an ELF core that has the kernel at its virtual addresses.
fn is_core(path: &Path) -> bool {
    let Ok(data) = fs::read(path) else {
        return false;
    };
    let header = object::elf::FileHeader64::<object::LittleEndian>::parse(&*data).unwrap();
    let segments = header
        .program_headers(object::LittleEndian, &*data)
        .unwrap();
    let is_text = |segment: &object::elf::ProgramHeader64<object::LittleEndian>| {
        let address = segment.p_vaddr.get(object::LittleEndian);
        (0xffff_ffff_8000_0000..0xffff_ffff_c000_0000).contains(&address)
    };
    header.e_type.get(object::LittleEndian) == ET_CORE && segments.iter().any(is_text)
}

fn every_verdict_but_a_pass_leaves_what_there_is() {
    let always = "reason console command plan.json case.json broken.toml initramfs.cpio \
                  share/plan.json share/modules/broken.ko";
    let complete = "facts.jsonl transcript trace kernel-log";
    let kits = [
        ("mismatch", "return -EINVAL;", complete),
        ("report", "WARN_ON(1);", "report facts.jsonl kernel-log"),
        ("panic", "panic(\"x\");", "report"),
        ("hang", LOOP, ""),
    ];
    for (verdict, provoke, own) in kits {
        let (checkout, ended) = failed(provoke, &[]);
        ended.with(1).says(&format!("{verdict:<9} distro::broken"));
        for name in always.split_whitespace().chain(own.split_whitespace()) {
            let path = checkout.path(KIT).join(name);
            assert!(
                path.metadata().is_ok_and(|file| file.len() > 0),
                "{verdict}: {name}"
            );
        }
    }
}

fn the_kernel_log_and_the_trace_are_files() {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    checkout.run(&["kfunc_sum"]).with(1);
    let log = checkout.artifact("kfunc_sum", "kernel-log");
    assert!(log.contains("] Hello, world!\n"), "{log}");
    let trace = checkout.artifact("kfunc_sum", "trace");
    assert!(trace.contains("Result: 11\n"), "{trace}");
}

fn what_was_never_built_leaves_its_reason() {
    let (checkout, ended) = failed("return nothing;", &[]);
    ended.with(125).says(KIT);
    assert!(checkout.artifact("broken", "reason").contains("undeclared"));
    let again = checkout.kassay(&["repro", KIT]);
    again.with(125).says("nothing was built");
}

fn a_case_that_is_run_again_is_the_one_that_failed() {
    let (checkout, ended) = failed("panic(\"first\");", &["--format", "json"]);
    let first = verdict(ended.with(1));
    assert_eq!(first, ("panic".to_owned(), "panic: first".to_owned()));
    // The repository goes on; the folder does not.
    checkout.edit("modules/broken/broken.c", "first", "second");
    checkout.scenario("broken", "modules = []");
    for args in [&[][..], &["--cold"]] {
        let ended = checkout.kassay(&[&["repro", KIT, "--format", "json"], args].concat());
        assert_eq!(verdict(&ended), first);
        ended.with(1).says("the same as kept: panic: panic: first");
        assert_eq!(ended.objects()[0]["restored"], args.is_empty());
    }
    assert!(
        checkout
            .path(KIT)
            .join("again/share/modules/broken.ko")
            .exists()
    );
    checkout
        .kassay(&["repro", &format!("{KIT}/again")])
        .with(1)
        .says("the same as kept");
}

fn another_end_than_the_kept_one_is_said() {
    let (checkout, ended) = failed("panic(\"x\");", &[]);
    ended.with(1);
    let path = format!("{KIT}/case.json");
    checkout.edit(&path, "panic: x", "panic: y");
    let again = checkout.kassay(&["repro", KIT]);
    again
        .with(1)
        .says("not the same as kept, which was panic: panic: y");
}

fn what_cannot_be_run_again_says_why() {
    let (checkout, ended) = failed("panic(\"x\");", &[]);
    ended.with(1);
    let repro = || checkout.kassay(&["repro", KIT]);
    checkout
        .kassay(&["repro", "modules"])
        .with(2)
        .says("`modules/case.json`");
    let case = fs::read_to_string(checkout.path(KIT).join("case.json")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(case.contains(from), "{case}");
        checkout.write(&format!("{KIT}/case.json"), &case.replace(from, to));
        repro()
    };
    with("/vmlinuz", "/no-vmlinuz")
        .with(125)
        .says("the kernel distro is gone");
    with("\"form\": 2", "\"form\": 99")
        .with(125)
        .says("another version");
    with("\"form\"", "form").with(125).says("parse `");
    checkout.write(&format!("{KIT}/case.json"), &case);
    fs::remove_file(checkout.path(KIT).join("share/modules/broken.ko")).unwrap();
    repro().with(125).says("broken.ko` is missing");
}

fn each_failure_leaves_a_dump_where_one_is_asked_for() {
    for (verdict, provoke) in [
        ("panic", "panic(\"x\");"),
        ("hang", LOOP),
        ("mismatch", "return -EINVAL;"),
    ] {
        let (checkout, ended) = failed(provoke, &["--keep-dump"]);
        ended.with(1).says(&format!("{verdict:<9} distro::broken"));
        assert!(
            is_core(&checkout.path(KIT).join("dump")),
            "{verdict}: {ended:?}"
        );
    }
}

fn without_a_failure_or_a_wish_there_is_no_dump() {
    let (checkout, ended) = failed("panic(\"x\");", &[]);
    ended.with(1);
    let dump = checkout.path(KIT).join("dump");
    assert!(!dump.exists());
    checkout.run(&["kfunc_sum", "--keep-dump"]).with(0);
    assert!(!checkout.path("target/kassay/distro/kfunc_sum").exists());
    checkout.kassay(&["repro", KIT, "--keep-dump"]).with(1);
    assert!(!dump.exists() && is_core(&checkout.path(KIT).join("again/dump")));
}

fn a_machine_for_a_debugger_stands_still_until_ctrl_c() {
    let checkout = Checkout::new();
    let mut command = checkout.command(&["run", "--kernel", "distro", "kfunc_sum", "--gdb"]);
    let mut kassay = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(kassay.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("gdb "));
    let machine = Machine::of(&kassay).unwrap();
    let script = machine.directory.join("attach.py");
    assert!(
        line.unwrap()
            .ends_with(&format!(" -x {}", script.display()))
    );
    assert!(fs::read_to_string(script).unwrap().contains("kfunc_sum.ko"));
    let mut qmp = Qmp::connect(&machine.directory.join("orders.sock"), None).unwrap();
    let status = qmp.execute("query-status", json!({})).unwrap();
    assert_eq!(status["status"], "paused");
    drop(qmp);
    kill_process(Pid::from_child(&kassay), Signal::INT).unwrap();
    assert_eq!(kassay.wait().unwrap().code(), Some(130));
    machine.ends();
    assert!(!machine.directory.exists());
}

fn a_debugger_takes_one_case() {
    let ended = Checkout::new().run(&["kfunc_s", "--gdb"]);
    ended
        .with(2)
        .says("`--gdb` takes one case, and 2 were chosen");
}
