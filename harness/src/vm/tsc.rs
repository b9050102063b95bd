//! The host's time stamp counter, which a guest under TCG reads as its own.

use std::arch::x86_64::_rdtsc;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::cache::Cache;

/// How long the counter is watched: a reading that is off by a microsecond is then off by 50 parts
/// in a million.
const WHILE: Duration = Duration::from_millis(20);

/// How often each of the two readings is tried.
const TRIES: usize = 16;

/// The counter's frequency in kHz, measured once for each start of the host.
pub fn khz(cache: &Cache) -> u32 {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let memo = format!("tsc-{}", boot.trim());
    let known = cache.recall(&memo).and_then(|(khz, _)| khz.parse().ok());
    known.unwrap_or_else(|| {
        let khz = measure();
        // Another process measures again, then.
        let _ = cache.remember(&memo, &khz.to_string());
        khz
    })
}

fn measure() -> u32 {
    let (began, first) = moment();
    thread::sleep(WHILE);
    let (ended, last) = moment();
    let micros = ended.duration_since(began).as_micros().max(1);
    (u128::from(last - first) * 1000 / micros) as u32
}

/// A moment by both clocks: of some tries the one that the scheduler interrupted least.
fn moment() -> (Instant, u64) {
    let tries = (0..TRIES).map(|_| {
        let (before, now, after) = (ticks(), Instant::now(), ticks());
        (after.wrapping_sub(before), now, before)
    });
    let best = tries.min_by_key(|(took, ..)| *took);
    best.map_or_else(|| (Instant::now(), ticks()), |(_, now, ticks)| (now, ticks))
}

fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and Linux lets programs use it unless one asks
    // for itself not to (PR_SET_TSC).
    unsafe { _rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frequency_is_measured_once_and_well() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let (first, again, other) = (khz(&cache), khz(&cache), measure());
        assert_eq!(first, again);
        assert!(
            first.abs_diff(other) < first / 100,
            "{first} and {other} kHz"
        );
    }
}
