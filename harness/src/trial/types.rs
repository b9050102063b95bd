//! Which types of programs may call a kfunc. No file tells: code registers its set for them. So a
//! running kernel is asked, by a program of each type that calls it.
//!
//! The verifier says "is not allowed" before it looks at anything else of a call
//! (check_kfunc_call in kernel/bpf/verifier.c, 6.1 to 7.2), so that any other answer to a call is
//! a yes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kassay_guest::Fact;

use super::facts as facts_of;
use crate::btf::{self, SHAPES};
use crate::case::{Setting, TIMEOUT};
use crate::compile;
use crate::facts;
use crate::kernel::Kernel;
use crate::kfuncs::{Kfunc, Listing};
use crate::refusal;
use crate::scenario::{Allow, Part, Scenario};

/// The types of programs, without BPF_PROG_TYPE_, and a section that libbpf takes for a program of
/// each. Some have no kfuncs of their own (bpf_prog_type_to_kfunc_hook in kernel/bpf/btf.c, 7.2),
/// but those that are registered for all. EXT is what it replaces, and LIRC_MODE2 is in few kernels.
const TYPES: [(&str, &str); 30] = [
    ("SOCKET_FILTER", "socket"),
    ("KPROBE", "kprobe"),
    ("SCHED_CLS", "tc"),
    ("SCHED_ACT", "action"),
    ("TRACEPOINT", "tp"),
    ("XDP", "xdp"),
    ("PERF_EVENT", "perf_event"),
    ("CGROUP_SKB", "cgroup_skb/ingress"),
    ("CGROUP_SOCK", "cgroup/sock_create"),
    ("LWT_IN", "lwt_in"),
    ("LWT_OUT", "lwt_out"),
    ("LWT_XMIT", "lwt_xmit"),
    ("LWT_SEG6LOCAL", "lwt_seg6local"),
    ("SOCK_OPS", "sockops"),
    ("SK_SKB", "sk_skb"),
    ("SK_MSG", "sk_msg"),
    ("CGROUP_DEVICE", "cgroup/dev"),
    ("RAW_TRACEPOINT", "raw_tp"),
    ("RAW_TRACEPOINT_WRITABLE", "raw_tp.w"),
    ("CGROUP_SOCK_ADDR", "cgroup/connect4"),
    ("FLOW_DISSECTOR", "flow_dissector"),
    ("SK_REUSEPORT", "sk_reuseport"),
    ("SK_LOOKUP", "sk_lookup"),
    ("CGROUP_SYSCTL", "cgroup/sysctl"),
    ("CGROUP_SOCKOPT", "cgroup/getsockopt"),
    ("TRACING", "fentry/vfs_unlink"),
    ("STRUCT_OPS", "struct_ops"),
    ("LSM", "lsm/file_open"),
    ("SYSCALL", "syscall"),
    ("NETFILTER", "netfilter"),
];

