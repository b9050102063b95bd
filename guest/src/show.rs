//! What people look up by hand: the kernel's lists of modules and programs, and
//! what is in a map.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use kassay_guest::{Fact, ListedModule, ListedProgram, Plan};
use libbpf_rs::query::{ProgInfoIter, ProgramInfo};
use libbpf_rs::{Map, MapCore, MapFlags, MapHandle, MapInfo, MapType, Program, libbpf_sys};

use crate::bpf::{self, Attached};
use crate::facts::Facts;
use crate::{system, value};

/// How many entries of a map are reported.
const ENTRIES: usize = 16;

/// How many variables of a section are reported.
const VARIABLES: usize = 256;

/// Maps whose keys are places, of which nothing need say so: libbpf keeps the BTF of the last ones to
/// itself.
const INDEXED: [MapType; 9] = [
    MapType::Array,
    MapType::PercpuArray,
    MapType::ProgArray,
    MapType::ArrayOfMaps,
    MapType::Devmap,
    MapType::Cpumap,
    MapType::Xskmap,
    MapType::Sockmap,
    MapType::ReuseportSockarray,
];

/// Reports what the plan wants to see.
pub fn report(plan: &Plan, attached: &[Attached], facts: &mut Facts) -> Result<()> {
    if plan.show.modules {
        let modules = modules(&plan.modules)?;
        facts.report(Fact::Modules { modules })?;
    }
    if plan.show.programs {
        let programs = programs(attached)?;
        facts.report(Fact::Programs { programs })?;
    }
    let is_whole = plan
        .objects
        .iter()
        .all(|object| attached.iter().any(|one| one.is_of(object)));
    for name in &plan.show.maps {
        let is_there = is_whole || bpf::map(attached, name).is_ok();
        facts.report(match is_there {
            true => map(name, attached)?,
            false => Fact::Map {
                map: name.clone(),
                entries: None,
                left_out: 0,
            },
        })?;
    }
    Ok(())
}

/// Those of these modules that the kernel lists, a line each:
/// `NAME SIZE USERS DEPENDENTS STATE ADDRESS`.
fn modules(names: &[String]) -> Result<Vec<ListedModule>> {
    let list = system::read("/proc/modules")?;
    let listed = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [name, _, users, _, state, ..] = fields[..] else {
            bail!("read `/proc/modules`: `{line}` is no module");
        };
        Ok(ListedModule {
            name: name.to_owned(),
            users: users.parse().context("read `/proc/modules`")?,
            state: state.to_owned(),
        })
    };
    let modules: Vec<ListedModule> = list.lines().map(listed).collect::<Result<_>>()?;
    let ours = modules.into_iter();
    Ok(ours.filter(|module| names.contains(&module.name)).collect())
}

/// What the kernel says of the loaded programs.
fn programs(attached: &[Attached]) -> Result<Vec<ListedProgram>> {
    let ids: Vec<u32> = attached
        .iter()
        .flat_map(Attached::programs)
        .map(|program| Program::id_from_fd(program.as_fd()))
        .collect::<libbpf_rs::Result<_>>()?;
    let infos: Vec<ProgramInfo> = ProgInfoIter::default().collect();
    ids.iter()
        .map(|id| {
            let info = infos.iter().find(|info| info.id == *id);
            let info = info.with_context(|| format!("find program {id} in the kernel's list"))?;
            Ok(ListedProgram {
                name: info.name.to_string_lossy().into_owned(),
                kind: kind(info),
                tag: value::hex(&info.tag.0),
            })
        })
        .collect()
}

