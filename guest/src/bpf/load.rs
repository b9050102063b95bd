//! Objects of the share, loaded by libbpf.

use std::sync::Mutex;

use anyhow::Result;
use kassay_guest::section::without_type;
use kassay_guest::{Cost, Entry, Fact, Global, Plan, SHARE, Step};
use libbpf_rs::{
    AsRawLibbpf, ErrorExt, ErrorKind, MapCore, MapFlags, MapType, Object, ObjectBuilder,
    OpenObject, OpenProgramMut, PrintLevel, ProgramType, num_possible_cpus,
};

use super::cost::Meter;
use super::{Attached, freplace, is_called, structure};
use crate::facts::Facts;
use crate::hook;
use crate::{slots, value};

/// What libbpf said since it was last asked.
static SAID: Mutex<String> = Mutex::new(String::new());

/// Opens and loads an object of the share; reports how that went. Where the plan names programs,
/// only those are loaded; else those that libbpf loads, and the ones that its steps name.
pub fn load(
    name: &str,
    plan: &Plan,
    before: &[Attached],
    facts: &mut Facts,
) -> Result<Option<Object>> {
    let programs = &plan.programs;
    let named = |program: &str| programs.iter().any(|name| program == name);
    let open = || {
        let mut object = match programs.as_slice() {
            [] => open(name, plan, None)?,
            _ => open(name, plan, Some(&named))?,
        };
        freplace::aim(&mut object, plan, before)?;
        Ok(object)
    };
    let (loaded, costs) = counted(open, name, plan);
    report(name, None, &loaded, costs, facts)?;
    Ok(loaded.0.ok())
}

/// Loads the object of that name, which `open` opens; returns what came of it, and what its
/// programs took where the plan has it counted. For the counts the verifier leaves out its trace, so
/// what it refuses is loaded once more, unless that would be too long.
fn counted(
    open: impl Fn() -> libbpf_rs::Result<OpenObject>,
    name: &str,
    plan: &Plan,
) -> ((libbpf_rs::Result<Object>, String), Vec<Cost>) {
    let mut costs = Vec::new();
    if plan.counts {
        let mut meter = None;
        let load = || {
            let mut object = open()?;
            meter.insert(Meter::of(&mut object)?).prepare(&mut object)?;
            filled(made(object)?, name, plan)
        };
        let mut loaded = heard(load);
        costs.extend(meter.iter().map(|meter| meter.read(loaded.0.as_ref().ok())));
        let remarks = meter.and_then(|meter| meter.remarks());
        if let (Err(_), Some(remarks)) = (&loaded.0, &remarks) {
            loaded.1.insert_str(0, remarks);
        }
        if loaded.0.is_ok() || remarks.is_some() {
            return (loaded, costs.concat());
        }
    }
    (heard(|| filled(made(open()?)?, name, plan)), costs.concat())
}

/// Loads an object. Where the kernel does not have the type of one of its programs, it says no more
/// than that an argument is invalid, so the error says it.
pub(super) fn made(object: OpenObject) -> libbpf_rs::Result<Object> {
    let programs = object.progs().filter(|program| program.autoload());
    let types: Vec<_> = programs
        .map(|program| (program.prog_type(), program.section().to_owned()))
        .collect();
    object.load().map_err(|error| {
        let is_it = error.kind() == ErrorKind::InvalidInput;
        let lacks = |kind: ProgramType| is_it && matches!(kind.is_supported(), Ok(false));
        match types.iter().find(|(kind, _)| lacks(*kind)) {
            Some((_, section)) => error.context(without_type(&section.to_string_lossy())),
            None => error,
        }
    })
}

/// A loaded object, whose maps are given the entries that the plan has for them.
pub(super) fn filled(object: Object, name: &str, plan: &Plan) -> libbpf_rs::Result<Object> {
    for entry in plan.entries.iter().filter(|entry| entry.object == name) {
        let set = set_entry(&object, entry);
        set.with_context(|| {
            let key = value::hex(&entry.key);
            format!(
                "set the entry of the key 0x{key} of the map `{}`",
                entry.map
            )
        })?;
    }
    Ok(object)
}

