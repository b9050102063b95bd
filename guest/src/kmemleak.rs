//! kmemleak, which finds memory that nothing points to any more
//! (Documentation/dev-tools/kmemleak.rst and mm/kmemleak.c, Linux 6.11).

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::system;

const PATH: &str = "/sys/kernel/debug/kmemleak";

/// How old an object must be when a scan begins, to be reported: `MSECS_MIN_AGE`, and some
/// ticks, in which the kernel counts the age.
const AGE: Duration = Duration::from_millis(5100);

/// A kernel that has kmemleak, and has it turned on.
pub struct Kmemleak {
    /// The kernel's `jiffies` when the plan began, or 0 where it does not say.
    pub since: u64,
}

impl Kmemleak {
    /// None where there is none. Where there is, no scan comes by itself any more.
    pub fn open() -> Option<Kmemleak> {
        system::write(PATH, "scan=off").ok()?;
        Some(Kmemleak {
            since: jiffies().unwrap_or(0),
        })
    }

    /// Where the code of a module is, by sections, so that what it leaked can be laid to it
    /// when it is gone.
    pub fn sections(&self, module: &str) -> Vec<(String, u64)> {
        let directory = format!("/sys/module/{module}/sections");
        let files = fs::read_dir(directory).into_iter().flatten().flatten();
        let section = |file: fs::DirEntry| {
            let name = file.file_name().into_string().ok()?;
            let address = system::read(file.path()).ok()?;
            let address = u64::from_str_radix(address.trim().strip_prefix("0x")?, 16).ok()?;
            name.contains("text").then_some((name, address))
        };
        files.filter_map(section).collect()
    }

    /// Everything that nothing points to, as the kernel lists it. An object is reported by the
    /// second scan that finds nothing pointing to it and its content the same, once it is old
    /// enough: what was lost just before `since` is by then.
    pub fn find(&self, since: Instant) -> Result<String> {
        system::write(PATH, "scan")?;
        thread::sleep(AGE.saturating_sub(since.elapsed()));
        system::write(PATH, "scan")?;
        system::read(PATH)
    }
}

/// The kernel's clock, in ticks (kernel/time/timer_list.c, `print_cpu`).
fn jiffies() -> Option<u64> {
    let list = system::read("/proc/timer_list").ok()?;
    let line = list.lines().find_map(|line| line.strip_prefix("jiffies: "));
    line?.trim().parse().ok()
}
