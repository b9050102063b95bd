//! The user's terminal, when a program in a machine has it.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use kassay_guest::stream::Size;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// What the terminal was before it became raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal that passes every key on, Ctrl-C among them, until this is dropped.
pub struct Raw(());

impl Raw {
    /// Makes the terminal of stdin raw, if it is one.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn enter() -> Result<Option<Raw>> {
        if !stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(stdin()).context("look at the terminal")?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let entered = Raw(());
        tcsetattr(stdin(), OptionalActions::Drain, &raw).context("set the terminal up")?;
        Ok(Some(entered))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes a terminal that is raw what it was before.
pub fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

/// The size of the user's terminal, if there is one.
pub fn size() -> Option<Size> {
    let sizes = [
        tcgetwinsize(stdin()),
        tcgetwinsize(stdout()),
        tcgetwinsize(stderr()),
    ];
    let size = sizes.into_iter().find_map(Result::ok)?;
    Some(Size {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}
