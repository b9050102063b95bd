//! What programs are for and the kernel does not have, and the nearest that it has.

use std::fmt;

use kassay_guest::{Fact, section};

use crate::arch::Arch;
use crate::btf::{self, Targets};
use crate::kernel::Kernel;
use crate::{kfuncs, nearest};

/// How many names are told.
const NEAREST: usize = 3;

/// A program that was refused or left unattached for want of its target.
#[derive(Debug, PartialEq, Eq)]
pub struct Absent {
    /// The program's object.
    pub object: String,
    /// The program; its object, where libbpf did not say more.
    pub program: String,
    /// What there is not, and what is nearest.
    pub why: String,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.program, self.why)
    }
}

/// The programs that were refused or left unattached for want of their targets, or of what has
/// their hooks. The modules that were to go in have these kfuncs.
pub fn targets(kernel: &Kernel, own: &[String], facts: &[Fact]) -> Vec<Absent> {
    let options = facts.iter().filter_map(|fact| option(kernel, fact));
    let structures = facts.iter().filter_map(|fact| structure(kernel, fact));
    let mut all: Vec<Absent> = options.chain(structures).collect();
    let wanted: Vec<Target> = facts.iter().filter_map(target).collect();
    if wanted.is_empty() {
        return all;
    }
    // This only adds to what was said, so that a BTF that cannot be read is no fault here.
    let known = btf::targets(&kernel.btf).unwrap_or_default();
    let of_modules = facts.iter().flat_map(|fact| match fact {
        Fact::Inserted { symbols, .. } => symbols.as_slice(),
        _ => &[],
    });
    let of_modules: Vec<String> = of_modules.cloned().collect();
    let kfuncs = match wanted.iter().any(|target| target.kind == Kind::Kfunc) {
        true => [own, &of_kernel(kernel)].concat(),
        false => Vec::new(),
    };
    let missing = wanted.iter();
    all.extend(missing.filter_map(|target| target.absent(&known, &of_modules, &kfuncs)));
    all
}

/// The kernel's kfuncs, where its file tells them from other functions.
fn of_kernel(kernel: &Kernel) -> Vec<String> {
    let listing = kfuncs::of_kernel(kernel);
    let kfuncs = listing.map_or_else(|_| Vec::new(), |listing| listing.kfuncs);
    let callable = kfuncs.into_iter().filter(|it| it.prototype.is_some());
    callable.map(|kfunc| kfunc.name).collect()
}

/// What a kernel is built without that has the hook of a program which could not be attached.
fn option(kernel: &Kernel, fact: &Fact) -> Option<Absent> {
    // This, too, only adds to what was said.
    let has = |option: &str| kernel.config_has(option).unwrap_or(true);
    let (object, program, section, option) = lacking(fact, has)?;
    let release = &kernel.release;
    Some(Absent {
        object: object.to_owned(),
        program: program.to_owned(),
        why: format!("`{section}` needs CONFIG_{option}, which {release} is built without"),
    })
}

/// The object and name of a program that could not be attached, or whose type the kernel does not
/// have; its section, and the option that its hook needs, where the kernel does not have it.
fn lacking(fact: &Fact, has: impl Fn(&str) -> bool) -> Option<(&str, &str, &str, &'static str)> {
    let (object, program, section) = match fact {
        Fact::Attached {
            object,
            program,
            section,
            error: Some(_),
            ..
        } => (object, program, section.as_str()),
        Fact::Loaded {
            object,
            program,
            error: Some(error),
            ..
        } => {
            let section = section::of_no_type(error)?;
            (object, program.as_ref().unwrap_or(object), section)
        }
        _ => return None,
    };
    let option = section::option(section).filter(|option| !has(option))?;
    Some((object, program, section, option))
}

/// The options with which a kernel has these structures of `struct_ops`.
const STRUCTURES: [(&str, &str); 3] = [
    ("hid_bpf_ops", "HID_BPF"),
    ("sched_ext_ops", "SCHED_CLASS_EXT"),
    ("tcp_congestion_ops", "INET"),
];

/// The structure of callbacks that neither a kernel nor a module takes.
fn structure(kernel: &Kernel, fact: &Fact) -> Option<Absent> {
    let (object, part, log) = match fact {
        Fact::Loaded {
            object,
            program,
            error: Some(_),
            log,
            ..
        } => (object, program.as_ref().unwrap_or(object), log),
        Fact::Structure {
            object,
            structure,
            error: Some(_),
            log,
        } => (object, structure, log),
        _ => return None,
    };
    let name = structure_of_log(log)?;
    let option = STRUCTURES.iter().find(|(own, _)| *own == name);
    let option = option.filter(|(_, option)| !kernel.config_has(option).unwrap_or(true));
    let release = &kernel.release;
    let why = match option {
        Some((_, option)) => {
            format!("`struct {name}` needs CONFIG_{option}, which {release} is built without")
        }
        None => format!("neither {release} nor a module of the scenario takes a `struct {name}`"),
    };
    Some(Absent {
        object: object.clone(),
        program: part.clone(),
        why,
    })
}

