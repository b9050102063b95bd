//! Whose a run's directory is: its owner holds a lock on it, which the kernel drops when the
//! owner dies. What has no owner is removed by the next who starts a run.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// Makes a directory for a run in `parent`, which is this process's as long as the file lives,
/// and removes what the dead have left there.
pub(super) fn directory(parent: &Path) -> Result<(TempDir, File)> {
    let make = || -> std::io::Result<(TempDir, File)> {
        fs::create_dir_all(parent)?;
        // Nobody looks at a directory between its making and its locking. The lock of all
        // is held for milliseconds, so that waiting for it may go unheard by Ctrl-C.
        let all = File::open(parent)?;
        flock(&all, FlockOperation::LockExclusive)?;
        for run in fs::read_dir(parent)?.flatten() {
            remove_if_dead(&run.path());
        }
        // A guest may leave any file in it, one with a set-user-ID bit of the user's as well.
        let own = Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new()
            .prefix("vm-")
            .permissions(own)
            .tempdir_in(parent)?;
        let owner = File::open(directory.path())?;
        flock(&owner, FlockOperation::LockExclusive)?;
        Ok((directory, owner))
    };
    make().with_context(|| format!("make a directory in `{}`", parent.display()))
}

/// Removes a run's directory that nobody owns, with the sockets that vmtest had QEMU make.
fn remove_if_dead(run: &Path) {
    let owned = |run: File| flock(run, FlockOperation::NonBlockingLockExclusive).is_err();
    if File::open(run).is_ok_and(owned) {
        return;
    }
    let command = fs::read_to_string(run.join("command")).unwrap_or_default();
    for socket in sockets(&command) {
        let is_socket = |meta: fs::Metadata| meta.file_type().is_socket();
        if Path::new(socket).symlink_metadata().is_ok_and(is_socket) {
            let _ = fs::remove_file(socket);
        }
    }
    let _ = fs::remove_dir_all(run);
}

/// The sockets outside the run's directory in QEMU's arguments, which NUL ends: vmtest's have
/// absolute paths, and ours relative ones.
fn sockets(command: &str) -> impl Iterator<Item = &str> {
    let words = command.split(['\0', ',', '=', ':']);
    words.filter(|word| word.starts_with('/') && word.ends_with(".sock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_its_owner_looks_into_a_runs_directory() {
        let parent = tempfile::tempdir().unwrap();
        let (run, _owner) = directory(parent.path()).unwrap();
        let mode = run.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_directory_lives_as_long_as_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let (run, owner) = directory(parent.path()).unwrap();
        let (other, _other) = directory(parent.path()).unwrap();
        assert!(run.path().exists());
        drop(owner);
        let _next = directory(parent.path()).unwrap();
        assert!(!run.path().exists() && other.path().exists());
    }

    #[test]
    fn the_dead_leave_no_sockets() {
        let parent = tempfile::tempdir().unwrap();
        let (socket, text) = (parent.path().join("a.sock"), parent.path().join("b.sock"));
        let _listener = UnixListener::bind(&socket).unwrap();
        fs::write(&text, "no socket").unwrap();
        let (run, owner) = directory(&parent.path().join("run")).unwrap();
        let (socket, text) = (socket.display(), text.display());
        let command = format!("qemu\0-qmp\0unix:{socket},server=on\0-chardev\0path={text}\0");
        fs::write(run.path().join("command"), command).unwrap();
        drop(owner);
        let _next = directory(&parent.path().join("run")).unwrap();
        assert!(!parent.path().join("a.sock").exists() && parent.path().join("b.sock").exists());
    }
}
