//! Every scenario on every chosen kernel, one test each: `KERNEL::SCENARIO`.
//!
//! `KASSAY_KERNELS=6.11,distro` chooses kernels. A transcript that differs is
//! insta's business: `cargo insta review` and `INSTA_UPDATE` work as usual.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use kassay::cache::Cache;
use kassay::cli::run::{self, TIMEOUT};
use kassay::interrupt;
use kassay::inventory;
use kassay::kernel::{Catalog, Kernel};
use kassay::normalise::visible;
use kassay::report::pretty;
use kassay::run::{Outcome, Setting};
use kassay::scenario::Scenario;
use kassay::verdict::Verdict;
use kassay::vm::accelerator::{self, Probe, Wish};
use kassay::vm::slot;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // insta shows the difference and then panics; there is nothing to trace.
    std::panic::set_hook(Box::new(|_| {}));
    arguments
        .test_threads
        .get_or_insert_with(slot::default_jobs);
    let run = || {
        let (cache, limit) = (Cache::open()?, inventory::limit()?);
        let conclusion = libtest_mimic::run(&arguments, trials(&cache)?);
        inventory::clear_up(&cache, limit);
        anyhow::Ok(conclusion.exit_code())
    };
    run().unwrap_or_else(|error| {
        eprintln!("kassay: {error:#}");
        ExitCode::FAILURE
    })
}

/// What the tests of one kernel share: the kernel is obtained by the first.
struct Shared {
    setting: Setting,
    catalog: Catalog,
    name: String,
    kernel: OnceLock<Result<Kernel, String>>,
}

fn trials(cache: &Cache) -> Result<Vec<Trial>> {
    interrupt::install()?;
    let asked = std::env::var("KASSAY_KERNELS").unwrap_or_default();
    let asked: Vec<String> = asked
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let names = run::kernels(cache, &Catalog::load()?, &asked)?;
    let scenarios = run::scenarios(&[])?;
    let mut trials = Vec::new();
    for name in names {
        let (accelerator, _) = accelerator::choose(Wish::Auto, Probe::here)?;
        let setting = Setting {
            cache: cache.clone(),
            accelerator,
            timeout: Duration::from_secs(TIMEOUT),
            cold: false,
            changed: false,
            jobs: slot::default_jobs(),
            keep_dump: false,
            gdb: false,
        };
        let shared = Arc::new(Shared {
            setting,
            catalog: Catalog::load()?,
            name,
            kernel: OnceLock::new(),
        });
        for scenario in &scenarios {
            let (shared, scenario) = (shared.clone(), scenario.clone());
            let title = format!("{}::{}", shared.name, scenario.name);
            trials.push(Trial::ignorable_test(title, move || shared.test(&scenario)));
        }
    }
    Ok(trials)
}

impl Shared {
    fn test(&self, scenario: &Scenario) -> Result<Completion, Failed> {
        let outcome = self
            .outcome(scenario)
            .map_err(|error| format!("{error:#}"))?;
        match outcome.verdict {
            Verdict::Pass => Ok(Completion::Completed),
            Verdict::Skipped => Ok(Completion::ignored_with(outcome.reason)),
            Verdict::Mismatch if outcome.is_comparison => review(&outcome, scenario),
            _ => Err(pretty::case(&self.setting, &outcome).into()),
        }
    }

    fn outcome(&self, scenario: &Scenario) -> Result<Outcome> {
        let kernel = self.kernel.get_or_init(|| {
            run::obtain(&self.setting.cache, &self.catalog, &self.name)
                .unwrap_or_else(|error| Err(format!("{error:#}")))
        });
        run::one(&self.setting, kernel, &self.name, scenario)
    }
}

/// Hands a transcript that is not the reviewed one to insta, which shows the
/// difference, keeps it for review, or accepts it, as it is told.
fn review(outcome: &Outcome, scenario: &Scenario) -> Result<Completion, Failed> {
    let Some((snapshot, transcript)) = &outcome.transcript else {
        return Err("no transcript".into());
    };
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&snapshot.directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(scenario.about.as_str());
    let asserted = catch_unwind(AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(snapshot.name.as_str(), transcript));
    }));
    asserted
        .map(|()| Completion::Completed)
        .map_err(|_| visible(&outcome.reason).into())
}
