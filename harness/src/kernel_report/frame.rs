//! Functions on a stack, and which of them a report is about.

/// What puts a function into a report without being what it is about, by the
/// beginning of its name: what reports, what is entered when the CPU traps, and
/// what does as its caller told it (locks, sleep, memory).
const MACHINERY: &[&str] = &[
    // Reporting.
    "__fortify_",
    "__stack_chk_fail",
    "__warn",
    "_printk",
    "arch_trigger_cpumask_backtrace",
    "copy_overflow",
    "debug_check_no_obj_freed",
    "debug_print_object",
    "die_",
    "dump_stack",
    "fortify_",
    "handle_bug",
    "nmi_cpu_backtrace",
    "nmi_panic",
    "nmi_trigger",
    "oops_",
    "panic_",
    "print_",
    "report_bug",
    "show_",
    "usercopy_abort",
    "vpanic",
    "vprintk",
    "warn_slowpath",
    // Sanitizers.
    "__asan_",
    "__kasan_",
    "__kcsan_",
    "__sanitizer_cov_",
    "__tsan_",
    "__ubsan_",
    "kasan_",
    "kcsan_",
    "kfence_",
    "kmemleak_",
    "ubsan_",
    // Checks of lists and counts.
    "__list_add_valid",
    "__list_del_entry_valid",
    "refcount_",
    // Traps and interrupts.
    "__bad_area",
    "__sysvec_",
    "asm_exc_",
    "asm_sysvec_",
    "bad_area",
    "do_IRQ",
    "do_error_trap",
    "do_ext_irq",
    "do_io_irq",
    "do_irq_async",
    "do_trap",
    "do_user_addr_fault",
    "exc_",
    "ext_int_handler",
    "io_int_handler",
    "kernelmode_fixup_or_oops",
    "page_fault_oops",
    "sysvec_",
    // What notices a stall.
    "__hrtimer_run_queues",
    "hrtimer_interrupt",
    "rcu_check_gp",
    "rcu_dump_cpu_stacks",
    "rcu_sched_clock_irq",
    "tick_",
    "trigger_",
    "update_process_times",
    "watchdog_",
    // lockdep and the locks.
    "__down_",
    "__lock_acquire",
    "__lock_release",
    "__mutex_",
    "__rt_mutex_",
    "__rwlock",
    "__up_",
    "_raw_",
    "check_chain_key",
    "check_deadlock",
    "check_irq_usage",
    "check_noncircular",
    "check_preemption_disabled",
    "check_prev",
    "check_wait_context",
    "debug_check_no_locks",
    "debug_smp_processor_id",
    "do_raw_",
    "down_",
    "lock_acquire",
    "lock_release",
    "lockdep_",
    "mark_lock",
    "mutex_",
    "native_queued_",
    "queued_",
    "rt_mutex_",
    "rt_spin_",
    "rwsem_",
    "spin_bug",
    "spin_dump",
    "up_read",
    "up_write",
    "validate_chain",
    // Sleeping and waiting.
    "__cond_resched",
    "__delay",
    "__const_udelay",
    "__might_",
    "__schedule",
    "__switch_to",
    "__udelay",
    "__wait_for_common",
    "__wait_rcu_gp",
    "delay_",
    "do_nanosleep",
    "do_wait_for_common",
    "hrtimer_nanosleep",
    "io_schedule",
    "msleep",
    "preempt_schedule",
    "schedule",
    "synchronize_",
    "usleep_range",
    "wait_for_",
    // Memory.
    "___kmalloc",
    "___slab_",
    "__alloc_",
    "__check_heap_object",
    "__check_object_size",
    "__do_kmalloc",
    "__free_",
    "__kfree",
    "__kmalloc",
    "__kmem_cache_",
    "__kvmalloc",
    "__slab_",
    "__vmalloc",
    "alloc_debug_processing",
    "alloc_pages",
    "allocate_slab",
    "bad_page",
    "check_bytes_and_report",
    "check_object",
    "check_slab",
    "execmem_",
    "free_debug_processing",
    "free_frozen_page",
    "free_large_kmalloc",
    "free_mod_mem",
    "free_page",
    "free_to_partial_list",
    "free_unref_page",
    "get_page_from_freelist",
    "kfree",
    "kmalloc",
    "kmem_cache_",
    "krealloc",
    "kvfree",
    "kvmalloc",
    "module_memfree",
    "new_slab",
    "object_err",
    "pcpu_alloc",
    "post_alloc_hook",
    "prep_new_page",
    "remove_vm_area",
    "slab_",
    "vfree",
    "vmalloc",
];

