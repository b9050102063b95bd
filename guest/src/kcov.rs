//! KCOV, by which a task learns which code it came to, of modules that are compiled to tell
//! (Documentation/dev-tools/kcov.rst and kernel/kcov.c, 6.1 to 7.2).

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use kassay_guest::Place;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::system;

const PATH: &str = "/sys/kernel/debug/kcov";

/// `KCOV_INIT_TRACE`, `KCOV_ENABLE` with `KCOV_TRACE_PC`, and `KCOV_DISABLE`
/// (include/uapi/linux/kcov.h).
const INIT: libc::c_ulong = 0x8008_6301;
const ENABLE: libc::c_ulong = 0x6364;
const DISABLE: libc::c_ulong = 0x6365;
const TRACE_PC: libc::c_ulong = 0;

/// How many places there is room for, those that it comes to again as well.
const ROOM: usize = 1 << 16;

/// Does something in this task, and tells the places that it came to, each once.
///
/// # Errors
/// The kernel has no KCOV.
pub fn reached<T>(work: impl FnOnce() -> T) -> Result<(T, Vec<Place>)> {
    let file = File::options().read(true).write(true).open(PATH);
    let file = file.with_context(|| format!("open `{PATH}`"))?;
    order(&file, INIT, ROOM as libc::c_ulong)?;
    let size = ROOM * size_of::<u64>();
    // SAFETY: the kernel chooses where it lies, so that it overlaps nothing.
    let area = unsafe {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        mmap(
            std::ptr::null_mut(),
            size,
            access,
            MapFlags::SHARED,
            &file,
            0,
        )
    };
    let area = area.context("map the places of KCOV")?;
    // SAFETY: it is as long, aligned to a page, and is not unmapped before the last use of it. The
    // kernel writes to it as atomics do, in this task alone.
    let words = unsafe { std::slice::from_raw_parts(area.cast::<u64>(), ROOM) };
    order(&file, ENABLE, TRACE_PC)?;
    let done = work();
    order(&file, DISABLE, 0)?;
    let count = (words[0] as usize).min(ROOM - 1);
    let addresses: BTreeSet<u64> = words[1..=count].iter().copied().collect();
    // SAFETY: nothing refers to it any more.
    unsafe { munmap(area, size) }.context("unmap the places of KCOV")?;
    let modules = system::read("/proc/modules")?;
    let starts = starts(&modules);
    let places = addresses.into_iter().filter_map(|at| place(&starts, at));
    Ok((done, places.collect()))
}

fn order(file: &File, order: libc::c_ulong, with: libc::c_ulong) -> Result<()> {
    // SAFETY: the arguments of these orders are numbers.
    match unsafe { libc::ioctl(file.as_raw_fd(), order as _, with) } {
        0 => Ok(()),
        _ => bail!("use `{PATH}`: {}", std::io::Error::last_os_error()),
    }
}

/// Where each module begins, in order.
fn starts(modules: &str) -> Vec<(u64, &str)> {
    let start = |line: &'_ str| {
        let mut fields = line.split(' ');
        let (name, address) = (fields.next()?, fields.nth(4)?);
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).ok()?;
        Some((address, name.len()))
    };
    let all = modules.lines();
    let starts = all.filter_map(|line| start(line).map(|(at, length)| (at, &line[..length])));
    let mut starts: Vec<(u64, &str)> = starts.collect();
    starts.sort_unstable();
    starts
}

/// The place of an address: it is behind the beginning of its module, and before that of any other.
fn place(starts: &[(u64, &str)], at: u64) -> Option<Place> {
    let (start, module) = starts.iter().rev().find(|(start, _)| *start <= at)?;
    Some(Place {
        module: (*module).to_owned(),
        offset: at - start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_the_module_that_begins_before_it() {
        let modules =
            "b 16384 0 - Live 0xffffffffc0008000 (O)\na 16384 1 b, Live 0xffffffffc0000000 (O)\n";
        let starts = starts(modules);
        let place = |at| place(&starts, at).map(|it| (it.module, it.offset));
        assert_eq!(place(0xffff_ffff_c000_0010), Some(("a".to_owned(), 0x10)));
        assert_eq!(place(0xffff_ffff_c000_8000), Some(("b".to_owned(), 0)));
        assert_eq!(place(0xffff_ffff_8000_0000), None);
    }
}
