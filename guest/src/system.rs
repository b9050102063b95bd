//! The machine as PID 1 finds and leaves it: mounts, clock, randomness, power.

use std::convert::Infallible;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_move, unmount};
use rustix::system::RebootCommand;
use rustix::time::{ClockId, Timespec, clock_settime};

/// What is mounted before anything else. A kernel that lacks one of these
/// types runs without it; what then fails says so by itself.
const MOUNTS: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tracefs", "/sys/kernel/tracing"),
    ("debugfs", "/sys/kernel/debug"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("tmpfs", "/tmp"),
];

/// Mounts the file systems of [`MOUNTS`].
pub fn mount_all() {
    for (kind, target) in MOUNTS {
        let _ = fs::create_dir_all(target);
        let _ = mount(*kind, *target, *kind, MountFlags::empty(), None);
    }
}

/// Has the kernel count how often it runs each BPF program. One without BPF has nothing to count.
/// It patches the kernel's code, and is done before the gate, so that a saved state has it.
pub fn count_runs() {
    let _ = write("/proc/sys/kernel/bpf_stats_enabled", "1");
}

/// Mounts a 9p share by its tag, as vmtest asks; its options are those of
/// mount(8), of which `ro` is a flag of the system call.
pub fn mount_share(tag: &str, target: &str, options: &str) -> Result<()> {
    let (flags, data): (Vec<&str>, Vec<&str>) = options.split(',').partition(|o| *o == "ro");
    let flags = if flags.is_empty() {
        MountFlags::empty()
    } else {
        MountFlags::RDONLY
    };
    let data = std::ffi::CString::new(data.join(","))?;
    mount(tag, target, "9p", flags, data.as_c_str())
        .with_context(|| format!("mount 9p share `{tag}` on `{target}`"))
}

/// Puts a copy of the kernel's BTF, on a tmpfs, in the place of its file in
/// sysfs. libbpf reads all of it for every object that calls a kfunc, and sysfs
/// hands out no more than a page at a call.
pub fn quicken_btf() -> Result<()> {
    const BTF: &str = "/sys/kernel/btf/vmlinux";
    const COPY: &str = "/tmp/vmlinux.btf";
    let btf = fs::read(BTF).with_context(|| format!("read `{BTF}`"))?;
    fs::write(COPY, btf).with_context(|| format!("write `{COPY}`"))?;
    mount_bind(COPY, BTF).with_context(|| format!("mount `{COPY}` on `{BTF}`"))
}

/// Fills what memory is free with zeros, of which a saved state has none: the
/// kernel clears the pages that it hands out.
pub fn clear_free_memory() -> Result<()> {
    /// What the kernel needs to go on meanwhile, in KiB.
    const RESERVE: usize = 24 * 1024;
    let info = read("/proc/meminfo")?;
    let kib = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        let kib: Option<usize> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        kib.with_context(|| format!("find `{name}` in `/proc/meminfo`"))
    };
    // In a large machine the kernel keeps more for itself, and has PID 1 killed first.
    let free = kib("MemFree:")?.min(kib("MemAvailable:")?);
    let length = free.saturating_sub(RESERVE + free / 16) * 1024;
    // SAFETY: a new private mapping overlaps nothing, and is unmapped whole.
    unsafe {
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
        let pages = mmap_anonymous(
            std::ptr::null_mut(),
            length,
            ProtFlags::READ | ProtFlags::WRITE,
            flags,
        )?;
        munmap(pages, length)?;
    }
    Ok(())
}

/// Goes over to the 9p root that the command line names, and to its init.
pub fn switch_root() -> Result<Infallible> {
    let command_line = read("/proc/cmdline")?;
    let init = command_line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("init="));
    let init = init.context("find `init=` on the kernel's command line")?;
    fs::create_dir_all("/root").context("make `/root`")?;
    mount_share("/dev/root", "/root", "trans=virtio,cache=mmap,ro")?;
    for kept in ["/proc", "/sys", "/dev"] {
        unmount(kept, UnmountFlags::DETACH).with_context(|| format!("unmount `{kept}`"))?;
    }
    std::env::set_current_dir("/root").context("go to `/root`")?;
    mount_move(".", "/").context("move the root")?;
    rustix::process::chroot(".").context("change the root")?;
    Err(Command::new(init).exec()).with_context(|| format!("run `{init}`"))
}

