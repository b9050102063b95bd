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
    /// Members, of a structure or a union.
    Struct {
        /// Its size.
        bytes: usize,
        /// Those with a name. What has none of its own lends the names that are in it.
        members: Vec<Member>,
    },
    /// Anything else, which is this.
    Other(&'static str),
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where it lies, in bytes.
    pub offset: usize,
    /// How it lies there.
    pub layout: Layout,
}

impl Layout {
    /// How many bytes it takes; none where that is not known.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Layout::Int { bytes, .. }
            | Layout::Enum { bytes, .. }
            | Layout::Struct { bytes, .. } => *bytes,
            Layout::Bool => 1,
            Layout::Array(of, length) => of.bytes().saturating_mul(*length),
            Layout::Other(_) => 0,
        }
    }
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

    pub(super) fn layout(&self, id: u32, depth: usize) -> Result<Layout> {
        let depth = depth.checked_sub(1).context("a type without an end")?;
        if id == 0 {
            return Ok(Layout::Other("of no type"));
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
            kind::STRUCT | kind::UNION => Layout::Struct {
                bytes,
                members: self.members(&raw, depth)?,
            },
            kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::TYPE_TAG => {
                self.layout(raw.of, depth)?
            }
            kind::INT => Layout::Other("an integer of more than 8 bytes"),
            kind::ENUM | kind::ENUM64 => Layout::Other("an enum of 8 bytes or more"),
            kind::PTR | kind::RESTRICT => Layout::Other("a pointer"),
            kind::FLOAT => Layout::Other("a floating-point number"),
            _ => Layout::Other("of a type that has no values"),
        })
    }
    /// The members of a structure that lie at whole bytes.
    fn members(&self, structure: &Raw<'_>, depth: usize) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        for one in structure.behind.chunks_exact(12) {
            let (name, at) = (self.name(word(one, 0)?)?, word(one, 8)?);
            // A structure with bit fields has their sizes in the highest byte (struct btf_member
            // of include/uapi/linux/btf.h, 6.11).
            let (bits, at) = match structure.flag {
                true => (at >> 24, at & 0xff_ffff),
                false => (0, at),
            };
            let layout = match bits {
                0 => self.layout(word(one, 4)?, depth)?,
                _ => Layout::Other("a bit field"),
            };
            let offset = at as usize / 8;
            match layout {
                Layout::Struct { members: inner, .. } if name.is_empty() => {
                    let moved = inner.into_iter().map(|member| Member {
                        offset: offset + member.offset,
                        ..member
                    });
                    members.extend(moved);
                }
                layout => members.push(Member {
                    name,
                    offset,
                    layout,
                }),
            }
        }
        Ok(members)
    }
}
