//! BPF objects: loaded by libbpf, attached by section name.

mod cost;
mod failing;
mod freplace;
mod holdings;
#[cfg(feature = "static")]
pub mod kernel_btf;
mod load;
mod structure;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use anyhow::{Context, Result, bail};
use kassay_guest::section::{self, End, Place};
use kassay_guest::{Attach, Fact, Plan, Standing, Why};
use libbpf_rs::query::{LinkTypeInfo, ProgInfoIter};
use libbpf_rs::{
    Iter, Map, MapCore, MapFlags, MapType, Object, Program, ProgramInput, ProgramMut, ProgramType,
};

use crate::facts::Facts;
use crate::hook::{self, Hold, Site};
use crate::host_root::HostRoot;
use crate::net::{Lazy, Net};

pub use failing::Failing;
pub use holdings::{Holdings, wait_until_only};
use load::heard;
pub use load::{load, load_each, sift};
pub use structure::detach;

/// How many places of a map of programs are looked at.
const PLACES: u32 = 4096;

/// A loaded object and what holds its programs in place, in the order in which
/// they must be let go: links first.
pub struct Attached {
    /// The programs that are attached, by their names.
    holds: Vec<(String, Hold)>,
    /// The structures of programs that are attached, by their names.
    structures: Vec<(String, Hold)>,
    object: Object,
    name: String,
    /// Whether its programs are to run: one that was loaded by itself was only tried.
    is_used: bool,
}

impl Attached {
    /// Whether it is the object of that name.
    pub fn is_of(&self, name: &str) -> bool {
        self.name == name
    }

    /// Its programs, those alone that are loaded.
    pub fn programs(&self) -> impl Iterator<Item = Program<'_>> {
        let programs = self.object.progs();
        programs.filter(|program| program.autoload())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        for (_, hold) in &mut self.holds {
            if let Hold::Filter(hook, ..) = hold {
                let _ = hook.detach();
            }
        }
    }
}

impl Attached {
    /// An object whose programs are attached nowhere yet.
    pub fn new(name: &str, object: Object, is_used: bool) -> Attached {
        Attached {
            holds: Vec::new(),
            structures: Vec::new(),
            object,
            name: name.to_owned(),
            is_used,
        }
    }

    /// Attaches every program of an object where its section says; reports each. Some are
    /// there for steps alone, and what a map of programs has only others call. Of one that was
    /// loaded by itself the others do not count, and a structure would lack them.
    pub fn attach(
        mut self,
        plan: &Plan,
        before: &[Attached],
        net: &mut Lazy,
        host_root: Option<&HostRoot>,
        facts: &mut Facts,
    ) -> Result<Attached> {
        let called = called(&self.object)?;
        let others = descriptors(&self.object, before);
        let mut structures = None;
        for program in self.object.progs_mut() {
            let function = program.name().to_string_lossy().into_owned();
            let how = plan.attach_of(&function);
            let section = section_of(&program, &how);
            let there = match place(&program, &section, &called, plan)? {
                Ok(Place::Step) => continue,
                Ok(Place::StructOps) | Err(Why::Optional) if !self.is_used => continue,
                there => there,
            };
            let mut attach = |there| match there {
                Place::StructOps if how.is_none() => (
                    Err("the structure that has it is registered with it".to_owned()),
                    String::new(),
                ),
                Place::StructOps => structures
                    .get_or_insert_with(|| structure::attach(&self.object, &mut self.structures))
                    .clone(),
                _ => {
                    let object = &self.object;
                    let site = Site {
                        object,
                        net: &mut *net,
                        host_root,
                        others: &others,
                    };
                    let attach = || hook::attach(there, &program, &section, &how, site);
                    let (hold, said) = heard(attach);
                    let hold = hold.map(|hold| self.holds.push((function.clone(), hold)));
                    (hold.map_err(|error| format!("{error:#}")), said)
                }
            };
            let attached = there.map(&mut attach);
            let end = self.hold(&function).and_then(Hold::end);
            facts.report(told(&self.name, function, section, end, attached))?;
        }
        Ok(self)
    }

    /// What the kernel says of its programs.
    fn standing(
        &self,
        plan: &Plan,
        runs: &BTreeMap<u32, u64>,
        net: Option<&Net>,
    ) -> Result<Vec<Standing>> {
        let called = called(&self.object)?;
        let standing = |program: Program<'_>| {
            let id = Program::id_from_fd(program.as_fd())?;
            let is_counted = program.prog_type() != ProgramType::Ext && !called.contains_key(&id);
            let name = program.name().to_string_lossy().into_owned();
            let hold = self.hold(&name);
            let place = hold.and_then(|hold| hold.place(id, net).transpose());
            let how = plan.attach_of(&name);
            let choice = hold.map(|hold| hold.choice(id, &how, net)).transpose();
            let (place, choice) = match choice {
                Ok(choice) => (place, choice.unwrap_or_default()),
                Err(error) => (Some(Err(error)), String::new()),
            };
            let place = match program.prog_type() {
                ProgramType::StructOps => self
                    .structures
                    .first()
                    .map(|(_, hold)| structure::place(hold)),
                _ => place,
            };
            Ok(Standing {
                object: self.name.clone(),
                program: name,
                place: place.map(|place| place.map_err(|error| format!("{error:#}"))),
                choice,
                runs: runs.get(&id).copied().filter(|_| is_counted),
            })
        };
        self.programs().map(standing).collect()
    }

    fn hold(&self, program: &str) -> Option<&Hold> {
        let mut holds = self.holds.iter();
        Some(&holds.find(|(name, _)| name == program)?.1)
    }
}

