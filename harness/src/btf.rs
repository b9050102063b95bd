//! BTF (Documentation/bpf/btf.rst): which functions a module offers, and what
//! functions look like in C.
//!
//! A guest sends some of it, so it is read in linear time. `btf-rs` resolves a
//! name again for each type that has it, which may be as long as the strings.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ReadCache};

use crate::plain;

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;

/// Kinds of types (include/uapi/linux/btf.h, 6.11).
mod kind {
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

/// How many types a type may be made of, one of the other: a pointer to an array of these, and
/// so on. The kernel allows 32 (MAX_RESOLVE_DEPTH in kernel/bpf/btf.c, 6.11).
const DEPTH: usize = 32;

struct Header {
    length: usize,
    types: (usize, usize),
    strings: (usize, usize),
}

impl Header {
    fn parse(data: &[u8]) -> Result<Header> {
        if data.len() < HEADER || data[..2] != MAGIC.to_le_bytes() {
            bail!("not BTF");
        }
        let field = |at: usize| word(data, at).map(|value| value as usize);
        Ok(Header {
            length: field(4)?,
            types: (field(8)?, field(12)?),
            strings: (field(16)?, field(20)?),
        })
    }
}

/// Types and strings, as they stand.
fn parts(data: &[u8]) -> Result<(&[u8], &[u8])> {
    let header = Header::parse(data)?;
    let part = |(offset, length): (usize, usize)| {
        let start = header.length.checked_add(offset)?;
        data.get(start..start.checked_add(length)?)
    };
    let types = part(header.types).context("types beyond the end")?;
    let strings = part(header.strings).context("strings beyond the end")?;
    Ok((types, strings))
}

/// One type, as it stands.
struct Raw<'a> {
    /// The offset of its name; 0 where it has none.
    name: u32,
    kind: u32,
    /// Whether it is of the other sort of its kind: a FWD of a union.
    flag: bool,
    /// What it is made of, or its size in bytes, by its kind.
    of: u32,
    /// What stands behind the common twelve bytes.
    behind: &'a [u8],
}

impl Raw<'_> {
    /// The type at an offset.
    fn at(types: &[u8], at: usize) -> Result<Raw<'_>> {
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
    fn length(&self) -> usize {
        12 + self.behind.len()
    }
}