/// The structure that libbpf (1.7) finds nothing for.
fn structure_of_log(log: &str) -> Option<&str> {
    let (_, behind) = log.split_once("struct bpf_struct_ops_")?;
    Some(behind.split_once(" is not found in kernel BTF")?.0)
}

/// What a program is for.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    object: String,
    program: String,
    kind: Kind,
    name: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Function,
    Tracepoint,
    /// The event of a system call, which is made of its function's name.
    Syscall,
    /// A function, a tracepoint or a hook of LSM: libbpf says the same of all.
    Any,
    Kfunc,
}

impl Target {
    /// What is said of it where neither what is known nor a module has it.
    fn absent(&self, known: &Targets, of_modules: &[String], kfuncs: &[String]) -> Option<Absent> {
        let (what, names) = match self.kind {
            Kind::Function => ("function", [&known.functions, of_modules].concat()),
            Kind::Tracepoint => ("tracepoint", known.tracepoints.clone()),
            Kind::Syscall => ("system call with the event", syscalls(&known.functions)),
            Kind::Any => (
                "target",
                [
                    &known.functions,
                    &known.tracepoints[..],
                    &known.lsm_hooks,
                    of_modules,
                ]
                .concat(),
            ),
            Kind::Kfunc => ("kfunc", kfuncs.to_vec()),
        };
        if known.functions.is_empty() || names.contains(&self.name) {
            return None;
        }
        let near = match nearest::several(&self.name, &names, NEAREST)[..] {
            [] => String::new(),
            ref near => format!("; the nearest are `{}`", near.join("`, `")),
        };
        let name = &self.name;
        let why = format!("the BTF of this kernel and its modules has no {what} `{name}`{near}");
        Some(Absent {
            object: self.object.clone(),
            program: self.program.clone(),
            why,
        })
    }
}

/// The events of system calls, by the functions that these are on any processor.
fn syscalls(functions: &[String]) -> Vec<String> {
    let of = |name: &str| {
        let mut prefixes = Arch::ALL.iter().map(|arch| arch.syscall());
        prefixes.find_map(|prefix| name.strip_prefix(prefix).map(str::to_owned))
    };
    let names = functions.iter().filter_map(|name| of(name));
    names
        .flat_map(|name| [format!("sys_enter_{name}"), format!("sys_exit_{name}")])
        .collect()
}

/// What a program that was refused, or could not be attached, is for.
fn target(fact: &Fact) -> Option<Target> {
    let (object, (program, kind, name)) = match fact {
        Fact::Attached {
            object,
            program,
            section,
            error: Some(error),
            ..
        } => {
            let (kind, name) = of_section(section)?;
            // The BTF of the kernel does not have the events of all modules.
            let is_event = matches!(kind, Kind::Tracepoint | Kind::Syscall);
            if is_event && !error.contains("os error 2)") {
                return None;
            }
            (object, (program.as_str(), kind, name))
        }
        Fact::Loaded {
            object,
            program,
            error: Some(_),
            log,
            ..
        } => (object, of_log(program.as_deref().unwrap_or(object), log)?),
        _ => return None,
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_name).then(|| Target {
        object: object.clone(),
        program: program.to_owned(),
        kind,
        name: name.to_owned(),
    })
}

/// What stands behind a section's kind.
fn of_section(section: &str) -> Option<(Kind, &str)> {
    let (kind, name) = section.split_once('/')?;
    let kind = match kind {
        "kprobe" | "kretprobe" | "kprobe.multi" | "kretprobe.multi" | "kprobe.session" => {
            Kind::Function
        }
        "raw_tp" | "raw_tracepoint" | "raw_tp.w" | "raw_tracepoint.w" => Kind::Tracepoint,
        "tp" | "tracepoint" => {
            let (category, event) = name.split_once('/')?;
            return Some(match category {
                "syscalls" => (Kind::Syscall, event),
                _ => (Kind::Tracepoint, event),
            });
        }
        _ => return None,
    };
    Some((kind, name.split('+').next()?))
}