/// Has the kernel stop when it reports a stall, from which nothing but the
/// deadline would free it. Of an endless loop the soft lockup is reported (after
/// twice `watchdog_thresh`, 20 seconds) and not, at nearly the same time, RCU's
/// stall; a task that hangs, well within a minute. What a kernel does not have it
/// does not need.
pub fn stop_on_stalls() {
    const SETTINGS: &[(&str, &str)] = &[
        ("/proc/sys/kernel/softlockup_panic", "1"),
        ("/proc/sys/kernel/hung_task_panic", "1"),
        ("/proc/sys/kernel/hung_task_timeout_secs", "20"),
        ("/proc/sys/kernel/hung_task_check_interval_secs", "5"),
        ("/proc/sys/kernel/panic_on_rcu_stall", "1"),
        (
            "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout",
            "35",
        ),
    ];
    for (path, value) in SETTINGS {
        let _ = write(path, value);
    }
}

/// Writes a line to the kernel log, which is also the console. A record without
/// a line break would stay open, and hidden from readers, until the next one.
pub fn log(line: &str) {
    if let Ok(mut kmsg) = OpenOptions::new().write(true).open("/dev/kmsg") {
        let _ = kmsg.write_all(format!("{line}\n").as_bytes());
    }
    if cfg!(target_arch = "s390x") {
        drain_console();
    }
}

/// Waits until the console has shown all. s390's hands its lines on later (drivers/s390/char/
/// sclp_vt220.c, 7.2), and the machine may be ended before.
fn drain_console() {
    let console = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open("/dev/console");
    if let Ok(console) = console {
        let _ = rustix::termios::tcdrain(console);
    }
}

/// Sets the wall clock, in nanoseconds since 1970.
pub fn set_clock(ns: u64) -> Result<()> {
    let time = Timespec {
        tv_sec: (ns / 1_000_000_000) as i64,
        tv_nsec: (ns % 1_000_000_000) as i64,
    };
    clock_settime(ClockId::Realtime, time).context("set the clock")
}

/// Mixes bytes into the kernel's random pool and reseeds it.
pub fn add_entropy(bytes: &[u8]) -> Result<()> {
    /// `_IOW('R', 0x03, int[2])` and `_IO('R', 0x07)` of include/uapi/linux/random.h.
    const RNDADDENTROPY: libc::Ioctl = 0x4008_5203;
    const RNDRESEEDCRNG: libc::Ioctl = 0x5207;
    let pool = OpenOptions::new()
        .write(true)
        .open("/dev/urandom")
        .context("open `/dev/urandom`")?;
    let mut request = Vec::with_capacity(8 + bytes.len());
    request.extend((bytes.len() as i32 * 8).to_ne_bytes());
    request.extend((bytes.len() as i32).to_ne_bytes());
    request.extend(bytes);
    // SAFETY: the buffer is a `struct rand_pool_info` whose `buf_size` is the
    // number of bytes that follow it; the kernel only reads it.
    let added = unsafe { libc::ioctl(pool.as_raw_fd(), RNDADDENTROPY, request.as_ptr()) };
    // SAFETY: this request takes no argument.
    let reseeded = unsafe { libc::ioctl(pool.as_raw_fd(), RNDRESEEDCRNG) };
    if added != 0 || reseeded != 0 {
        return Err(io::Error::last_os_error()).context("add entropy");
    }
    Ok(())
}

/// Has this process run in front of all that the kernel does in threads, or as any other.
pub fn run_first(is_first: bool) {
    let (policy, priority) = match is_first {
        true => (libc::SCHED_FIFO, 1),
        false => (libc::SCHED_OTHER, 0),
    };
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the kernel only reads the parameters. Where it refuses, the order is chance.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
}

/// `uname -r`.
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// The kernel's taint flags (Documentation/admin-guide/tainted-kernels.rst).
pub fn taint() -> Result<u64> {
    Ok(read("/proc/sys/kernel/tainted")?.trim().parse()?)
}

/// Reads a small text file.
pub fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path).with_context(|| format!("read `{}`", path.display()))
}

/// Writes a setting of /proc/sys or tracefs.
pub fn write(path: &str, value: &str) -> Result<()> {
    fs::write(path, value).with_context(|| format!("write `{value}` to `{path}`"))
}

/// Ends the machine.
pub fn power_off() -> ! {
    stop(RebootCommand::PowerOff)
}

/// Ends the machine by a reset.
pub fn reset() -> ! {
    stop(RebootCommand::Restart)
}

fn stop(how: RebootCommand) -> ! {
    rustix::fs::sync();
    let _ = rustix::system::reboot(how);
    std::process::exit(1)
}