/// The same, by whole names: short ones that others begin with.
const EXACT: &[&str] = &[
    "_copy_from_user",
    "_copy_to_user",
    "__die",
    "__memcpy",
    "__memmove",
    "__memset",
    "die",
    "memchr",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "panic",
    "sized_strscpy",
    "strcat",
    "strchr",
    "strcmp",
    "strcpy",
    "strlen",
    "strncmp",
    "strncpy",
    "strnlen",
    "strnstr",
    "strscpy",
    "strstr",
];

/// What runs timers and callbacks after an interrupt (kernel/softirq.c, kernel/time/timer.c and
/// kernel/rcu/tree.c, 6.1 to 7.2). On a busy host ticks come in a row, and the one that notices a
/// stall comes upon these, not upon what is stalled.
const AFTER_INTERRUPTS: &[&str] = &[
    "__do_softirq",
    "__irq_exit_rcu",
    "__run_timer",
    "call_timer_fn",
    "expire_timers",
    "handle_softirqs",
    "irq_exit_rcu",
    "rcu_core",
    "run_timer_",
];

/// The function that is stalled: as [`culprit`], but not what only an interrupt has started.
pub fn stalled(report: &[&str]) -> Option<String> {
    let is_passing = |name: &str| AFTER_INTERRUPTS.iter().any(|start| name.starts_with(start));
    first(report, |name| !is_machinery(name) && !is_passing(name)).or_else(|| culprit(report))
}

/// The function that a report is about: the first on its stack that is not
/// machinery.
pub fn culprit(report: &[&str]) -> Option<String> {
    // lockdep shows the stacks of earlier acquisitions before its own.
    let own = report.iter().position(|line| *line == "stack backtrace:");
    first(&report[own.unwrap_or(0)..], |name| !is_machinery(name))
}

/// The first function of a report that is one of these.
fn first(report: &[&str], is_one: impl Fn(&str) -> bool) -> Option<String> {
    let mut names = report.iter().filter_map(|line| function(line)).map(bare);
    names.find(|name| is_one(name)).map(str::to_owned)
}

/// The function that has lost the memory which was allocated on a stack: of a module the
/// last, whatever it called to have it allocated.
pub fn allocator(stack: &[&str]) -> Option<String> {
    let mut frames = stack.iter().filter(|line| line.ends_with(']'));
    let name = frames.find_map(|line| function(line)).map(bare);
    name.map_or_else(|| culprit(stack), |name| Some(name.to_owned()))
}

/// Whether a line is a frame of a module or a BPF program.
pub fn is_of_others(line: &str) -> bool {
    function(line).is_some_and(|name| line.ends_with(']') || name.starts_with("bpf_prog_"))
}

/// The function of `RIP: 0010:NAME+0x1/0x2`, of arm64's `pc : NAME+0x1/0x2`, or of
/// ` NAME+0x1/0x2 [MODULE]`. What stands behind a question mark only lay on the stack.
fn function(line: &str) -> Option<&str> {
    let line = match line.split_once("RIP: ") {
        Some((_, rest)) => rest.split_once(':')?.1,
        None => line.strip_prefix("pc : ").unwrap_or(line.trim_start()),
    };
    place(without_address(line).split(' ').next()?)
}

