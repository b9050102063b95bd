//! Logs in `logs/` are of 6.12, built here with and without the debug fragments
//! or the distribution's: each of a module that does one thing wrong when it is
//! inserted. Registers and the callers that all have in common are left out. One of arm64 is of
//! Debian 13's 6.12.

use super::*;

fn titles(log: &str) -> Vec<String> {
    find(log).into_iter().map(|report| report.title).collect()
}

/// Texts behind which a stack with this function stands.
fn with_stack(text: &str, function: &str) -> String {
    format!(
        "{text}\nCall Trace:\n <TASK>\n dump_stack_lvl+0x1/0x2\n {function}+0x1/0x2 [m]\n </TASK>"
    )
}

/// The only title of a text with a stack.
#[track_caller]
fn title_of(text: &str) -> String {
    let titles = titles(&with_stack(text, "f"));
    assert_eq!(titles.len(), 1, "{titles:?}");
    titles[0].clone()
}

#[test]
fn an_init_that_returns_a_number_is_a_report_of_its_module() {
    let text = "do_init_module: 'm'->init suspiciously returned 1, it should follow 0/-E convention\n\
                do_init_module: loading module anyway...";
    let title = "init returned more than 0 in m";
    assert_eq!(title_of(text), title);
    let new = "m: init suspiciously returned 1, it should follow 0/-E convention";
    assert_eq!(titles(new), [title]);
}

macro_rules! logs {
    ($($name:ident $file:literal: $kind:ident $($title:literal),+;)+) => {
        $(
            #[test]
            fn $name() {
                let reports = find(include_str!(concat!("logs/", $file, ".log")));
                let titles: Vec<&str> = reports.iter().map(|report| &*report.title).collect();
                assert_eq!(titles, [$($title),+]);
                assert_eq!(reports[0].kind, Kind::$kind);
            }
        )+
    };
}

logs! {
    a_warning "warning-text": Report "WARNING in kfunc_warn";
    two_warnings "warning-twice": Report "WARNING in kfunc_warn", "WARNING in kfunc_two";
    a_bug "bug": Panic "kernel BUG in kfunc_bug";
    a_call_of_null "null-call": Panic "BUG: unable to handle kernel NULL pointer dereference in kfunc_null";
    a_page_fault "page-fault": Panic "BUG: unable to handle page fault in kfunc_fault";
    a_page_fault_of_arm64 "arm64-page-fault": Panic
        "BUG: unable to handle page fault in filesystems_proc_show";
    a_hung_task_of_s390x "s390x-hung-task": Stall "INFO: task hung in zoo_hung_task";
    a_general_protection_fault "general-protection": Panic "general protection fault in kfunc_gpf";
    a_null_dereference_with_kasan "kasan-null": Panic
        "BUG: unable to handle kernel NULL pointer dereference in kfunc_null";
    a_division_by_zero "divide-error": Panic "divide error in kfunc_div";
    a_panic "panic": Panic "panic: the module panics on purpose, number";
    a_smashed_stack "stack-protector": Panic "stack corruption in kfunc_smash";
    a_stack_overflow "stack-guard": Panic "BUG: stack guard page was hit in kfunc_deep";
    a_list_that_a_warning_tells_of "list-add": Report "list_add corruption in kfunc_list";
    a_list_that_a_bug_tells_of "list-del": Panic "list_del corruption in kfunc_list";
    a_count_below_zero "refcount": Report "refcount_t: underflow; use-after-free in kfunc_ref";
    a_bad_page "bad-page": Report "BUG: Bad page state in z_init";
    a_slab_object "slub": Report
        "BUG kassay_cache: Object corrupt in kfunc_slub",
        "BUG kassay_cache: Objects remaining on __kmem_cache_shutdown() in z_init",
        "WARNING in z_init";
    kasan_reads "kasan-read": Report "KASAN: slab-out-of-bounds Read in kfunc_oob";
    kasan_writes "kasan-write": Report "KASAN: slab-out-of-bounds Write in kfunc_oob";
    kasan_after_free "kasan-use-after-free": Report "KASAN: slab-use-after-free Read in kfunc_uaf";
    kasan_frees_twice "kasan-double-free": Report "KASAN: double-free in kfunc_dfree";
    ubsan_index "ubsan": Report "UBSAN: array-index-out-of-bounds in kfunc_index";
    locks_in_a_circle "circular-lock": Report "possible deadlock in kfunc_ba";
    a_lock_that_is_held_already "recursive-lock": Report "possible deadlock in kfunc_lock";
    a_lock_and_interrupts "inconsistent-lock": Report "inconsistent lock state in kfunc_irq";
    a_lock_that_is_not_held "bad-unlock": Report
        "WARNING: bad unlock balance in kfunc_unlock",
        "WARNING in do_one_initcall";
    a_lock_that_may_sleep "wait-context": Report "BUG: Invalid wait context in kfunc_wait";
    a_lock_that_is_freed "held-lock-freed": Report "WARNING: held lock freed in kfunc_free";
    rcu_without_a_lock "suspicious-rcu": Report "WARNING: suspicious RCU usage in kfunc_rcu";
    a_schedule_under_a_lock "scheduling-while-atomic": Report
        "BUG: scheduling while atomic in kfunc_sleep",
        "WARNING in do_one_initcall";
    a_sleep_under_a_lock "sleeping": Report
        "BUG: sleeping function called from invalid context in kfunc_sleep",
        "BUG: Invalid wait context in kfunc_sleep";
    a_loop "soft-lockup": Stall "BUG: soft lockup in kfunc_loop";
    no_memory "out-of-memory": OutOfMemory "Out of memory";
}

