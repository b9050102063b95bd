//! Files that are read because somebody named them, or laid them where kassay looks: plain files,
//! and no longer than what they are for. A pipe would never come to its end, nor would a device.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// The longest text that a person writes, such as a scenario or a fragment, in bytes.
pub const TEXT: u64 = 4 << 20;

/// The longest file that a program writes, such as a transcript or a plan, in bytes.
pub const MADE: u64 = 256 << 20;

/// What is at a path, which a link may lead to; none where nothing is.
///
/// # Errors
/// The system does not let us look.
pub fn metadata(path: &Path) -> Result<Option<Metadata>> {
    match path.metadata() {
        Err(error) if is_absent(&error) => Ok(None),
        found => found.map(Some),
    }
}

/// Whether there is a file at a path.
///
/// # Errors
/// As [`metadata`].
pub fn is_file(path: &Path) -> Result<bool> {
    Ok(metadata(path)?.is_some_and(|found| found.is_file()))
}

/// Whether an error says that nothing is at a path.
pub fn is_absent(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename
    )
}

/// Opens a file, which a link may lead to.
///
/// # Errors
/// It is not there, or no plain file.
pub fn open(path: &Path) -> Result<File> {
    open_with(path, OFlags::empty())
}

/// Opens a file, with flags over and above those that any is opened with.
///
/// # Errors
/// As [`open`].
pub fn open_with(path: &Path, more: OFlags) -> Result<File> {
    // Whoever opens a pipe waits for a writer, unless told otherwise.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Error::new(ErrorKind::InvalidInput, "it is no plain file")),
    }
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// It is no plain file, or longer.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let why = format!("it is longer than {} MiB", most >> 20);
        return Err(Error::new(ErrorKind::InvalidData, why));
    }
    Ok(bytes)
}

/// Reads a text of at most so many bytes.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String> {
    let text = String::from_utf8(read(path, most)?);
    text.map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, mknodat};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_plain_file_is_read_and_only_up_to_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "abc").unwrap();
        symlink(path("file"), path("link")).unwrap();
        assert_eq!(text(&path("link"), 3).unwrap(), "abc");
        assert_eq!(
            read(&path("file"), 2).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        symlink("/dev/zero", path("endless")).unwrap();
        for other in ["pipe", "endless", "."] {
            let error = read(&path(other), 3).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{other}");
        }
    }
}
