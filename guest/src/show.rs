//! What people look up by hand: the kernel's lists of modules and programs, and
//! what is in a map.

use std::ffi::CStr;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use kassay_guest::{Fact, ListedModule, ListedProgram, Plan};
use libbpf_rs::query::{ProgInfoIter, ProgramInfo};
use libbpf_rs::{MapCore, MapFlags, MapInfo, Program, libbpf_sys};

use crate::bpf::{self, Attached};
use crate::facts::Facts;
use crate::{system, value};

/// How many entries of a map are reported.
const ENTRIES: usize = 16;

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
    for name in &plan.show.maps {
        facts.report(map(name, attached)?)?;
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
    let text = |kind: u32, bytes: &[u8]| value::text(btf.as_ref(), kind.into(), bytes);
    let mut keys: Vec<Vec<u8>> = map.keys().collect();
    // Numbers have their highest byte last.
    keys.sort_by(|one, other| one.iter().rev().cmp(other.iter().rev()));
    let entry = |key: &Vec<u8>| {
        let values = values(&map, key).with_context(|| format!("read the map `{name}`"))?;
        let shown = |value: &Vec<u8>| text(info.btf_value_type_id, value);
        let values: Vec<String> = values.iter().map(shown).collect();
        Ok((text(info.btf_key_type_id, key), values.join(", ")))
    };
    Ok(Fact::Map {
        map: name.to_owned(),
        entries: keys
            .iter()
            .take(ENTRIES)
            .map(entry)
            .collect::<Result<_>>()?,
        left_out: keys.len().saturating_sub(ENTRIES),
    })
}

/// The value of a key; of a map per CPU those of all CPUs, or their sum.
fn values(map: &impl MapCore, key: &[u8]) -> Result<Vec<Vec<u8>>> {
    if !map.map_type().is_percpu() {
        let value = map.lookup(key, MapFlags::ANY)?;
        return Ok(vec![value.context("the entry is gone")?]);
    }
    let values = map.lookup_percpu(key, MapFlags::ANY)?;
    let values = values.context("the entry is gone")?;
    Ok(value::sum(&values).map_or(values, |sum| vec![sum]))
}