#[test]
fn what_tells_of_coverage_is_not_what_a_stall_is_about() {
    let text = "watchdog: BUG: soft lockup - CPU#0 stuck for 5s! [a:1]\n\
                RIP: 0010:__sanitizer_cov_trace_pc+0x1/0x70\nCall Trace:\n <TASK>\n \
                f+0x61/0xa0 [m]\n </TASK>";
    assert_eq!(titles(text), ["BUG: soft lockup in f"]);
}

#[test]
fn objects_that_remain_have_the_title_of_newer_kernels() {
    let old = "BUG c (Tainted: G OE ): Objects remaining in c on __kmem_cache_shutdown()";
    let title = "BUG c: Objects remaining on __kmem_cache_shutdown() in f";
    assert_eq!(title_of(old), title);
}

#[test]
fn how_long_a_list_before_the_stack_is_does_not_change_a_title() {
    let items = [
        "Object 0x0000000083ec0d59 @offset=32",
        "Object   0000000083ec0d59: 6b 6b",
    ];
    for item in items {
        let text = |count: usize| {
            let list = format!("{item}\n").repeat(count);
            with_stack(
                &format!("BUG c (Tainted: G OE ): Object corrupt\n{list}"),
                "f",
            )
        };
        let title = "BUG c: Object corrupt in f";
        assert_eq!(titles(&format!("{}\n{}", text(1), text(256))), [title]);
        assert_eq!(brief(&text(256)), [title]);
        let kept = &find(&text(256))[0].text;
        assert_eq!(kept.matches(item).count(), ITEMS);
        assert!(kept.ends_with("</TASK>"), "{kept}");
    }
}