/// The name at an offset into strings.
fn name(strings: &[u8], at: usize) -> Result<String> {
    let rest = strings.get(at..).context("a name beyond the end")?;
    let end = rest.iter().take(NAME).position(|byte| *byte == 0);
    let end = end.context("a name without an end")?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

/// The strings of a kernel's own BTF, which a module's BTF is split from. `file` is a vmlinux or
/// raw BTF.
pub fn base_strings(file: &Path) -> Result<Vec<u8>> {
    let read = || -> Result<Vec<u8>> {
        let mut open = plain::open(file)?;
        let start = place(file)?.0;
        let mut header = [0u8; HEADER];
        open.seek(SeekFrom::Start(start))?;
        open.read_exact(&mut header)?;
        let Header {
            length, strings, ..
        } = Header::parse(&header)?;
        open.seek(SeekFrom::Start(start + (length + strings.0) as u64))?;
        let mut bytes = Vec::new();
        open.take(strings.1 as u64).read_to_end(&mut bytes)?;
        match bytes.len() == strings.1 {
            true => Ok(bytes),
            false => bail!("strings beyond the end"),
        }
    };
    read().with_context(|| format!("read the BTF of `{}`", file.display()))
}

/// Which of these names functions of a kernel's own BTF have; `strings` are [`base_strings`] of its
/// `file`. The types are only read where the strings have one of the names, which may be that of
/// anything.
///
/// # Errors
/// The BTF cannot be read, or is damaged.
pub fn taken(file: &Path, strings: &[u8], names: &[String]) -> Result<Vec<String>> {
    let text = String::from_utf8_lossy(strings);
    let is_there = |name: &&String| text.contains(&format!("\0{name}\0"));
    let names: Vec<&String> = names.iter().filter(is_there).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let read = || -> Result<Vec<String>> {
        let (start, size) = place(file)?;
        let mut open = plain::open(file)?;
        open.seek(SeekFrom::Start(start))?;
        let mut data = Vec::new();
        open.take(size).read_to_end(&mut data)?;
        functions(&data, &[])
    };
    let functions = read().with_context(|| format!("read the BTF of `{}`", file.display()))?;
    let taken = names.into_iter().filter(|name| functions.contains(name));
    Ok(taken.cloned().collect())
}

/// Where BTF stands in a vmlinux or a file of raw BTF, and its size.
fn place(file: &Path) -> Result<(u64, u64)> {
    let mut open = plain::open(file)?;
    let mut magic = [0u8; 4];
    open.read_exact(&mut magic)?;
    if &magic != b"\x7fELF" {
        return Ok((0, open.metadata()?.len()));
    }
    let cache = ReadCache::new(open);
    let elf = object::File::parse(&cache)?;
    let section = elf.section_by_name(".BTF").context("no section .BTF")?;
    section.file_range().context("section .BTF is empty")
}

/// Names of the functions in a module's BTF, which is split from a base with these strings. A
/// name that the base has already stands there alone (btf__add_str of libbpf).
pub fn functions(data: &[u8], base: &[u8]) -> Result<Vec<String>> {
    let (types, strings) = parts(data)?;
    let mut names = Vec::new();
    let mut at = 0;
    while at < types.len() {
        let raw = Raw::at(types, at)?;
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

fn word(data: &[u8], at: usize) -> Result<u32> {
    let bytes = data
        .get(at..at + 4)
        .context("ends in the middle of a type")?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// All types, by their ids: a kernel's own, or a module's behind those of its base.
pub struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Where each type stands.
    places: Vec<usize>,
    base: Option<Arc<Btf>>,
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
            at += Raw::at(types, at)?.length();
        }
        Ok(Btf {
            types: types.to_vec(),
            strings: strings.to_vec(),
            places,
            base,
        })
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

    /// A function as C declares it: `u64 bpf_gcd(u64 a, u64 b)`.
    ///
    /// # Errors
    /// No function has this id, or a type of it is damaged.
    pub fn prototype(&self, id: u32) -> Result<String> {
        self.declare(self.raw(id)?.of, self.function(id)?, DEPTH)
    }

    /// A function's types by their kinds alone, which is all that libbpf compares of a kfunc's
    /// declaration (bpf_core_types_are_compat). They are declared in [`SHAPES`].
    ///
    /// # Errors
    /// No function has this id, or a type of it is damaged.
    pub fn shape(&self, id: u32) -> Result<Shape> {
        self.function(id)?;
        self.shape_of(self.raw(id)?.of, DEPTH)
    }

    fn shape_of(&self, prototype: u32, depth: usize) -> Result<Shape> {
        let raw = self.raw(prototype)?;
        let arguments = raw.behind.chunks_exact(8).map(|argument| {
            let of = word(argument, 4)?;
            self.kinds(of, depth)
        });
        Ok(Shape {
            result: self.kinds(raw.of, depth)?,
            arguments: arguments.collect::<Result<_>>()?,
        })
    }

    /// The name of a type that is made of the same kinds.
    fn kinds(&self, id: u32, depth: usize) -> Result<String> {
        let depth = depth.checked_sub(1).context("a type without an end")?;
        if id == 0 {
            return Ok("void".to_owned());
        }
        let raw = self.raw(id)?;
        Ok(match raw.kind {
            kind::INT => "int".to_owned(),
            kind::STRUCT => "struct some".to_owned(),
            kind::UNION => "union some_union".to_owned(),
            kind::FWD => "struct elsewhere".to_owned(),
            kind::ENUM | kind::ENUM64 => "enum some_enum".to_owned(),
            kind::PTR => format!("__typeof__({}) *", self.kinds(raw.of, depth)?),
            kind::ARRAY => {
                let (of, count) = (word(raw.behind, 0)?, word(raw.behind, 8)?);
                format!(
                    "__typeof__(__typeof__({})[{count}])",
                    self.kinds(of, depth)?
                )
            }
            kind::FUNC_PROTO => {
                let Shape { result, arguments } = self.shape_of(id, depth)?;
                format!("__typeof__({result}({}))", listed(&arguments))
            }
            kind::TYPEDEF | kind::CONST | kind::VOLATILE | kind::RESTRICT | kind::TYPE_TAG => {
                self.kinds(raw.of, depth)?
            }
            other => bail!("kind {other} in a declaration"),
        })
    }

    /// A declaration of something of this type; what is declared stands in it already.
    fn declare(&self, id: u32, what: String, depth: usize) -> Result<String> {
        let depth = depth.checked_sub(1).context("a type without an end")?;
        let with = |words: &str| spaced(words, &what);
        if id == 0 {
            return Ok(with("void"));
        }
        let raw = self.raw(id)?;
        let named = |keyword: &str| -> Result<String> {
            let name = self.name(raw.name)?;
            let name = if name.is_empty() { "{…}" } else { &name };
            Ok(with(&format!("{keyword}{name}")))
        };
        match raw.kind {
            kind::INT | kind::FLOAT | kind::TYPEDEF => named(""),
            kind::STRUCT => named("struct "),
            kind::UNION => named("union "),
            kind::FWD if raw.flag => named("union "),
            kind::FWD => named("struct "),
            kind::ENUM | kind::ENUM64 => named("enum "),
            kind::PTR => {
                let binds = matches!(self.kind_of(raw.of)?, kind::ARRAY | kind::FUNC_PROTO);
                let pointer = match binds {
                    true => format!("(*{what})"),
                    false => format!("*{what}"),
                };
                self.declare(raw.of, pointer, depth)
            }
            kind::CONST => self.qualify("const", raw.of, what, depth),
            kind::VOLATILE => self.qualify("volatile", raw.of, what, depth),
            kind::RESTRICT => self.qualify("restrict", raw.of, what, depth),
            kind::TYPE_TAG => self.declare(raw.of, what, depth),
            kind::ARRAY => {
                let (of, count) = (word(raw.behind, 0)?, word(raw.behind, 8)?);
                self.declare(of, format!("{what}[{count}]"), depth)
            }
            kind::FUNC_PROTO => {
                let mut arguments = Vec::new();
                for argument in raw.behind.chunks_exact(8) {
                    let (name, of) = (word(argument, 0)?, word(argument, 4)?);
                    arguments.push(match (name, of) {
                        (0, 0) => "...".to_owned(),
                        _ => self.declare(of, self.name(name)?, depth)?,
                    });
                }
                self.declare(raw.of, format!("{what}({})", listed(&arguments)), depth)
            }
            other => bail!("kind {other} in a declaration"),
        }
    }

    /// A qualifier stands before what it qualifies, and behind the star of a pointer.
    fn qualify(&self, word: &str, id: u32, what: String, depth: usize) -> Result<String> {
        match self.kind_of(id)? {
            kind::PTR => self.declare(id, spaced(word, &what), depth),
            _ => Ok(format!("{word} {}", self.declare(id, what, depth)?)),
        }
    }

    /// The kind of a type; 0 for `void`.
    fn kind_of(&self, id: u32) -> Result<u32> {
        match id {
            0 => Ok(0),
            id => Ok(self.raw(id)?.kind),
        }
    }
}

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

/// The types that a [`Shape`] is made of, in C.
pub const SHAPES: &str = "\
struct some { int member; };
union some_union { int member; };
enum some_enum { SOME };
struct elsewhere;
";

/// The types of a function, as C names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The type of its result.
    pub result: String,
    /// The types of its arguments.
    pub arguments: Vec<String>,
}

/// Arguments between their parentheses.
pub fn listed(arguments: &[String]) -> String {
    match arguments.is_empty() {
        true => "void".to_owned(),
        false => arguments.join(", "),
    }
}

/// Two words of C; a star needs no space behind it.
fn spaced(words: &str, what: &str) -> String {
    match what.is_empty() {
        true => words.to_owned(),
        false => format!("{words} {what}"),
    }
}

/// The strings of the base of [`sample`].
#[cfg(test)]
pub const SAMPLE_BASE: &[u8] = b"\0st_value\0";

/// Split BTF: one FUNC called `f`.
#[cfg(test)]
pub fn sample() -> Vec<u8> {
    let mut data = Vec::new();
    data.extend(MAGIC.to_le_bytes());
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
pub(crate) mod tests {
    use super::*;

    /// Types, each of its words, and strings behind an empty one, which is at 0.
    fn raw(types: &[&[u32]], strings: &[&str]) -> Vec<u8> {
        let types: Vec<u32> = types.concat();
        let strings = format!(
            "\0{}",
            strings
                .iter()
                .map(|text| format!("{text}\0"))
                .collect::<String>()
        );
        let length = 4 * types.len() as u32;
        let header = [24, 0, length, length, strings.len() as u32];
        let words = header
            .iter()
            .chain(&types)
            .flat_map(|word| word.to_le_bytes());
        let mut data = vec![0x9f, 0xeb, 1, 0];
        data.extend(words);
        data.extend(strings.as_bytes());
        data
    }

    /// BTF of functions `void NAME(void)`, by ids from 2 on; `TAG NAME` has a tag, which takes an
    /// id as well.
    pub fn functions(names: &[&str]) -> Btf {
        let mut types = vec![0, kind::FUNC_PROTO << 24, 0];
        let (mut strings, mut at, mut id) = (Vec::new(), 1, 2);
        for name in names {
            let (tag, name) = name.split_once(' ').unwrap_or(("", name));
            types.extend([at, kind::FUNC << 24, 1]);
            if !tag.is_empty() {
                let place = at + name.len() as u32 + 1;
                types.extend([place, kind::DECL_TAG << 24, id, u32::MAX]);
            }
            for text in [name, tag].iter().filter(|text| !text.is_empty()) {
                strings.push(*text);
                at += text.len() as u32 + 1;
                id += 1;
            }
        }
        Btf::parse(&raw(&[&types], &strings), None).unwrap()
    }

    const INT: [u32; 4] = [1, kind::INT << 24, 4, 32];

    #[test]
    fn a_prototype_is_as_c_has_it() {
        // The ids count from 1.
        let types: [&[u32]; 12] = [
            &INT,
            &[0, kind::PTR << 24, 1],
            &[0, kind::CONST << 24, 1],
            &[0, kind::PTR << 24, 3],
            &[0, kind::CONST << 24, 2],
            &[0, kind::FUNC_PROTO << 24, 0],
            &[0, kind::PTR << 24, 6],
            &[0, kind::ARRAY << 24, 0, 1, 1, 4],
            &[0, kind::PTR << 24, 8],
            &[5, kind::STRUCT << 24, 0],
            &[
                0,
                kind::FUNC_PROTO << 24 | 5,
                4,
                7,
                5,
                9,
                7,
                11,
                9,
                13,
                10,
                0,
                0,
            ],
            &[15, kind::FUNC << 24, 11],
        ];
        let data = raw(&types, &["int", "s", "a", "b", "c", "d", "f"]);
        let c = Btf::parse(&data, None).unwrap().prototype(12).unwrap();
        let expected = "const int *f(int *const a, void (*b)(void), int (*c)[4], struct s d, ...)";
        assert_eq!(c, expected);
        let shape = Btf::parse(&data, None).unwrap().shape(12).unwrap();
        assert_eq!(shape.result, "__typeof__(int) *");
        let function = "__typeof__(__typeof__(void(void))) *";
        let array = "__typeof__(__typeof__(__typeof__(int)[4])) *";
        let arguments = ["__typeof__(int) *", function, array, "struct some"];
        assert_eq!(shape.arguments[..4], arguments);
    }

    #[test]
    fn split_btf_goes_on_where_its_base_ends() {
        let base = Btf::parse(&raw(&[&INT], &["int"]), None).unwrap();
        // The base has 5 bytes of strings and the ids 0 and 1.
        let types: [&[u32]; 2] = [&[0, kind::FUNC_PROTO << 24, 1], &[6, kind::FUNC << 24, 2]];
        let split = Btf::parse(&raw(&types, &["f"]), Some(Arc::new(base))).unwrap();
        assert_eq!(split.prototype(3).unwrap(), "int f(void)");
        assert!(split.prototype(2).is_err() && split.prototype(4).is_err());
    }

    #[test]
    fn a_type_that_is_made_of_itself_is_an_error() {
        let types: [&[u32]; 3] = [
            &[0, kind::PTR << 24, 1],
            &[0, kind::FUNC_PROTO << 24, 1],
            &[1, kind::FUNC << 24, 2],
        ];
        let btf = Btf::parse(&raw(&types, &["f"]), None).unwrap();
        let error = btf.prototype(3).unwrap_err().to_string();
        assert_eq!(error, "a type without an end");
    }

    #[test]
    fn a_name_is_no_longer_than_a_kernel_s() {
        let of = |strings: &[u8]| {
            let mut data = sample();
            data.truncate(HEADER + 12);
            // The strings' length stands at 20.
            data[20..24].copy_from_slice(&(strings.len() as u32).to_le_bytes());
            data.extend(strings);
            super::functions(&data, SAMPLE_BASE).map_err(|error| error.to_string())
        };
        let long = |letters: usize| [b"\0", vec![b'f'; letters].as_slice(), b"\0"].concat();
        assert_eq!(of(&long(511)).unwrap(), ["f".repeat(511)]);
        let endless = Err("a name without an end".to_owned());
        assert_eq!([of(&long(512)), of(b"\0f")], [endless.clone(), endless]);
    }

    #[test]
    fn functions_are_named_behind_the_base() {
        assert_eq!(super::functions(&sample(), SAMPLE_BASE).unwrap(), ["f"]);
    }

    #[test]
    fn a_name_that_the_base_has_stands_there() {
        let mut data = sample();
        // The name's offset is the first word behind the header.
        data[HEADER..HEADER + 4].copy_from_slice(&1u32.to_le_bytes());
        let functions = super::functions(&data, SAMPLE_BASE).unwrap();
        assert_eq!(functions, ["st_value"]);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let data = sample();
        for end in 0..data.len() {
            assert!(
                super::functions(&data[..end], SAMPLE_BASE).is_err(),
                "{end} bytes"
            );
        }
    }
}
