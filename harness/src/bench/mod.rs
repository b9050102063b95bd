//! How fast it is, as ratios: everything is measured in turn with the bare boot
//! of the same kernel, so that a busy host slows both sides of a ratio. [`facts`] has what the
//! drivers of a scenario measure.

pub mod facts;
pub mod growth;
pub mod phases;
pub mod picture;
mod rivals;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::case::Setting;
use crate::compile::Artifacts;
use crate::interrupt;
use crate::kernel::Kernel;
use crate::outcome::Judged;
use crate::pool;
use crate::progress::{Progress, note};
use crate::run;
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use crate::vm::Machine;

/// Numbers of scenarios, and of machines at once, that the growth is shown for.
pub const GROWTH: [usize; 3] = [1, 10, 50];
/// See [`GROWTH`].
pub const JOBS: [usize; 2] = [1, 2];

/// What was measured of one thing.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name: `bare`, `restored`, `cold`, `vmtest`, `growth_N_jobs_J`, or `against` and
    /// `against_cold`, of which the ratio is to another kassay.
    pub name: String,
    /// How many scenarios one measurement ran.
    pub scenarios: usize,
    /// The median of its ratios to the bare boots measured in turn with it; of
    /// growth rows, the time per scenario counts.
    pub ratio: f64,
    /// What it took, in milliseconds, sorted.
    pub ms: Vec<f64>,
}

/// What a bench measures with.
pub struct Bench<'a> {
    /// How scenarios are run.
    pub setting: &'a Setting,
    /// On which kernel.
    pub kernel: &'a Kernel,
    /// Which scenario.
    pub scenario: &'a Scenario,
    /// How often each thing is measured.
    pub runs: usize,
}

