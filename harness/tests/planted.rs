//! Modules with a bug planted in each, and clean twins, to know that the hunts for bugs hunt:
//! `KERNEL::HUNT::NAME` is `planted/HUNT/NAME.toml`.

mod chosen;
#[path = "planted/faults.rs"]
mod faults;
mod needs;
#[path = "it/repository.rs"]
mod repository;

use std::process::ExitCode;

fn main() -> ExitCode {
    chosen::main(faults::trials)
}
