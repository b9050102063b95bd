//! Why a command did not come to its end, and what kassay then exits with.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::bisect::Unfit;
use crate::excerpt::bounded;
use crate::interrupt::{self, Interrupted};
use crate::plain::is_absent;
use crate::progress;
use crate::report::UNJUDGED;

/// The exit code of wrong usage, as clap has it too.
const USAGE: u8 = 2;

/// Why a command did not come to its end.
#[derive(Debug)]
pub enum Error {
    /// It cannot be done as the user asked for it.
    Slip(String),
    /// The user asked to stop.
    Interrupted,
    /// Something went wrong that is not the user's.
    Failure(anyhow::Error),
}

/// What comes of a command, or of a part of it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What is wrong with something that the user has named or written: a slip, unless it is there
    /// and cannot be read.
    pub fn slip(error: anyhow::Error) -> Error {
        match Error::from(error) {
            Error::Failure(error) if !is_unreadable(&error) => Error::Slip(format!("{error:#}")),
            other => other,
        }
    }

    /// Says it on stderr and returns the exit code.
    pub fn report(&self) -> ExitCode {
        // Whatever fails after that fails because of it.
        let error = match interrupt::requested() {
            true => &Error::Interrupted,
            false => self,
        };
        progress::say(&format!("kassay: {}", bounded(&format!("{error:#}"))));
        ExitCode::from(match error {
            Error::Slip(_) => USAGE,
            Error::Interrupted => interrupt::EXIT_CODE as u8,
            Error::Failure(_) => UNJUDGED,
        })
    }
}

/// Whether something is there and cannot be read. What is not there was named wrongly.
fn is_unreadable(error: &anyhow::Error) -> bool {
    // All else, such as a text that is not UTF-8, or a pipe in the place of a file, was seen.
    let is_refused = |error: &io::Error| error.raw_os_error().is_some() && !is_absent(error);
    let mut errors = error.chain().filter_map(|error| error.downcast_ref());
    errors.any(is_refused)
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Error {
        match error.downcast() {
            Ok(error) => error,
            Err(error) if error.is::<Interrupted>() => Error::Interrupted,
            Err(error) if error.is::<Unfit>() => Error::Slip(format!("{error:#}")),
            Err(error) => Error::Failure(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Slip(why) => f.write_str(why),
            Error::Interrupted => Interrupted.fmt(f),
            // The whole chain, which nobody else can get at.
            Error::Failure(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};
    use rustix::io::Errno;

    fn kind(error: Error) -> &'static str {
        match error {
            Error::Slip(_) => "slip",
            Error::Interrupted => "interrupted",
            Error::Failure(_) => "failure",
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_slip() {
        let read = |error: io::Error| {
            let done: anyhow::Result<()> = Err(error).context("read `a`");
            kind(Error::slip(done.unwrap_err()))
        };
        let refused = |error: Errno| read(error.into());
        assert_eq!(refused(Errno::NOENT), "slip");
        assert_eq!(refused(Errno::NOTDIR), "slip");
        assert_eq!(refused(Errno::ACCESS), "failure");
        assert_eq!(refused(Errno::IO), "failure");
        assert_eq!(read(io::ErrorKind::InvalidInput.into()), "slip");
        assert_eq!(kind(Error::slip(anyhow!("no such key"))), "slip");
    }

    #[test]
    fn an_error_is_what_it_was_on_whatever_way_it_comes() {
        let slip = || anyhow::Error::from(Error::Slip("a".to_owned())).context("b");
        assert_eq!(kind(slip().into()), "slip");
        assert_eq!(kind(Error::slip(Interrupted.into())), "interrupted");
        let failure = anyhow::Error::from(Error::Failure(anyhow!("a")));
        assert_eq!(kind(failure.into()), "failure");
        assert_eq!(
            kind(anyhow::Error::from(Unfit("a".to_owned())).into()),
            "slip"
        );
    }
}
