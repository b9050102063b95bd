//! BPF objects: loaded by libbpf, attached by section name.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use kassay_guest::{Fact, Global, Plan, SHARE, Standing, Step, Why};
use libbpf_rs::query::{LinkInfoIter, LinkTypeInfo, MapInfoIter, ProgInfoIter};
use libbpf_rs::{
    AsRawLibbpf, Iter, Link, Map, MapCore, MapFlags, MapHandle, MapType, Object, ObjectBuilder,
    OpenObject, PrintLevel, Program, ProgramInput, ProgramMut, ProgramType, libbpf_sys,
};

use crate::facts::Facts;
use crate::hook::{Hold, Hook, place_of};
use crate::host_root::HostRoot;
use crate::module::RELEASE_DEADLINE;
use crate::net::{Lazy, Net};
use crate::slots;

/// Where BPF objects are pinned.
const PINS: &str = "/sys/fs/bpf";

/// Sections of programs that belong to no hook, and are there to be run.
const NOWHERE: [&str; 2] = ["raw_tp", "syscall"];

/// How many places of a map of programs are looked at.
const PLACES: u32 = 4096;

/// What libbpf said since it was last asked.
static SAID: Mutex<String> = Mutex::new(String::new());

/// A loaded object and what holds its programs in place, in the order in which
/// they must be let go: links first.
pub struct Attached {
    /// The programs that are attached, by their names.
    holds: Vec<(String, Hold)>,
    /// The structures of programs that are attached.
    structures: Vec<Link>,
    object: Object,
    name: String,
    /// Whether its programs are to run: one that was loaded by itself was only tried.
    is_used: bool,
}

impl Attached {
    /// Its programs, those alone that are loaded.
    pub fn programs(&self) -> impl Iterator<Item = Program<'_>> {
        let programs = self.object.progs();
        programs.filter(|program| program.autoload())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        for (_, hold) in &mut self.holds {
            if let Hold::Filter(hook, _) = hold {
                let _ = hook.detach();
            }
        }
    }
}

/// Opens and loads an object of the share; reports how that went. Where the plan names programs,
/// only those are loaded; else those that libbpf loads, and the ones that its steps name.
pub fn load(name: &str, plan: &Plan, facts: &mut Facts) -> Result<Option<Object>> {
    let programs = &plan.programs;
    let named = |program: &str| programs.iter().any(|name| program == name);
    let load = || match programs.as_slice() {
        [] => open(name, plan, None)?.load(),
        _ => open(name, plan, Some(&named))?.load(),
    };
    let loaded = heard(load);
    report(name, None, &loaded, facts)?;
    Ok(loaded.0.ok())
}

/// Has programs of an object loaded that libbpf would leave out, for their section begins with `?`.
fn ask(object: &mut OpenObject, steps: &[Step]) {
    for mut program in object.progs_mut() {
        let mut asked = steps.iter().filter_map(Step::program);
        if asked.any(|name| program.name() == name) {
            program.set_autoload(true);
        }
    }
}

/// Loads each program of an object by itself, in an object of its own where it is
/// the only one; reports how each went.
pub fn load_each(name: &str, plan: &Plan, facts: &mut Facts) -> Result<Vec<Attached>> {
    let opened = heard(|| open(name, plan, None));
    report(name, None, &opened, facts)?;
    let (Ok(opened), _) = opened else {
        return Ok(Vec::new());
    };
    let mut loaded = Vec::new();
    for program in opened.progs().map(|program| program.name()) {
        let program = program.to_string_lossy().into_owned();
        let is_it = |other: &str| other == program;
        let alone = heard(|| open(name, plan, Some(&is_it))?.load());
        report(name, Some(program.clone()), &alone, facts)?;
        let alone = alone.0.ok();
        loaded.extend(alone.map(|object| Attached::new(name, object, false)));
    }
    Ok(loaded)
}

/// Does `work`, and returns what libbpf said meanwhile, and the kernel through it.
fn heard<T>(work: impl FnOnce() -> T) -> (T, String) {
    libbpf_rs::set_print(Some((PrintLevel::Info, |_, text| {
        if let Ok(mut said) = SAID.lock() {
            said.push_str(&text);
        }
    })));
    let said = || {
        let said = SAID.lock();
        said.map(|mut said| std::mem::take(&mut *said))
    };
    drop(said());
    let done = work();
    (done, said().unwrap_or_default())
}

