//! BTF (Documentation/bpf/btf.rst): which functions a module offers, and what
//! functions look like in C.
//!
//! A guest sends some of it, so it is read in linear time. `btf-rs` resolves a
//! name again for each type that has it, which may be as long as the strings. It
//! also needs the kernel's whole BTF to read a module's, and is LGPL.

mod declaration;
mod file;
mod layout;
mod map;
mod raw;
mod signature;

use std::sync::Arc;

use anyhow::{Context, Result, bail};

pub use declaration::{SHAPES, Shape, listed};
pub use file::{Targets, base_strings, data, is_raw, taken, targets};
pub use layout::{Layout, Member};
pub use map::Map;
use object::Endianness;
use raw::{Header, Raw, kind, name, parts, word};
pub use raw::{functions, native};
pub use signature::{Parameter, Signature, Type};

/// How many types a type may be made of, one of the other: a pointer to an array of these, and
/// so on. The kernel allows 32 (MAX_RESOLVE_DEPTH in kernel/bpf/btf.c, 6.11).
const DEPTH: usize = 32;

/// All types, by their ids: a kernel's own, or a module's behind those of its base.
pub struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Where each type stands.
    places: Vec<usize>,
    base: Option<Arc<Btf>>,
    /// The kernel's own, of which a base that is distilled has names and sizes alone.
    whole: Option<Arc<Btf>>,
    /// The byte order of what it is about; its own types are in this machine's.
    pub order: Endianness,
}

impl Btf {
    /// Reads a section `.BTF`.
    ///
    /// # Errors
    /// It is damaged, or has a kind of type that is not known.
    pub fn parse(data: &[u8], base: Option<Arc<Btf>>) -> Result<Btf> {
        let (types, strings) = parts(data)?;
        let mut places = Vec::new();
        let mut at = 0;
        while at < types.len() {
            places.push(at);
            at += Raw::at(&types, at)?.length();
        }
        Ok(Btf {
            types: types.into_owned(),
            strings: strings.to_vec(),
            places,
            base,
            whole: None,
            order: Header::parse(data)?.order,
        })
    }

    /// A base that is distilled (`.BTF.base` of a module, since 6.11) of the kernel's own BTF: its
    /// structures have names and sizes, and no members.
    pub fn distilled(self, whole: Option<Arc<Btf>>) -> Btf {
        Btf { whole, ..self }
    }

    /// The id of its first type; 0 is `void`, everywhere.
    fn first(&self) -> usize {
        self.base.as_ref().map_or(1, |base| base.end())
    }

    /// The id behind its last type.
    fn end(&self) -> usize {
        self.first() + self.places.len()
    }

    /// Bytes of strings, with those of its base.
    fn strings_end(&self) -> usize {
        let base = self.base.as_ref().map_or(0, |base| base.strings_end());
        base + self.strings.len()
    }

    fn raw(&self, id: u32) -> Result<Raw<'_>> {
        match &self.base {
            Some(base) if (id as usize) < base.end() => base.raw(id),
            _ => {
                let place = (id as usize).checked_sub(self.first());
                let place = place.and_then(|place| self.places.get(place));
                Raw::at(
                    &self.types,
                    *place.with_context(|| format!("no type {id}"))?,
                )
            }
        }
    }

    fn name(&self, at: u32) -> Result<String> {
        match &self.base {
            Some(base) if (at as usize) < base.strings_end() => base.name(at),
            Some(base) => name(&self.strings, at as usize - base.strings_end()),
            None => name(&self.strings, at as usize),
        }
    }

    /// The name of a function.
    ///
    /// # Errors
    /// No function has this id.
    pub fn function(&self, id: u32) -> Result<String> {
        let raw = self.raw(id)?;
        if raw.kind != kind::FUNC {
            bail!("type {id} is no function");
        }
        self.name(raw.name)
    }

    /// The ids of its own functions with this tag (`btf_decl_tag`).
    ///
    /// # Errors
    /// A name is damaged.
    pub fn tagged(&self, tag: &str) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        for place in &self.places {
            let raw = Raw::at(&self.types, *place)?;
            // The component is -1 for the function itself, else one of its arguments.
            let is_whole = raw.kind == kind::DECL_TAG && word(raw.behind, 0)? == u32::MAX;
            if is_whole && self.raw(raw.of)?.kind == kind::FUNC && self.name(raw.name)? == tag {
                found.push(raw.of);
            }
        }
        Ok(found)
    }

    /// The kind of a type; 0 for `void`.
    fn kind_of(&self, id: u32) -> Result<u32> {
        match id {
            0 => Ok(0),
            id => Ok(self.raw(id)?.kind),
        }
    }
}

/// The strings of the base of [`sample`].
#[cfg(test)]
pub const SAMPLE_BASE: &[u8] = b"\0st_value\0";

/// Split BTF: one FUNC called `f`.
#[cfg(test)]
pub fn sample() -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(raw::MAGIC.to_le_bytes());
    data.extend([1, 0]);
    for field in [
        24u32,
        0,
        12,
        12,
        3,
        SAMPLE_BASE.len() as u32 + 1,
        kind::FUNC << 24,
        1,
    ] {
        data.extend(field.to_le_bytes());
    }
    data.extend(b"\0f\0");
    data
}

#[cfg(test)]
pub(crate) mod tests;
