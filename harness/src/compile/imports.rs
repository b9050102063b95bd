//! What modules take from the kernel, and what that tells of what they may leave in it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use kassay_guest::REGISTER;
use object::{Object, ObjectSymbol, ReadCache};

use super::Artifacts;
use super::module::Module;
use crate::plain;

/// What functions have in their names that have something called later, of which no list of the
/// kernel says whose it is, or that hide what programs print.
const LATER: [&str; 4] = ["timer", "work", "notifier", "tracing_off"];

/// Functions that have the kernel call a module later, and of which nothing tells whether that has
/// ended. Those that end with `*` stand for all that begin so.
const UNSEEN: &[&str] = &[
    "__cpuhp_setup_state*",
    "__mmu_notifier_register",
    "__napi_schedule*",
    "__pci_register_driver",
    "__platform_driver_register",
    "__register_binfmt",
    "__register_nmi_handler",
    "__request_percpu_irq",
    "__tasklet_*",
    "alarm_start*",
    "async_schedule_node*",
    "call_rcu*",
    "call_srcu",
    "cpufreq_add_update_util_hook",
    "dev_add_*",
    "devm_request_*irq",
    "driver_register",
    "genl_register_family",
    "inet6_add_*",
    "inet_add_*",
    "irq_work_queue*",
    "kmsg_dump_register",
    "kthread_queue_delayed_work",
    "mmu_interval_notifier_insert*",
    "mmu_notifier_register",
    "netdev_rx_handler_register",
    "netif_napi_add*",
    "nf_register_*",
    "nft_register_*",
    "percpu_ref_kill_and_confirm",
    "perf_event_create_kernel_counter",
    "perf_pmu_register",
    "platform_device_register*",
    "preempt_notifier_register",
    "proto_register",
    "queue_rcu_work",
    "register_binfmt*",
    "register_console",
    "register_ftrace_export",
    "register_key_type",
    "register_pernet_*",
    "register_qdisc",
    "register_restart_handler",
    "register_shrinker*",
    "register_sys_off_handler",
    "register_sysrq_key",
    "register_tcf_proto_ops",
    "register_trace_event",
    "request_any_context_irq",
    "request_threaded_irq",
    "rtnl_link_register",
    "shrinker_register",
    "smp_call_function*_async",
    "sock_register",
    "task_work_add",
    "tasklet_*",
    "tcf_register_action",
    "tcp_register_*",
    "tracepoint_probe_register*",
    "uprobe_register*",
    "user_return_notifier_register",
    "xt_register_*",
];

/// The kernel's own callback, by which `put_task_struct` frees a task (include/linux/sched/task.h).
const OWN_CALLBACK: &str = "__put_task_struct_rcu_cb";

/// Symbols that a module may use and have nothing stay in the kernel but memory: what compilers
/// call by themselves, text, numbers, printing, locks, and the registering of kfuncs, which goes
/// with the module's BTF.
const HARMLESS: &[&str] = &[
    "BUG_func",
    "__asan_*",
    "__fentry__",
    "__fortify_panic",
    "__gcov_*",
    "__kmalloc*",
    "__list_add_valid*",
    "__list_del_entry_valid*",
    "__msecs_to_jiffies",
    "__rcu_read_*",
    "__sanitizer_cov_*",
    "__stack_chk_fail",
    "__ubsan_*",
    "__warn_printk",
    "__x86_indirect_thunk_*",
    "__x86_return_thunk",
    "_printk",
    "_raw_spin_*",
    "get_random_*",
    "jiffies",
    "jiffies_64",
    "kasan_flag_enabled",
    "kfree",
    "kmalloc_caches",
    "kmalloc_trace*",
    "ktime_get*",
    "lock_acquire",
    "lock_release",
    "memchr*",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "panic",
    "param_ops_*",
    "random_kmalloc_seed",
    "rcu_lock_map",
    "rcu_read_*",
    "refcount_warn_saturate",
    REGISTER,
    "scnprintf",
    "sized_strscpy",
    "skb_copy_bits",
    "snprintf",
    "strcmp",
    "strlen",
    "strncmp",
    "strnlen",
    "strnstr",
    "strscpy",
    "strstr",
];

/// The functions by which modules do what no list of the kernel shows. Whether kfuncs were
/// registered is seen where a program calls them.
///
/// # Errors
/// A module or an object cannot be read.
pub fn watched(artifacts: &Artifacts) -> Result<Vec<String>> {
    let objects = artifacts.objects.iter().map(|(_, object)| of(object));
    let called = objects.collect::<Result<Vec<_>>>()?.concat();
    let mut kfuncs = artifacts.modules.iter().flat_map(|module| &module.kfuncs);
    let is_uncalled = kfuncs.any(|kfunc| !called.contains(kfunc));
    let is_watched = |name: &String| {
        LATER.iter().any(|part| name.contains(part)) || (is_uncalled && name == REGISTER)
    };
    let names = of_all(&artifacts.modules)?.into_iter();
    Ok(names.filter(is_watched).collect())
}

/// The functions that modules use and of which nobody sees what they leave.
///
/// # Errors
/// A module cannot be read.
pub fn unseen(modules: &[Module]) -> Result<Vec<String>> {
    let names = of_all(modules)?;
    let is_own = |name: &str| name == "call_rcu" && names.contains(OWN_CALLBACK);
    let unseen = names.iter();
    let unseen = unseen.filter(|name| is_among(name, UNSEEN) && !is_own(name));
    Ok(unseen.cloned().collect())
}

/// Whether modules use anything by which more than memory may stay.
///
/// # Errors
/// A module cannot be read.
pub fn may_stay(modules: &[Module]) -> Result<bool> {
    Ok(of_all(modules)?
        .iter()
        .any(|name| !is_among(name, HARMLESS)))
}

fn is_among(symbol: &str, names: &[&str]) -> bool {
    names.iter().any(|name| match name.split_once('*') {
        Some((begin, end)) => symbol
            .strip_prefix(begin)
            .is_some_and(|rest| rest.ends_with(end)),
        None => symbol == *name,
    })
}

fn of_all(modules: &[Module]) -> Result<BTreeSet<String>> {
    let imports = modules.iter().map(|module| of(&module.file));
    let imports: Vec<Vec<String>> = imports.collect::<Result<_>>()?;
    Ok(imports.into_iter().flatten().collect())
}

/// The symbols that a module takes from the kernel or from other modules.
///
/// # Errors
/// It cannot be read.
pub fn of(file: &Path) -> Result<Vec<String>> {
    let read = || -> Result<Vec<String>> {
        let cache = ReadCache::new(plain::open(file)?);
        let elf = object::File::parse(&cache)?;
        let undefined = elf.symbols().filter(|symbol| symbol.is_undefined());
        let names = undefined.filter_map(|symbol| Some(symbol.name().ok()?.to_owned()));
        Ok(names.filter(|name| !name.is_empty()).collect())
    };
    read().with_context(|| format!("read `{}`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_leave_nothing_may() {
        for harmless in [
            "_printk",
            "__asan_load8_noabort",
            "__list_add_valid_or_report",
        ] {
            assert!(is_among(harmless, HARMLESS), "{harmless}");
        }
        for other in [
            "printk",
            "kthread_create_on_node",
            "__list_add",
            "kfree_rcu",
            "",
        ] {
            assert!(!is_among(other, HARMLESS), "{other}");
        }
    }
}