/// Opens an object of the share, of which only the programs that are wanted will be loaded, where
/// that is said.
fn open(
    name: &str,
    plan: &Plan,
    is_wanted: Option<&dyn Fn(&str) -> bool>,
) -> libbpf_rs::Result<OpenObject> {
    let mut bytes = std::fs::read(format!("{SHARE}/bpf/{name}.bpf.o"))?;
    if let Some(is_wanted) = is_wanted {
        slots::keep(&mut bytes, is_wanted);
    }
    let mut object = ObjectBuilder::default().name(name)?.open_memory(&bytes)?;
    match is_wanted {
        Some(is_wanted) => choose(&mut object, is_wanted)?,
        None => ask(&mut object, &plan.steps),
    }
    for global in plan.globals.iter().filter(|global| global.object == name) {
        set(&mut object, global);
    }
    Ok(object)
}

/// Sets a global variable. Where it is, the harness has read in the same object.
fn set(object: &mut OpenObject, global: &Global) {
    let mut maps = object.maps_mut();
    let map = maps.find(|map| is_called(&map.name().to_string_lossy(), &global.section));
    let end = global.offset + global.bytes.len();
    if let Some(mut map) = map
        && let Some(value) = map.initial_value_mut()
        && let Some(to) = value.get_mut(global.offset..end)
    {
        to.copy_from_slice(&global.bytes);
    }
}

/// Whether a map is meant by a name, its own or that of the section whose variables it has: before
/// that libbpf puts a part of the object's name.
fn is_called(map: &str, name: &str) -> bool {
    let section = map.find('.').map(|at| &map[at..]);
    map == name || section == Some(name)
}

/// Has only those programs of an object loaded that are wanted. Of the callbacks in a
/// structure of section `.struct_ops` libbpf loads all, whatever it was told of them
/// (bpf_object_adjust_struct_ops_autoload of 1.7), so the others are taken out of it; a
/// structure without any is not made, since the kernel may not know it.
fn choose(object: &mut OpenObject, is_wanted: impl Fn(&str) -> bool) -> libbpf_rs::Result<()> {
    let (mut wanted, mut others) = (Vec::new(), Vec::new());
    for mut program in object.progs_mut() {
        let is_wanted = is_wanted(&program.name().to_string_lossy());
        program.set_autoload(is_wanted);
        // Until it is loaded, a structure has its programs' addresses in libbpf.
        let address = (program.as_libbpf_object().as_ptr() as usize).to_ne_bytes();
        match is_wanted {
            true => wanted.push(address),
            false => others.push(address),
        }
    }
    let maps = object.maps_mut();
    for mut structure in maps.filter(|map| map.map_type() == MapType::StructOps) {
        let members = structure.initial_value_mut().unwrap_or_default();
        let mut is_used = false;
        for member in members.chunks_exact_mut(size_of::<usize>()) {
            is_used |= wanted.iter().any(|address| address == member);
            if others.iter().any(|address| address == member) {
                member.fill(0);
            }
        }
        if !is_used {
            structure.set_autocreate(false)?;
        }
    }
    Ok(())
}

fn report<T>(
    object: &str,
    program: Option<String>,
    (loaded, said): &(libbpf_rs::Result<T>, String),
    facts: &mut Facts,
) -> Result<()> {
    let error = loaded.as_ref().err().map(|error| format!("{error:#}"));
    facts.report(Fact::Loaded {
        object: object.to_owned(),
        program,
        log: error.as_ref().map_or(String::new(), |_| said.clone()),
        error,
    })
}

impl Attached {
    fn new(name: &str, object: Object, is_used: bool) -> Attached {
        Attached {
            holds: Vec::new(),
            structures: Vec::new(),
            object,
            name: name.to_owned(),
            is_used,
        }
    }

