//! The entries that a scenario gives to maps of BPF programs: found by the maps' names in the
//! compiled objects, and put into bytes as their BTF says.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use kassay_guest::Entry;
use object::{Endianness, Object, ObjectSection, U32Bytes};
use serde::Deserialize;
use toml::Value;

use crate::btf::{Btf, Map};
use crate::nearest;
use crate::value::encode;

/// What a scenario says of maps: entries by their names.
pub type Wanted = BTreeMap<String, Vec<Pair>>;

/// A key and a value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Pair(Value, Value);

impl TryFrom<Value> for Pair {
    type Error = String;

    fn try_from(entry: Value) -> Result<Pair, String> {
        let pair = entry.as_array().and_then(|pair| match pair.as_slice() {
            [key, value] => Some(Pair(key.clone(), value.clone())),
            _ => None,
        });
        pair.ok_or_else(|| format!("{entry} is no entry of a map, which is `[KEY, VALUE]`"))
    }
}

/// Types of maps whose entries are data, and not other things of the kernel's (`enum bpf_map_type`
/// of include/uapi/linux/bpf.h, 6.11): hash, array, both per CPU, both LRU, LPM trie, devmap,
/// cpumap, devmap hash.
const DATA: &[u32] = &[1, 2, 5, 6, 9, 10, 11, 14, 16, 25];

/// Those of them that have all their entries from the start: array, array per CPU.
const ARRAYS: &[u32] = &[2, 6];

/// An LPM trie.
const LPM: u32 = 11;

/// Those whose elements have no keys: bloom filter, queue, stack.
const KEYLESS: &[u32] = &[22, 23, 30];

/// Ring buffers, of the kernel and of users.
const BUFFERS: &[u32] = &[27, 31];

/// The bytes of each entry, and where it belongs in these objects.
///
/// # Errors
/// No object has the map, and the nearest is named; several have it; its entries are no data; it
/// does not have that many; a key or a value is not one that the map can have. An object that
/// cannot be read.
pub fn set<'a>(
    objects: impl Iterator<Item = (&'a str, &'a Path)>,
    wanted: &Wanted,
) -> Result<Vec<Entry>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let all = all(objects)?;
    let mut entries = Vec::new();
    for (name, wanted) in wanted {
        let set = one(&all, name).and_then(|(object, map)| fill(object, map, wanted));
        entries.extend(set.with_context(|| format!("set entries of the map `{name}`"))?);
    }
    Ok(entries)
}

/// Sees that each of these maps, which the scenario wants to see, is in one of these objects.
///
/// # Errors
/// No object has the map, and the nearest is named; several have it; it has no keys. An object that
/// cannot be read.
pub fn shown<'a>(
    objects: impl Iterator<Item = (&'a str, &'a Path)>,
    wanted: &[String],
) -> Result<()> {
    // libbpf makes maps of sections, under names of its own.
    let is_declared = |name: &&String| !name.contains('.');
    let wanted: Vec<_> = wanted.iter().filter(is_declared).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let all = all(objects)?;
    let see = |name: &String| match one(&all, name)?.1.kind {
        kind if KEYLESS.contains(&kind) || BUFFERS.contains(&kind) => {
            bail!("its elements have no keys, so that there are no entries to show")
        }
        _ => Ok(()),
    };
    let mut wanted = wanted.into_iter();
    wanted.try_for_each(|name| see(name).with_context(|| format!("show the map `{name}`")))
}

/// Sees that each of these maps, which steps name, is in one of these objects.
///
/// # Errors
/// No object has the map, and the nearest is named. An object that cannot be read.
pub fn used<'a>(objects: impl Iterator<Item = (&'a str, &'a Path)>, wanted: &[&str]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let all = all(objects)?;
    wanted.iter().try_for_each(|name| is_there(&all, name))
}

/// Sees that a map, which a step names, is there.
fn is_there(all: &[(&str, Map)], name: &str) -> Result<()> {
    match all.iter().any(|(_, map)| map.name == name) {
        true => Ok(()),
        false => {
            Err(missing(all, name).context(format!("find the map `{name}`, which a step names")))
        }
    }
}

/// That no object has a map of this name, with the nearest.
fn missing(all: &[(&str, Map)], name: &str) -> anyhow::Error {
    let hint = nearest::hint(name, all.iter().map(|(_, map)| map.name.as_str()));
    anyhow!("no BPF program has a map of that name{hint}")
}

