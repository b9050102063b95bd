//! What a module has the kernel call later: timers, work, notifiers and workqueues, of which no
//! list shows whose they are. They are watched as they come and go, by events in a trace instance
//! of kassay's own (Documentation/trace/ftrace.rst and kprobetrace.rst, Linux 6.1 to 7.2). What is
//! open when a module is freed stays.

mod open;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;

use anyhow::{Context, Result};
use kassay_guest::{REGISTER, Stayed};

use crate::{capture, module, system};
use open::Open;

const PROBES_FILE: &str = "/sys/kernel/tracing/dynamic_events";
const INSTANCE: &str = "/sys/kernel/tracing/instances/kassay-watch";
const GROUP: &str = "kassay_watch";

/// The size of its buffer of each CPU, in KiB.
const BUFFER_KIB: &str = "512";

/// Events, and whether only those are of interest whose function is a module's: there are many
/// others.
const EVENTS: &[(&str, bool)] = &[
    ("timer/timer_start", false),
    ("timer/timer_cancel", false),
    ("timer/timer_expire_entry", false),
    ("timer/hrtimer_start", true),
    ("timer/hrtimer_cancel", false),
    ("timer/hrtimer_expire_entry", true),
    ("workqueue/workqueue_queue_work", true),
    ("workqueue/workqueue_execute_start", true),
    ("workqueue/workqueue_execute_end", true),
];

/// A probe's name, what it fetches, and where it is. A kernel need not have all of the functions.
type Probe = (&'static str, &'static str, &'static [&'static str]);

/// What the kernel has no events for, by a part of the names of functions that modules call. These
/// functions are exported. What is behind the number of a work and its place in a list is its
/// function.
const PROBES: &[(&str, &[Probe])] = &[
    (
        "notifier",
        &[
            (
                "notifier_add",
                "block=$arg2:x64 function=+0($arg2):x64",
                &[
                    "blocking_notifier_chain_register",
                    "atomic_notifier_chain_register",
                    "raw_notifier_chain_register",
                    "srcu_notifier_chain_register",
                ],
            ),
            (
                "notifier_del",
                "block=$arg2:x64",
                &[
                    "blocking_notifier_chain_unregister",
                    "atomic_notifier_chain_unregister",
                    "raw_notifier_chain_unregister",
                    "srcu_notifier_chain_unregister",
                ],
            ),
        ],
    ),
    (
        "delayed_work",
        &[(
            "work_delay",
            "work=$arg3:x64 function=+24($arg3):x64",
            &["queue_delayed_work_on", "mod_delayed_work_on"],
        )],
    ),
    (
        "work",
        &[(
            "work_cancel",
            "work=$arg1:x64",
            &[
                "cancel_work",
                "cancel_work_sync",
                "cancel_delayed_work",
                "cancel_delayed_work_sync",
                "disable_work",
                "disable_work_sync",
                "disable_delayed_work",
                "disable_delayed_work_sync",
            ],
        )],
    ),
];

/// The watch, until it is told.
pub struct Watch {
    /// The names of the probes that it made.
    probes: BTreeSet<String>,
    /// Its lines, of which each is read once.
    pipe: Option<File>,
    open: Open,
}

impl Watch {
    /// Watches what is done by these functions, which modules call, and which are not in the
    /// kernel's own code. None where the kernel has no events to watch it by.
    pub fn begin(functions: &[String], kernel: Range<u64>) -> Option<Watch> {
        fs::create_dir(INSTANCE).ok()?;
        let mut watch = Watch {
            probes: BTreeSet::new(),
            pipe: capture::nonblocking(&format!("{INSTANCE}/trace_pipe")).ok(),
            open: Open::of(kernel),
        };
        let is_enabled = watch.pipe.is_some() && watch.enable(functions).is_ok();
        is_enabled.then_some(watch)
    }

    fn enable(&mut self, functions: &[String]) -> Result<()> {
        set("buffer_size_kb", BUFFER_KIB)?;
        set("options/hash-ptr", "0")?;
        for (event, is_filtered) in EVENTS {
            if *is_filtered {
                // Where modules are depends on the processor, the version and the config.
                let Range { start, end } = self.open.kernel();
                let filter = format!("function < {start:#x} || function >= {end:#x}");
                set(&format!("events/{event}/filter"), &filter)?;
            }
            set(&format!("events/{event}/enable"), "1")?;
        }
        self.name_what_goes()?;
        for (part, probes) in PROBES {
            if functions.iter().any(|function| function.contains(part)) {
                for probe in *probes {
                    self.probe(probe)?;
                }
            }
        }
        if functions.iter().any(|function| function == "tracing_off") {
            set("events/bpf_trace/bpf_trace_printk/enable", "1")?;
        }
        if functions.iter().any(|function| function == REGISTER) {
            // All else can be watched on a kernel that has no kprobes.
            if self
                .add('r', "kfuncs", REGISTER, "error=$retval:s32")
                .is_ok()
            {
                set(&format!("events/{GROUP}/kfuncs/enable"), "1")?;
            }
        }
        let is_allocation = |function: &&String| function.starts_with("alloc_workqueue");
        if let Some(function) = functions.iter().find(is_allocation) {
            // Its name is a format, in most cases that of a string.
            let name = "format=+0($arg1):string name=+0($arg4):string";
            self.add('p', "queue_name", function, name)?;
            self.add('r', "queue_add", function, "queue=$retval:x64")?;
            self.add('p', "queue_del", "destroy_workqueue", "queue=$arg1:x64")?;
            for name in ["queue_name", "queue_add", "queue_del"] {
                set(&format!("events/{GROUP}/{name}/enable"), "1")?;
            }
        }
        Ok(())
    }

