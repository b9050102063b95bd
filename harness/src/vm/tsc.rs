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

/// The counter's frequency in kHz, measured once for each start of the host. It is to 10 MHz,
/// which is near enough for a clock, so that hosts of one kind say the same and saved states travel.
pub fn khz(cache: &Cache) -> u32 {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let memo = format!("tsc-{}", boot.trim());
    let known = cache.recall(&memo).and_then(|(khz, _)| khz.parse().ok());
    rounded(known.unwrap_or_else(|| {
        let khz = measure();
        // Another process measures again, then.
        let _ = cache.remember(&memo, &khz.to_string());
        khz
    }))
}

fn measure() -> u32 {
    let (began, first) = moment();
    thread::sleep(WHILE);
    let (ended, last) = moment();
    let micros = ended.duration_since(began).as_micros().max(1);
    (u128::from(last - first) * 1000 / micros) as u32
}

fn rounded(khz: u32) -> u32 {
    (khz + 5_000) / 10_000 * 10_000
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
    fn what_two_hosts_of_a_kind_measure_is_the_same() {
        assert_eq!([2_793_100, 2_793_900].map(rounded), [2_790_000; 2]);
    }

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
