//! Ctrl-C and SIGTERM: work stops at the next [`check`], cleans up and says so. While a program
//! runs in a machine, its signals are its own.

use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::{progress, terminal};

/// When the user first asked to stop.
static REQUESTED: OnceLock<Instant> = OnceLock::new();

/// Who has the signals instead.
static TAKER: Mutex<Option<Taker>> = Mutex::new(None);

/// The thread that waits for signals.
static WAITING: OnceLock<Handle> = OnceLock::new();

type Taker = Box<dyn FnMut(i32) + Send>;

/// How soon another signal belongs to the same request: timeout(1), for one,
/// sends its signal to the process and then to the whole group.
pub const SAME: Duration = Duration::from_secs(1);

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

/// The signals by which a user asks to stop.
const OURS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Takes over SIGINT, SIGTERM and SIGHUP for the rest of the process.
///
/// The first signal makes [`check`] fail; a later one ends the process at once.
///
/// # Errors
/// When called twice, or when the system refuses the signal handler.
pub fn install() -> Result<()> {
    let mut signals = Signals::new(OURS).context("handle Ctrl-C")?;
    let handle = WAITING.set(signals.handle());
    handle.map_err(|_| anyhow!("handle Ctrl-C: it is handled already"))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            match &mut *taker() {
                Some(take) => take(signal),
                None if OURS.contains(&signal) => request(),
                // Of those that a program was given, which is gone: a terminal that changes its
                // size asks for nothing.
                None => {}
            }
        }
    });
    Ok(())
}

/// Asks all work to stop, as a signal does; a second after that, it ends the process.
pub fn request() {
    match REQUESTED.get() {
        Some(first) if first.elapsed() > SAME => {
            terminal::restore();
            std::process::exit(EXIT_CODE)
        }
        Some(_) => return,
        None => drop(REQUESTED.set(Instant::now())),
    }
    progress::note("stopping (again to stop at once)…");
}

/// As long as it lives, somebody else has the signals.
pub struct Diverted(());

impl Drop for Diverted {
    fn drop(&mut self) {
        *taker() = None;
    }
}

/// Gives the signals to `take`, and these others too, which nobody hears when it is over.
///
/// # Errors
/// The system refuses a signal handler.
pub fn divert(others: &[i32], take: impl FnMut(i32) + Send + 'static) -> Result<Diverted> {
    *taker() = Some(Box::new(take));
    let diverted = Diverted(());
    let waiting = WAITING
        .get()
        .context("handle signals: nobody waits for them")?;
    for signal in others {
        waiting
            .add_signal(*signal)
            .with_context(|| format!("handle signal {signal}"))?;
    }
    Ok(diverted)
}

fn taker() -> MutexGuard<'static, Option<Taker>> {
    TAKER.lock().unwrap_or_else(PoisonError::into_inner)
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