/// Titles of reports that a stack in `f` follows, by the formats of 6.11.
#[test]
fn what_a_stack_follows() {
    let cases = [
        (
            "rcu: INFO: rcu_sched self-detected stall on CPU",
            "INFO: rcu detected stall in f",
        ),
        (
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "INFO: rcu detected stall in f",
        ),
        (
            "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 0-...D } 21 jiffies s: 5 root: 0x1/.",
            "INFO: rcu detected stall in f",
        ),
        (
            "INFO: rcu_tasks detected stalls on tasks:",
            "INFO: rcu detected stall in f",
        ),
        (
            "INFO: task rmmod:81 blocked for more than 20 seconds.",
            "INFO: task hung in f",
        ),
        (
            "watchdog: Watchdog detected hard LOCKUP on cpu 3",
            "BUG: hard lockup in f",
        ),
        (
            "NMI watchdog: Watchdog detected hard LOCKUP on cpu 3",
            "BUG: hard lockup in f",
        ),
        (
            "WARNING: possible irq lock inversion dependency detected",
            "possible deadlock in f",
        ),
        (
            "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
            "possible deadlock in f",
        ),
        (
            "INFO: trying to register non-static key.",
            "INFO: trying to register non-static key in f",
        ),
        (
            "BUG: spinlock bad magic on CPU#0, insmod/37",
            "BUG: spinlock bad magic in f",
        ),
        (
            "BUG: using smp_processor_id() in preemptible [00000000] code: insmod/37",
            "BUG: using smp_processor_id() in preemptible in f",
        ),
        (
            "BUG kmalloc-rnd-05-64 (Not tainted): Right Redzone overwritten",
            "BUG kmalloc-64: Right Redzone overwritten in f",
        ),
        (
            "BUG: KASAN: null-ptr-deref in strlen+0x1/0x2\nRead of size 1 at addr 0000000000000000 by task a/1",
            "KASAN: null-ptr-deref Read in f",
        ),
        (
            "BUG: KFENCE: use-after-free read in f+0x1/0x2",
            "KFENCE: use-after-free read in f",
        ),
        (
            "BUG: KCSAN: data-race in f / g",
            "KCSAN: data-race in f / g",
        ),
        (
            "BUG: KCSAN: data-race in f+0x1/0x2 / g.isra.0+0x3/0x4",
            "KCSAN: data-race in f / g",
        ),
        (
            "UBSAN: shift-out-of-bounds in m.c:5:14",
            "UBSAN: shift-out-of-bounds in f",
        ),
        ("PANIC: double fault, error_code: 0x0", "double fault in f"),
        ("Oops: Oops: 0002 [#1] PREEMPT SMP", "Oops in f"),
        // Before 6.10.
        (
            "invalid opcode: 0000 [#1] PREEMPT SMP PTI",
            "invalid opcode in f",
        ),
        (
            "general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
            "general protection fault in f",
        ),
        // Since 6.18.
        (
            "WARNING: m.c:5 at f+0x1/0x2 [m], CPU#0: insmod/37",
            "WARNING in f",
        ),
    ];
    for (text, title) in cases {
        assert_eq!(title_of(text), title);
    }
}

#[test]
fn what_stands_in_one_line() {
    let cases = [
        (
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
            "panic: Attempted to kill init!",
        ),
        (
            "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            "panic: VFS: Unable to mount root fs",
        ),
        (
            "Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled",
            "Out of memory",
        ),
        (
            "Kernel panic - not syncing: System is deadlocked on memory",
            "Out of memory",
        ),
        (
            "Memory cgroup out of memory: Killed process 81 (a) total-vm:1kB",
            "Memory cgroup out of memory",
        ),
        (
            "unregister_netdevice: waiting for kassay-rx to become free. Usage count = 2",
            "unregister_netdevice: waiting for DEV to become free",
        ),
        (
            "missing module BTF, cannot register kfuncs",
            "BPF: missing module BTF",
        ),
        (
            "failed to validate module [m] BTF: -22",
            "BPF: failed to validate BTF",
        ),
        (
            "Kernel module BTF mismatch detected, BTF debug info may be unavailable for some modules",
            "BPF: failed to validate BTF",
        ),
        ("verifier backtracking bug", "verifier backtracking bug"),
        (
            "verifier bug: REG INVARIANTS VIOLATION (false_reg1): range bounds violation",
            "verifier bug: REG INVARIANTS VIOLATION",
        ),
        (
            "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "memory leak",
        ),
        (
            "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
            "BUG: workqueue lockup",
        ),
        (
            "BUG: MAX_LOCKDEP_CHAINS too low!",
            "BUG: MAX_LOCKDEP_CHAINS too low!",
        ),
        ("------------[ cut here ]------------", "unknown report"),
    ];
    for (text, title) in cases {
        assert_eq!(titles(text), [title]);
    }
}

