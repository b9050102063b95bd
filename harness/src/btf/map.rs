//! Maps of BPF objects, which libbpf's macros describe by types alone.

use anyhow::{Result, bail};
use object::Endianness;

use super::raw::{Raw, kind, word};
use super::{Btf, DEPTH, Layout};

/// What is said of a key or a value of which the object says nothing.
const UNTOLD: &str = "of a type that its object does not say";

/// A map, as its object has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Its name.
    pub name: String,
    /// Its type (`enum bpf_map_type` of include/uapi/linux/bpf.h).
    pub kind: u32,
    /// How many entries it can have; 0 where the object does not say.
    pub most: u32,
    /// How its keys lie in memory.
    pub key: Layout,
    /// How its values do.
    pub value: Layout,
    /// The byte order of both.
    pub order: Endianness,
}

impl Btf {
    /// The maps of an object's section `.maps`.
    ///
    /// # Errors
    /// A type of one is damaged.
    pub fn maps(&self) -> Result<Vec<Map>> {
        let variables = self.section(".maps")?;
        variables
            .iter()
            .map(|variable| self.map(variable))
            .collect()
    }

    /// Whether an object's section `.ksyms` has functions: kfuncs that it calls.
    ///
    /// # Errors
    /// A type is damaged.
    pub fn calls_kfuncs(&self) -> Result<bool> {
        let wanted = self.section(".ksyms")?;
        Ok(wanted.iter().any(|one| one.kind == kind::FUNC))
    }

    /// What is in an object's section of this name.
    fn section(&self, name: &str) -> Result<Vec<Raw<'_>>> {
        let mut within = Vec::new();
        for place in &self.places {
            let section = Raw::at(&self.types, *place)?;
            if section.kind == kind::DATASEC && self.name(section.name)? == name {
                for one in section.behind.chunks_exact(12) {
                    within.push(self.raw(word(one, 0)?)?);
                }
            }
        }
        Ok(within)
    }

    /// The map that a variable is.
    fn map(&self, variable: &Raw<'_>) -> Result<Map> {
        let mut map = Map {
            name: self.name(variable.name)?,
            kind: 0,
            most: 0,
            key: Layout::Other(UNTOLD),
            value: Layout::Other(UNTOLD),
            order: self.order,
        };
        let definition = self.plain(variable.of)?;
        if definition.kind != kind::STRUCT {
            bail!("the map `{}` is no structure", map.name);
        }
        for member in definition.behind.chunks_exact(12) {
            let of = self.plain(word(member, 4)?)?;
            match self.name(word(member, 0)?)?.as_str() {
                "type" => map.kind = self.number(&of)?,
                "max_entries" => map.most = self.number(&of)?,
                "key" => map.key = self.layout(of.of, DEPTH)?,
                "value" => map.value = self.layout(of.of, DEPTH)?,
                "key_size" => map.key = bytes(self.number(&of)?),
                "value_size" => map.value = bytes(self.number(&of)?),
                _ => {}
            }
        }
        Ok(map)
    }

    /// The number that `__uint` of libbpf's bpf_helpers.h has put into a type: the length of an
    /// array to which there is a pointer.
    fn number(&self, pointer: &Raw<'_>) -> Result<u32> {
        let array = self.raw(pointer.of)?;
        match (pointer.kind, array.kind) {
            (kind::PTR, kind::ARRAY) => word(array.behind, 8),
            _ => bail!("a number of a map is no pointer to an array"),
        }
    }

    /// A type without its modifiers and other names.
    fn plain(&self, id: u32) -> Result<Raw<'_>> {
        let mut raw = self.raw(id)?;
        for _ in 0..DEPTH {
            match raw.kind {
                kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::TYPE_TAG => {
                    raw = self.raw(raw.of)?
                }
                _ => return Ok(raw),
            }
        }
        bail!("a type without an end")
    }
}

/// So many bytes of which nothing is known.
fn bytes(size: u32) -> Layout {
    let byte = Layout::Int {
        bytes: 1,
        is_signed: false,
    };
    Layout::Array(Box::new(byte), size as usize)
}