    /// Attaches every program of an object where its section says; reports each. What
    /// is in one of [`NOWHERE`] only a step runs, and what a map of programs has only others call.
    pub fn attach(
        name: &str,
        object: Object,
        net: &mut Lazy,
        host_root: Option<&HostRoot>,
        facts: &mut Facts,
    ) -> Result<Attached> {
        let called = called(&object)?;
        let mut held = Attached::new(name, object, true);
        let mut structures = None;
        for program in held.object.progs_mut() {
            let section = program.section().to_string_lossy().into_owned();
            let function = program.name().to_string_lossy().into_owned();
            if NOWHERE.contains(&section.as_str()) {
                continue;
            }
            let hook = match place(&program, &section, &called)? {
                Ok(hook) => hook,
                Err(why) => {
                    facts.report(Fact::Unattached {
                        object: name.to_owned(),
                        program: function,
                        section,
                        why,
                    })?;
                    continue;
                }
            };
            let (done, said) = match hook {
                Hook::StructOps => structures
                    .get_or_insert_with(|| attach_structures(&held.object, &mut held.structures))
                    .clone(),
                _ => {
                    let attach = || hook.attach(&program, &section, net, host_root);
                    let (hold, said) = heard(attach);
                    let hold = hold.map(|hold| held.holds.push((function.clone(), hold)));
                    (hold.map_err(|error| format!("{error:#}")), said)
                }
            };
            facts.report(Fact::Attached {
                object: name.to_owned(),
                program: function,
                section,
                log: if done.is_err() { said } else { String::new() },
                error: done.err(),
            })?;
        }
        Ok(held)
    }

