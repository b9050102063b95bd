//! How a file says where programs are attached.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use kassay_guest::section::{self, NETFILTER, Place, ROWS};
use kassay_guest::{Attach, NONE};
use serde::de::{Deserialize, Deserializer, Error};
use toml::{Table, Value};

use crate::nearest;
use crate::step::check_path;

/// `"none"`, or what a section does not say.
pub(super) enum FileAttach {
    Word(String),
    How(Attach),
}

impl<'de> Deserialize<'de> for FileAttach {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<FileAttach, D::Error> {
        match Value::deserialize(from)? {
            Value::String(word) => Ok(FileAttach::Word(word)),
            Value::Table(keys) => how(keys).map(FileAttach::How).map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("{other}: {FORM}"))),
        }
    }
}

/// What may be said.
const FORM: &str = "a program is attached to `\"none\"` or by `{ hook, dev, order, priority, pf, \
                    period, target, map, path }`, where `dev` is `sender` or `receiver`, and \
                    `pf` is `ipv4` or `ipv6`";

/// What these keys say; what one cannot mean is said of it alone.
fn how(keys: Table) -> Result<Attach, String> {
    for (key, value) in &keys {
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        if let Err(error) = Attach::deserialize(alone) {
            return Err(match error.message() {
                unknown if unknown.starts_with("unknown field") => unknown.to_owned(),
                wrong => format!("`{key}`: {wrong}"),
            });
        }
    }
    Attach::deserialize(keys).map_err(|error| error.to_string())
}

/// The least time between two runs by a clock, in nanoseconds: more often, and the machine may do
/// nothing else.
const PERIOD: u64 = 10_000;

/// How the programs of a file are attached, by their names.
pub(super) fn read(asked: BTreeMap<String, FileAttach>) -> Result<BTreeMap<String, Attach>> {
    let one = |(program, how): (String, FileAttach)| {
        let how = how
            .checked(&program)
            .with_context(|| format!("read `attach` of `{program}`"))?;
        said(&program, &how)?;
        Ok((program, how))
    };
    asked.into_iter().map(one).collect()
}

impl FileAttach {
    fn checked(self, program: &str) -> Result<Attach> {
        let how = match self {
            FileAttach::Word(word) if word == NONE => Attach {
                hook: Some(word),
                ..Attach::default()
            },
            FileAttach::Word(word) => {
                bail!("`{word}`: a word here is `{NONE}`, and a hook is `{{ hook = \"{word}\" }}`")
            }
            FileAttach::How(how) => how,
        };
        let beside = match &how.order {
            None => None,
            Some(order) => match order.split_once(':') {
                Some(("before" | "after", name)) if !name.is_empty() => Some(name),
                _ => bail!("`order` of `{order}`: it is `before:PROGRAM` or `after:PROGRAM`"),
            },
        };
        for (key, other) in [("order", beside), ("target", how.target.as_deref())] {
            if other == Some(program) {
                bail!("`{key}` names another program, and `{program}` is this one");
            }
        }
        how.path.as_deref().map_or(Ok(()), check_path)?;
        match (how.period, how.priority) {
            (Some(period), _) if period < PERIOD => {
                bail!("`period` of {period}: at least {PERIOD} nanoseconds")
            }
            (_, Some(priority @ (i32::MIN | i32::MAX))) => {
                bail!("`priority` of {priority}: the kernel keeps it for what is first or last")
            }
            _ => Ok(how),
        }
    }
}

/// Sees that a hook that is said is one, with what else is said.
fn said(program: &str, how: &Attach) -> Result<()> {
    match how.hook.as_deref() {
        None => Ok(()),
        Some(hook) if NETFILTER.contains(&hook) => has_all(program, how, "netfilter"),
        Some(hook) => has_all(program, how, hook),
    }
}

/// Sees that what is said of a program is something that one of its section, or of the section that
/// is named in place of it, has.
///
/// # Errors
/// It is not.
pub(crate) fn fits(attach: &BTreeMap<String, Attach>, programs: &[(String, String)]) -> Result<()> {
    for (program, how) in attach {
        let section = programs.iter().find(|(name, _)| name == program);
        let section = section.map_or("", |(_, section)| section.trim_start_matches('?'));
        let is_of_netfilter = section::place(section) == Place::Netfilter;
        let hook = how.hook.as_deref().filter(|_| !how.is_none());
        if let Some(hook) = hook.filter(|hook| NETFILTER.contains(hook) != is_of_netfilter) {
            let hooks = NETFILTER.join("`, `");
            bail!(
                "`attach` of `{program}` says the hook `{hook}`, and its section is `{section}`: \
                 hooks of netfilter, and of it alone, are `{hooks}`"
            );
        }
        has_all(
            program,
            how,
            hook.filter(|_| !is_of_netfilter).unwrap_or(section),
        )?;
    }
    Ok(())
}