/// The maps of all objects, with the objects' names.
fn all<'a>(objects: impl Iterator<Item = (&'a str, &'a Path)>) -> Result<Vec<(&'a str, Map)>> {
    let mut all = Vec::new();
    for (object, file) in objects {
        let maps = maps(file).with_context(|| format!("read the maps of `{object}`"))?;
        all.extend(maps.into_iter().map(|map| (object, map)));
    }
    Ok(all)
}

/// The one map of that name, with its object's.
fn one<'a>(all: &'a [(&'a str, Map)], name: &str) -> Result<(&'a str, &'a Map)> {
    let found: Vec<_> = all.iter().filter(|(_, map)| map.name == name).collect();
    match found[..] {
        [(object, map)] => Ok((object, map)),
        [] => Err(missing(all, name)),
        _ => {
            let objects: Vec<&str> = found.iter().map(|(object, _)| *object).collect();
            bail!(
                "it is in each of `{}`: give one of them another name",
                objects.join("`, `")
            )
        }
    }
}

/// The maps of an object, as its BTF has them.
///
/// # Errors
/// It cannot be read.
pub fn maps(file: &Path) -> Result<Vec<Map>> {
    let bytes = std::fs::read(file)?;
    let object = object::File::parse(&*bytes)?;
    match object.section_by_name(".BTF") {
        Some(btf) => Btf::parse(btf.data()?, None)?.maps(),
        None => Ok(Vec::new()),
    }
}

/// The entries of a map.
fn fill(object: &str, map: &Map, wanted: &[Pair]) -> Result<Vec<Entry>> {
    if KEYLESS.contains(&map.kind) {
        bail!("a queue, a stack and a bloom filter have no keys: a program has to fill it");
    }
    if !DATA.contains(&map.kind) {
        bail!(
            "its entries are no data but other things of the kernel's; maps that can be filled are \
             hash maps, arrays, LPM tries, devmaps and cpumaps"
        );
    }
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for Pair(key, value) in wanted {
        let entry = Entry {
            object: object.to_owned(),
            map: map.name.clone(),
            key: encode(&map.key, key, map.order).with_context(|| format!("the key {key}"))?,
            value: encode(&map.value, value, map.order)
                .with_context(|| format!("the value of {key}"))?,
        };
        let counted = match map.kind {
            LPM => prefix(&entry.key, map.order).with_context(|| format!("the key {key}"))?,
            _ => entry.key.clone(),
        };
        if let Some(at) = seen.iter().position(|other| *other == counted) {
            match &wanted[at].0 {
                other if map.kind == LPM && other != key => {
                    bail!(
                        "the keys {other} and {key} have one prefix, and a trie keeps one of them"
                    )
                }
                _ => bail!("the key {key} is there twice"),
            }
        }
        has_room(map, key, entries.len())?;
        seen.push(counted);
        entries.push(entry);
    }
    Ok(entries)
}

/// Sees that a map that has so many entries already can have one of this key.
fn has_room(map: &Map, key: &Value, filled: usize) -> Result<()> {
    let most = map.most;
    match (ARRAYS.contains(&map.kind), key) {
        // How many it has is set when it is loaded.
        _ if most == 0 => Ok(()),
        (true, Value::Integer(key)) if *key >= most.into() => {
            bail!("the key {key} is beyond its end: it has {most} entries, from 0")
        }
        (false, _) if filled >= most as usize => bail!("it has room for {most} entries"),
        _ => Ok(()),
    }
}

/// What of a key of an LPM trie counts: its prefix's length, and so many bits, after which its data
/// have no meaning (`struct bpf_lpm_trie_key_hdr` of include/uapi/linux/bpf.h, and
/// kernel/bpf/lpm_trie.c, 6.11).
fn prefix(key: &[u8], order: Endianness) -> Result<Vec<u8>> {
    let Some((length, data)) = key.split_first_chunk() else {
        bail!("a key of an LPM trie begins with 4 bytes, the length of its prefix");
    };
    let (bits, most) = (
        U32Bytes::from_bytes(*length).get(order) as usize,
        8 * data.len(),
    );
    if bits > most {
        bail!("the prefix has {bits} bits, and the data only {most}");
    }
    let (whole, rest) = (bits / 8, bits % 8);
    let mut counted = [&length[..], &data[..whole]].concat();
    if rest > 0 {
        counted.push(data[whole] >> (8 - rest));
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::Layout;

    fn unsigned(bytes: usize) -> Layout {
        Layout::Int {
            bytes,
            is_signed: false,
        }
    }

    fn map(kind: u32, key: Layout) -> Map {
        Map {
            name: "m".to_owned(),
            kind,
            most: 2,
            key,
            value: unsigned(4),
            order: Endianness::Little,
        }
    }

    fn filled(kind: u32, keys: &[i64]) -> Result<usize, String> {
        let wanted: Vec<_> = keys
            .iter()
            .map(|key| Pair((*key).into(), 7.into()))
            .collect();
        let entries = fill("o", &map(kind, unsigned(4)), &wanted);
        entries
            .map(|entries| entries.len())
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn entries_have_room_and_differ() {
        assert_eq!(filled(1, &[9, 8]), Ok(2));
        assert_eq!(
            filled(1, &[1, 2, 3]).unwrap_err(),
            "it has room for 2 entries"
        );
        assert_eq!(filled(1, &[1, 1]).unwrap_err(), "the key 1 is there twice");
        let beyond = "the key 2 is beyond its end: it has 2 entries, from 0";
        assert_eq!(filled(2, &[2]).unwrap_err(), beyond);
        assert!(filled(1, &[-1]).unwrap_err().starts_with("the key -1: "));
        assert!(filled(22, &[0]).unwrap_err().contains("have no keys"));
    }

    #[test]
    fn a_prefix_is_no_longer_than_what_it_is_of() {
        assert!(prefix(&[32, 0, 0, 0, 10, 0, 0, 0], Endianness::Little).is_ok());
        assert!(prefix(&[0, 0, 0, 32, 10, 0, 0, 0], Endianness::Big).is_ok());
        let error = prefix(&[33, 0, 0, 0, 10, 0, 0, 0], Endianness::Little).unwrap_err();
        let why = "the prefix has 33 bits, and the data only 32";
        assert_eq!(error.to_string(), why);
        assert!(prefix(&[1], Endianness::Little).is_err());
    }

    #[test]
    fn what_is_after_a_prefix_makes_no_other_key() {
        let is_one = |bits: u8, data: [u8; 2], other: [u8; 2]| {
            let key = |data: [u8; 2]| {
                let key = [&[bits, 0, 0, 0], &data[..]].concat();
                prefix(&key, Endianness::Little).unwrap()
            };
            key(data) == key(other)
        };
        assert!(is_one(8, [10, 0], [10, 9]) && is_one(0, [10, 0], [11, 9]));
        assert!(is_one(12, [10, 0x20], [10, 0x2f]) && !is_one(12, [10, 0x20], [10, 0x30]));
        assert!(!is_one(16, [10, 0], [10, 9]));
    }

    #[test]
    fn two_keys_of_one_prefix_are_refused() {
        let key = Layout::Array(Box::new(unsigned(1)), 8);
        let trie = |last: u8| {
            let keys = [[24, 0, 0, 0, 10, 0, 0, 0], [24, 0, 0, 0, 10, 0, last, 9]];
            let key_of = |bytes: [u8; 8]| Value::from(bytes.map(i64::from).to_vec());
            let wanted = keys.map(|bytes| Pair(key_of(bytes), 7.into()));
            fill("o", &map(LPM, key.clone()), &wanted).map_err(|error| error.to_string())
        };
        assert_eq!(trie(1).unwrap().len(), 2);
        let error = trie(0).unwrap_err();
        assert!(
            error.contains("[24, 0, 0, 0, 10, 0, 0, 9] have one prefix"),
            "{error}"
        );
    }

    #[test]
    fn a_map_that_a_step_names_is_one_of_an_object() {
        let all = [("o", map(27, unsigned(4))), ("p", map(27, unsigned(4)))];
        assert!(is_there(&all, "m").is_ok());
        let error = format!("{:#}", is_there(&all, "mm").unwrap_err());
        let why = "find the map `mm`, which a step names: no BPF program has a map of that name; \
                   did you mean `m`?";
        assert_eq!(error, why);
    }

    #[test]
    fn an_entry_is_a_key_and_a_value() {
        let read = |text: &str| toml::from_str::<Wanted>(text).map_err(|error| error.to_string());
        assert_eq!(
            read("m = [[1, 2], ['a', { b = 1 }]]").unwrap()["m"].len(),
            2
        );
        for text in ["m = [[1, 2, 3]]", "m = [1, 2]", "m = [[1]]"] {
            let error = read(text).unwrap_err();
            assert!(
                error.contains("no entry of a map, which is `[KEY, VALUE]`"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_holds_no_data_is_refused() {
        // A map of programs, a map of maps, a sockmap.
        for kind in [3, 12, 15] {
            assert!(
                filled(kind, &[0])
                    .unwrap_err()
                    .starts_with("its entries are no data")
            );
        }
    }
}
