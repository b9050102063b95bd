//! The host's root as a root for programs: read-only, under a layer of the guest's own that
//! takes what they write, with the guest's kernel in /proc, /sys and /dev.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use kassay_guest::HOST_ROOT;
use rustix::mount::{MountFlags, mount, mount_bind_recursive, mount_move};
use rustix::process::{Pid, chdir, chroot, fchdir};
use rustix::thread::UnshareFlags;

use crate::{net, process, system};

/// Where it is put together: the share, the tmpfs of the upper layer, and both as one.
const SHARE: &str = "/host/share";
const UPPER: &str = "/host/upper";
const ROOT: &str = "/host/root";

/// What prompts of shells call the machine.
const HOST_NAME: &[u8] = b"kassay";

/// Links in /dev that a distribution's init makes.
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// The host's root, mounted. Processes that enter it see each other's writes.
pub struct HostRoot(());

impl HostRoot {
    /// Mounts it, and brings the loopback interface up, as programs of a host expect. What the
    /// kernel says of these mounts is in its log, so this belongs before the log is opened.
    ///
    /// # Errors
    /// The kernel has no overlayfs, or the harness shares no root.
    pub fn mount() -> Result<HostRoot> {
        for directory in [SHARE, UPPER, ROOT] {
            fs::create_dir_all(directory).with_context(|| format!("make `{directory}`"))?;
        }
        // Nobody writes through the share, so what was read of it may be kept.
        system::mount_share(
            HOST_ROOT,
            SHARE,
            "trans=virtio,version=9p2000.L,cache=loose,msize=1048576,ro",
        )?;
        mount("tmpfs", UPPER, "tmpfs", MountFlags::empty(), None)
            .with_context(|| format!("mount a tmpfs on `{UPPER}`"))?;
        for directory in ["layer", "work"] {
            let path = format!("{UPPER}/{directory}");
            fs::create_dir(&path).with_context(|| format!("make `{path}`"))?;
        }
        let layers = format!(
            "lowerdir={SHARE},upperdir={UPPER}/layer,workdir={UPPER}/work,index=off,xino=off"
        );
        let layers = std::ffi::CString::new(layers)?;
        mount(
            "overlay",
            ROOT,
            "overlay",
            MountFlags::empty(),
            layers.as_c_str(),
        )
        .context("lay an overlayfs over the host's root; the kernel needs OVERLAY_FS")?;
        fill_dev()?;
        for directory in ["/proc", "/sys", "/dev"] {
            let target = format!("{ROOT}{directory}");
            fs::create_dir_all(&target)
                .and_then(|()| Ok(mount_bind_recursive(directory, &target)?))
                .with_context(|| format!("mount `{directory}` on `{target}`"))?;
        }
        rustix::system::sethostname(HOST_NAME).context("set the host's name")?;
        net::bring_loopback_up()?;
        Ok(HostRoot(()))
    }

    /// Makes it the root of this process, in a mount namespace of its own. By a move of the
    /// mount and not by chroot(2) alone, in which no user namespace can be made.
    ///
    /// # Errors
    /// The kernel refuses; `cwd` is no directory there.
    pub fn enter(&self, cwd: &Path) -> Result<()> {
        // SAFETY: the flag concerns the mount namespace alone, on which no memory depends.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
            .context("make a mount namespace")?;
        chdir(ROOT).with_context(|| format!("go to `{ROOT}`"))?;
        mount_move(".", "/").context("move the host's root")?;
        chroot(".").context("change the root")?;
        chdir(cwd).with_context(|| format!("go to `{}`", cwd.display()))
    }

    /// Does `work`, for which each path leads into it.
    ///
    /// # Errors
    /// The kernel lets this process not go there, or not back.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let own = fs::File::open("/").context("open `/`")?;
        chroot(ROOT).with_context(|| format!("go to `{ROOT}`"))?;
        let done = work();
        fchdir(&own)
            .and_then(|()| chroot("."))
            .context("go back to the guest's root")?;
        Ok(done)
    }

    /// Runs `work` in a child process whose root it is (see [`process::spawn`]). Where it cannot
    /// be entered, the child says so on its stderr and ends with status 126.
    ///
    /// # Errors
    /// No process can be made.
    pub fn spawn(&self, name: &str, cwd: &Path, work: impl FnOnce() -> i32) -> Result<Pid> {
        process::spawn(name, || match self.enter(cwd) {
            Ok(()) => work(),
            Err(error) => {
                eprintln!("kassay-guest: {error:#}");
                126
            }
        })
    }
}

/// Gives /dev what programs look for there and a devtmpfs has not: terminals, shared memory
/// and the links to open files.
///
/// # Errors
/// Something cannot be mounted or linked.
pub fn fill_dev() -> Result<()> {
    for (kind, target, options) in [
        ("devpts", "/dev/pts", c"mode=620,gid=5,ptmxmode=666"),
        ("tmpfs", "/dev/shm", c"mode=1777"),
    ] {
        fs::create_dir_all(target)
            .and_then(|()| Ok(mount(kind, target, kind, MountFlags::empty(), options)?))
            .with_context(|| format!("mount a {kind} on `{target}`"))?;
    }
    for (name, to) in LINKS {
        match symlink(to, format!("/dev/{name}")) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("link `/dev/{name}`"));
            }
            _ => {}
        }
    }
    Ok(())
}
