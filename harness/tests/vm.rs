//! Every scenario on every chosen kernel, one test each: `KERNEL::SCENARIO`.
//!
//! `KASSAY_KERNELS=6.11,distro` chooses kernels. A transcript that differs is
//! insta's business: `cargo insta review` and `INSTA_UPDATE` work as usual.

mod chosen;
mod needs;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use anyhow::Result;
use chosen::Chosen;
use kassay::cli::{run, scenarios};
use kassay::normalise::visible;
use kassay::outcome::Outcome;
use kassay::project::Project;
use kassay::report::pretty::Told;
use kassay::run::unstable;
use kassay::scenario::Scenario;
use kassay::verdict::Verdict;
use libtest_mimic::{Completion, Failed, Trial};

/// What stops many cases fills no screen for each.
static TOLD: LazyLock<Told> = LazyLock::new(Told::default);

thread_local! {
    /// Whether this thread has insta look at a transcript, which says by a panic that it differs.
    static REVIEWS: Cell<bool> = const { Cell::new(false) };
}

fn main() -> ExitCode {
    let as_ever = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !REVIEWS.get() {
            as_ever(info);
        }
    }));
    chosen::main(trials)
}

fn trials(on: &Arc<Chosen>) -> Result<Vec<Trial>> {
    let trial = |scenario: Scenario| {
        let on = on.clone();
        let title = format!("{}::{}", on.name, scenario.name);
        needs::qemu(title, move || test(&on, &scenario))
    };
    let scenarios = scenarios::scenarios(&[], &Project::or_here()?)?;
    Ok(scenarios.into_iter().map(trial).collect())
}

fn test(on: &Chosen, scenario: &Scenario) -> Result<Completion, Failed> {
    let mut outcome = run::one(&on.setting, on.kernel(), &on.name, scenario)
        .map_err(|error| format!("{error:#}"))?;
    if let Ok(kernel) = on.kernel()
        && let Some(mark) = unstable::mark(scenario, kernel)
    {
        unstable::settle(&mut outcome, mark, None);
    }
    match outcome.verdict() {
        Verdict::Pass => Ok(Completion::Completed),
        Verdict::Skipped => Ok(Completion::ignored_with(outcome.reason())),
        Verdict::Unstable => Ok(Completion::ignored_with(visible(outcome.reason()))),
        Verdict::Mismatch if outcome.is_comparison() => review(&outcome, scenario),
        _ => Err(TOLD
            .case(&outcome)
            .unwrap_or_else(|| format!("{}, as of another case", outcome.title()))
            .into()),
    }
}

/// Hands a transcript that is not the reviewed one to insta, which shows the
/// difference, keeps it for review, or accepts it, as it is told.
fn review(outcome: &Outcome, scenario: &Scenario) -> Result<Completion, Failed> {
    let Some((snapshot, transcript)) = outcome.transcript() else {
        return Err("no transcript".into());
    };
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&snapshot.directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(scenario.about.as_str());
    REVIEWS.set(true);
    let asserted = catch_unwind(AssertUnwindSafe(|| {
        settings.bind(|| insta::assert_snapshot!(snapshot.name.as_str(), transcript));
    }));
    REVIEWS.set(false);
    asserted
        .map(|()| Completion::Completed)
        .map_err(|_| visible(outcome.reason()).into())
}
