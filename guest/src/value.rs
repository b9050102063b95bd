//! Values as text, by their BTF.

use libbpf_rs::btf::types::{Array, DataSec, Enum, Int, IntEncoding, MemberAttr, Struct};
use libbpf_rs::btf::{BtfType, TypeId};
use libbpf_rs::{AsRawLibbpf, Btf, libbpf_sys};

/// How many elements of an array are shown where it has more than [`SHORT`].
const SHOWN: usize = 16;
const SHORT: usize = 64;

/// A value as its type has it: integers, enumerators, strings, and structs and arrays of such.
/// All else is hexadecimal.
pub fn text(btf: Option<&Btf<'_>>, kind: TypeId, bytes: &[u8]) -> String {
    btf.and_then(|btf| typed(btf, kind, bytes))
        .unwrap_or_else(|| format!("0x{}", hex(bytes)))
}

/// A section of variables, if this type is one.
pub fn section<'a>(btf: &'a Btf<'_>, kind: TypeId) -> Option<DataSec<'a>> {
    btf.type_by_id::<BtfType<'_>>(kind)?.try_into().ok()
}

/// The variables of a section and their values, by their names: in which order they lie is the
/// compiler's. Those are left out that libbpf's macros make of format strings and their arguments.
pub fn variables(btf: &Btf<'_>, section: DataSec<'_>, bytes: &[u8]) -> Vec<(String, String)> {
    let variables = section.iter().filter_map(|variable| {
        let start = variable.offset as usize;
        let bytes = bytes.get(start..start + variable.size)?;
        let of = btf.type_by_id::<BtfType<'_>>(variable.ty)?;
        let name = of.name()?.to_string_lossy().into_owned();
        Some((name, text(Some(btf), of.next_type()?.type_id(), bytes)))
    });
    let is_own = |name: &str| {
        name.rsplit('.')
            .next()
            .is_some_and(|name| name.starts_with("___"))
    };
    let mut variables: Vec<_> = variables.filter(|(name, _)| !is_own(name)).collect();
    variables.sort();
    variables
}

/// Bytes in hexadecimal, in the order in which they lie in memory.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a type is one of integers.
pub fn is_integer(btf: &Btf<'_>, kind: TypeId) -> bool {
    let kind = btf.type_by_id::<BtfType<'_>>(kind);
    let int = kind.and_then(|kind| Int::try_from(kind.skip_mods_and_typedefs()).ok());
    int.is_some_and(|int| !matches!(int.encoding, IntEncoding::Bool))
}

/// The sum of integers of 4 or of 8 bytes, modulo what they can hold.
pub fn sum(values: &[Vec<u8>]) -> Option<Vec<u8>> {
    let length = values.first()?.len();
    let sum = values.iter().filter_map(|value| number(value));
    let sum = sum.fold(0, u64::wrapping_add).to_ne_bytes();
    let lowest = match cfg!(target_endian = "big") {
        true => &sum[8 - length.min(8)..],
        false => &sum[..length.min(8)],
    };
    matches!(length, 4 | 8).then(|| lowest.to_vec())
}

