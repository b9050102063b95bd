//! The values that a scenario gives to global variables of BPF programs: found by their names in
//! the compiled objects, and put into bytes as their BTF says.

use std::path::Path;

use anyhow::{Context, Result, bail};
use kassay_guest::Global;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use toml::{Table, Value};

use crate::btf::{Btf, Layout};
use crate::nearest;

/// Sections whose variables can be set before an object is loaded.
const SECTIONS: &[&str] = &[".rodata", ".data", ".bss"];

/// The bytes of each value, and where they belong in these objects.
///
/// # Errors
/// No object has the variable, and the nearest is named; several have it; the value is not one
/// that the variable can have. An object that cannot be read.
pub fn set<'a>(
    objects: impl Iterator<Item = (&'a str, &'a Path)>,
    wanted: &Table,
) -> Result<Vec<Global>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let read = |(name, file)| {
        let variables = variables(name, file);
        variables.with_context(|| format!("read the variables of `{name}`"))
    };
    let all: Vec<Vec<Variable>> = objects.map(read).collect::<Result<_>>()?;
    let all: Vec<Variable> = all.into_iter().flatten().collect();
    let set = |(name, value): (&String, &Value)| {
        let found = one(&all, name).and_then(|variable| variable.with(value));
        found.with_context(|| format!("set the global `{name}`"))
    };
    wanted.iter().map(set).collect()
}

/// A global variable of an object.
struct Variable {
    name: String,
    layout: Layout,
    /// Where it lies; its bytes are zeros.
    place: Global,
}

impl Variable {
    fn with(&self, value: &Value) -> Result<Global> {
        let mut place = self.place.clone();
        let bytes = encode(&self.layout, value)?;
        place.bytes[..bytes.len()].copy_from_slice(&bytes);
        Ok(place)
    }
}

/// The one variable of that name.
fn one<'a>(all: &'a [Variable], name: &str) -> Result<&'a Variable> {
    let found: Vec<&Variable> = all.iter().filter(|one| one.name == name).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let hint = nearest::hint(name, all.iter().map(|one| one.name.as_str()));
            bail!("no BPF program has a variable of that name{hint}")
        }
        _ => {
            let objects = found.iter().map(|one| one.place.object.as_str());
            let objects: Vec<&str> = objects.collect();
            bail!("it is in each of `{}`", objects.join("`, `"))
        }
    }
}

/// The variables of an object that can be set.
fn variables(name: &str, file: &Path) -> Result<Vec<Variable>> {
    let bytes = std::fs::read(file)?;
    let object = object::File::parse(&*bytes)?;
    let Some(btf) = object.section_by_name(".BTF") else {
        return Ok(Vec::new());
    };
    let btf = Btf::parse(btf.data()?, None)?;
    let symbols = object.symbols();
    let symbols = symbols.filter(|symbol| symbol.kind() == SymbolKind::Data);
    let variable = |symbol| variable(name, &object, &btf, &symbol).transpose();
    symbols.filter_map(variable).collect()
}

/// The variable of a symbol, if it can be set.
fn variable(
    name: &str,
    object: &object::File,
    btf: &Btf,
    symbol: &object::Symbol,
) -> Result<Option<Variable>> {
    let Some(section) = section_of(object, symbol) else {
        return Ok(None);
    };
    let variable = symbol.name()?.to_owned();
    let layout = btf.variable(&variable)?;
    Ok(layout.map(|layout| Variable {
        name: variable,
        layout,
        place: Global {
            object: name.to_owned(),
            section,
            offset: symbol.address() as usize,
            bytes: vec![0; symbol.size() as usize],
        },
    }))
}

/// The section that a symbol is in, if it is one of variables that can be set.
fn section_of(object: &object::File, symbol: &object::Symbol) -> Option<String> {
    let section = object.section_by_index(symbol.section_index()?).ok()?;
    let section = section.name().ok()?;
    let is_one = |known: &&str| section == *known || section.starts_with(&format!("{known}."));
    SECTIONS.iter().any(is_one).then(|| section.to_owned())
}

/// A value as a variable of this layout has it; what is left of an array is zeros.
fn encode(layout: &Layout, value: &Value) -> Result<Vec<u8>> {
    match (layout, value) {
        (Layout::Int { bytes, is_signed }, Value::Integer(number)) => {
            integer(*bytes, *is_signed, (*number).into())
        }
        (Layout::Int { bytes, is_signed }, Value::String(text)) if number(text).is_some() => {
            integer(*bytes, *is_signed, number(text).unwrap_or_default())
        }
        (Layout::Bool, Value::Boolean(value)) => Ok(vec![(*value).into()]),
        (Layout::Enum { bytes, .. }, Value::Integer(number)) => {
            integer(*bytes, true, (*number).into())
        }
        (Layout::Enum { bytes, values }, Value::String(name)) => {
            let value = values.iter().find(|(one, _)| one == name);
            let (_, value) = value.with_context(|| {
                let hint = nearest::hint(name, values.iter().map(|(one, _)| one.as_str()));
                format!("there is no enumerator `{name}`{hint}")
            })?;
            Ok(value.to_le_bytes()[..*bytes].to_vec())
        }
        (Layout::Array(of, length), Value::String(text)) if is_letter(of) => {
            if text.len() >= *length || text.contains('\0') {
                bail!("{text:?} does not fit: it is an array of {length} bytes, and a NUL ends it");
            }
            Ok(text.as_bytes().to_vec())
        }
        (Layout::Array(of, length), Value::Array(values)) => {
            if values.len() > *length {
                bail!("{} values do not fit an array of {length}", values.len());
            }
            let values = values.iter().map(|value| encode(of, value));
            Ok(values.collect::<Result<Vec<_>>>()?.concat())
        }
        _ => bail!("it takes {}, and this is {value}", wants(layout)),
    }
}