/// Whether a line is a frame, in parentheses where s390x shows where one was entered.
pub fn is_frame(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches('(');
    let word = without_address(line).split(' ').next().unwrap_or_default();
    place(word.trim_end_matches(')')).is_some()
}

/// A frame without the address in front, which kmemleak and kernels before 4.10 show as well.
pub fn without_address(frame: &str) -> &str {
    let rest = frame
        .strip_prefix("[<")
        .and_then(|rest| rest.split_once(">] "));
    rest.map_or(frame, |(_, frame)| frame)
}

/// The function of `NAME+0x1/0x2`.
pub fn place(word: &str) -> Option<&str> {
    let (name, offset) = word.split_once("+0x")?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.$".contains(letter);
    (!name.is_empty() && name.chars().all(plain) && offset.contains("/0x")).then_some(name)
}

/// A function's name without what the compiler adds to parts and copies of it,
/// such as `.constprop.0`.
pub fn bare(name: &str) -> &str {
    name.split_once('.').map_or(name, |(name, _)| name)
}

/// Whether a function is one of the machinery that reports go through, and never the culprit.
pub fn is_machinery(name: &str) -> bool {
    EXACT.contains(&name) || MACHINERY.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_names_its_function() {
        assert_eq!(function(" f+0x1/0x2 [m]"), Some("f"));
        assert_eq!(function("RIP: 0010:f+0x1/0x2"), Some("f"));
        assert_eq!(function("pc : f+0x1/0x2 [m]"), Some("f"));
        assert_eq!(function("lr : f+0x1/0x2 [m]"), None);
        assert_eq!(function("    [<ffffffff81000000>] f+0x1/0x2"), Some("f"));
    }

    #[test]
    fn a_frame_of_each_processor_is_one() {
        for line in [
            " f+0x1/0x2 [m]",
            " [<000003ff60002058>] f+0x1/0x2 [m] ",
            "([<000003ffe01d05a0>] f+0x1/0x2)",
        ] {
            assert!(is_frame(line), "{line}");
        }
        assert!(!is_frame("Last Breaking-Event-Address:") && !is_frame(" <TASK>"));
    }

    #[test]
    fn what_is_no_frame_names_none() {
        for line in [
            " ? f+0x1/0x2",
            "RIP: 0033:0x7f0011223344",
            " <TASK>",
            "a+0x1",
            "R10: 0000",
        ] {
            assert_eq!(function(line), None, "{line}");
        }
    }

    #[test]
    fn the_culprit_is_no_machinery_and_no_copy() {
        let stack = [
            "RIP: 0010:refcount_warn_saturate+0x1/0x2",
            " kfree+0x1/0x2",
            " f.cold+0x1/0x2",
        ];
        assert_eq!(culprit(&stack).as_deref(), Some("f"));
        assert_eq!(culprit(&["Call Trace:", " strlen+0x1/0x2"]), None);
    }

    #[test]
    fn what_is_stalled_is_not_what_an_interrupt_began() {
        let stack = [
            "RIP: 0010:_raw_spin_unlock_irq+0x1/0x2",
            " <IRQ>",
            " __run_timers+0x1/0x2",
            " handle_softirqs+0x1/0x2",
            " sysvec_apic_timer_interrupt+0x1/0x2",
            " </IRQ>",
            "RIP: 0010:f+0x1/0x2 [m]",
        ];
        assert_eq!(stalled(&stack).as_deref(), Some("f"));
        let of_a_timer = [" g+0x1/0x2 [m]", stack[2], stack[3], stack[6]];
        assert_eq!(stalled(&of_a_timer).as_deref(), Some("g"));
        assert_eq!(stalled(&stack[..5]).as_deref(), Some("__run_timers"));
    }

    #[test]
    fn the_stack_of_a_lock_report_comes_last() {
        let report = [
            "-> #0 (a){+.+.}-{3:3}:",
            " g+0x1/0x2",
            "stack backtrace:",
            " f+0x1/0x2",
        ];
        assert_eq!(culprit(&report).as_deref(), Some("f"));
    }
}