    /// Has the modules named that go. The event does so itself, except where strings are left out
    /// of events whose addresses are told, as on 6.1 (trace_event_format() and
    /// trace_check_vprintf() in kernel/trace/trace.c share a buffer): a probe of the event tells
    /// them everywhere, if the kernel has such probes.
    fn name_what_goes(&mut self) -> Result<()> {
        let event = "module.module_free";
        match self.add('e', "module_gone", event, "name=$name:string") {
            Ok(()) => set(&format!("events/{GROUP}/module_gone/enable"), "1"),
            Err(_) => set("events/module/module_free/enable", "1"),
        }
    }

    /// Makes a probe at each of its places that the kernel has.
    fn probe(&mut self, (name, fetch, places): &Probe) -> Result<()> {
        let added = places.iter().map(|place| self.add('p', name, place, fetch));
        let is_any = added.filter(Result::is_ok).count() > 0;
        anyhow::ensure!(is_any, "the kernel has none of the functions of `{name}`");
        set(&format!("events/{GROUP}/{name}/enable"), "1")
    }

    fn add(&mut self, kind: char, name: &str, function: &str, fetch: &str) -> Result<()> {
        append(&format!("{kind}:{GROUP}/{name} {function} {fetch}\n"))?;
        self.probes.insert(name.to_owned());
        Ok(())
    }

    /// Why the kernel did not register kfuncs, since it was asked last.
    pub fn unregistered(&mut self) -> Result<Option<String>> {
        self.catch_up()?;
        let error = self.open.unregistered.take();
        Ok(error.map(|error| io::Error::from_raw_os_error(error).to_string()))
    }

    /// How often programs have printed while a module could switch the kernel's trace off.
    pub fn printed(&mut self) -> Result<u64> {
        self.catch_up()?;
        Ok(self.open.printed)
    }

    /// Notes where a module is, which may go by a step.
    pub fn place(&mut self, module: &str) {
        self.open.place(module, &module::code(module, 0));
    }

    /// Has modules removed, and returns what `remove` does, what the kernel may still call of them,
    /// and whether that is all: the buffer may have overflown. It goes by addresses where the names
    /// went with the modules.
    ///
    /// From then on this process runs in front of all threads of the kernel until the watch ends, so
    /// that what has stayed can be told before it is called, at which the kernel stops.
    pub fn follow<T>(
        &mut self,
        modules: &[&String],
        remove: impl FnOnce() -> T,
    ) -> Result<(T, Vec<Stayed>, bool)> {
        modules.iter().for_each(|module| self.place(module));
        self.catch_up()?;
        system::run_first(true);
        let removed = remove();
        self.catch_up()?;
        let stayed = self.open.stayed();
        // What has stayed is to be told at once, and by a timer it may be called all the same.
        let is_all = !stayed.is_empty() || self.has_seen_all(modules)?;
        Ok((removed, stayed, is_all))
    }

    /// Whether it can have missed nothing of these modules, as far as they have gone.
    fn has_seen_all(&self, modules: &[&String]) -> Result<bool> {
        let (lost, _) = capture::counted(INSTANCE)?;
        let mut gone = modules.iter().filter(|module| !module::is_there(module));
        let are_told = gone.all(|module| self.open.has_gone(module));
        Ok(lost == 0 && are_told && !self.open.is_blind)
    }

    /// Reads what has happened since it was called last.
    fn catch_up(&mut self) -> Result<()> {
        if let Some(pipe) = &mut self.pipe {
            let text = capture::drain(pipe)?;
            text.lines().for_each(|line| self.open.read(line));
        }
        Ok(())
    }
}

impl Drop for Watch {
    /// Takes back what it made. What cannot be is found by who looks at what has stayed.
    fn drop(&mut self) {
        system::run_first(false);
        self.pipe = None;
        // A probe of an event that goes with the instance leaves memory behind, unless it is off
        // (disable_eprobe() in kernel/trace/trace_eprobe.c, 6.1 to 7.2).
        let _ = set(&format!("events/{GROUP}/enable"), "0");
        let _ = fs::remove_dir(INSTANCE);
        for name in &self.probes {
            let _ = append(&format!("-:{GROUP}/{name}\n"));
        }
    }
}

fn set(file: &str, value: &str) -> Result<()> {
    system::write(&format!("{INSTANCE}/{file}"), value)
}

fn append(line: &str) -> Result<()> {
    let file = OpenOptions::new().append(true).open(PROBES_FILE);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("write `{}` to `{PROBES_FILE}`", line.trim_end()))
}
