//! The content of a pack: a tar stream with the folder `kernel`, and `tools` and `states` where there
//! are any.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tar::{EntryType, HeaderMode};

use super::super::unpack::{Counted, unzstd};
use super::header::Content;
use super::parts::{Part, Parts};
use crate::cache::hex;
use crate::interrupt;
use crate::progress::Progress;
use crate::state::copy_sparse;

/// The folders of a content.
pub const KERNEL: &str = "kernel";
pub const TOOLS: &str = "tools";
pub const STATES: &str = "states";
const FOLDERS: [&str; 3] = [KERNEL, TOOLS, STATES];

/// How hard it is compressed: it is packed once and unpacked often. Beyond that, seconds are minutes.
const LEVEL: i32 = 9;

/// A content that was written.
pub struct Written {
    pub content: Content,
    pub file: File,
}

/// Writes a content into a temporary file in a folder.
///
/// # Errors
/// Something cannot be read; the disk is full; an interrupt.
pub fn write(parts: &Parts, name: &str, folder: &Path) -> Result<Written> {
    let full = || format!("write into `{}`", folder.display());
    let file = tempfile::tempfile_in(folder).with_context(full)?;
    let zstd = zstd::Encoder::new(Hashed::new(file), LEVEL).with_context(full)?;
    let mut tar = tar::Builder::new(Hashed::new(zstd));
    let size = |part: &Part| match part {
        Part::File(file) => file.metadata().map_or(0, |found| found.len()),
        _ => 0,
    };
    let total = parts.iter().map(|(_, part)| size(part)).sum();
    let progress = Progress::bytes(format!("pack {name}"), Some(total));
    for (path, part) in parts.iter() {
        append(&mut tar, path, part, &progress)
            .with_context(|| format!("pack `{}`", path.display()))?;
    }
    let plain = tar.into_inner().with_context(full)?;
    let hashed = plain.inner.finish().with_context(full)?;
    progress.finish();
    Ok(Written {
        content: Content {
            bytes: hashed.bytes,
            sha256: hex(&hashed.sha.finalize()),
            unpacked: plain.bytes,
        },
        file: hashed.inner,
    })
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    path: &Path,
    part: &Part,
    progress: &Progress,
) -> std::io::Result<()> {
    // The same kernel makes the same bytes, whoever packs it and when, on whichever disk.
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(0);
    match part {
        Part::File(file) => {
            let file = File::open(file)?;
            header.set_metadata_in_mode(&file.metadata()?, HeaderMode::Deterministic);
            tar.append_data(&mut header, path, Counted::new(file, progress))
        }
        Part::Folder => {
            header.set_entry_type(EntryType::Directory);
            tar.append_data(&mut header, path, std::io::empty())
        }
        Part::Link(to) => {
            header.set_entry_type(EntryType::Symlink);
            tar.append_link(&mut header, path, to)
        }
        Part::Text(text) => {
            header.set_mode(0o644);
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, path, text.as_bytes())
        }
    }
}

/// Sees that a file has, from where it stands on, what its header says, and leaves it there.
///
/// # Errors
/// It is shorter, longer or another.
pub fn check(file: &mut File, said: &Content) -> Result<()> {
    let start = file.stream_position()?;
    let length = file.metadata()?.len() - start;
    match length.cmp(&said.bytes) {
        std::cmp::Ordering::Less => bail!(
            "it is cut short: {length} bytes are there of {}",
            said.bytes
        ),
        std::cmp::Ordering::Greater => bail!(
            "there are {} bytes in it that its header does not tell of",
            length - said.bytes
        ),
        std::cmp::Ordering::Equal => {}
    }
    let mut hashed = Hashed::new(std::io::sink());
    let progress = Progress::bytes("check", Some(said.bytes));
    std::io::copy(&mut Counted::new(&*file, &progress), &mut hashed).context("read it")?;
    progress.finish();
    let found = hex(&hashed.sha.finalize());
    if found != said.sha256 {
        bail!(
            "its content has the wrong digest\n    expected {}\n    found    {found}",
            said.sha256
        );
    }
    file.seek(std::io::SeekFrom::Start(start))?;
    Ok(())
}

