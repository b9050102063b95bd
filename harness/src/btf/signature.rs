//! What a function takes and returns.

use anyhow::{Context, Result};

use super::raw::{Raw, kind, word};
use super::{Btf, DEPTH, Layout};

/// What a function takes and returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The type of its result.
    pub result: Type,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, whose end may say what is meant: `mem__sz`.
    pub name: String,
    /// Its type.
    pub of: Type,
}

/// A type, without its qualifiers and other names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `void`.
    Void,
    /// An integer or a truth value.
    Int {
        /// Its size.
        bytes: usize,
        /// Whether it may be negative.
        is_signed: bool,
    },
    /// An enumeration.
    Enum {
        /// Its size.
        bytes: usize,
        /// Its enumerators' values.
        values: Vec<i64>,
    },
    /// A pointer to this.
    Pointer(Box<Type>),
    /// A structure.
    Struct {
        /// Its name.
        name: String,
        /// Its size.
        bytes: usize,
        /// Whether it is made of numbers alone, at most four structures deep, so that the verifier
        /// takes plain memory for it (`__btf_type_is_scalar_struct` of kernel/bpf/verifier.c, 6.12).
        is_plain: bool,
    },
    /// Anything else.
    Other,
}

/// How many structures deep numbers may lie.
const PLAIN: usize = 4;

impl Btf {
    /// What a function takes and returns.
    ///
    /// # Errors
    /// No function has this id, or a type of it is damaged.
    pub fn signature(&self, id: u32) -> Result<Signature> {
        self.function(id)?;
        let prototype = self.raw(self.raw(id)?.of)?;
        let parameter = |one: &[u8]| {
            anyhow::Ok(Parameter {
                name: self.name(word(one, 0)?)?,
                of: self.type_of(word(one, 4)?, DEPTH)?,
            })
        };
        let parameters = prototype.behind.chunks_exact(8).map(parameter);
        Ok(Signature {
            result: self.type_of(prototype.of, DEPTH)?,
            parameters: parameters.collect::<Result<_>>()?,
        })
    }

    fn type_of(&self, id: u32, depth: usize) -> Result<Type> {
        let depth = depth.checked_sub(1).context("a type without an end")?;
        if id == 0 {
            return Ok(Type::Void);
        }
        let raw = self.raw(id)?;
        Ok(match raw.kind {
            kind::INT | kind::ENUM | kind::ENUM64 => self.integer(id, raw.of as usize, depth)?,
            kind::PTR => Type::Pointer(Box::new(self.type_of(raw.of, depth)?)),
            kind::STRUCT => Type::Struct {
                name: self.name(raw.name)?,
                bytes: raw.of as usize,
                is_plain: self.is_plain(id, PLAIN, depth)?,
            },
            kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::RESTRICT | kind::TYPE_TAG => {
                self.type_of(raw.of, depth)?
            }
            _ => Type::Other,
        })
    }

    fn integer(&self, id: u32, bytes: usize, depth: usize) -> Result<Type> {
        Ok(match self.layout(id, depth)? {
            Layout::Int { bytes, is_signed } => Type::Int { bytes, is_signed },
            Layout::Bool => Type::Int {
                bytes: 1,
                is_signed: false,
            },
            Layout::Enum { bytes, values } => Type::Enum {
                bytes,
                values: values.into_iter().map(|(_, value)| value).collect(),
            },
            _ if self.kind_of(id)? == kind::ENUM64 => Type::Enum {
                bytes,
                values: Vec::new(),
            },
            _ => Type::Other,
        })
    }

    /// The structure of this name and size that has members.
    fn structure(&self, name: &str, bytes: u32) -> Result<Option<u32>> {
        for (id, place) in (self.first() as u32..).zip(&self.places) {
            let raw = Raw::at(&self.types, *place)?;
            let is_like = raw.kind == kind::STRUCT && raw.of == bytes && !raw.behind.is_empty();
            if is_like && self.name(raw.name)? == name {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn is_plain(&self, id: u32, structures: usize, depth: usize) -> Result<bool> {
        if let Some(base) = self.base.as_ref().filter(|base| (id as usize) < base.end()) {
            return base.is_plain(id, structures, depth);
        }
        let depth = depth.checked_sub(1).context("a type without an end")?;
        let raw = self.raw(id)?;
        match raw.kind {
            kind::INT | kind::ENUM | kind::ENUM64 => Ok(true),
            kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::TYPE_TAG if raw.of != 0 => {
                self.is_plain(raw.of, structures, depth)
            }
            kind::ARRAY => self.is_plain(word(raw.behind, 0)?, structures, depth),
            kind::STRUCT if raw.behind.is_empty() && raw.of > 0 => match &self.whole {
                Some(whole) => match whole.structure(&self.name(raw.name)?, raw.of)? {
                    Some(id) => whole.is_plain(id, structures, depth),
                    None => Ok(false),
                },
                None => Ok(false),
            },
            kind::STRUCT if structures > 0 => {
                for member in raw.behind.chunks_exact(12) {
                    if !self.is_plain(word(member, 4)?, structures - 1, depth)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