/// The programs of an object and of those before it, by their names.
fn descriptors(object: &Object, before: &[Attached]) -> BTreeMap<String, RawFd> {
    let own = object.progs().filter(|program| program.autoload());
    let all = before.iter().flat_map(Attached::programs).chain(own);
    let named = |program: Program<'_>| {
        let name = program.name().to_string_lossy().into_owned();
        (name, program.as_fd().as_raw_fd())
    };
    all.map(named).collect()
}

/// What is told of a program: whether it is attached, and what was said meanwhile, or why it is
/// left unattached.
fn told(
    object: &str,
    program: String,
    section: String,
    end: Option<End>,
    attached: Result<(Result<(), String>, String), Why>,
) -> Fact {
    let object = object.to_owned();
    match attached {
        Ok((done, said)) => Fact::Attached {
            object,
            program,
            section,
            end,
            log: if done.is_err() { said } else { String::new() },
            error: done.err(),
        },
        Err(why) => Fact::Unattached {
            object,
            program,
            section,
            why,
        },
    }
}

/// The section whose place a program gets: its own, or another that the scenario says. A hook of
/// netfilter is none.
fn section_of(program: &ProgramMut<'_>, how: &Attach) -> String {
    let own = program.section().to_string_lossy().into_owned();
    let hook = how
        .hook
        .as_ref()
        .filter(|_| own != "netfilter" && !how.is_none());
    hook.cloned().unwrap_or(own)
}

/// Where a program belongs, or why it is left where it is.
fn place(
    program: &ProgramMut<'_>,
    section: &str,
    called: &BTreeMap<u32, String>,
    plan: &Plan,
) -> Result<Result<Place, Why>> {
    if !program.autoload() {
        return Ok(Err(Why::Optional));
    }
    let name = program.name().to_string_lossy();
    if program.prog_type() != ProgramType::StructOps && plan.attach_of(&name).is_none() {
        return Ok(Err(Why::Asked));
    }
    let map = called.get(&Program::id_from_fd(program.as_fd())?);
    Ok(match map {
        Some(map) => Err(Why::Called(map.clone())),
        None => match section::place(section) {
            Place::Nowhere => Err(Why::NoHook),
            place => Ok(place),
        },
    })
}

/// The programs that are in maps of programs, by their ids, and one such map of each.
fn called(object: &Object) -> Result<BTreeMap<u32, String>> {
    let mut called = BTreeMap::new();
    let maps = object.maps();
    for map in maps.filter(|map| map.map_type() == MapType::ProgArray && map.autocreate()) {
        for place in 0..map.max_entries().min(PLACES) {
            let id = map.lookup(&place.to_ne_bytes(), MapFlags::ANY)?;
            let id = id.and_then(|id| Some(u32::from_ne_bytes(id.try_into().ok()?)));
            called.extend(id.map(|id| (id, map.name().to_string_lossy().into_owned())));
        }
    }
    Ok(called)
}

/// What the kernel says of all programs that were loaded with others. How often they ran is told
/// where it counts, which it does from the boot on (see [`crate::system::count_runs`]).
pub fn standing(attached: &[Attached], plan: &Plan, net: Option<&Net>) -> Result<Fact> {
    let runs = match plan.live.is_none() {
        true => ProgInfoIter::default()
            .map(|info| (info.id, info.run_cnt))
            .collect(),
        false => BTreeMap::new(),
    };
    let used = attached.iter().filter(|held| held.is_used);
    let programs = used.map(|held| held.standing(plan, &runs, net));
    let programs: Vec<Vec<Standing>> = programs.collect::<Result<_>>()?;
    Ok(Fact::Standing {
        programs: programs.concat(),
    })
}

/// An iterator of the attached program of that name, if it is one.
pub fn iterator(attached: &[Attached], name: &str) -> Result<Option<Iter>> {
    let hold = attached.iter().find_map(|held| held.hold(name));
    match hold {
        Some(Hold::Link(link)) if matches!(link.info()?.info, LinkTypeInfo::Iter(_)) => {
            Ok(Some(Iter::new(link)?))
        }
        _ => Ok(None),
    }
}

/// Runs the program of that name, and returns what it returns.
pub fn run(attached: &[Attached], name: &str) -> Result<u32> {
    test_run(object_of(attached, name)?, name)
}