fn typed(btf: &Btf<'_>, kind: TypeId, bytes: &[u8]) -> Option<String> {
    let kind: BtfType<'_> = btf.type_by_id(kind)?;
    let kind = kind.skip_mods_and_typedefs();
    if let Ok(int) = Int::try_from(kind) {
        integer(int.encoding, bytes)
    } else if let Ok(array) = Array::try_from(kind) {
        let element = array.contained_type().skip_mods_and_typedefs();
        if element.name().is_some_and(|name| name == "char") {
            return string(bytes);
        }
        let elements = bytes.chunks_exact(size(btf, element.type_id())?);
        let count = elements.len();
        let shown = if count > SHORT { SHOWN } else { count };
        let mut texts: Vec<String> = elements
            .take(shown)
            .map(|bytes| text(Some(btf), element.type_id(), bytes))
            .collect();
        if count > shown {
            texts.push(format!("{} more", count - shown));
        }
        Some(format!("[{}]", texts.join(", ")))
    } else if let Ok(of) = Enum::try_from(kind) {
        let number = integer(IntEncoding::Signed, bytes)?;
        let named = of.iter().find(|one| one.value.to_string() == number);
        let name = named.and_then(|one| Some(one.name?.to_string_lossy().into_owned()));
        Some(name.unwrap_or(number))
    } else {
        let members = Struct::try_from(kind).ok()?;
        let member = |place: usize| {
            let member = members.get(place)?;
            let MemberAttr::Normal { offset } = member.attr else {
                return None;
            };
            let start = offset as usize / 8;
            let bytes = bytes.get(start..start + size(btf, member.ty)?)?;
            let name = member.name.unwrap_or_default().to_string_lossy();
            Some(format!("{name}: {}", text(Some(btf), member.ty, bytes)))
        };
        let texts: Option<Vec<String>> = (0..members.len()).map(member).collect();
        Some(format!("{{{}}}", texts?.join(", ")))
    }
}

/// The size of a type, in bytes, unless that is 0.
fn size(btf: &Btf<'_>, kind: TypeId) -> Option<usize> {
    // SAFETY: the BTF is there as long as it is borrowed; an id that it does not
    // have is an error, which is negative.
    let size =
        unsafe { libbpf_sys::btf__resolve_size(btf.as_libbpf_object().as_ptr(), kind.into()) };
    usize::try_from(size).ok().filter(|size| *size > 0)
}

fn integer(encoding: IntEncoding, bytes: &[u8]) -> Option<String> {
    let number = number(bytes)?;
    let unused = 64 - 8 * bytes.len();
    Some(match encoding {
        // Moved to the highest bits and back, it keeps its sign.
        IntEncoding::Signed => (((number << unused) as i64) >> unused).to_string(),
        IntEncoding::Bool if number <= 1 => (number == 1).to_string(),
        _ => number.to_string(),
    })
}

/// A string that ends with a NUL or its bytes, and is printable ASCII.
fn string(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    let is_text = text.iter().all(|byte| matches!(byte, b' '..=b'~'));
    is_text.then(|| format!("\"{}\"", String::from_utf8_lossy(text)))
}

/// An integer of 1 to 8 bytes.
fn number(bytes: &[u8]) -> Option<u64> {
    let free = 8usize.checked_sub(bytes.len())?;
    let start = if cfg!(target_endian = "big") { free } else { 0 };
    let mut whole = [0; 8];
    whole[start..start + bytes.len()].copy_from_slice(bytes);
    (!bytes.is_empty()).then(|| u64::from_ne_bytes(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_has_its_sign_and_its_size() {
        let signed = |bytes: &[u8]| integer(IntEncoding::Signed, bytes);
        assert_eq!(signed(&[0xfe, 0xff]).as_deref(), Some("-2"));
        assert_eq!(
            signed(&[1, 0, 0, 0, 0, 0, 0, 0x80]).unwrap(),
            (i64::MIN + 1).to_string()
        );
        assert_eq!(
            integer(IntEncoding::None, &[0xfe, 0xff]).as_deref(),
            Some("65534")
        );
        assert_eq!(integer(IntEncoding::None, &[0; 16]), None);
        assert_eq!(integer(IntEncoding::Bool, &[1]).as_deref(), Some("true"));
    }

    #[test]
    fn a_string_is_printable() {
        assert_eq!(string(b"unlink\0\xff").as_deref(), Some("\"unlink\""));
        assert_eq!(string(b"\xff\0"), None);
    }

    #[test]
    fn numbers_of_cpus_are_summed_and_all_else_is_not() {
        let cpus = |value: &[u8]| vec![value.to_vec(), value.to_vec()];
        assert_eq!(sum(&cpus(&[0, 1, 0, 0x80])), Some(vec![0, 2, 0, 0]));
        assert_eq!(sum(&cpus(&[1, 2, 3])), None);
    }
}
