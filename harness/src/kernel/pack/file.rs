//! The file of a pack: a Zstandard stream, in which a frame that programs skip has the header, so
//! that `tar --zstd` reads it as well.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::plain;

/// What a frame begins with that is skipped (RFC 8878, 3.1.2); the length of what it has comes next.
const SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// How long a header may be, in bytes.
const MOST: u32 = 1 << 20;

/// Writes a pack: its header, then its content.
///
/// # Errors
/// The disk is full.
pub fn write(header: &[u8], mut content: File, to: &mut File) -> Result<()> {
    let write = || "write the pack";
    let length = u32::try_from(header.len()).context("write a header that long")?;
    let mut put = |bytes: &[u8]| to.write_all(bytes).with_context(write);
    put(&SKIPPED)?;
    put(&length.to_le_bytes())?;
    put(header)?;
    content.rewind().with_context(write)?;
    std::io::copy(&mut content, to).with_context(write)?;
    to.sync_all().with_context(write)
}

/// The header of a pack, and the file at the beginning of its content.
///
/// # Errors
/// The file cannot be read, or is no pack.
pub fn open(path: &Path) -> Result<(Vec<u8>, File)> {
    let read = || format!("read `{}`", path.display());
    let mut file = plain::open(path).with_context(read)?;
    let cut = || "it is cut short";
    let mut head = Vec::new();
    let first = (&mut file).take(8).read_to_end(&mut head);
    first.with_context(read)?;
    let length = match head.split_first_chunk() {
        Some((&SKIPPED, length)) => length.try_into().with_context(cut).with_context(read)?,
        _ => [0xff; 4],
    };
    let length = u32::from_le_bytes(length);
    if length > MOST {
        bail!(
            "read `{}`: it is no packed kernel, which `kassay kernel pack NAME` makes",
            path.display()
        );
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)
        .with_context(cut)
        .with_context(read)?;
    Ok((header, file))
}
