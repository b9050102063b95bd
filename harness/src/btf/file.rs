//! The BTF of a kernel's own file.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ReadCache};

use super::raw::{HEADER, Header, functions};
use crate::plain;

/// The strings of a kernel's own BTF, which a module's BTF is split from. `file` is a vmlinux or
/// raw BTF.
///
/// # Errors
/// The file cannot be read, or is no BTF.
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
    let functions = functions_of(file)?;
    let taken = names.into_iter().filter(|name| functions.contains(name));
    Ok(taken.cloned().collect())
}

/// What programs can be attached to by a kernel's own BTF.
#[derive(Debug, Default)]
pub struct Targets {
    /// Functions.
    pub functions: Vec<String>,
    /// Tracepoints, of which libbpf and the kernel find the type `btf_trace_NAME`.
    pub tracepoints: Vec<String>,
    /// Hooks of LSM, which are functions `bpf_lsm_NAME`.
    pub lsm_hooks: Vec<String>,
}

/// What there is of them in a kernel's own BTF.
///
/// # Errors
/// The BTF cannot be read, or is damaged.
pub fn targets(file: &Path) -> Result<Targets> {
    let functions = functions_of(file)?;
    let strings = base_strings(file)?;
    let strings = String::from_utf8_lossy(&strings);
    let behind = |name: &str, prefix: &str| name.strip_prefix(prefix).map(str::to_owned);
    let tracepoints = strings.split('\0');
    let lsm_hooks = functions.iter();
    Ok(Targets {
        tracepoints: tracepoints
            .filter_map(|name| behind(name, "btf_trace_"))
            .collect(),
        lsm_hooks: lsm_hooks
            .filter_map(|name| behind(name, "bpf_lsm_"))
            .collect(),
        functions,
    })
}

/// The functions of a kernel's own BTF.
fn functions_of(file: &Path) -> Result<Vec<String>> {
    let read = || format!("read the BTF of `{}`", file.display());
    functions(&data(file)?, &[]).with_context(read)
}

/// A kernel's own BTF, whose `file` is a vmlinux or raw BTF.
///
/// # Errors
/// The file cannot be read, or has none.
pub fn data(file: &Path) -> Result<Vec<u8>> {
    let read = || -> Result<Vec<u8>> {
        let (start, size) = place(file)?;
        let mut open = plain::open(file)?;
        open.seek(SeekFrom::Start(start))?;
        let mut data = Vec::new();
        open.take(size).read_to_end(&mut data)?;
        Ok(data)
    };
    read().with_context(|| format!("read the BTF of `{}`", file.display()))
}

/// Whether a file is raw BTF, as /sys/kernel/btf/vmlinux is, and no ELF file.
///
/// # Errors
/// The file cannot be read.
pub fn is_raw(file: &Path) -> Result<bool> {
    let mut magic = [0u8; 4];
    plain::open(file)?.read_exact(&mut magic)?;
    Ok(&magic != ELF)
}

/// What an ELF file begins with.
const ELF: &[u8; 4] = b"\x7fELF";

/// Where BTF stands in a vmlinux or a file of raw BTF, and its size.
fn place(file: &Path) -> Result<(u64, u64)> {
    let open = plain::open(file)?;
    if is_raw(file)? {
        return Ok((0, open.metadata()?.len()));
    }
    let cache = ReadCache::new(open);
    let elf = object::File::parse(&cache)?;
    let section = elf.section_by_name(".BTF").context("no section .BTF")?;
    section.file_range().context("section .BTF is empty")
}
