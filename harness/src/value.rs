//! Values as a scenario's file has them, put into bytes as their BTF says.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use object::Endianness;
use toml::{Table, Value};

use crate::btf::{Layout, Member};
use crate::nearest;

/// A value as something of this layout has it, in this byte order. What is left of an array, and
/// members of a structure that are not named, are zeros.
///
/// # Errors
/// It is not one that something of this layout can have.
pub fn encode(layout: &Layout, value: &Value, order: Endianness) -> Result<Vec<u8>> {
    let mut bytes = encoded(layout, value, order)?;
    bytes.resize(layout.bytes(), 0);
    Ok(bytes)
}

fn encoded(layout: &Layout, value: &Value, order: Endianness) -> Result<Vec<u8>> {
    let integer = |bytes, is_signed, number| {
        within(bytes, is_signed, number)?;
        Ok(ordered(number, bytes, order))
    };
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
            Ok(ordered((*value).into(), *bytes, order))
        }
        (Layout::Array(of, length), Value::String(text)) if is_letter(of) => {
            if text.len() >= *length || text.contains('\0') {
                bail!(
                    "{text:?} does not fit: it is an array of {length} bytes, and a NUL ends it; a \
                     list of bytes needs none"
                );
            }
            Ok(text.as_bytes().to_vec())
        }
        (Layout::Array(of, length), Value::Array(values)) => {
            if values.len() > *length {
                bail!("{} values do not fit an array of {length}", values.len());
            }
            let values = values.iter().map(|value| encode(of, value, order));
            Ok(values.collect::<Result<Vec<_>>>()?.concat())
        }
        (Layout::Struct { bytes, members }, Value::Table(values)) => {
            structure(*bytes, members, values, order)
        }
        _ => bail!("it takes {}, and this is {value}", wants(layout)),
    }
}

/// A structure of which these members are given.
fn structure(
    bytes: usize,
    members: &[Member],
    values: &Table,
    order: Endianness,
) -> Result<Vec<u8>> {
    let mut whole = vec![0; bytes];
    let mut taken: Vec<(&String, Range<usize>)> = Vec::new();
    for (name, value) in values {
        let member = members.iter().find(|member| member.name == *name);
        let member = member.with_context(|| {
            let names = members.iter().map(|member| member.name.as_str());
            format!("there is no member `{name}`{}", nearest::hint(name, names))
        })?;
        let value =
            encode(&member.layout, value, order).with_context(|| format!("the member `{name}`"))?;
        let place = member.offset..member.offset + value.len();
        let overlaps =
            |(_, other): &&(_, Range<usize>)| place.start < other.end && other.start < place.end;
        if let Some((other, _)) = taken.iter().find(overlaps) {
            bail!("the members `{other}` and `{name}` lie in the same place: give one of them");
        }
        let bytes = whole.get_mut(place.clone());
        let bytes = bytes.with_context(|| format!("the member `{name}` ends beyond the whole"))?;
        bytes.copy_from_slice(&value);
        taken.push((name, place));
    }
    Ok(whole)
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

/// Sees that an integer of so many bytes can be this number.
fn within(bytes: usize, is_signed: bool, number: i128) -> Result<()> {
    let bits = 8 * bytes as u32;
    let (least, most) = match is_signed {
        true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        false => (0, (1i128 << bits) - 1),
    };
    if !(least..=most).contains(&number) {
        bail!("{number} is out of range: it has {bytes} bytes, from {least} to {most}");
    }
    Ok(())
}

/// The lowest bytes of a number.
fn ordered(number: i128, bytes: usize, order: Endianness) -> Vec<u8> {
    let mut lowest = number.to_le_bytes()[..bytes].to_vec();
    if order == Endianness::Big {
        lowest.reverse();
    }
    lowest
}

/// What a value for this layout is, in words.
fn wants(layout: &Layout) -> String {
    match layout {
        Layout::Int { .. } => "an integer (or its digits, or `0x…`, as text)".to_owned(),
        Layout::Bool => "`true` or `false`".to_owned(),
        Layout::Enum { .. } => "the name of an enumerator, or an integer".to_owned(),
        Layout::Array(of, length) if is_letter(of) => {
            format!(
                "text of up to {} bytes, or a list of up to {length}",
                length.saturating_sub(1)
            )
        }
        Layout::Array(of, length) => format!("a list of up to {length}, each {}", wants(of)),
        Layout::Struct { members, .. } => {
            let names: Vec<&str> = members.iter().map(|one| one.name.as_str()).collect();
            format!("a table of the members `{}`", names.join("`, `"))
        }
        Layout::Other(what) => format!(
            "no value, since it is {what}; only integers, bools, enums, and arrays and structures of \
             these have one"
        ),
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
        super::encode(layout, &value.into(), Endianness::Little)
            .map_err(|error| format!("{error:#}"))
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
    fn a_number_has_the_byte_order_of_the_processor() {
        let word = Layout::Int {
            bytes: 4,
            is_signed: true,
        };
        let two = Layout::Array(Box::new(word), 2);
        let value = Value::Array(vec![1.into(), (-2).into()]);
        let big = super::encode(&two, &value, Endianness::Big).unwrap();
        assert_eq!(big, [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe]);
        let little = [1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff];
        assert_eq!(encoded(&two, value).unwrap(), little);
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
        assert!(encoded(&Layout::Bool, 1).is_err());
        let error = encoded(&Layout::Other("a bit field"), 1).unwrap_err();
        assert!(
            error.starts_with("it takes no value, since it is a bit field; only"),
            "{error}"
        );
    }

    #[test]
    fn an_array_has_room_for_text_and_its_nul_or_for_values() {
        let array = Layout::Array(Box::new(BYTE), 4);
        assert_eq!(encoded(&array, "abc").unwrap(), b"abc\0");
        assert!(
            encoded(&array, "abcd")
                .unwrap_err()
                .contains("does not fit")
        );
        assert_eq!(encoded(&array, vec![1, 2]).unwrap(), [1, 2, 0, 0]);
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
    #[test]
    fn each_text_of_an_array_of_texts_has_its_own_room() {
        let names = Layout::Array(Box::new(Layout::Array(Box::new(BYTE), 3)), 2);
        assert_eq!(encoded(&names, vec!["a", "bc"]).unwrap(), b"a\0\0bc\0");
    }

    #[test]
    fn members_lie_where_the_structure_has_them() {
        let member = |name: &str, offset| Member {
            name: name.to_owned(),
            offset,
            layout: BYTE,
        };
        let members = vec![member("low", 0), member("high", 2)];
        let rule = Layout::Struct { bytes: 4, members };
        let table = |text: &str| text.parse::<Table>().unwrap();
        assert_eq!(encoded(&rule, table("high = 7")).unwrap(), [0, 0, 7, 0]);
        let error = encoded(&rule, table("hihg = 7")).unwrap_err();
        assert_eq!(error, "there is no member `hihg`; did you mean `high`?");
        let members = vec![member("either", 0), member("or", 0)];
        let union = Layout::Struct { bytes: 1, members };
        let error = encoded(&union, table("either = 1\nor = 2")).unwrap_err();
        assert!(
            error.contains("`either` and `or` lie in the same place"),
            "{error}"
        );
        let error = encoded(&rule, 7).unwrap_err();
        assert_eq!(
            error,
            "it takes a table of the members `low`, `high`, and this is 7"
        );
    }
}