#[test]
fn invalid_btf_is_one_report() {
    let log = "BPF: [115] FUNC f\nBPF: type_id=114\nBPF: \nBPF: Invalid name\nfailed to validate module [m] BTF: -22";
    assert_eq!(titles(log), ["BPF: failed to validate BTF"]);
    assert_eq!(brief(log), ["BPF: failed to validate BTF"; 2]);
}

#[test]
fn memory_that_nothing_points_to_has_a_place() {
    let log = "unreferenced object 0xffff888003a1c700 (size 64):\n  comm \"insmod\", pid 37, jiffies 4294893000\n  \
               backtrace (crc 0):\n    [<ffffffff811f6f7a>] __kmalloc_cache_noprof+0x1/0x2\n    \
               [<ffffffffa0002012>] f+0x12/0x20 [m]\nother";
    assert_eq!(titles(log), ["memory leak in f"]);
    assert_eq!(brief(log), ["memory leak in f", "other"]);
}

#[test]
fn memory_is_lost_by_the_module_that_had_it_allocated() {
    let frames = "    kmemleak_alloc+0x1/0x2\n    kstrdup+0x1/0x2\n    f+0x1/0x2 [m]\n    g+0x1/0x2 [m]\n    h+0x1/0x2";
    let object = |frames: &str| {
        let who = "  comm \"a\", pid 1, jiffies 1\n  backtrace (crc 0):";
        titles(&format!(
            "unreferenced object 0xff11 (size 8):\n{who}\n{frames}\n"
        ))
    };
    assert_eq!(object(frames), ["memory leak in f"]);
    assert_eq!(
        object(&frames.replace(" [m]", "")),
        ["memory leak in kstrdup"]
    );
}

#[test]
fn what_a_kernel_or_a_module_says_in_passing_is_no_report() {
    let quiet = "Linux version 6.11\n\
        rcu: Hierarchical RCU implementation.\n\
        NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.\n\
        clocksource: timekeeping watchdog on CPU0: Marking clocksource 'tsc' as unstable\n\
        Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on!\n\
        WARNING: kernel not compiled with MITIGATION_SRSO.\n\
        WARNING: 'bootconfig' found on the kernel command line but CONFIG_BOOT_CONFIG is not set.\n\
        kmemleak: Kernel memory leak detector initialized (mem pool available: 15683)\n\
        kasan: KernelAddressSanitizer initialized\n\
        INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.234 msecs\n\
        INFO: lockdep is turned off.\n\
        panic: x\n\
        a[70] general protection fault ip:401000 sp:7ffc0 error:0 in a[401000+1000]\n\
        the test says BUG: 5\n\
        Oops, said the module\n\
        m: refcount_t: none";
    assert_eq!(titles(quiet), [""; 0]);
}

#[test]
fn who_was_there_when_something_left_was_found_is_chance() {
    let title = |text: &str, frames: &str| {
        let stack = format!("Call Trace:\n <TASK>\n schedule+0x1/0x2\n {frames}\n </TASK>");
        titles(&format!("{text}\n{stack}"))
    };
    for (text, words) in [
        (
            "BUG: scheduling while atomic: a/1/0x00000002",
            "BUG: scheduling while atomic",
        ),
        (
            "BUG: sleeping function called from invalid context at m.c:5",
            "BUG: sleeping function called from invalid context",
        ),
    ] {
        assert_eq!(title(text, "do_wait+0x1/0x2"), [words]);
        assert_eq!(
            title(text, "f+0x1/0x2\n g+0x1/0x2 [m]"),
            [format!("{words} in f")]
        );
        let program = title(text, "f+0x1/0x2\n bpf_prog_0123_g+0x1/0x2");
        assert_eq!(program, [format!("{words} in f")]);
    }
}

