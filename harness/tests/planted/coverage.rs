//! Lines that nothing runs.

use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use kassay::coverage::{self, Total};
use kassay::normalise::visible;
use kassay::run;
use kassay::scenario;
use libtest_mimic::{Completion, Trial};

use crate::chosen::Chosen;
use crate::needs;
use crate::repository::{project, repository};

/// Where the module and its scenario are.
const FOLDER: &str = "harness/tests/planted/coverage";

pub fn trials(on: &Arc<Chosen>) -> Vec<Trial> {
    let (name, on) = (format!("{}::coverage::half", on.name), on.clone());
    let test = move || half(&on).map_err(|error| visible(&format!("{error:#}")).into());
    vec![needs::qemu(name, test)]
}

/// A line that ran did so as often as it did, one that did not is there, and so is the kfunc that
/// nobody called.
fn half(on: &Chosen) -> Result<Completion> {
    let kernel = on.kernel().as_ref().map_err(|why| anyhow!("{why}"))?;
    if let Err(why) = coverage::check(kernel) {
        return Ok(Completion::ignored_with(format!("{why:#}")));
    }
    let scenarios = scenario::read_all(&repository().join(FOLDER), &project())?;
    let mut total = Total::default();
    for mut scenario in scenarios {
        scenario.cover();
        let outcome = run::run(&on.setting, kernel, &scenario)?;
        let covered = outcome.judged().and_then(|judged| judged.covered.as_ref());
        ensure!(
            covered.is_some(),
            "nothing was counted: {}",
            outcome.reason()
        );
        total.add(&scenario.name, covered);
    }
    let files = total.covered.files();
    let file = &files[&format!("{FOLDER}/modules/half/half.c")];
    let runs: Vec<(u32, u64)> = file
        .lines
        .iter()
        .map(|(line, it)| (*line, it.runs))
        .collect();
    ensure!(runs[..3] == [(6, 3), (8, 3), (10, 3)], "{runs:?}");
    let branches = &file.lines[&8].branches;
    ensure!(
        branches.contains(&0) && branches.contains(&3),
        "{branches:?}"
    );
    ensure!(
        file.functions["bpf_planted_uncalled"].calls == 0,
        "it was called"
    );
    Ok(Completion::Completed)
}