/// Sets an entry of a map, which the harness has read in the same object.
fn set_entry(object: &Object, entry: &Entry) -> libbpf_rs::Result<()> {
    let Some(map) = object.maps().find(|map| map.name() == entry.map.as_str()) else {
        return Ok(());
    };
    if map.map_type().is_percpu() {
        let values = vec![entry.value.clone(); num_possible_cpus()?];
        return map.update_percpu(&entry.key, &values, MapFlags::ANY);
    }
    map.update(&entry.key, &entry.value, MapFlags::ANY)
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

/// Loads each program of an object by itself, in an object of its own where it is the only one;
/// reports how each went, and hands on what is loaded before it goes on. Where programs are
/// attached, each structure follows.
pub fn load_each(
    name: &str,
    plan: &Plan,
    facts: &mut Facts,
    mut take: impl FnMut(Attached, &mut Facts) -> Result<()>,
) -> Result<()> {
    let opened = heard(|| open(name, plan, None));
    report(name, None, &opened, Vec::new(), facts)?;
    let (Ok(opened), _) = opened else {
        return Ok(());
    };
    let targets = targets(&opened, name, plan);
    for program in opened.progs().map(|program| program.name()) {
        let program = program.to_string_lossy().into_owned();
        let is_it = |other: &str| other == program;
        let open = || {
            let mut object = open(name, plan, Some(&is_it))?;
            freplace::aim(&mut object, plan, &targets)?;
            Ok(object)
        };
        let (alone, costs) = counted(open, name, plan);
        report(name, Some(program.clone()), &alone, costs, facts)?;
        if let Ok(object) = alone.0 {
            take(Attached::new(name, object, false), facts)?;
        }
    }
    match plan.attaches {
        true => structure::try_each(name, plan, facts),
        false => Ok(()),
    }
}

/// Loads the programs of an object together, but for those that are refused: each costs one more
/// try, which is far less than to load each by itself. Reports how each went.
pub fn sift(name: &str, plan: &Plan, facts: &mut Facts) -> Result<Option<Object>> {
    let opened = heard(|| open(name, plan, None));
    report(name, None, &opened, Vec::new(), facts)?;
    let (Ok(opened), _) = opened else {
        return Ok(None);
    };
    let all = opened.progs().map(|program| program.name().to_os_string());
    let mut left: Vec<String> = all
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    while !left.is_empty() {
        let is_left = |program: &str| left.iter().any(|name| name == program);
        let load = || filled(made(open(name, plan, Some(&is_left))?)?, name, plan);
        let loaded = heard(load);
        if loaded.0.is_ok() {
            for program in left {
                report(name, Some(program), &loaded, Vec::new(), facts)?;
            }
            return Ok(loaded.0.ok());
        }
        let refused = left.iter().position(|program| {
            let failed = format!("libbpf: prog '{program}': failed to load");
            loaded.1.contains(&failed)
        });
        let Some(refused) = refused else {
            report(name, None, &loaded, Vec::new(), facts)?;
            return Ok(None);
        };
        let refused = left.remove(refused);
        report(name, Some(refused), &loaded, Vec::new(), facts)?;
    }
    Ok(None)
}

/// The objects before this one, as a whole, where it has programs that replace functions of theirs.
/// What cannot be loaded has been told.
fn targets(opened: &OpenObject, name: &str, plan: &Plan) -> Vec<Attached> {
    let mut programs = opened.progs();
    if !programs.any(|program| program.section().to_string_lossy().starts_with("freplace/")) {
        return Vec::new();
    }
    let before = plan.objects.iter().take_while(|other| *other != name);
    let load = |other: &String| {
        let object = open(other, plan, None).ok()?.load().ok()?;
        Some(Attached::new(other, object, false))
    };
    before.filter_map(load).collect()
}

/// Does `work`, and returns what libbpf said meanwhile, and the kernel through it.
pub(super) fn heard<T>(work: impl FnOnce() -> T) -> (T, String) {
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
pub(super) fn open(
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
    for mut program in object.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        hook::choose(&mut program, &plan.attach_of(&name))?;
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

/// Has only those programs of an object loaded that are wanted. Of the callbacks in a
/// structure of section `.struct_ops` libbpf loads all, whatever it was told of them
/// (bpf_object_adjust_struct_ops_autoload of 1.7), so the others are taken out of it; a
/// structure without any is not made, since the kernel may not know it.
fn choose(object: &mut OpenObject, is_wanted: impl Fn(&str) -> bool) -> libbpf_rs::Result<()> {
    let (mut wanted, mut others) = (Vec::new(), Vec::new());
    for mut program in object.progs_mut() {
        let is_wanted = is_wanted(&program.name().to_string_lossy());
        program.set_autoload(is_wanted);
        match is_wanted {
            true => wanted.push(address(&program)),
            false => others.push(address(&program)),
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

/// What a structure has for a program, until that is loaded: its address in libbpf.
pub(super) fn address(program: &OpenProgramMut<'_>) -> [u8; size_of::<usize>()] {
    (program.as_libbpf_object().as_ptr() as usize).to_ne_bytes()
}

fn report<T>(
    object: &str,
    program: Option<String>,
    (loaded, said): &(libbpf_rs::Result<T>, String),
    costs: Vec<Cost>,
    facts: &mut Facts,
) -> Result<()> {
    let error = loaded.as_ref().err().map(|error| format!("{error:#}"));
    facts.report(Fact::Loaded {
        object: object.to_owned(),
        program,
        log: error.as_ref().map_or(String::new(), |_| said.clone()),
        error,
        costs,
    })
}