#[test]
fn a_panic_belongs_to_what_it_is_for() {
    let warning = with_stack("WARNING: CPU: 0 PID: 1 at m.c:5 f+0x1/0x2 [m]", "f");
    let log = |reason: &str| format!("{warning}\nKernel panic - not syncing: {reason}");
    let reports = find(&log("kernel: panic_on_warn set ..."));
    assert_eq!(reports.len(), 1);
    assert_eq!(
        (reports[0].kind, &*reports[0].title),
        (Kind::Panic, "WARNING in f")
    );
    assert_eq!(titles(&log("another")), ["WARNING in f", "panic: another"]);
}

#[test]
fn two_stalls_have_the_same_title_in_any_order() {
    let soft = with_stack(
        "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [a:1]",
        "f",
    );
    let rcu = with_stack("rcu: INFO: rcu_sched self-detected stall on CPU", "f");
    for log in [format!("{soft}\n{rcu}"), format!("{rcu}\n{soft}")] {
        assert_eq!(titles(&log), ["BUG: soft lockup in f"]);
    }
}

#[test]
fn a_stall_is_not_named_by_the_interrupt_that_noticed_it() {
    let log = "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n\
               RIP: 0010:_raw_spin_unlock_irq+0x15/0x30\nCall Trace:\n <IRQ>\n \
               __run_timers+0x1e6/0x280\n handle_softirqs+0xd0/0x2c0\n </IRQ>\n <TASK>\n\
               RIP: 0010:f+0x16/0x20 [m]\n </TASK>\n";
    assert_eq!(titles(log), ["INFO: rcu detected stall in f"]);
}

#[test]
fn a_stall_that_the_kernel_stops_for_stays_a_stall() {
    let soft = with_stack("watchdog: BUG: soft lockup - CPU#0 stuck for 22s!", "f");
    let log = format!("{soft}\nKernel panic - not syncing: softlockup: hung tasks\n");
    let reports = find(&log);
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].kind, reports[0].stops), (Kind::Stall, true));
    assert!(!find(&soft)[0].stops);
}

#[test]
fn an_rcu_stall_without_a_stack_has_the_place_of_the_panic() {
    let stall = "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n\
                 rcu: \tTasks blocked on level-0 rcu_node (CPUs 0-0): P132";
    let log = |reason: &str| {
        let panic = format!("Kernel panic - not syncing: {reason}");
        format!("{stall}\n{}", with_stack(&panic, "f"))
    };
    let reports = find(&log("RCU Stall"));
    assert_eq!(reports.len(), 1);
    assert_eq!(
        (reports[0].kind, &*reports[0].title),
        (Kind::Stall, "INFO: rcu detected stall in f")
    );
    let other = titles(&log("hung_task: blocked tasks"));
    assert_eq!(other, ["INFO: rcu detected stall"]);
}

#[test]
fn a_deadlock_that_hangs_for_long_stays_a_possible_one() {
    let lock = with_stack("WARNING: possible recursive locking detected", "f");
    let hung = with_stack("INFO: task a:1 blocked for more than 20 seconds.", "f");
    let log = format!("{lock}\n{hung}\n{hung}");
    assert_eq!(titles(&log), ["possible deadlock in f"]);
    let stopped = format!("{log}\nKernel panic - not syncing: hung_task: blocked tasks");
    let report = &find(&stopped)[0];
    assert_eq!((report.kind, report.stops), (Kind::Report, true));
}

#[test]
fn a_report_without_a_stack_does_not_take_that_of_another() {
    let log = with_stack(
        "BUG: corrupt table\nother\nBUG: scheduling while atomic: a/1/2",
        "f",
    );
    assert_eq!(
        titles(&log),
        ["BUG: corrupt table", "BUG: scheduling while atomic in f"]
    );
    let rule = "=".repeat(66);
    let log = with_stack(
        &format!("BUG: KASAN: x in g+0x1/0x2\n{rule}\nBUG: bad thing"),
        "f",
    );
    assert_eq!(titles(&log), ["KASAN: x in g", "BUG: bad thing in f"]);
}