/// Runs a program of an object, and returns what it returns.
pub fn test_run(object: &Object, name: &str) -> Result<u32> {
    let program = object.progs_mut().find(|program| program.name() == name);
    let program = program.with_context(|| not_loaded(name))?;
    let output = see_it_run(&program, || Ok(program.test_run(ProgramInput::default())?));
    Ok(output
        .with_context(|| format!("run `{name}`"))?
        .return_value)
}

/// Does what has the kernel run a program. For one of fentry, fexit or fmod_ret the kernel calls
/// functions of its own, and so runs it only where it is on one of them (bpf_prog_test_run_tracing
/// of net/bpf/test_run.c, 6.1 to 7.2).
///
/// # Errors
/// That of `work`; the program did not run.
pub fn see_it_run<T>(program: &ProgramMut<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let id = [Program::id_from_fd(program.as_fd())?];
    let before = runs(&id);
    let done = work()?;
    if program.prog_type() == ProgramType::Tracing && runs_since(&id, &before) == 0 {
        bail!(
            "the kernel called `bpf_fentry_test1` and others of its own, and the program is on none \
             of them; have what it is on called by another step"
        );
    }
    Ok(done)
}

/// The object in which the program of that name is loaded.
pub fn object_of<'a>(attached: &'a [Attached], program: &str) -> Result<&'a Object> {
    let holds = |held: &&Attached| held.programs().any(|held| held.name() == program);
    let held = attached.iter().find(holds);
    Ok(&held.with_context(|| not_loaded(program))?.object)
}

fn not_loaded(program: &str) -> String {
    format!("no program `{program}` is loaded")
}

/// The first map of that name, and the object that it is of.
///
/// # Errors
/// No object has it; several have a section of that name.
pub fn map<'a>(attached: &'a [Attached], name: &str) -> Result<(&'a Object, Map<'a>)> {
    let objects = attached.iter().map(|held| &held.object);
    let found = objects.filter_map(|object| Some((object, map_of(object, name).ok()?)));
    let found: Vec<(&Object, Map<'a>)> = found.collect();
    let mut names: Vec<_> = found.iter().map(|(_, map)| map.name()).collect();
    names.dedup();
    if names.len() > 1 {
        let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
        let names = names.join("`, `");
        bail!("find the map `{name}`, which several objects have: `{names}`");
    }
    found.into_iter().next().with_context(|| no_map(name))
}

/// The map of that name of an object.
pub fn map_of<'a>(object: &'a Object, name: &str) -> Result<Map<'a>> {
    let mut maps = object.maps();
    maps.find(|map| is_called(&map.name().to_string_lossy(), name))
        .with_context(|| no_map(name))
}

/// Whether a map is meant by a name, its own or that of the section whose variables it has: before
/// that libbpf puts a part of the object's name.
fn is_called(map: &str, name: &str) -> bool {
    let section = map.find('.').map(|at| &map[at..]);
    map == name || section == Some(name)
}

fn no_map(name: &str) -> String {
    format!("find the map `{name}`, which no loaded program has")
}

/// How often the kernel has run each of these programs.
pub fn runs(programs: &[u32]) -> Vec<u64> {
    let infos: BTreeMap<u32, u64> = ProgInfoIter::default()
        .map(|info| (info.id, info.run_cnt))
        .collect();
    let runs = programs.iter();
    runs.map(|id| infos.get(id).copied().unwrap_or(0)).collect()
}

/// How often the one of these programs has run since then that ran most often: the first at a hook
/// sees every packet, and may leave none for the others.
pub fn runs_since(programs: &[u32], then: &[u64]) -> u64 {
    let runs = runs(programs).into_iter().zip(then);
    runs.map(|(now, then)| now - then).max().unwrap_or(0)
}

/// The number that an array of these objects has in this place, of all CPUs where each has its own.
pub fn counter(attached: &[Attached], name: &str, place: u32) -> Result<u64> {
    let (_, map) = map(attached, name)?;
    let read = || format!("read place {place} of the map `{name}`");
    if map.key_size() != 4 {
        bail!("{}: its keys are no u32", read());
    }
    let key = place.to_ne_bytes();
    let values = match map.map_type().is_percpu() {
        true => map.lookup_percpu(&key, MapFlags::ANY),
        false => map
            .lookup(&key, MapFlags::ANY)
            .map(|value| value.map(|value| vec![value])),
    };
    let values = values.with_context(read)?.with_context(read)?;
    let number = |value: &Vec<u8>| match value.as_slice() {
        [a, b, c, d] => Some(u64::from(u32::from_ne_bytes([*a, *b, *c, *d]))),
        value => value.try_into().ok().map(u64::from_ne_bytes),
    };
    let sum = values.iter().map(number).sum::<Option<u64>>();
    sum.with_context(|| format!("{}: its values are neither u32 nor u64", read()))
}