/// libbpf's name of a program's type.
fn kind(info: &ProgramInfo) -> String {
    // SAFETY: the name, where there is one, is a string of libbpf's own that stays.
    let name = unsafe {
        let name = libbpf_sys::libbpf_bpf_prog_type_str(info.ty as u32);
        (!name.is_null()).then(|| CStr::from_ptr(name))
    };
    name.map_or_else(
        || format!("{:?}", info.ty),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The entries of the map of that name.
fn map(name: &str, attached: &[Attached]) -> Result<Fact> {
    let (object, map) = bpf::map(attached, name)?;
    if map.key_size() == 0 {
        bail!("show the map `{name}`: a {:?} has no keys", map.map_type());
    }
    let (btf, info) = (object.btf()?, MapInfo::new(map.as_fd())?.info);
    let kind = info.btf_value_type_id.into();
    if let Some(btf) = &btf
        && let Some(section) = value::section(btf, kind)
    {
        let bytes = map.lookup(&[0; 4], MapFlags::ANY)?;
        let bytes = bytes.with_context(|| format!("read the map `{name}`"))?;
        let mut entries = value::variables(btf, section, &bytes);
        let left_out = entries.len().saturating_sub(VARIABLES);
        entries.truncate(VARIABLES);
        let map = name.to_owned();
        return Ok(Fact::Map {
            map,
            entries: Some(entries),
            left_out,
        });
    }
    let text = |kind: u32, bytes: &[u8]| value::text(btf.as_ref(), kind.into(), bytes);
    let most = info.max_entries as usize;
    let (keys, count) = match map.map_type() {
        // Places without a program or a map count as none.
        MapType::ProgArray | MapType::ArrayOfMaps => {
            let is_there = |key: &Vec<u8>| matches!(map.lookup(key, MapFlags::ANY), Ok(Some(_)));
            first(map.keys().take(most).filter(is_there))
        }
        // It has all its keys, and they come in their order.
        MapType::Array | MapType::PercpuArray => (map.keys().take(ENTRIES).collect(), most),
        // A key that is gone by the time of the next leads back to the first, so that the keys of
        // a map that changes need not end (kernel/bpf/hashtab.c, 6.11).
        _ => first(map.keys().take(most)),
    };
    let key_text = |key: &[u8]| match <[u8; 4]>::try_from(key) {
        Ok(index) if info.btf_key_type_id == 0 && INDEXED.contains(&map.map_type()) => {
            u32::from_ne_bytes(index).to_string()
        }
        _ => text(info.btf_key_type_id, key),
    };
    let is_integer = btf.as_ref().is_some_and(|btf| value::is_integer(btf, kind));
    let is_sum = map.map_type().is_percpu() && is_integer;
    let entry = |key: &Vec<u8>| {
        if let Some(called) = called(&map, key)? {
            return Ok((key_text(key), called));
        }
        let values = values(&map, key).with_context(|| format!("read the map `{name}`"))?;
        let sum = value::sum(&values).filter(|_| is_sum);
        let values = sum.map_or(values, |sum| vec![sum]);
        let shown = |value: &Vec<u8>| text(info.btf_value_type_id, value);
        let values: Vec<String> = values.iter().map(shown).collect();
        Ok((key_text(key), values.join(", ")))
    };
    Ok(Fact::Map {
        map: name.to_owned(),
        entries: keys.iter().map(entry).collect::<Result<_>>().map(Some)?,
        left_out: count.saturating_sub(keys.len()),
    })
}

/// Those keys that come first in the order of numbers, and how many keys there are. The kernel
/// tells no count, so that each key is read, but no more of them are held than are shown.
fn first(keys: impl Iterator<Item = Vec<u8>>) -> (Vec<Vec<u8>>, usize) {
    // Numbers of little-endian processors have their highest byte last.
    let turned = |mut key: Vec<u8>| {
        if cfg!(target_endian = "little") {
            key.reverse();
        }
        key
    };
    let (mut first, mut count) = (BTreeSet::new(), 0);
    for key in keys {
        count += 1;
        first.insert(turned(key));
        if first.len() > ENTRIES {
            first.pop_last();
        }
    }
    (first.into_iter().map(turned).collect(), count)
}

/// What the program or the map in a place is called: the ids that the kernel has there differ from
/// run to run. None of a map with other values.
fn called(map: &Map<'_>, key: &[u8]) -> Result<Option<String>> {
    let id = || {
        let value = values(map, key)?.concat();
        let id = value.try_into().ok().map(u32::from_ne_bytes);
        id.context("read an id")
    };
    let name = match map.map_type() {
        MapType::ProgArray => {
            let id = id()?;
            let info = ProgInfoIter::default().find(|info| info.id == id);
            let info = info.context("find the program in the kernel's list")?;
            info.name.to_string_lossy().into_owned()
        }
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            let inner = MapHandle::from_map_id(id()?)?;
            inner.name().to_string_lossy().into_owned()
        }
        _ => return Ok(None),
    };
    Ok(Some(name))
}

/// The value of a key; of a map per CPU those of all CPUs.
fn values(map: &impl MapCore, key: &[u8]) -> Result<Vec<Vec<u8>>> {
    if !map.map_type().is_percpu() {
        let value = map.lookup(key, MapFlags::ANY)?;
        return Ok(vec![value.context("the entry is gone")?]);
    }
    let values = map.lookup_percpu(key, MapFlags::ANY)?;
    values.context("the entry is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_shown_and_all_are_counted() {
        let numbers = (0..600u16)
            .rev()
            .map(|number| number.to_le_bytes().to_vec());
        let (keys, count) = first(numbers);
        let shown: Vec<Vec<u8>> = (0..16u16)
            .map(|number| number.to_le_bytes().to_vec())
            .collect();
        assert_eq!((keys, count), (shown, 600));
        let few = [[0, 1], [1, 0]].map(|key| key.to_vec());
        assert_eq!(first(few.into_iter()), (vec![vec![1, 0], vec![0, 1]], 2));
    }
}
