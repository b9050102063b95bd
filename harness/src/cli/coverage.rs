//! `--coverage` of `kassay run`.

use clap::Args;

use super::error::{Error, Result};
use super::run::Named;
use crate::coverage::{self, Total};
use crate::outcome::Outcome;
use crate::progress;
use crate::project::Project;
use crate::report;
use crate::scenario::Scenario;

/// Whether lines are counted, and how many are to run.
#[derive(Args)]
pub struct CoverageArgs {
    /// Tell which lines of the modules ran over all scenarios, on a kernel such as 6.12+gcov; the
    /// page with the sources and lcov's file go to target/kassay/coverage
    #[arg(long, conflicts_with_all = ["changed", "gdb", "accept"])]
    coverage: bool,
    /// Fail where fewer of a hundred of these lines ran
    #[arg(long, value_name = "PERCENT", requires = "coverage")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
    fail_under: Option<u8>,
}

/// What was counted.
#[derive(Default)]
pub struct Counted {
    /// What a terminal shows.
    pub lines: Vec<String>,
    /// Whether fewer lines ran than were to.
    pub is_under: bool,
}

impl CoverageArgs {
    /// Has the modules of scenarios count what runs of them, if that was asked for.
    ///
    /// # Errors
    /// A slip where a kernel cannot have them count.
    pub fn begin(&self, scenarios: &mut [Scenario], kernels: &[Named]) -> Result<()> {
        if self.coverage {
            let mut had = kernels
                .iter()
                .filter_map(|(_, kernel)| kernel.as_ref().ok());
            let checked = had.try_for_each(coverage::check);
            checked
                .and_then(|()| report::coverage::clear())
                .map_err(Error::slip)?;
            scenarios.iter_mut().for_each(Scenario::cover);
        }
        Ok(())
    }

    /// Writes what all have counted; nothing where that was not asked for, or there were no cases.
    ///
    /// # Errors
    /// Nothing was counted; it cannot be written.
    pub fn conclude(&self, outcomes: &[Outcome], project: &Project) -> Result<Counted> {
        if !self.coverage || outcomes.is_empty() {
            return Ok(Counted::default());
        }
        let mut total = Total::default();
        for outcome in outcomes {
            let covered = outcome.judged().and_then(|judged| judged.covered.as_ref());
            total.add(&outcome.case.scenario, covered);
        }
        let told = report::coverage::write(&total, &project.root)?;
        let least = self.fail_under.map_or(0.0, f64::from);
        let is_under = told.percent < least;
        if is_under {
            progress::note(format!(
                "fewer lines of modules ran than `--fail-under` wants: {:.2} % of {least} %",
                told.percent
            ));
        }
        Ok(Counted {
            lines: told.lines,
            is_under,
        })
    }
}