impl Bench<'_> {
    /// The bare boot and what is compared with it; each row is handed to `done`
    /// as soon as it is there.
    ///
    /// # Errors
    /// Anything that does not pass: what fails early would count as fast.
    pub fn measure(&self, mut done: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let artifacts = crate::compile::build(&self.setting.cache, self.kernel, self.scenario)?;
        let machine = run::machine(
            self.setting,
            self.kernel,
            &artifacts.initramfs,
            self.setting.size,
        )?;
        let bare = || rivals::bare(&self.setting.cache, &machine);
        let mut bares = Vec::new();
        let rows = self.rivals(&artifacts, &machine, &bare, &mut bares)?;
        done(Row {
            name: "bare".to_owned(),
            scenarios: 1,
            ratio: 1.0,
            ms: sorted(bares.clone()),
        })?;
        rows.into_iter().try_for_each(&mut done)?;
        for jobs in JOBS {
            for scenarios in GROWTH {
                let name = format!("growth_{scenarios}_jobs_{jobs}");
                let many = || self.many(scenarios, jobs, || {});
                done(self.against(&name, scenarios, &bare, &mut bares, many)?)?;
            }
        }
        Ok(())
    }

    /// One run each of the scenario: restored, booted, and by vmtest's own guest where that can be.
    fn rivals(
        &self,
        artifacts: &Artifacts,
        machine: &Machine,
        bare: &impl Fn() -> Result<Duration>,
        bares: &mut Vec<f64>,
    ) -> Result<Vec<Row>> {
        let setting = |cold| Setting {
            cold,
            ..self.setting.clone()
        };
        let (warm, cold) = (setting(false), setting(true));
        let mut rows = vec![
            self.against("restored", 1, bare, bares, || self.once(&warm))?,
            self.against("cold", 1, bare, bares, || self.once(&cold))?,
        ];
        let (setting, kernel, scenario) = (self.setting, self.kernel, self.scenario);
        let vmtest = || rivals::vmtest(setting, kernel, scenario, artifacts, machine);
        match self.against("vmtest", 1, bare, bares, vmtest) {
            Ok(row) => rows.push(row),
            Err(error) => {
                interrupt::check()?;
                note(format!("no row `vmtest`: {error:#}"));
            }
        }
        Ok(rows)
    }

    /// Measures something in turn with the bare boot, once more than is
    /// counted: the first run of each fills the host's page cache.
    fn against(
        &self,
        name: &str,
        scenarios: usize,
        bare: &impl Fn() -> Result<Duration>,
        bares: &mut Vec<f64>,
        thing: impl Fn() -> Result<Duration>,
    ) -> Result<Row> {
        let progress = Progress::steps(format!("measure {name}"), Some(self.runs as u64 + 1));
        let (mut ms, mut ratios) = (Vec::new(), Vec::new());
        for run in 0..=self.runs {
            let (bare, thing) = (millis(bare()?), millis(thing()?));
            progress.inc(1);
            if run > 0 {
                bares.push(bare);
                ms.push(thing);
                ratios.push(thing / bare / scenarios as f64);
            }
        }
        progress.finish();
        let ratio = median(&sorted(ratios));
        Ok(Row {
            name: name.to_owned(),
            scenarios,
            ratio,
            ms: sorted(ms),
        })
    }

    /// The scenario as a whole command of this kassay, in turn with the same of another one:
    /// restored and booted.
    ///
    /// # Errors
    /// One of them does not pass.
    pub fn beside(&self, other: &Path, mut done: impl FnMut(Row) -> Result<()>) -> Result<()> {
        // By this link the file is found even when it was built anew meanwhile.
        let own = Path::new("/proc/self/exe");
        for (name, cold) in [("against", false), ("against_cold", true)] {
            let command = |kassay| rivals::command(kassay, self.kernel, self.scenario, cold);
            let theirs = || command(other);
            done(self.against(name, 1, &theirs, &mut Vec::new(), || command(own))?)?;
        }
        Ok(())
    }

    fn once(&self, setting: &Setting) -> Result<Duration> {
        let began = Instant::now();
        pass(setting, self.kernel, self.scenario)?;
        Ok(began.elapsed())
    }

    /// So many runs of the scenario, as many at once; each calls `done`.
    fn many(&self, scenarios: usize, jobs: usize, done: impl Fn() + Sync) -> Result<Duration> {
        let began = Instant::now();
        let setting = Setting {
            jobs,
            cold: false,
            ..self.setting.clone()
        };
        let all = vec![(); scenarios];
        let run = |(): &()| self.once(&setting).map(|_| done());
        pool::each(&all, jobs, run, |()| Ok(()))?;
        Ok(began.elapsed())
    }

    /// The growth rows as a picture, in SVG.
    ///
    /// # Errors
    /// The rows are not all there.
    pub fn picture(&self, rows: &[Row]) -> Result<String> {
        let ratio = |scenarios: usize, jobs: usize| {
            let name = format!("growth_{scenarios}_jobs_{jobs}");
            let row = rows.iter().find(|row| row.name == name);
            let row = row.with_context(|| format!("draw the growth: no row `{name}`"))?;
            anyhow::Ok((scenarios as f64, row.ratio))
        };
        let line = |jobs: usize| {
            let points = GROWTH.into_iter().map(|scenarios| ratio(scenarios, jobs));
            anyhow::Ok(picture::Line {
                label: format!("{jobs} at once"),
                points: points.collect::<Result<_>>()?,
            })
        };
        picture::draw(&picture::Picture {
            caption: format!("Time per scenario on {}", self.kernel.name),
            x: "scenarios in one run",
            y: "bare boots",
            lines: JOBS.into_iter().map(line).collect::<Result<_>>()?,
        })
    }

    /// The most memory that QEMU held while it ran the scenario, in MiB.
    ///
    /// # Errors
    /// The scenario does not pass, or the kernel does not tell.
    pub fn peak_mib(&self) -> Result<u64> {
        let judged = pass(self.setting, self.kernel, self.scenario)?;
        let kib = judged.peak_kib.context("read the peak memory of QEMU")?;
        Ok(kib / 1024)
    }
}

impl Row {
    /// The median, in milliseconds.
    pub fn median_ms(&self) -> f64 {
        median(&self.ms)
    }
}

/// Runs a scenario, which passes. What fails early would count as fast.
fn pass(setting: &Setting, kernel: &Kernel, scenario: &Scenario) -> Result<Judged> {
    let outcome = run::run(setting, kernel, scenario)?;
    let judged = outcome.judged().cloned();
    judged
        .filter(|judged| judged.verdict == Verdict::Pass)
        .with_context(|| {
            let (name, verdict) = (&scenario.name, outcome.verdict());
            format!("measure `{name}`: {verdict}: {}", outcome.reason())
        })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The median of sorted values.
fn median(sorted: &[f64]) -> f64 {
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (_, middle) => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&sorted(vec![3.0, 1.0, 2.0])), 2.0);
        assert_eq!(median(&sorted(vec![4.0, 1.0, 2.0, 3.0])), 2.5);
        assert!(median(&[]).is_nan());
    }
}
