//! What a guest may have written into its run's directory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::OFlags;

use crate::plain;

/// How much of each thing that a guest writes is read, in bytes. What it wrote
/// in a run of ours is a hundredth of that.
pub const MOST: usize = 32 << 20;

/// Opens a file where a guest may write, if it is one: not a link to a file of
/// the host, nor a pipe that nobody writes to.
fn open(path: &Path) -> io::Result<File> {
    plain::open_with(path, OFlags::NOFOLLOW)
}

/// The text of a file where a guest may write, up to [`MOST`] bytes, and whether
/// that is all of it.
pub(super) fn text(path: &Path) -> io::Result<(String, bool)> {
    let mut bytes = Vec::new();
    open(path)?.take(MOST as u64 + 1).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() <= MOST;
    bytes.truncate(MOST);
    Ok((String::from_utf8_lossy(&bytes).into_owned(), is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_a_guest_puts_in_a_file_s_place_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "a").unwrap();
        symlink(path("file"), path("link")).unwrap();
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(text(&path("file")).unwrap(), ("a".to_owned(), true));
        for other in ["link", "pipe", "none", "."] {
            assert!(text(&path(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let size = |size: usize| {
            File::create(&path).unwrap().set_len(size as u64).unwrap();
            let (text, is_whole) = text(&path).unwrap();
            (text.len(), is_whole)
        };
        assert_eq!(size(MOST), (MOST, true));
        assert_eq!(size(MOST + 1), (MOST, false));
    }
}
