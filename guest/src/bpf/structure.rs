//! Structures of callbacks (`struct_ops`): attached, detached, tried one by one.

use std::ptr::NonNull;

use anyhow::{Context, Result, bail};
use kassay_guest::{Fact, Plan};
use libbpf_rs::{AsRawLibbpf, Link, MapCore, MapType, Object, OpenObject, libbpf_sys};

use super::Attached;
use super::load::{address, filled, heard, made, open};
use crate::facts::Facts;
use crate::hook::{Hold, place_of};

/// Attaches the structures of an object, which hold its callbacks; returns the first error, and
/// what was said.
pub fn attach(
    object: &Object,
    holds: &mut Vec<(String, Hold)>,
) -> (std::result::Result<(), String>, String) {
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
            holds.push((name, Hold::Link(unsafe { Link::from_ptr(link) })));
        }
        Ok(())
    };
    heard(attach)
}

/// Where the kernel has a structure, or had it when it was detached.
pub fn place(hold: &Hold) -> Result<String> {
    match hold {
        Hold::Link(link) => Ok(place_of(&link.info()?)),
        Hold::Gone(place) => Ok(place.clone()),
        _ => bail!("no link has it"),
    }
}

/// Detaches a structure of that name. Where it was is told of its programs all the same.
///
/// # Errors
/// None is attached.
pub fn detach(attached: &mut [Attached], name: &str) -> Result<()> {
    let mut all = attached.iter_mut().flat_map(|held| &mut held.structures);
    let is_meant =
        |(called, hold): &&mut (String, Hold)| called == name && !matches!(hold, Hold::Gone(_));
    let (_, hold) = all
        .find(is_meant)
        .with_context(|| format!("no structure `{name}` is attached"))?;
    *hold = Hold::Gone(place(hold)?);
    Ok(())
}

/// Loads each structure of an object with its callbacks and without the others, attaches it and
/// lets it go; reports how each went. That an object cannot be opened has been told.
pub fn try_each(object: &str, plan: &Plan, facts: &mut Facts) -> Result<()> {
    let Ok(mut opened) = open(object, plan, None) else {
        return Ok(());
    };
    for structure in names(&opened) {
        let callbacks = callbacks(&mut opened, &structure);
        let ((tried, said), log) = match heard(|| load(object, plan, &structure, &callbacks)) {
            (Ok(loaded), _) => {
                let mut holds = Vec::new();
                (attach(&loaded, &mut holds), String::new())
            }
            (Err(error), log) => ((Err(format!("{error:#}")), String::new()), log),
        };
        facts.report(Fact::Structure {
            object: object.to_owned(),
            structure,
            log: tried
                .as_ref()
                .map_or_else(|_| log + &said, |()| String::new()),
            error: tried.err(),
        })?;
    }
    Ok(())
}

/// The structures that libbpf makes of itself, by their names.
fn names(object: &OpenObject) -> Vec<String> {
    let maps = object.maps();
    let structures = maps.filter(|map| map.map_type() == MapType::StructOps && map.autocreate());
    structures
        .map(|map| map.name().to_string_lossy().into_owned())
        .collect()
}

/// The programs that a structure has.
fn callbacks(object: &mut OpenObject, structure: &str) -> Vec<String> {
    let map = object.maps_mut().find(|map| map.name() == structure);
    let value = map.and_then(|mut map| Some(map.initial_value_mut()?.to_vec()));
    let value = value.unwrap_or_default();
    let members: Vec<_> = value.chunks_exact(size_of::<usize>()).collect();
    let programs = object.progs_mut();
    let own = programs.filter(|program| members.contains(&address(program).as_slice()));
    own.map(|program| program.name().to_string_lossy().into_owned())
        .collect()
}

/// An object of which one structure alone is made.
fn load(
    name: &str,
    plan: &Plan,
    structure: &str,
    callbacks: &[String],
) -> libbpf_rs::Result<Object> {
    let is_callback = |program: &str| callbacks.iter().any(|name| name == program);
    let mut object = open(name, plan, Some(&is_callback))?;
    let maps = object.maps_mut();
    for mut map in maps.filter(|map| map.map_type() == MapType::StructOps) {
        let is_it = map.name() == structure;
        map.set_autocreate(is_it)?;
    }
    filled(made(object)?, name, plan)
}
