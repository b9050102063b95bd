//! How a run grows with the number of machines at once: time for each case, and memory of all
//! machines together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{millis, pass};
use crate::case::Setting;
use crate::kernel::Kernel;
use crate::pool;
use crate::progress::Progress;
use crate::scenario::Scenario;
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

/// Runs so many cases of a scenario, by each of [`JOBS`].
///
/// # Errors
/// A run that does not pass.
pub fn measure(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    cases: usize,
    mut done: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    // It fills the host's page cache.
    pass(setting, kernel, scenario)?;
    for jobs in JOBS {
        let title = format!("run {cases} cases, {jobs} at once");
        let progress = Progress::steps(title, Some(cases as u64));
        let setting = Setting {
            jobs,
            ..setting.clone()
        };
        let run = |(): &()| pass(&setting, kernel, scenario).map(|_| progress.inc(1));
        let began = Instant::now();
        let all = vec![(); cases];
        let (run, own_kib) = watched(&setting, || pool::each(&all, jobs, run, |()| Ok(())));
        run?;
        progress.finish();
        done(Row {
            jobs,
            ms: millis(began.elapsed()) / cases as f64,
            own_mib: own_kib / 1024,
        })?;
    }
    Ok(())
}

/// Does something, and looks at the machines' memory meanwhile.
fn watched<T>(setting: &Setting, work: impl FnOnce() -> T) -> (T, u64) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = own_kib(&setting.cache).max(most);
                thread::sleep(TICK);
            }
            most
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        (done, watcher.join().unwrap_or(0))
    })
}
