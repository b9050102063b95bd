//! How variables lie in memory.

use anyhow::{Context, Result};

use super::raw::{Raw, kind, word};
use super::{Btf, DEPTH};

/// How an integer is read (BTF_INT_SIGNED and BTF_INT_BOOL of include/uapi/linux/btf.h, 6.11).
const INT_SIGNED: u32 = 1 << 24;
const INT_BOOL: u32 = 4 << 24;

/// How a variable lies in memory, as far as it can be given a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// An integer.
    Int {
        /// Its size.
        bytes: usize,
        /// Whether it may be negative.
        is_signed: bool,
    },
    /// A truth value, of one byte.
    Bool,
    /// An enumeration.
    Enum {
        /// Its size.
        bytes: usize,
        /// Its enumerators.
        values: Vec<(String, i64)>,
    },
    /// So many of the same.
    Array(Box<Layout>, usize),
    /// Anything else.
    Other,
}

impl Btf {
    /// How a global variable lies in memory; none where there is none of that name.
    ///
    /// # Errors
    /// A type of it is damaged.
    pub fn variable(&self, wanted: &str) -> Result<Option<Layout>> {
        for place in &self.places {
            let raw = Raw::at(&self.types, *place)?;
            if raw.kind == kind::VAR && self.name(raw.name)? == wanted {
                return self.layout(raw.of, DEPTH).map(Some);
            }
        }
        Ok(None)
    }

    fn layout(&self, id: u32, depth: usize) -> Result<Layout> {
        let depth = depth.checked_sub(1).context("a type without an end")?;
        if id == 0 {
            return Ok(Layout::Other);
        }
        let raw = self.raw(id)?;
        let bytes = raw.of as usize;
        Ok(match raw.kind {
            kind::INT if word(raw.behind, 0)? & INT_BOOL != 0 => Layout::Bool,
            kind::INT if bytes <= 8 => Layout::Int {
                bytes,
                is_signed: word(raw.behind, 0)? & INT_SIGNED != 0,
            },
            kind::ENUM if bytes <= 8 => {
                let value = |one: &[u8]| {
                    let value = word(one, 4)?.cast_signed();
                    anyhow::Ok((self.name(word(one, 0)?)?, value.into()))
                };
                let values = raw.behind.chunks_exact(8).map(value);
                let values = values.collect::<Result<_>>()?;
                Layout::Enum { bytes, values }
            }
            kind::ARRAY => {
                let (of, length) = (word(raw.behind, 0)?, word(raw.behind, 8)?);
                Layout::Array(Box::new(self.layout(of, depth)?), length as usize)
            }
            kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::TYPE_TAG => {
                self.layout(raw.of, depth)?
            }
            _ => Layout::Other,
        })
    }
}
