//! kmemleak, which finds memory that nothing points to any more
//! (Documentation/dev-tools/kmemleak.rst and mm/kmemleak.c, Linux 6.11).
//!
//! As long as a module is inserted, its data may point to what it lost. So all scans come after its
//! removal.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::system;

const PATH: &str = "/sys/kernel/debug/kmemleak";

/// How old an object must be when a scan begins, to be reported: `MSECS_MIN_AGE`, and some
/// ticks, in which the kernel counts the age.
const AGE: Duration = Duration::from_millis(5100);

/// A kernel that has kmemleak, and has it turned on.
pub struct Kmemleak;

impl Kmemleak {
    /// None where there is none. Where there is, no scan comes by itself any more.
    pub fn open() -> Option<Kmemleak> {
        system::write(PATH, "scan=off").ok().map(|()| Kmemleak)
    }

    /// The kernel's clock, in ticks, as the list of objects has it (kernel/time/timer_list.c,
    /// `print_cpu`), or 0 where it is not told.
    pub fn jiffies(&self) -> u64 {
        let list = system::read("/proc/timer_list").unwrap_or_default();
        let line = list.lines().find_map(|line| line.strip_prefix("jiffies: "));
        line.and_then(|ticks| ticks.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Everything that nothing points to, as the kernel lists it. An object is reported by the
    /// second scan that finds nothing pointing to it and its content the same, once it is old
    /// enough: what was lost just before `ended` is by then.
    pub fn find(&self, ended: Instant) -> Result<String> {
        system::write(PATH, "scan")?;
        thread::sleep(AGE.saturating_sub(ended.elapsed()));
        system::write(PATH, "scan")?;
        system::read(PATH)
    }
}