    /// What the kernel says of its programs.
    fn standing(&self, runs: &BTreeMap<u32, u64>, net: Option<&Net>) -> Result<Vec<Standing>> {
        let called = called(&self.object)?;
        let standing = |program: Program<'_>| {
            let id = Program::id_from_fd(program.as_fd())?;
            let is_counted = program.prog_type() != ProgramType::Ext && !called.contains_key(&id);
            let name = program.name().to_string_lossy().into_owned();
            let place = self.hold(&name);
            let place = place.and_then(|hold| hold.place(id, net).transpose());
            let place = match program.prog_type() {
                ProgramType::StructOps => self.structures.first().map(structure),
                _ => place,
            };
            Ok(Standing {
                object: self.name.clone(),
                program: name,
                place: place.map(|place| place.map_err(|error| format!("{error:#}"))),
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

/// Where a program belongs, or why it is left where it is.
fn place(
    program: &ProgramMut<'_>,
    section: &str,
    called: &BTreeMap<u32, String>,
) -> Result<Result<Hook, Why>> {
    if !program.autoload() {
        return Ok(Err(Why::Optional));
    }
    let map = called.get(&Program::id_from_fd(program.as_fd())?);
    Ok(match map {
        Some(map) => Err(Why::Called(map.clone())),
        None => Hook::of(section).ok_or(Why::NoHook),
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

/// Attaches the structures of an object, which hold its callbacks; returns the first error, and
/// what was said.
fn attach_structures(object: &Object, links: &mut Vec<Link>) -> (Result<(), String>, String) {
    let attach = || {
        let maps = object.maps();
        for map in maps.filter(|map| map.map_type() == MapType::StructOps && map.autocreate()) {
            let name = map.name().to_string_lossy().into_owned();
            // SAFETY: the map is of a loaded object.
            let link =
                unsafe { libbpf_sys::bpf_map__attach_struct_ops(map.as_libbpf_object().as_ptr()) };
            let link = NonNull::new(link).ok_or_else(std::io::Error::last_os_error);
            let link = link.map_err(|error| format!("attach the structure `{name}`: {error}"))?;
            // SAFETY: libbpf made the link, and nobody else has it.
            links.push(unsafe { Link::from_ptr(link) });
        }
        Ok(())
    };
    heard(attach)
}

/// Where the kernel has a structure.
fn structure(link: &Link) -> Result<String> {
    Ok(place_of(&link.info()?))
}

/// What the kernel says of all programs that were loaded with others. How often they ran is told
/// where it counts, which it does from the boot on (see [`crate::system::count_runs`]).
pub fn standing(attached: &[Attached], is_counted: bool, net: Option<&Net>) -> Result<Fact> {
    let runs = match is_counted {
        true => ProgInfoIter::default()
            .map(|info| (info.id, info.run_cnt))
            .collect(),
        false => BTreeMap::new(),
    };
    let used = attached.iter().filter(|held| held.is_used);
    let programs = used.map(|held| held.standing(&runs, net));
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
    let output = program
        .with_context(|| not_loaded(name))?
        .test_run(ProgramInput::default())
        .with_context(|| format!("run `{name}`"))?;
    Ok(output.return_value)
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
        bail!("find the map `{name}`, which several objects have: {names:?}");
    }
    found.into_iter().next().with_context(|| no_map(name))
}

/// The map of that name of an object.
pub fn map_of<'a>(object: &'a Object, name: &str) -> Result<Map<'a>> {
    let mut maps = object.maps();
    maps.find(|map| is_called(&map.name().to_string_lossy(), name))
        .with_context(|| no_map(name))
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

/// The u64 that an array of a loaded program has in this place.
pub fn counter(map: &str, place: u32) -> Result<u64> {
    let info = MapInfoIter::default()
        .find(|info| info.name.to_string_lossy() == map)
        .with_context(|| no_map(map))?;
    let value = MapHandle::from_map_id(info.id)?
        .lookup(&place.to_ne_bytes(), MapFlags::ANY)?
        .with_context(|| format!("read place {place} of the map `{map}`"))?;
    let bytes = value.as_slice().try_into();
    Ok(u64::from_ne_bytes(bytes.with_context(|| {
        format!("read the map `{map}`, whose values are no u64")
    })?))
}

/// The BPF objects that the kernel holds, by id.
#[derive(Default)]
pub struct Holdings {
    programs: BTreeMap<u32, String>,
    maps: BTreeMap<u32, String>,
    links: Vec<u32>,
}

/// What is held over and above earlier [`Holdings`].
pub struct Left {
    pub programs: Vec<String>,
    pub maps: Vec<String>,
    pub links: usize,
}

impl Left {
    /// Whether nothing is.
    fn is_none(&self) -> bool {
        self.programs.is_empty() && self.maps.is_empty() && self.links == 0
    }

    /// Where some of it is pinned; what is pinned at any other time is nobody's trouble.
    pub fn pins(&self) -> Result<Vec<String>> {
        let mut pins = Vec::new();
        if !self.is_none() {
            add_files(Path::new(PINS), &mut pins)?;
        }
        Ok(pins)
    }
}

/// Adds every file below a folder, sorted.
fn add_files(folder: &Path, files: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("list `{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    for path in paths {
        match path.is_dir() {
            true => add_files(&path, files)?,
            false => files.push(path.to_string_lossy().into_owned()),
        }
    }
    Ok(())
}

impl Holdings {
    /// What the kernel holds now.
    pub fn now() -> Holdings {
        let name = |name: &std::ffi::OsString| name.to_string_lossy().into_owned();
        Holdings {
            programs: ProgInfoIter::default()
                .map(|info| (info.id, name(&info.name)))
                .collect(),
            maps: MapInfoIter::default()
                .map(|info| (info.id, name(&info.name)))
                .collect(),
            links: LinkInfoIter::default().map(|info| info.id).collect(),
        }
    }

    fn beyond(self, before: &Holdings) -> Left {
        let new = |now: BTreeMap<u32, String>, then: &BTreeMap<u32, String>| {
            now.into_iter()
                .filter(|(id, _)| !then.contains_key(id))
                .map(|(_, name)| name)
                .collect()
        };
        Left {
            programs: new(self.programs, &before.programs),
            maps: new(self.maps, &before.maps),
            links: self
                .links
                .iter()
                .filter(|id| !before.links.contains(id))
                .count(),
        }
    }
}

/// Waits until the kernel holds nothing over and above `before`, up to a deadline: it
/// frees programs and maps in the background. Returns what stayed.
pub fn wait_until_only(before: &Holdings) -> Left {
    let end = Instant::now() + RELEASE_DEADLINE;
    loop {
        let left = Holdings::now().beyond(before);
        if left.is_none() || Instant::now() >= end {
            return left;
        }
        std::thread::yield_now();
    }
}