/// What libbpf (1.7) did not find while it loaded an object, and for which of its programs.
fn of_log<'a>(object: &'a str, log: &'a str) -> Option<(&'a str, Kind, &'a str)> {
    let name = |behind: &'a str| behind.split('\'').next();
    if let Some((before, behind)) = log.split_once("': failed to find kernel BTF type ID of '") {
        return Some((before.rsplit_once("prog '")?.1, Kind::Any, name(behind)?));
    }
    let lines = log.lines();
    let mut missing = lines.filter(|line| line.ends_with("': not found in kernel or module BTFs"));
    let (_, behind) = missing.next()?.split_once("extern (func ksym) '")?;
    Some((object, Kind::Kfunc, name(behind)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(section: &str) -> Fact {
        Fact::Attached {
            object: "o".to_owned(),
            program: "p".to_owned(),
            section: section.to_owned(),
            end: None,
            error: Some("No such file or directory (os error 2)".to_owned()),
            log: String::new(),
        }
    }

    fn unattached(section: &str) -> Option<Target> {
        target(&attached(section))
    }

    #[test]
    fn the_target_of_a_section_is_what_stands_behind_its_kind() {
        let name = |section: &str| unattached(section).map(|target| target.name);
        assert_eq!(
            name("kprobe/do_unlinkat+0x4").as_deref(),
            Some("do_unlinkat")
        );
        assert_eq!(name("raw_tp/sys_enter").as_deref(), Some("sys_enter"));
        assert_eq!(name("tp/sched/sched_swich").as_deref(), Some("sched_swich"));
        for section in ["kprobe.multi/vfs_*", "uprobe//bin/sh:main", "xdp"] {
            assert_eq!(name(section), None);
        }
    }

    #[test]
    fn an_option_that_a_hook_needs_is_named_where_it_lacks() {
        let lacks = |section: &str| {
            let (.., option) = lacking(&attached(section), |option| option == "NET_ACT_BPF")?;
            Some(option)
        };
        assert_eq!(lacks("lwt_in"), Some("LWTUNNEL_BPF"));
        assert_eq!((lacks("action"), lacks("tc")), (None, None));
    }

    #[test]
    fn a_structure_that_nobody_takes_is_found_in_what_libbpf_says() {
        let log = "libbpf: struct_ops init_kern: struct bpf_struct_ops_sched_ext_ops is not found \
                   in kernel BTF\nlibbpf: failed to load object 'o'\n";
        assert_eq!(structure_of_log(log), Some("sched_ext_ops"));
        assert_eq!(structure_of_log("libbpf: failed to load object 'o'"), None);
    }

    #[test]
    fn an_option_that_a_type_of_programs_needs_is_named_likewise() {
        let refused = Fact::Loaded {
            object: "o".to_owned(),
            program: None,
            error: Some(section::without_type("lirc_mode2")),
            log: String::new(),
            costs: Vec::new(),
        };
        let lacking = lacking(&refused, |_| false);
        assert_eq!(lacking, Some(("o", "o", "lirc_mode2", "BPF_LIRC_MODE2")));
    }

    #[test]
    fn three_that_are_like_it_are_named() {
        let names = [
            "vfs_open",
            "filename_unlinkat",
            "vfs_unlink",
            "kfree",
            "do_unlink",
        ];
        let known = Targets {
            functions: names.map(str::to_owned).to_vec(),
            ..Targets::default()
        };
        let line = unattached("kprobe/do_unlinkat").unwrap();
        assert_eq!(
            line.absent(&known, &[], &[]).unwrap().to_string(),
            "p: the BTF of this kernel and its modules has no function `do_unlinkat`; the nearest \
             are `do_unlink`, `vfs_unlink`, `filename_unlinkat`"
        );
        let there = unattached("kprobe/kfree").unwrap();
        assert_eq!(there.absent(&known, &[], &[]), None);
    }

    #[test]
    fn the_event_of_a_system_call_is_like_that_of_another() {
        let names = ["__x64_sys_unlinkat", "vfs_unlink", "__x64_sys_openat"];
        let known = Targets {
            functions: names.map(str::to_owned).to_vec(),
            ..Targets::default()
        };
        let said = |event: &str| {
            let target = unattached(&format!("tp/syscalls/{event}")).unwrap();
            target.absent(&known, &[], &[]).map(|absent| absent.why)
        };
        let nearest = "the nearest are `sys_enter_unlinkat`, `sys_exit_unlinkat`";
        assert!(said("sys_enter_unlinka").unwrap().contains(nearest));
        assert_eq!(said("sys_exit_openat"), None);
    }

    #[test]
    fn a_kfunc_that_is_missing_is_like_one_of_a_module() {
        let log = "libbpf: extern (func ksym) 'bpf_ad': not found in kernel or module BTFs\n";
        let (object, kind, name) = of_log("o", log).unwrap();
        assert_eq!((object, &kind, name), ("o", &Kind::Kfunc, "bpf_ad"));
        let target = Target {
            object: object.to_owned(),
            program: object.to_owned(),
            kind,
            name: name.to_owned(),
        };
        let known = Targets {
            functions: vec!["bpf_log".to_owned()],
            ..Targets::default()
        };
        let said = |kfuncs: &[&str]| {
            let kfuncs: Vec<String> = kfuncs.iter().map(|it| (*it).to_owned()).collect();
            target.absent(&known, &[], &kfuncs).unwrap().why
        };
        assert!(said(&["bpf_add"]).ends_with("kfunc `bpf_ad`; the nearest are `bpf_add`"));
        assert!(said(&[]).ends_with("its modules has no kfunc `bpf_ad`"));
    }
}
