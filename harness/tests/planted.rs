//! Bugs that were planted in modules on purpose, one test each, which a hunt has to find:
//! `KERNEL::HUNT::NAME` is the module or the scenario `planted/HUNT/NAME`. A clean twin has none, and
//! nothing may be found in it. For coverage, what is planted is lines that nothing runs.

mod chosen;
#[path = "planted/coverage.rs"]
mod coverage;
#[path = "planted/faults.rs"]
mod faults;
#[path = "planted/fuzz.rs"]
mod fuzz;
mod needs;
#[path = "it/repository.rs"]
mod repository;

use std::process::ExitCode;

fn main() -> ExitCode {
    chosen::main(|on| {
        let mut trials = fuzz::trials(on)?;
        trials.extend(faults::trials(on)?);
        trials.extend(coverage::trials(on));
        Ok(trials)
    })
}
