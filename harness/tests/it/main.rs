//! What is tested from outside, and how the repository looks: `MODULE::NAME`.
//!
//! Each module lists its tests in [`tests!`], by what they need of the host. A function that no
//! list has is dead code, of which the compiler warns.

/// Makes `trials()` of lists of functions: those after `plain:` need what builds kassay and
/// nothing more, and those after `qemu:` start a machine, or make what goes into one.
macro_rules! tests {
    ($($need:ident: $($test:ident),+;)+) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$($(
                crate::$need(concat!(module_path!(), "::", stringify!($test)), $test)
            ),+),+]
        }
    };
}

mod action;
mod bench;
mod bisect;
mod checkout;
mod coverage;
mod exec;
mod external;
mod faults;
mod gate;
mod history;
mod kernels;
mod kit;
#[path = "../needs/mod.rs"]
mod needs;
mod open;
mod packs;
mod project;
mod remote;
mod repeat;
mod reports;
mod repository;
mod run;
mod selftests;
mod shards;
mod states;
mod suites;
mod tidy;
mod upgrade;
mod verify;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kassay::vm::slot;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// How long each test took that was run.
static TOOK: Mutex<Vec<(Duration, &str)>> = Mutex::new(Vec::new());

/// Of how many of those that took longest that is told, if it was at least so long.
const SLOWEST: usize = 12;
const LONG: Duration = Duration::from_secs(5);

thread_local! {
    /// What the panic of this thread's test said; none where there is no test.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments
        .test_threads
        .get_or_insert_with(slot::default_jobs);
    keep_what_panics_say();
    // What takes long comes last.
    let modules = [
        tidy::trials(),
        tidy::sections::trials(),
        tidy::words::trials(),
        kernels::trials(),
        suites::trials(),
        remote::trials(),
        packs::trials(),
        project::trials(),
        kit::trials(),
        run::trials(),
        action::trials(),
        reports::trials(),
        open::trials(),
        repeat::trials(),
        shards::trials(),
        history::trials(),
        bench::trials(),
        upgrade::trials(),
        verify::trials(),
        faults::trials(),
        coverage::trials(),
        selftests::trials(),
        exec::trials(),
        external::trials(),
        states::trials(),
        bisect::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, modules.into_iter().flatten().collect());
    needs::tell();
    tell_slowest();
    conclusion.exit_code()
}

fn plain(path: &'static str, test: fn()) -> Trial {
    Trial::ignorable_test(title(path), move || ended(path, test))
}

fn qemu(path: &'static str, test: fn()) -> Trial {
    needs::qemu(title(path), move || ended(path, test))
}

fn chromium(path: &'static str, test: fn()) -> Trial {
    program(path, "chromium", "apt-get install chromium", test)
}

fn prove(path: &'static str, test: fn()) -> Trial {
    program(path, "prove", "apt-get install perl", test)
}

fn tap_parser(path: &'static str, test: fn()) -> Trial {
    program(path, "tap-parser", "npm install --global tap-parser", test)
}

fn docker_registry(path: &'static str, test: fn()) -> Trial {
    let how = "apt-get install docker-registry";
    program(path, "docker-registry", how, test)
}

fn junitparser(path: &'static str, test: fn()) -> Trial {
    program(path, "junitparser", "pip install junitparser", test)
}

fn nextest(path: &'static str, test: fn()) -> Trial {
    let how = "cargo install cargo-nextest --locked";
    program(path, "cargo-nextest", how, test)
}

fn program(path: &'static str, name: &'static str, how: &'static str, test: fn()) -> Trial {
    needs::program(title(path), name, how, move || ended(path, test))
}

/// The parser of a kernel's source that the cache has, and Python to run it.
fn kunit(path: &'static str, test: fn()) -> Trial {
    Trial::ignorable_test(title(path), move || match reports::kunit() {
        Some(_) => ended(path, test),
        None => Ok(Completion::ignored_with(
            "needs a kernel's source in the cache: `cargo kassay kernel build 6.12`",
        )),
    })
}

/// The path of a test without the name of this binary.
fn title(path: &'static str) -> &'static str {
    path.split_once("::").map_or(path, |(_, title)| title)
}

/// Runs a test, which fails by a panic.
fn ended(path: &'static str, test: fn()) -> Result<Completion, Failed> {
    SAID.set(Some(String::new()));
    let begun = Instant::now();
    let ended = panic::catch_unwind(test);
    let took = (begun.elapsed(), title(path));
    TOOK.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(took);
    let said = SAID.take().unwrap_or_default();
    ended
        .map(|()| Completion::Completed)
        .map_err(|_| said.into())
}

/// Says at the end which tests took longest, as they are what keeps a change waiting.
fn tell_slowest() {
    let mut took = TOOK.lock().unwrap_or_else(PoisonError::into_inner);
    took.sort_unstable_by(|one, other| other.cmp(one));
    let long = took.iter().take_while(|(took, _)| *took >= LONG);
    for (took, title) in long.take(SLOWEST) {
        eprintln!("{:6.1} s  {title}", took.as_secs_f64());
    }
}

/// Has the panic of a test shown where its failure is. Any other is shown as ever: that of a thread
/// which a test has started, and a second one, which ends the process.
fn keep_what_panics_say() {
    let as_ever = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_kept = SAID.with_borrow_mut(|said| match said {
            Some(said) if said.is_empty() => {
                *said = told(info);
                true
            }
            _ => false,
        });
        if !is_kept {
            as_ever(info);
        }
    }));
}

/// Where a panic happened and what it says, and with `RUST_BACKTRACE` how it came there.
fn told(info: &PanicHookInfo) -> String {
    let trace = Backtrace::capture();
    match trace.status() {
        BacktraceStatus::Captured => format!("{info}\n{trace}"),
        _ => info.to_string(),
    }
}
