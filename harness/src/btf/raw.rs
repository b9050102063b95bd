//! BTF as it stands: a header, types one after the other, and strings. It has the byte order of the
//! kernel's processor, and is read in this machine's.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use object::Endianness;

pub const MAGIC: u16 = 0xeb9f;
pub const HEADER: usize = 24;

/// Kinds of types (include/uapi/linux/btf.h, 6.11).
pub mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// The longest name in the kernel, with its NUL, in bytes (KSYM_NAME_LEN of 6.1
/// and later). Names that run on to the end of the strings would be many times
/// as long as all that the guest sent.
const NAME: usize = 512;

pub struct Header {
    pub length: usize,
    pub types: (usize, usize),
    pub strings: (usize, usize),
    /// The byte order of all that is no string.
    pub order: Endianness,
}

impl Header {
    pub fn parse(data: &[u8]) -> Result<Header> {
        let order = match data {
            _ if data.len() < HEADER => bail!("not BTF"),
            _ if data.starts_with(&MAGIC.to_le_bytes()) => Endianness::Little,
            _ if data.starts_with(&MAGIC.to_be_bytes()) => Endianness::Big,
            _ => bail!("not BTF"),
        };
        let field = |at: usize| -> Result<usize> {
            let value = word(data, at)?;
            Ok(match order {
                Endianness::Little => value,
                Endianness::Big => value.swap_bytes(),
            } as usize)
        };
        Ok(Header {
            order,
            length: field(4)?,
            types: (field(8)?, field(12)?),
            strings: (field(16)?, field(20)?),
        })
    }
}

/// Types, in this machine's byte order, and strings. All that types are made of is words.
pub fn parts(data: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8])> {
    let header = Header::parse(data)?;
    let part = |(offset, length): (usize, usize)| {
        let start = header.length.checked_add(offset)?;
        data.get(start..start.checked_add(length)?)
    };
    let types = part(header.types).context("types beyond the end")?;
    let strings = part(header.strings).context("strings beyond the end")?;
    let types = match header.order {
        Endianness::Big => Cow::Owned(
            types
                .chunks(4)
                .flat_map(|word| word.iter().rev().copied())
                .collect(),
        ),
        Endianness::Little => Cow::Borrowed(types),
    };
    Ok((types, strings))
}

/// The same in this machine's byte order. bpftool turns BTF round itself, except where its header is
/// longer than it knows, as in modules of 7.2.
pub fn native(data: &[u8]) -> Result<Cow<'_, [u8]>> {
    if Header::parse(data)?.order == Endianness::Little {
        return Ok(Cow::Borrowed(data));
    }
    let (types, strings) = parts(data)?;
    let lengths = [0, types.len(), types.len(), strings.len()];
    let lengths = lengths.into_iter().map(u32::try_from);
    let mut whole = MAGIC.to_le_bytes().to_vec();
    whole.extend([1, 0]);
    whole.extend((HEADER as u32).to_le_bytes());
    for length in lengths {
        whole.extend(length?.to_le_bytes());
    }
    whole.extend_from_slice(&types);
    whole.extend_from_slice(strings);
    Ok(Cow::Owned(whole))
}

/// One type, as it stands.
pub struct Raw<'a> {
    /// The offset of its name; 0 where it has none.
    pub name: u32,
    pub kind: u32,
    /// Whether it is of the other sort of its kind: a FWD of a union.
    pub flag: bool,
    /// What it is made of, or its size in bytes, by its kind.
    pub of: u32,
    /// What stands behind the common twelve bytes.
    pub behind: &'a [u8],
}

impl Raw<'_> {
    /// The type at an offset.
    pub fn at(types: &[u8], at: usize) -> Result<Raw<'_>> {
        let info = word(types, at + 4)?;
        let kind = info >> 24 & 0x1f;
        let behind = at + 12..at + 12 + trailing(kind, info & 0xffff)?;
        Ok(Raw {
            name: word(types, at)?,
            kind,
            flag: info >> 31 == 1,
            of: word(types, at + 8)?,
            behind: types.get(behind).context("ends in the middle of a type")?,
        })
    }

    /// How many bytes it takes.
    pub fn length(&self) -> usize {
        12 + self.behind.len()
    }
}

/// The name at an offset into strings.
pub fn name(strings: &[u8], at: usize) -> Result<String> {
    let rest = strings.get(at..).context("a name beyond the end")?;
    let end = rest.iter().take(NAME).position(|byte| *byte == 0);
    let end = end.context("a name without an end")?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

/// Names of the functions in a module's BTF, which is split from a base with these strings. A
/// name that the base has already stands there alone (btf__add_str of libbpf).
///
/// # Errors
/// It is damaged, or has a kind of type that is not known.
pub fn functions(data: &[u8], base: &[u8]) -> Result<Vec<String>> {
    let (types, strings) = parts(data)?;
    let mut names = Vec::new();
    let mut at = 0;
    while at < types.len() {
        let raw = Raw::at(&types, at)?;
        let (strings, place) = match (raw.name as usize).checked_sub(base.len()) {
            Some(place) => (strings, place),
            None => (base, raw.name as usize),
        };
        if raw.kind == kind::FUNC && place <= strings.len() {
            names.push(name(strings, place)?);
        }
        at += raw.length();
    }
    Ok(names)
}

/// Bytes behind a type's common twelve, by its kind and its vlen
/// (include/uapi/linux/btf.h, 6.11).
fn trailing(kind: u32, vlen: u32) -> Result<usize> {
    let each = vlen as usize;
    Ok(match kind {
        kind::PTR | kind::FWD..=kind::FUNC | kind::FLOAT | kind::TYPE_TAG => 0,
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * each,
        kind::ENUM | kind::FUNC_PROTO => 8 * each,
        _ => bail!("unknown kind {kind}"),
    })
}

pub fn word(data: &[u8], at: usize) -> Result<u32> {
    let bytes = data
        .get(at..at + 4)
        .context("ends in the middle of a type")?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
