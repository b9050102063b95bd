//! Ctrl-C and SIGTERM: work stops at the next [`check`], cleans up and says so.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::progress;

/// When the user first asked to stop.
static REQUESTED: OnceLock<Instant> = OnceLock::new();

/// How soon another signal belongs to the same request: timeout(1), for one,
/// sends its signal to the process and then to the whole group.
const SAME: Duration = Duration::from_secs(1);

/// The exit code of a run that the user ended: 128 + SIGINT, as shells count.
pub const EXIT_CODE: i32 = 130;

/// The error of work that stopped because the user asked for it.
///
/// `main` finds it in an error's chain and exits with [`EXIT_CODE`].
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Takes over SIGINT, SIGTERM and SIGHUP for the rest of the process.
///
/// The first signal makes [`check`] fail; a later one ends the process at once.
///
/// # Errors
/// When called twice, or when the system refuses the signal handler.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        match REQUESTED.get() {
            Some(first) if first.elapsed() > SAME => std::process::exit(EXIT_CODE),
            Some(_) => return,
            None => drop(REQUESTED.set(Instant::now())),
        }
        progress::note("stopping (again to stop at once)…");
    })
    .context("handle Ctrl-C")
}

/// Whether the user has asked to stop.
pub fn requested() -> bool {
    REQUESTED.get().is_some()
}

/// Fails with [`Interrupted`] once the user has asked to stop; long loops call it.
///
/// # Errors
/// [`Interrupted`], and nothing else.
pub fn check() -> Result<()> {
    if requested() {
        return Err(Interrupted.into());
    }
    Ok(())
}
