//! What tests need of the host. Where it is not there they are left out with the reason, and fail
//! on CI (`CI=true`).

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use kassay::cli::doctor;
use libtest_mimic::{Completion, Failed, Trial};

/// What `kassay doctor` misses here.
static MISSING: LazyLock<Vec<String>> = LazyLock::new(|| match doctor::missing() {
    Ok(names) => names.into_iter().map(str::to_owned).collect(),
    Err(error) => vec![format!("{error:#}")],
});

/// How many tests were left out.
static LEFT_OUT: AtomicUsize = AtomicUsize::new(0);

/// A test that starts a machine, or makes what goes into one.
pub fn qemu<T>(title: impl Into<String>, test: T) -> Trial
where
    T: FnOnce() -> Result<Completion, Failed> + Send + 'static,
{
    Trial::ignorable_test(title, || {
        let Some(why) = lack() else { return test() };
        if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
            return Err(why.into());
        }
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        Ok(Completion::ignored_with(why))
    })
}

/// A test that has a program of others work with what kassay wrote. It is left out, on CI as well, where
/// that program is not there, which `how` tells to get.
#[allow(dead_code, reason = "the tests from outside do it")]
pub fn program<T>(title: impl Into<String>, name: &'static str, how: &'static str, test: T) -> Trial
where
    T: FnOnce() -> Result<Completion, Failed> + Send + 'static,
{
    Trial::ignorable_test(title, move || match which::which(name) {
        Ok(_) => test(),
        Err(_) => Ok(Completion::ignored_with(format!("needs {name}: {how}"))),
    })
}

/// Why no machine can be started here, or nothing made for one.
pub fn lack() -> Option<String> {
    let (first, others) = MISSING.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    Some(format!("needs {first}{more}: run `cargo kassay setup`"))
}

/// Says at the end how many tests were left out, and what all of them need.
pub fn tell() {
    let count = LEFT_OUT.load(Ordering::Relaxed);
    if count > 0 {
        let names = MISSING.join(", ");
        eprintln!(
            "kassay: tests left out: {count}, as this host lacks {names}; run `cargo kassay setup`"
        );
    }
}
