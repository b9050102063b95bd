//! BPF objects: loaded by libbpf, attached by section name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use kassay_guest::{Fact, Global, Plan, SHARE};
use libbpf_rs::query::{LinkInfoIter, MapInfoIter, ProgInfoIter};
use libbpf_rs::{
    AsRawLibbpf, Link, Map, MapCore, MapFlags, MapHandle, MapType, Object, ObjectBuilder,
    OpenObject, PrintLevel, Program, ProgramInput, ProgramMut, TC_INGRESS, TcHook, TcHookBuilder,
};

use crate::facts::Facts;
use crate::net::Net;
use crate::{slots, system};

/// Where the guest program mounts the cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Where BPF objects are pinned.
const PINS: &str = "/sys/fs/bpf";

/// Sections of programs that belong to no hook.
const NOWHERE: [&str; 2] = ["raw_tp", "syscall"];

/// What libbpf said since it was last asked.
static SAID: Mutex<String> = Mutex::new(String::new());

/// A loaded object and what holds its programs in place, in the order in which
/// they must be let go: links first.
pub struct Attached {
    _links: Vec<Link>,
    hooks: Vec<TcHook>,
    object: Object,
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
        for hook in &mut self.hooks {
            let _ = hook.detach();
        }
    }
}

/// Opens and loads an object of the share; reports how that went.
/// Where `programs` names any, only those are loaded.
pub fn load(name: &str, plan: &Plan, facts: &mut Facts) -> Result<Option<Object>> {
    let programs = &plan.programs;
    let is_wanted =
        |program: &str| programs.is_empty() || programs.iter().any(|name| program == name.as_str());
    let loaded = open(name, plan, is_wanted).and_then(OpenObject::load);
    report(name, None, &loaded, facts)?;
    Ok(loaded.ok())
}

/// Loads each program of an object by itself, in an object of its own where it is
/// the only one; reports how each went.
pub fn load_each(name: &str, plan: &Plan, facts: &mut Facts) -> Result<Vec<Attached>> {
    let opened = open(name, plan, |_| true);
    report(name, None, &opened, facts)?;
    let Ok(opened) = opened else {
        return Ok(Vec::new());
    };
    let mut loaded = Vec::new();
    for program in opened.progs().map(|program| program.name()) {
        let program = program.to_string_lossy().into_owned();
        let alone = open(name, plan, |other| other == program).and_then(OpenObject::load);
        report(name, Some(program), &alone, facts)?;
        loaded.extend(alone.ok().map(|object| Attached {
            _links: Vec::new(),
            hooks: Vec::new(),
            object,
        }));
    }
    Ok(loaded)
}

/// Opens an object of the share, of which the programs that are wanted will be loaded, and keeps
/// what libbpf says from there on.
fn open(
    name: &str,
    plan: &Plan,
    is_wanted: impl Fn(&str) -> bool,
) -> libbpf_rs::Result<OpenObject> {
    libbpf_rs::set_print(Some((PrintLevel::Info, |_, text| {
        if let Ok(mut said) = SAID.lock() {
            said.push_str(&text);
        }
    })));
    let mut bytes = std::fs::read(format!("{SHARE}/bpf/{name}.bpf.o"))?;
    slots::keep(&mut bytes, &is_wanted);
    let mut object = ObjectBuilder::default().name(name)?.open_memory(&bytes)?;
    choose(&mut object, is_wanted)?;
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
    loaded: &libbpf_rs::Result<T>,
    facts: &mut Facts,
) -> Result<()> {
    let said = SAID
        .lock()
        .map(|mut said| std::mem::take(&mut *said))
        .unwrap_or_default();
    let error = loaded.as_ref().err().map(|error| format!("{error:#}"));
    let log = if error.is_some() { said } else { String::new() };
    facts.report(Fact::Loaded {
        object: object.to_owned(),
        program,
        error,
        log,
    })
}

/// Attaches every program of an object where its section says; reports each. What
/// is in one of [`NOWHERE`] only a step runs.
pub fn attach(
    name: &str,
    object: Object,
    net: &mut Option<Net>,
    facts: &mut Facts,
) -> Result<Attached> {
    let (mut links, mut hooks) = (Vec::new(), Vec::new());
    for program in object.progs_mut() {
        let section = program.section().to_string_lossy().into_owned();
        if NOWHERE.contains(&section.as_str()) || !program.autoload() {
            continue;
        }
        let done = if section.starts_with("tc") {
            attach_tc(&program, net).map(|hook| hooks.push(hook))
        } else if section.starts_with("xdp") {
            attach_xdp(&program, net).map(|link| links.push(link))
        } else if section.starts_with("cgroup") {
            attach_cgroup(&program).map(|link| links.push(link))
        } else {
            program
                .attach()
                .map(|link| links.push(link))
                .map_err(|error| anyhow!("{error:#}"))
        };
        facts.report(Fact::Attached {
            object: name.to_owned(),
            program: program.name().to_string_lossy().into_owned(),
            section,
            error: done.err().map(|error| format!("{error:#}")),
        })?;
    }
    Ok(Attached {
        _links: links,
        hooks,
        object,
    })
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

/// Attaches a classifier to the receiving end of the veth pair, at the ingress
/// hook of its clsact qdisc, and has the kernel count its runs.
fn attach_tc(program: &ProgramMut<'_>, net: &mut Option<Net>) -> Result<TcHook> {
    system::write("/proc/sys/kernel/bpf_stats_enabled", "1")?;
    let net = Net::get(net)?;
    let mut hook = TcHookBuilder::new(program.as_fd())
        .ifindex(net.receiver as i32)
        .replace(true)
        .handle(1)
        .priority(1)
        .hook(TC_INGRESS);
    hook.create().context("make a clsact qdisc")?;
    let hook = hook.attach().context("attach to the clsact qdisc")?;
    net.classifiers.push(Program::id_from_fd(program.as_fd())?);
    Ok(hook)
}

/// Attaches an XDP program to the receiving end of the veth pair, and has the
/// kernel count its runs.
fn attach_xdp(program: &ProgramMut<'_>, net: &mut Option<Net>) -> Result<Link> {
    system::write("/proc/sys/kernel/bpf_stats_enabled", "1")?;
    let net = Net::get(net)?;
    let link = program
        .attach_xdp(net.receiver as i32)
        .context("attach to the veth pair")?;
    net.classifiers.push(Program::id_from_fd(program.as_fd())?);
    Ok(link)
}

/// Attaches a program to the root of the cgroups, where every process is.
fn attach_cgroup(program: &ProgramMut<'_>) -> Result<Link> {
    let root = File::open(CGROUPS).with_context(|| format!("open `{CGROUPS}`"))?;
    program
        .attach_cgroup(root.as_raw_fd())
        .with_context(|| format!("attach to `{CGROUPS}`"))
}

/// How often the kernel has run these programs.
pub fn runs(programs: &[u32]) -> u64 {
    ProgInfoIter::default()
        .filter(|info| programs.contains(&info.id))
        .map(|info| info.run_cnt)
        .sum()
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

/// Waits until the kernel holds nothing over and above `before`, at most three
/// seconds: it frees programs and maps in the background. Returns what stayed.
pub fn wait_until_only(before: &Holdings) -> Left {
    let end = Instant::now() + Duration::from_secs(3);
    loop {
        let left = Holdings::now().beyond(before);
        if left.is_none() || Instant::now() >= end {
            return left;
        }
        std::thread::yield_now();
    }
}