/// Sees that a program at this section's place has all that is said of it.
fn has_all(program: &str, how: &Attach, at: &str) -> Result<()> {
    let is_said = how.hook.as_deref() == Some(at);
    let has = match section::place(at) {
        _ if how.is_none() => return Ok(()),
        Place::Nowhere if is_said => bail!(
            "`attach` of `{program}` says the hook `{at}`, which is none of netfilter, and no \
             section of that name has a place{}",
            nearest::hint(at, hooks())
        ),
        Place::Named if is_said => bail!(
            "`attach` of `{program}` says the hook `{at}`: what a program is of, only its own \
             section says"
        ),
        Place::Filter(_) | Place::Action if how.priority.is_some_and(is_no_turn) => bail!(
            "`attach` of `{program}` says a `priority` that no filter of `{at}` has: they are 1 \
             to {}",
            u16::MAX
        ),
        Place::Filter(_) => &["hook", "dev", "priority"][..],
        Place::Action => &["dev", "priority"],
        Place::Tcx(_) => &["hook", "dev", "order"],
        Place::Netkit(_) => &["hook", "order"],
        Place::Xdp => &["hook", "dev"],
        Place::Netfilter => &["hook", "dev", "priority", "pf"],
        Place::PerfEvent => &["period"],
        Place::Lirc => &["path"],
        Place::Freplace => &["target"],
        Place::Named if is_over_a_map(at) => &["map"],
        Place::Cgroup => &["hook"],
        Place::XdpMap => &["hook", "map"],
        Place::SockMap => &["map"],
        _ => &[],
    };
    let Some(key) = given(how).find(|key| !has.contains(key)) else {
        return Ok(());
    };
    bail!(
        "`attach` of `{program}` says `{key}`, which a program of `{at}` does not have{}",
        match has {
            [] => String::new(),
            has => format!("; it has `{}`", has.join("`, `")),
        }
    );
}

/// All that a hook may be called.
fn hooks() -> impl Iterator<Item = &'static str> {
    let sections = ROWS.iter().flat_map(|row| row.sections).copied();
    sections.chain(NETFILTER)
}

/// Targets of iterators that go over one map, and have to be told which
/// (kernel/bpf/map_iter.c, net/core/bpf_sk_storage.c and net/core/sock_map.c, 6.1 to 7.2).
const OF_A_MAP: [&str; 3] = ["bpf_map_elem", "bpf_sk_storage_map", "sockmap"];

/// Whether a section is of an iterator over a map.
fn is_over_a_map(section: &str) -> bool {
    let target = section.strip_prefix("iter");
    let target = target.map(|rest| rest.strip_prefix(".s").unwrap_or(rest));
    let target = target.and_then(|rest| rest.strip_prefix('/'));
    target.is_some_and(|target| OF_A_MAP.contains(&target))
}

/// Whether a program is an iterator over a map that nothing names.
pub(crate) fn lacks_map(how: Option<&Attach>, section: &str) -> bool {
    let is_said = |how: &Attach| how.map.is_some() || how.is_none();
    is_over_a_map(section.trim_start_matches('?')) && !how.is_some_and(is_said)
}

/// Sees that an object with these programs has the maps that are said of them, and that each
/// iterator over a map says one.
///
/// # Errors
/// It does not.
pub(crate) fn has_maps(
    attach: &BTreeMap<String, Attach>,
    programs: &[(String, String)],
    maps: &[String],
) -> Result<()> {
    for (program, section) in programs {
        let how = attach.get(program);
        match how.and_then(|how| how.map.as_ref()) {
            Some(map) if !maps.contains(map) => bail!(
                "`attach` of `{program}` says the map `{map}`, which its object does not have{}",
                nearest::hint(map, maps.iter().map(String::as_str))
            ),
            None if lacks_map(how, section) => bail!(
                "`{program}` iterates over a map, and `attach = {{ {program} = {{ map = \"MAP\" }} \
                 }}` says which one"
            ),
            _ => {}
        }
    }
    Ok(())
}

