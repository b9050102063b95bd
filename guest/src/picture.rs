//! A picture of the kernel: names of what it has, by the lists that it shows. What is there at the
//! end of a plan and was not before has stayed.

use std::collections::HashSet;
use std::fs;

use kassay_guest::{Stayed, Thing};

use crate::system;

/// A list, and how a line of it names a thing. Of a folder each entry is a line.
type List = (Thing, &'static str, fn(&str) -> Option<&str>);

/// Lists that the kernel has for itself, what says most first.
const LISTS: &[List] = &[
    (Thing::Module, "/proc/modules", first),
    (
        Thing::TraceEvent,
        "/sys/kernel/tracing/dynamic_events",
        |line| Some(first(line)?.split_once(':')?.1),
    ),
    (Thing::Interface, "/sys/class/net/", whole),
    (Thing::MiscDevice, "/sys/class/misc/", whole),
    (Thing::DeviceNumber, "/proc/devices", |line| {
        let (number, name) = line.trim_start().split_once(' ')?;
        number.parse::<u32>().ok().map(|_| name)
    }),
    (Thing::Device, "/dev/", whole),
    (Thing::ProcEntry, "/proc/fs/", whole),
    (Thing::ProcEntry, "/proc/driver/", whole),
    (Thing::ProcEntry, "/proc/net/", whole),
    (Thing::Sysctl, "/proc/sys/", whole),
    (Thing::Sysctl, "/proc/sys/kernel/", whole),
    (Thing::Sysctl, "/proc/sys/vm/", whole),
    (Thing::Sysctl, "/proc/sys/fs/", whole),
    (Thing::Sysctl, "/proc/sys/dev/", whole),
    (Thing::Sysctl, "/proc/sys/debug/", whole),
    (Thing::Sysctl, "/proc/sys/net/", whole),
    (Thing::Sysctl, "/proc/sys/net/core/", whole),
    (Thing::Sysctl, "/proc/sys/net/ipv4/", whole),
    // Whose name begins with a colon is what other caches are merged into.
    (Thing::SlabCache, "/sys/kernel/slab/", |name| {
        (!name.starts_with(':')).then_some(name)
    }),
    (Thing::Workqueue, "/sys/devices/virtual/workqueue/", whole),
    (Thing::SysfsEntry, "/sys/", whole),
    (Thing::SysfsEntry, "/sys/firmware/", whole),
    (Thing::SysfsEntry, "/sys/devices/", whole),
    (Thing::SysfsEntry, "/sys/devices/platform/", whole),
    (Thing::SysfsEntry, "/sys/devices/system/", whole),
    (Thing::SysfsEntry, "/sys/devices/virtual/", whole),
    (Thing::SysfsEntry, "/sys/class/", whole),
    (Thing::SysfsEntry, "/sys/bus/", whole),
    (Thing::SysfsEntry, "/sys/fs/", whole),
    (Thing::SysfsEntry, "/sys/kernel/", whole),
    (Thing::DebugfsEntry, "/sys/kernel/debug/", whole),
];

/// Functions that ftrace calls something for (Documentation/trace/ftrace.rst).
const HOOKS: List = (
    Thing::FtraceHook,
    "/sys/kernel/tracing/enabled_functions",
    first,
);

/// Where kprobes are (Documentation/trace/kprobes.rst): `ADDRESS TYPE FUNCTION+OFFSET …`. Where
/// the offset of a function's start is not 0, it has an instruction for CET there.
const KPROBES: List = (Thing::Kprobe, "/sys/kernel/debug/kprobes/list", |line| {
    let place = line.split_whitespace().nth(2)?;
    Some(
        place
            .split_once('+')
            .map_or(place, |(function, _)| function),
    )
});

/// Lists of structures that are a module's own variables. Of a module that is gone the kernel
/// cannot read them, and stops.
const RISKY: &[List] = &[
    HOOKS,
    KPROBES,
    (Thing::FileSystem, "/proc/filesystems", |line| {
        line.split_whitespace().last()
    }),
    (Thing::CryptoDriver, "/proc/crypto", |line| {
        Some(line.strip_prefix("driver")?.split_once(": ")?.1)
    }),
];

/// Flags of a task (include/linux/sched.h): it is about to end, it is the kernel's own.
const PF_EXITING: u32 = 0x4;
const PF_KTHREAD: u32 = 0x0020_0000;

/// What the kernel has.
pub struct Picture {
    things: HashSet<Stayed>,
    tasks: HashSet<String>,
}

impl Picture {
    /// What the kernel has now. Of a list that it does not show there is nothing.
    pub fn now() -> Picture {
        let (tasks, entries) = proc();
        let lists = LISTS.iter().chain(RISKY).flat_map(read);
        Picture {
            things: entries.into_iter().chain(lists).collect(),
            tasks: tasks.into_iter().collect(),
        }
    }

    /// The functions with kprobes that were not there then.
    pub fn kprobes(&self) -> HashSet<String> {
        let new = read(&KPROBES)
            .into_iter()
            .filter(|kprobe| self.lacks(kprobe));
        new.map(|kprobe| kprobe.name).collect()
    }

    /// What is there that was not there then; hooks of ftrace at one of these `kprobes` are its.
    /// The risky lists are read only if nothing else says that something has stayed.
    pub fn stayed(&self, kprobes: &HashSet<String>) -> Vec<Stayed> {
        let (tasks, entries) = proc();
        let tasks = tasks.iter().filter(|task| !self.tasks.contains(*task));
        let lists = LISTS.iter().flat_map(read).chain(entries);
        let lists = lists.filter(|thing| self.lacks(thing) && !is_own(thing));
        let mut stayed: Vec<Stayed> = tasks.filter_map(thread).chain(lists).collect();
        for list in RISKY {
            if stayed.is_empty() {
                let new = read(list).into_iter().filter(|thing| self.lacks(thing));
                stayed.extend(new.map(|hook| kprobe_or(hook, kprobes)));
            }
        }
        stayed
    }

    fn lacks(&self, thing: &Stayed) -> bool {
        !self.things.contains(thing)
    }
}

/// A kprobe at the start of a function is a hook of ftrace, and safe to be read as one.
fn kprobe_or(hook: Stayed, kprobes: &HashSet<String>) -> Stayed {
    match kprobes.contains(&hook.name) {
        true => Stayed {
            what: Thing::Kprobe,
            ..hook
        },
        false => hook,
    }
}

/// A mount of a 9p share has a cache of its own, and kassay mounts some.
fn is_own(thing: &Stayed) -> bool {
    thing.what == Thing::SlabCache && thing.name.starts_with("9p-fcall-cache")
}

fn whole(line: &str) -> Option<&str> {
    Some(line)
}

fn first(line: &str) -> Option<&str> {
    line.split_whitespace().next()
}

/// The things of a list, sorted.
fn read((what, path, name): &List) -> Vec<Stayed> {
    let text = match path.strip_suffix('/') {
        Some(folder) => entries(folder).join("\n"),
        None => system::read(path).unwrap_or_default(),
    };
    let mut names: Vec<&str> = text.lines().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    let thing = |name: &&str| Stayed {
        what: *what,
        name: (*name).to_owned(),
    };
    names.iter().map(thing).collect()
}

fn entries(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.map(name).collect()
}

/// The tasks of `/proc`, by their ids, and what else is there.
fn proc() -> (Vec<String>, Vec<Stayed>) {
    let is_task = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let (tasks, mut others): (Vec<_>, Vec<_>) = entries("/proc").into_iter().partition(is_task);
    others.sort_unstable();
    let thing = |name| Stayed {
        what: Thing::ProcEntry,
        name,
    };
    (tasks, others.into_iter().map(thing).collect())
}

/// A task that is a thread of the kernel's: `PID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS …`
/// (proc_pid_stat(5)). Workers come and go as the kernel likes, but for one that a workqueue has
/// to itself, which is called `kworker/R-NAME` (kernel/workqueue.c since 6.9).
fn thread(task: &String) -> Option<Stayed> {
    let stat = system::read(format!("/proc/{task}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let flags: u32 = rest.split_whitespace().nth(6)?.parse().ok()?;
    if flags & PF_KTHREAD == 0 || flags & PF_EXITING != 0 {
        return None;
    }
    let (what, name) = match (name.strip_prefix("kworker/R-"), name) {
        (Some(workqueue), _) => (Thing::Workqueue, workqueue),
        (None, name) if name.starts_with("kworker/") => return None,
        (None, name) => (Thing::KernelThread, name),
    };
    Some(Stayed {
        what,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_has_not_stayed() {
        let picture = Picture::now();
        let stayed = picture.stayed(&picture.kprobes());
        assert!(!stayed.iter().any(|thing| thing.what == Thing::Module));
        assert!(!Picture::now().tasks.is_empty());
    }

    #[test]
    fn a_hook_is_the_kprobe_at_its_start() {
        let hook = |what| Stayed {
            what,
            name: "f".to_owned(),
        };
        let at = |place: &str| HashSet::from([place.to_owned()]);
        let hooked = kprobe_or(hook(Thing::FtraceHook), &at("f"));
        assert_eq!(hooked, hook(Thing::Kprobe));
        let other = kprobe_or(hook(Thing::FtraceHook), &at("g"));
        assert_eq!(other, hook(Thing::FtraceHook));
    }
}