fn is_letter(layout: &Layout) -> bool {
    matches!(layout, Layout::Int { bytes: 1, .. })
}

/// The number that a text is, decimal or `0x…`: those of TOML end at 2^63 - 1.
fn number(text: &str) -> Option<i128> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(i128::from),
        None => text.parse().ok(),
    }
}

fn integer(bytes: usize, is_signed: bool, number: i128) -> Result<Vec<u8>> {
    let bits = 8 * bytes as u32;
    let (least, most) = match is_signed {
        true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        false => (0, (1i128 << bits) - 1),
    };
    if !(least..=most).contains(&number) {
        bail!("{number} is out of range: it has {bytes} bytes, from {least} to {most}");
    }
    Ok(number.to_le_bytes()[..bytes].to_vec())
}

/// What a value for this layout is, in words.
fn wants(layout: &Layout) -> String {
    match layout {
        Layout::Int { .. } => "an integer (or its digits, or `0x…`, as text)".to_owned(),
        Layout::Bool => "`true` or `false`".to_owned(),
        Layout::Enum { .. } => "the name of an enumerator, or an integer".to_owned(),
        Layout::Array(of, length) if is_letter(of) => format!("text of up to {} bytes", length - 1),
        Layout::Array(of, length) => format!("a list of up to {length}, each {}", wants(of)),
        Layout::Other => {
            "no value, since it is none of integer, bool, enum and arrays of these".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTE: Layout = Layout::Int {
        bytes: 1,
        is_signed: false,
    };

    fn encoded(layout: &Layout, value: impl Into<Value>) -> Result<Vec<u8>, String> {
        encode(layout, &value.into()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_number_is_in_its_range() {
        let signed = Layout::Int {
            bytes: 2,
            is_signed: true,
        };
        assert_eq!(encoded(&signed, -2).unwrap(), [0xfe, 0xff]);
        assert_eq!(encoded(&BYTE, 255).unwrap(), [255]);
        let error = encoded(&BYTE, 256).unwrap_err();
        assert_eq!(error, "256 is out of range: it has 1 bytes, from 0 to 255");
        assert!(encoded(&BYTE, -1).is_err() && encoded(&signed, 1 << 15).is_err());
    }

    #[test]
    fn a_number_beyond_those_of_toml_is_a_text() {
        let word = Layout::Int {
            bytes: 8,
            is_signed: false,
        };
        for text in ["18446744073709551615", "0xffffffffffffffff"] {
            assert_eq!(encoded(&word, text).unwrap(), [0xff; 8]);
        }
        let error = encoded(&word, "18446744073709551616").unwrap_err();
        assert!(error.contains("is out of range: it has 8 bytes"), "{error}");
        assert!(encoded(&word, "0x").is_err() && encoded(&word, "0x-1").is_err());
        assert!(encoded(&word, "0x10000000000000000").is_err());
    }

    #[test]
    fn a_value_is_of_the_variables_kind() {
        assert_eq!(encoded(&Layout::Bool, true).unwrap(), [1]);
        let error = encoded(&BYTE, "a").unwrap_err();
        assert_eq!(
            error,
            "it takes an integer (or its digits, or `0x…`, as text), and this is \"a\""
        );
        assert!(encoded(&Layout::Bool, 1).is_err() && encoded(&Layout::Other, 1).is_err());
    }

    #[test]
    fn an_array_has_room_for_text_and_its_nul_or_for_values() {
        let array = Layout::Array(Box::new(BYTE), 4);
        assert_eq!(encoded(&array, "abc").unwrap(), b"abc");
        assert!(
            encoded(&array, "abcd")
                .unwrap_err()
                .contains("does not fit")
        );
        assert_eq!(encoded(&array, vec![1, 2]).unwrap(), [1, 2]);
        assert!(encoded(&array, vec![0; 5]).is_err());
    }

    #[test]
    fn an_enumerator_is_named() {
        let layout = Layout::Enum {
            bytes: 4,
            values: vec![("PASS".to_owned(), 2)],
        };
        assert_eq!(encoded(&layout, "PASS").unwrap(), [2, 0, 0, 0]);
        let error = encoded(&layout, "PAS").unwrap_err();
        assert!(error.contains("did you mean `PASS`?"), "{error}");
    }
}