/// The keys that are given.
fn given(how: &Attach) -> impl Iterator<Item = &'static str> {
    let keys = [
        ("hook", how.hook.is_some()),
        ("dev", how.dev.is_some()),
        ("order", how.order.is_some()),
        ("priority", how.priority.is_some()),
        ("pf", how.pf.is_some()),
        ("period", how.period.is_some()),
        ("target", how.target.is_some()),
        ("map", how.map.is_some()),
        ("path", how.path.is_some()),
    ];
    let given = keys.into_iter().filter(|(_, is_given)| *is_given);
    given.map(|(key, _)| key)
}

/// Whether a priority is none of a filter: the kernel itself chooses one for 0.
fn is_no_turn(priority: i32) -> bool {
    !(1..=i32::from(u16::MAX)).contains(&priority)
}

/// The programs that are spoken of.
pub(crate) fn programs(attach: &BTreeMap<String, Attach>) -> Vec<String> {
    let others = attach.values().flat_map(|how| {
        let order = how.order.as_deref();
        let order = order.and_then(|order| order.split_once(':'));
        order
            .map(|(_, name)| name.to_owned())
            .into_iter()
            .chain(how.target.clone())
    });
    attach.keys().cloned().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use kassay_guest::section::End;

    use super::*;

    fn fit(section: &str, how: Attach) -> String {
        let attach = BTreeMap::from([("p".to_owned(), how)]);
        let programs = [("p".to_owned(), section.to_owned())];
        fits(&attach, &programs).map_or_else(|error| error.to_string(), |()| "fits".to_owned())
    }

    #[test]
    fn an_iterator_over_a_map_says_one_that_is_there() {
        let of = |section: &str, map: Option<&str>| {
            let how = Attach {
                map: map.map(str::to_owned),
                ..Attach::default()
            };
            let attach = BTreeMap::from([("p".to_owned(), how)]);
            let programs = [("p".to_owned(), section.to_owned())];
            has_maps(&attach, &programs, &["counts".to_owned()])
        };
        assert!(of("iter/task", None).is_ok());
        assert!(of("iter/bpf_map_elem", Some("counts")).is_ok());
        assert!(lacks_map(None, "?iter/sockmap") && !lacks_map(None, "iter/task"));
        let missing = of("iter.s/bpf_map_elem", None).unwrap_err();
        assert!(missing.to_string().ends_with("says which one"), "{missing}");
        let other = of("sk_msg", Some("count")).unwrap_err();
        assert!(
            other.to_string().ends_with("did you mean `counts`?"),
            "{other}"
        );
    }

    #[test]
    fn what_a_place_does_not_have_is_named() {
        let order = || Attach {
            order: Some("before:q".to_owned()),
            ..Attach::default()
        };
        let hook = |hook: &str| Some(hook.to_owned());
        assert_eq!(fit("tcx/ingress", order()), "fits");
        let refused = "`attach` of `p` says `order`, which a program of `tc` does not have; it has \
                       `hook`, `dev`, `priority`";
        assert_eq!(fit("?tc", order()), refused);
        let there = Attach {
            hook: hook("tcx/egress"),
            dev: Some(End::Receiver),
            ..order()
        };
        assert_eq!(fit("tc", there), "fits");
        let second = || Attach {
            path: Some("/dev/lirc1".to_owned()),
            ..Attach::default()
        };
        assert_eq!(fit("lirc_mode2", second()), "fits");
        assert!(fit("lwt_seg6local", second()).ends_with("does not have"));
        let local = Attach {
            hook: hook("local_out"),
            ..Attach::default()
        };
        assert_eq!(fit("netfilter", local.clone()), "fits");
        assert!(fit("tc", local).contains("its section is `tc`: hooks of netfilter, and of it"));
        assert!(fit("kprobe/f", order()).ends_with("`kprobe/f` does not have"));
        for priority in [0, -1, 65536] {
            let there = Attach {
                priority: Some(priority),
                ..Attach::default()
            };
            assert!(
                fit("action", there).ends_with("no filter of `action` has: they are 1 to 65535")
            );
        }
        let of = |name: &str| Attach {
            hook: hook(name),
            ..Attach::default()
        };
        assert!(fit("netfilter", of("tc")).contains("its section is `netfilter`: hooks of"));
        assert!(fit("tc", of("tcx/egres")).ends_with("did you mean `tcx/egress`?"));
        assert!(fit("tc", of("kprobe/f")).ends_with("only its own section says"));
    }
}