/// Unpacks the content of a file into a folder, for [`take`].
///
/// # Errors
/// There is more or less in it than its header says, or what does not belong there; the disk is
/// full; an interrupt.
pub fn unpack(file: &mut File, said: &Content, dir: &Path) -> Result<()> {
    let progress = Progress::bytes("unpack", Some(said.bytes));
    let counted = BufReader::new(Counted::new(file.take(said.bytes), &progress));
    let mut bounded = Bounded {
        inner: unzstd(counted)?,
        left: said.unpacked,
    };
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(&mut bounded);
    for entry in archive.entries()? {
        let entry = entry.context("read it")?;
        links.extend(put(entry, dir)?);
    }
    std::io::copy(&mut bounded, &mut std::io::sink()).context("read it")?;
    if bounded.left > 0 {
        bail!(
            "there are {} bytes less in it than its header says",
            bounded.left
        );
    }
    drop(bounded);
    let root = dir.canonicalize()?;
    for link in links {
        let is_relative = fs::read_link(&link).is_ok_and(|to| to.is_relative());
        if !is_relative || !link.canonicalize().is_ok_and(|to| to.starts_with(&root)) {
            let link = link.strip_prefix(dir).unwrap_or(&link);
            bail!("the link `{}` leads out of it, or nowhere", link.display());
        }
    }
    progress.finish();
    Ok(())
}

/// Makes what an entry of a tar stream tells of; returns the path of a link.
fn put(mut entry: tar::Entry<impl Read>, dir: &Path) -> Result<Option<PathBuf>> {
    let path = entry.path().context("read a path")?.into_owned();
    let is_plain = |part: Component| matches!(part, Component::Normal(_));
    let is_inside = FOLDERS.iter().any(|folder| path.starts_with(folder));
    if !path.components().all(is_plain) || !is_inside {
        bail!(
            "`{}` in it is no path in the folders `{}`",
            path.display(),
            FOLDERS.join("`, `")
        );
    }
    for folder in path.ancestors().skip(1) {
        // Below a link, a path is another one than it looks.
        let found = dir.join(folder).symlink_metadata();
        if !found.is_ok_and(|found| found.is_dir()) {
            bail!("`{}` in it is in no folder of it", path.display());
        }
    }
    let to = dir.join(&path);
    let make = || format!("unpack `{}`", path.display());
    match entry.header().entry_type() {
        EntryType::Directory => fs::create_dir(&to).with_context(make)?,
        EntryType::Regular => {
            let is_program = entry.header().mode().with_context(make)? & 0o100 != 0;
            let mode = if is_program { 0o755 } else { 0o644 };
            let open = File::options()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&to);
            // Of a guest's memory most is free.
            copy_sparse(&mut entry, &open.with_context(make)?).with_context(make)?;
        }
        EntryType::Symlink => {
            let target = entry.link_name().with_context(make)?.unwrap_or_default();
            symlink(&target, &to).with_context(make)?;
            return Ok(Some(to));
        }
        other => bail!(
            "`{}` in it is neither a file nor a folder nor a symbolic link, but {other:?}",
            path.display()
        ),
    }
    Ok(None)
}

/// Moves what is in a folder that was unpacked to another one.
///
/// # Errors
/// It is not there.
pub fn take(from: &Path, to: &Path) -> Result<()> {
    let all = fs::read_dir(from).with_context(|| format!("find `{}`", from.display()))?;
    for entry in all {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))
            .with_context(|| format!("move `{}`", entry.path().display()))?;
    }
    Ok(())
}

/// A writer that counts and takes the digest of what goes through it.
struct Hashed<W> {
    inner: W,
    bytes: u64,
    sha: Sha256,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Hashed<W> {
        Hashed {
            inner,
            bytes: 0,
            sha: Sha256::new(),
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.bytes += n as u64;
        self.sha.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that has an end.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // Few bytes of a file may be very many here.
        interrupt::check().map_err(std::io::Error::other)?;
        let n = self.inner.read(buffer)?;
        let left = self.left.checked_sub(n as u64);
        self.left =
            left.ok_or_else(|| std::io::Error::other("there is more in it than its header says"))?;
        Ok(n)
    }
}
