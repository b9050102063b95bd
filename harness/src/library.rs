//! What kassay offers to other programs.

use anyhow::{Result, anyhow};

use crate::cli::chosen;
use crate::cli::session::{Session, Store};
use crate::kernel::Kernel;
use crate::outcome::Outcome;
// The room alone, not the function of this name that the crate offers.
use crate::run::{self};
use crate::scenario::Scenario;
use crate::vm::accelerator::Wish;

/// The kernel of this name of the catalog, or at this path, as `kassay run --kernel` has it. It is
/// downloaded or built where the cache does not have it yet, which can take minutes.
///
/// ```no_run
/// let kernel = kassay::kernel("6.12")?;
/// assert!(kernel.release.starts_with("6.12."));
/// # anyhow::Ok(())
/// ```
///
/// # Errors
/// Nobody knows the name, or the kernel cannot be had.
pub fn kernel(spec: &str) -> Result<Kernel> {
    let session = Session::open()?;
    chosen::obtain(&session.store.cache, &session.catalog, spec)?
        .map_err(|why| anyhow!("get kernel `{spec}`: {why}"))
}

/// Builds a scenario, runs it on a kernel in a virtual machine of its own, and judges what the
/// kernel said. Whatever goes wrong is an outcome: what cannot be built has the verdict
/// [`Infra`](crate::Verdict::Infra).
///
/// ```no_run
/// use kassay::{Project, Scenario, Verdict};
///
/// # let (kernel, file) = (kassay::kernel("distro")?, std::path::Path::new("hello.toml"));
/// let scenario = Scenario::read(file, &Project::or_here()?)?;
/// let outcome = kassay::run(&kernel, &scenario)?;
/// assert_eq!(outcome.verdict(), Verdict::Pass, "{}", outcome.reason());
/// # anyhow::Ok(())
/// ```
///
/// # Errors
/// The cache cannot be opened, or the user asked to stop.
pub fn run(kernel: &Kernel, scenario: &Scenario) -> Result<Outcome> {
    let store = Store::open()?;
    let mut outcome = run::run(&store.setting(Wish::Auto)?, kernel, scenario)?;
    if let Some(mark) = run::unstable::mark(scenario, kernel) {
        run::unstable::settle(&mut outcome, mark, None);
    }
    Ok(outcome)
}
