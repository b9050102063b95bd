//! Just enough BTF (Documentation/bpf/btf.rst) to see which functions a module
//! offers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ReadCache};

const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;
const KIND_FUNC: u32 = 12;

/// The longest name in the kernel, with its NUL, in bytes (KSYM_NAME_LEN of 6.1
/// and later). Names that run on to the end of the strings would be many times
/// as long as all that the guest sent.
const NAME: usize = 512;

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

/// How many bytes of strings a kernel's own BTF has; a module's offsets into
/// its strings begin behind them. `file` is a vmlinux or raw BTF.
pub fn base_strings(file: &Path) -> Result<usize> {
    let read = || -> Result<usize> {
        let mut open = File::open(file)?;
        let mut magic = [0u8; 4];
        open.read_exact(&mut magic)?;
        let start = if &magic == b"\x7fELF" {
            let cache = ReadCache::new(File::open(file)?);
            let elf = object::File::parse(&cache)?;
            let section = elf.section_by_name(".BTF").context("no section .BTF")?;
            section.file_range().context("section .BTF is empty")?.0
        } else {
            0
        };
        let mut header = [0u8; HEADER];
        open.seek(SeekFrom::Start(start))?;
        open.read_exact(&mut header)?;
        Ok(Header::parse(&header)?.strings.1)
    };
    read().with_context(|| format!("read the BTF of `{}`", file.display()))
}

/// Names of the functions in a module's BTF, which is split from a base with
/// this many bytes of strings.
pub fn functions(data: &[u8], base_strings: usize) -> Result<Vec<String>> {
    let header = Header::parse(data)?;
    let part = |(offset, length): (usize, usize)| {
        let start = header.length.checked_add(offset)?;
        data.get(start..start.checked_add(length)?)
    };
    let types = part(header.types).context("types beyond the end")?;
    let strings = part(header.strings).context("strings beyond the end")?;
    let mut names = Vec::new();
    let mut at = 0;
    while at < types.len() {
        let (name, info) = (word(types, at)? as usize, word(types, at + 4)?);
        let kind = info >> 24 & 0x1f;
        if kind == KIND_FUNC
            && let Some(rest) = name
                .checked_sub(base_strings)
                .and_then(|start| strings.get(start..))
        {
            let end = rest.iter().take(NAME).position(|byte| *byte == 0);
            let end = end.context("a name without an end")?;
            names.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        }
        at += 12 + trailing(kind, info & 0xffff)?;
    }
    Ok(names)
}

/// Bytes behind a type's common twelve, by its kind and its vlen
/// (include/uapi/linux/btf.h, 6.11).
fn trailing(kind: u32, vlen: u32) -> Result<usize> {
    let each = vlen as usize;
    Ok(match kind {
        2 | 7..=12 | 16 | 18 => 0,
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => 12 * each,
        6 | 13 => 8 * each,
        _ => bail!("unknown kind {kind}"),
    })
}

fn word(data: &[u8], at: usize) -> Result<u32> {
    let bytes = data
        .get(at..at + 4)
        .context("ends in the middle of a type")?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Bytes of strings in the base of [`sample`].
#[cfg(test)]
pub const SAMPLE_BASE: usize = 10;

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
        SAMPLE_BASE as u32 + 1,
        KIND_FUNC << 24,
        1,
    ] {
        data.extend(field.to_le_bytes());
    }
    data.extend(b"\0f\0");
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_longer_than_a_kernel_s() {
        let of = |strings: &[u8]| {
            let mut data = sample();
            data.truncate(HEADER + 12);
            // The strings' length stands at 20.
            data[20..24].copy_from_slice(&(strings.len() as u32).to_le_bytes());
            data.extend(strings);
            functions(&data, SAMPLE_BASE).map_err(|error| error.to_string())
        };
        let long = |letters: usize| [b"\0", vec![b'f'; letters].as_slice(), b"\0"].concat();
        assert_eq!(of(&long(511)).unwrap(), ["f".repeat(511)]);
        let endless = Err("a name without an end".to_owned());
        assert_eq!([of(&long(512)), of(b"\0f")], [endless.clone(), endless]);
    }

    #[test]
    fn functions_are_named_behind_the_base() {
        assert_eq!(functions(&sample(), SAMPLE_BASE).unwrap(), ["f"]);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let data = sample();
        for end in 0..data.len() {
            assert!(functions(&data[..end], SAMPLE_BASE).is_err(), "{end} bytes");
        }
    }
}