#[test]
fn lines_of_another_cpu_are_not_part_of_it() {
    let log = "[    1.000000][    T1] WARNING: CPU: 0 PID: 1 at m.c:5 f+0x1/0x2\n\
               [    1.000001][   C1]  g+0x1/0x2\n\
               [    1.000002][    T1] RIP: 0010:f+0x1/0x2\n\
               [    1.000003][    T1] ---[ end trace 0000000000000000 ]---";
    assert_eq!(titles(log), ["WARNING in f"]);
    assert!(!find(log)[0].text.contains("g+0x1"));
    assert_eq!(brief(log).len(), 2);
}

#[test]
fn a_report_is_kept_from_its_first_line_to_its_last() {
    let log = include_str!("logs/warning-text.log");
    let text = &find(log)[0].text;
    assert!(text.starts_with(CUT), "{text}");
    assert!(text.contains("the number is 5"), "{text}");
    assert!(
        text.ends_with("---[ end trace 0000000000000000 ]---"),
        "{text}"
    );
}

#[test]
fn a_long_report_is_cut() {
    let log = format!(
        "Oops: Oops: 0000 [#1]\n{}",
        " f+0x1/0x2\n".repeat(2 * LINES)
    );
    assert_eq!(find(&log)[0].text.lines().count(), LINES);
}

#[test]
fn a_brief_log_has_titles_for_reports() {
    let log = "before\n------------[ cut here ]------------\nx\nWARNING: CPU: 0 PID: 1 at m.c:5 f+0x1/0x2\n\
               RIP: 0010:f+0x1/0x2\n---[ end trace 0000000000000000 ]---\nafter";
    assert_eq!(brief(log), ["before", "WARNING in f", "after"]);
    assert_eq!(brief("only\nthis"), ["only", "this"]);
}

#[test]
fn a_title_has_no_address_and_nothing_that_a_terminal_obeys() {
    let title = |log: &str| find(log)[0].title.clone();
    assert_eq!(
        title("refcount_t: a\x1b[2J\rb 0xffff88;"),
        "refcount_t: a [2J b ADDR;"
    );
    assert_eq!(title("Oops: 0x12: 0000 [#1]"), "ADDR");
    assert_eq!(
        title("BUG: KASAN: x ffffffff81000000 in f+0x1/0x2"),
        "KASAN: x ADDR in f"
    );
    assert_eq!(title(&format!("BUG: {}", "ab ".repeat(1 << 20))).len(), 300);
}

#[test]
fn each_of_the_reports_in_one_line_is_in_the_transcript() {
    let log = "a[    1.000000] BUG: b[    2.000000] c[    3.000000] BUG: d\ne";
    assert_eq!(brief(log), ["a", "BUG: b", "c", "BUG: d", "e"]);
}

/// A number without digits.
fn letters(number: usize) -> String {
    let letter = |digit: char| char::from_digit(digit.to_digit(10).unwrap() + 10, 20).unwrap();
    number.to_string().chars().map(letter).collect()
}

/// Text of which a search that is not linear takes minutes.
#[test]
fn a_long_log_takes_no_longer_than_it_has_to() {
    let many = 1 << 19;
    assert_eq!(find(&"[".repeat(2 * many)), []);
    assert_eq!(find(&(" ".repeat(many) + &"[".repeat(many))), []);
    let each = |line: fn(usize) -> String| {
        let log: String = (0..1 << 16).map(line).collect();
        find(&log).len()
    };
    // Each with a caller, or a title, of its own.
    assert_eq!(each(|at| format!("[1.0][T{at}] BUG: a\n")), 1);
    assert_eq!(each(|at| format!("BUG: {}\n", letters(at))), MOST);
}

#[test]
fn the_gravest_report_counts_however_many_there_are() {
    let bugs: String = (0..2 * MOST)
        .map(|at| format!("BUG: {}\n", "a".repeat(at)))
        .collect();
    let reports = find(&format!("{bugs}Kernel panic - not syncing: x\n"));
    assert_eq!(reports.len(), MOST + 1);
    assert_eq!(reports[MOST].title, "panic: x");
}
