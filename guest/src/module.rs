//! Kernel modules: `finit_module(2)`, `delete_module(2)` and what the kernel
//! shows of a module once it is in.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kassay_guest::{Code, Fact, PERMANENT, SHARE};
use rustix::io::Errno;

/// How long to let others run before the module is asked for again.
const PAUSE: Duration = Duration::from_micros(100);

/// How long a module may take to lose its last user after the programs that
/// called it are gone: the kernel frees those in the background, which on a busy host has taken
/// more than three seconds.
pub const RELEASE_DEADLINE: Duration = Duration::from_secs(10);

/// Inserts the modules that the initramfs carries, in the order of their names.
pub fn insert_carried() -> Result<()> {
    let Ok(entries) = fs::read_dir("/modules") else {
        return Ok(());
    };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().try_for_each(|file| insert_whole(file))
}

/// Inserts a module of the kernel itself, which may be in already.
pub fn insert_own(name: &str) -> Result<()> {
    insert_whole(Path::new(&format!("{SHARE}/modules/{name}.ko")))
}

fn insert_whole(file: &Path) -> Result<()> {
    match finit(file, "") {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("insert `{}`", file.display())),
    }
}

/// Inserts a module of the plan with its parameters: the error, in the words of errno(3), and the
/// BTF that the kernel then shows of it, or why it does not.
pub fn insert(name: &str, params: &str) -> (Option<String>, Result<Vec<u8>, String>) {
    let path = format!("{SHARE}/modules/{name}.ko");
    let error = finit(path.as_ref(), params)
        .err()
        .map(|error| error.to_string());
    let btf = fs::read(format!("/sys/kernel/btf/{name}")).map_err(|error| error.to_string());
    (error, btf)
}

/// Whether there is a module of this name.
pub fn is_there(module: &str) -> bool {
    fs::exists(format!("/sys/module/{module}")).unwrap_or(true)
}

/// Where a module is that was inserted at this time.
pub fn code(module: &str, since: u64) -> Code {
    let directory = format!("/sys/module/{module}/sections");
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let section = |file: fs::DirEntry| {
        let name = file.file_name().into_string().ok()?;
        let address = fs::read_to_string(file.path()).ok()?;
        let address = u64::from_str_radix(address.trim().strip_prefix("0x")?, 16).ok()?;
        Some((name, address))
    };
    let sections = files.filter_map(section).collect();
    Code { since, sections }
}

/// Removes a module of the plan, waiting for its last user to let go.
///
/// Nothing is put where it was, since what still calls into it faults anyway: the kernel unmaps its
/// memory, or keeps the pages and fills them with instructions that trap
/// (`execmem_fill_trapping_insns` in mm/execmem.c, 7.2).
pub fn remove(name: &str) -> Fact {
    let end = Instant::now() + RELEASE_DEADLINE;
    let error = loop {
        match delete(name) {
            Ok(()) => break None,
            Err(Errno::AGAIN) if Instant::now() < end => std::thread::sleep(PAUSE),
            Err(Errno::BUSY) if is_permanent(name) => break Some(PERMANENT.to_owned()),
            Err(error) => break Some(error.to_string()),
        }
    };
    Fact::Removed {
        module: name.to_owned(),
        error,
    }
}

/// Asks the kernel once to remove a module.
pub fn delete(name: &str) -> Result<(), Errno> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    // `O_NONBLOCK`: a module in use is an answer, not a reason to wait.
    rustix::system::delete_module(&name, libc::O_NONBLOCK)
}

/// Whether the kernel never lets go of a module (`print_unload_info` in
/// kernel/module/procfs.c, 6.1 to 7.2).
fn is_permanent(name: &str) -> bool {
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    let mut lines = modules.lines().map(|line| line.split(' ').collect());
    lines.any(|fields: Vec<&str>| {
        let users = fields.get(3).unwrap_or(&"-");
        fields[0] == name && users.contains("[permanent]")
    })
}

fn finit(path: &Path, params: &str) -> Result<(), Errno> {
    let params = CString::new(params).map_err(|_| Errno::INVAL)?;
    let file = File::open(path).map_err(|error| {
        error
            .raw_os_error()
            .map_or(Errno::NOENT, Errno::from_raw_os_error)
    })?;
    rustix::system::finit_module(&file, &params, 0)
}
