//! How a run grows with the number of machines at once: time for each case, and memory of all
//! machines together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::{Bench, millis};
use crate::cache::Cache;
use crate::progress::Progress;
use crate::vm::own_kib;

/// How many machines there are at once.
pub const JOBS: [usize; 4] = [1, 2, 4, 8];

/// How often memory is looked at.
const TICK: Duration = Duration::from_millis(20);

/// What was measured with so many machines at once.
pub struct Row {
    /// How many there were.
    pub jobs: usize,
    /// What a case took, in milliseconds: the whole time over the number of cases.
    pub ms: f64,
    /// The most memory that all machines together had of their own, in MiB.
    pub own_mib: u64,
}

/// Runs the scenario of a bench so many times, by each of [`JOBS`].
///
/// # Errors
/// A run that does not pass.
pub fn measure(bench: &Bench, cases: usize, mut done: impl FnMut(Row) -> Result<()>) -> Result<()> {
    // It fills the host's page cache.
    bench.once(bench.setting)?;
    for jobs in JOBS {
        let title = format!("run {cases} cases, {jobs} at once");
        let progress = Progress::steps(title, Some(cases as u64));
        let many = || bench.many(cases, jobs, || progress.inc(1));
        let (took, own_kib) = watched(&bench.setting.cache, many);
        let took = took?;
        progress.finish();
        done(Row {
            jobs,
            ms: millis(took) / cases as f64,
            own_mib: own_kib / 1024,
        })?;
    }
    Ok(())
}

/// Does something, and looks at the machines' memory meanwhile.
fn watched<T>(cache: &Cache, work: impl FnOnce() -> T) -> (T, u64) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = own_kib(cache).max(most);
                thread::sleep(TICK);
            }
            most
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        (done, watcher.join().unwrap_or(0))
    })
}