/// The structure that the program of the type STRUCT_OPS is a callback of: the one that every
/// kernel with CONFIG_BPF_JIT and CONFIG_INET takes from programs (net/ipv4/bpf_tcp_ca.c, 5.6 to
/// 7.2).
const CALLBACKS: &str = "\
struct tcp_congestion_ops { void (*cong_avoid)(void); } __attribute__((preserve_access_index));
__attribute__((section(\".struct_ops\"), used)) struct tcp_congestion_ops callbacks = {
\t.cong_avoid = (void *)type_STRUCT_OPS,
};
";

/// How long the programs of one set may take, in seconds. Emulated on two CPUs that others use
/// as well, they take five.
const PATIENCE: u64 = 20;

/// What came of trying.
#[derive(Debug, Default)]
pub struct Tried {
    /// The types that may call each set of kfuncs, by the names of the sets that have them.
    types: BTreeMap<Vec<String>, Vec<&'static str>>,
    /// Types of programs, and kfuncs, that there was no answer for, and what was said instead, of
    /// the first.
    pub untold: BTreeMap<String, String>,
}

impl Tried {
    /// The types that may call a kfunc; nothing where it was not tried.
    pub fn types(&self, kfunc: &Kfunc) -> Option<&[&'static str]> {
        self.types.get(&kfunc.sets).map(Vec::as_slice)
    }
}

/// Tries one kfunc of each set on a machine that runs the kernel, with these modules in it where the
/// sets are a module's. A set is registered as a whole, so that one stands for all of it.
///
/// # Errors
/// Something cannot be built, or the machine does not come to an orderly end.
pub fn run(setting: &Setting, kernel: &Kernel, parts: &[Part], listing: &Listing) -> Result<Tried> {
    let mut chosen: BTreeMap<&[String], &Kfunc> = BTreeMap::new();
    let callable = listing.kfuncs.iter().filter(|kfunc| kfunc.shape.is_some());
    for kfunc in callable.filter(|kfunc| !kfunc.sets.is_empty()) {
        chosen.entry(&kfunc.sets).or_insert(kfunc);
    }
    let chosen: Vec<&Kfunc> = chosen.into_values().collect();
    if chosen.is_empty() {
        return Ok(Tried::default());
    }
    let directory = tempfile::tempdir().context("make a directory for programs")?;
    let scenario = scenario(directory.path(), parts, &chosen)?;
    let mut setting = setting.clone();
    let each = Duration::from_secs(PATIENCE * chosen.len() as u64);
    setting.timeout = Some(setting.timeout.unwrap_or(TIMEOUT) + each);
    let artifacts = compile::build(&setting.cache, kernel, &scenario)?;
    let facts = facts_of(&setting, kernel, &scenario, &artifacts)?;
    let refused = |fact: &Fact| match fact {
        Fact::Inserted { .. } => facts::refused(fact),
        _ => None,
    };
    match facts.iter().find_map(refused) {
        Some(why) => bail!("{why}"),
        None => Ok(judge(&chosen, &facts)),
    }
}

/// A scenario that loads the programs, which it writes, each by itself.
fn scenario(directory: &Path, parts: &[Part], chosen: &[&Kfunc]) -> Result<Scenario> {
    let program = |(place, kfunc): (usize, &&Kfunc)| {
        let name = object(place);
        let path = directory.join(format!("{name}.bpf.c"));
        fs::write(&path, programs(kfunc)).with_context(|| format!("write `{}`", path.display()))?;
        Ok(Part {
            name,
            path,
            ..Part::default()
        })
    };
    Ok(Scenario {
        about: "which programs may call which kfuncs".to_owned(),
        modules: parts.to_vec(),
        bpf: chosen
            .iter()
            .enumerate()
            .map(program)
            .collect::<Result<_>>()?,
        each: true,
        counts: false,
        allow: vec![Allow::NoKfuncs],
        ..Scenario::new("kfuncs")
    })
}

/// The name of the object with the programs that call the kfunc at this place.
fn object(place: usize) -> String {
    format!("kfunc_{place}")
}

/// A program of each type that does nothing but call the kfunc, in C.
fn programs(kfunc: &Kfunc) -> String {
    let mut text = format!("// SPDX-License-Identifier: GPL-2.0-only\n{SHAPES}");
    let Some(shape) = &kfunc.shape else {
        return text;
    };
    let (name, result) = (&kfunc.name, &shape.result);
    let zeros = shape.arguments.iter().map(|of| format!("(({of}){{0}})"));
    let zeros = zeros.collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        text,
        "extern {result} {name}({}) __attribute__((section(\".ksyms\")));",
        btf::listed(&shape.arguments)
    );
    for (kind, section) in TYPES {
        let _ = writeln!(
            text,
            "__attribute__((section(\"{section}\"), used)) int type_{kind}(void *ctx)\n\
             {{\n\t{name}({zeros});\n\treturn 0;\n}}"
        );
    }
    text + CALLBACKS + "char LICENSE[] __attribute__((section(\"license\"), used)) = \"GPL\";\n"
}

/// What the verifier's answers say.
fn judge(chosen: &[&Kfunc], facts: &[Fact]) -> Tried {
    let mut tried = Tried::default();
    for (place, kfunc) in chosen.iter().enumerate() {
        let answers = TYPES.map(|(kind, _)| (kind, may(&object(place), kind, kfunc, facts)));
        tried.take(kfunc, &answers);
    }
    tried
}

/// A type of programs, and whether they may call a kfunc, or what was said instead.
type Answer = (&'static str, Result<bool, String>);

impl Tried {
    fn take(&mut self, kfunc: &Kfunc, answers: &[Answer]) {
        let allowed = answers.iter().filter(|(_, answer)| *answer == Ok(true));
        let allowed = allowed.map(|(kind, _)| *kind).collect();
        let untold = answers.iter();
        let untold = untold.filter_map(|(kind, answer)| Some((*kind, answer.as_ref().err()?)));
        let untold: Vec<_> = untold.collect();
        let mut note = |of: &str, said: &String| {
            let first = self.untold.entry(of.to_owned());
            first.or_insert_with(|| said.clone());
        };
        match untold.first() {
            Some((_, said)) if untold.len() == answers.len() => note(&kfunc.name, said),
            _ => {
                untold.iter().for_each(|(kind, said)| note(kind, said));
                self.types.insert(kfunc.sets.clone(), allowed);
            }
        }
    }
}

/// Whether the kernel lets programs of a type call a kfunc, or what it says instead.
fn may(of: &str, kind: &str, kfunc: &Kfunc, facts: &[Fact]) -> Result<bool, String> {
    let answer = facts.iter().find(|fact| match fact {
        Fact::Loaded {
            object,
            program: Some(program),
            ..
        } => object == of && program.strip_prefix("type_") == Some(kind),
        _ => false,
    });
    let Some(answer @ Fact::Loaded { log, .. }) = answer else {
        return Err("no answer".to_owned());
    };
    let Some(refusal) = refusal::of(answer) else {
        return Ok(true);
    };
    let refused = format!("calling kernel function {} is not allowed", kfunc.name);
    let called = format!(") call {}#", kfunc.name);
    match (log.contains(&refused), log.contains(&called)) {
        (true, _) => Ok(false),
        (false, true) => Ok(true),
        (false, false) => Err(refusal.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Shape;

    fn kfunc() -> Kfunc {
        Kfunc {
            name: "f".to_owned(),
            prototype: None,
            shape: Some(Shape {
                result: "void".to_owned(),
                arguments: vec!["int".to_owned(), "__typeof__(struct some) *".to_owned()],
            }),
            signature: None,
            flags: Some(0),
            sets: vec!["set".to_owned()],
        }
    }

    /// The answers to programs of these types; none is what was loaded.
    fn tried(answers: &[(&str, Option<&str>)]) -> Tried {
        let fact = |(kind, log): &(&str, Option<&str>)| Fact::Loaded {
            object: object(0),
            program: Some(format!("type_{kind}")),
            error: log.map(|_| "Invalid argument".to_owned()),
            log: log.unwrap_or_default().to_owned(),
            costs: Vec::new(),
        };
        let facts: Vec<Fact> = answers.iter().map(fact).collect();
        judge(&[&kfunc()], &facts)
    }

    const CALL: &str = "2: (85) call f#123\n";

    #[test]
    fn any_answer_to_a_call_but_that_it_is_not_allowed_is_a_yes() {
        let no = format!("{CALL}calling kernel function f is not allowed\n");
        let other = format!("{CALL}R1 is not a pointer\n");
        let tried = tried(&[
            ("XDP", Some(&no)),
            ("TRACING", Some(&other)),
            ("SYSCALL", None),
        ]);
        assert_eq!(tried.types(&kfunc()).unwrap(), ["TRACING", "SYSCALL"]);
        assert!(!tried.untold.contains_key("XDP"));
    }

    #[test]
    fn without_an_answer_nothing_is_told() {
        let early = "libbpf: failed to find a BTF type\n";
        let some = tried(&[("SYSCALL", None), ("LSM", Some(early))]);
        assert_eq!(some.types(&kfunc()).unwrap(), ["SYSCALL"]);
        assert_eq!(some.untold["LSM"], "failed to find a BTF type");
        assert_eq!(some.untold["XDP"], "no answer");
        let none = tried(&[("LSM", Some(early))]);
        assert_eq!(none.types(&kfunc()), None);
        assert_eq!(none.untold.len(), 1);
        assert!(none.untold.contains_key("f"));
    }

    #[test]
    fn a_program_calls_with_zeros_of_the_right_kinds() {
        let text = programs(&kfunc());
        let call = "f(((int){0}), ((__typeof__(struct some) *){0}));";
        assert_eq!(text.matches(call).count(), TYPES.len());
        assert!(text.contains("extern void f(int, __typeof__(struct some) *) __attr"));
    }
}
