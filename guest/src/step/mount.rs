//! `mount`: a child process mounts a file system where nobody else sees it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kassay_guest::{Mount, Mounted};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::thread::UnshareFlags;

use super::Around;
use crate::process;

/// Has a child mount and unmount the file system in a mount namespace of its own. No mount of the
/// guest is shared with other namespaces. Directories that were made for it go again.
pub fn run(step: &Mount, _: &mut Around) -> Result<Mounted> {
    let Mount { kind, at } = step;
    let made: Vec<&Path> = Path::new(at)
        .ancestors()
        .take_while(|path| !path.exists())
        .collect();
    fs::create_dir_all(at).with_context(|| format!("make directory `{at}`"))?;
    let asked = process::ask("mount", || {
        // SAFETY: the flag concerns the mount namespace alone, on which no memory depends.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
            .context("make a mount namespace")?;
        let mounted = mount(kind.as_str(), at, kind.as_str(), MountFlags::empty(), None);
        let unmounted = mounted.map(|()| unmount(at, UnmountFlags::empty()));
        let unmounted = unmounted.map(|done| done.map_err(|error| error.to_string()));
        Ok(unmounted.map_err(|error| error.to_string()))
    })?;
    let (pid, mounted) = asked.hear()?;
    for path in made {
        fs::remove_dir(path).with_context(|| format!("remove directory `{}`", path.display()))?;
    }
    Ok(Mounted { pid, mounted })
}
