//! What long work says while it runs: a bar on a terminal, a plain line now and then elsewhere.
//!
//! All of it goes to stderr; stdout is for results.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressStyle};

/// How often a plain line is printed where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// All bars of the process share one drawing area, so that lines from [`note`] do not tear them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Whether only a terminal is told of work.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on, says nothing of work where there is no terminal, and nothing of work that is done:
/// stderr is somebody else's too.
pub fn hush() {
    QUIET.store(true, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// One piece of long work. Dropping it takes the bar away without the closing line.
pub struct Progress {
    what: String,
    bytes: bool,
    bar: ProgressBar,
    /// When the next plain line is due; `None` on a terminal.
    plain: Option<Mutex<Instant>>,
}

impl Progress {
    /// Work counted in bytes, such as a download; `total` where it is known.
    pub fn bytes(what: impl Into<String>, total: Option<u64>) -> Progress {
        Progress::start(what.into(), total, true)
    }

    /// Work counted in steps, such as compiled files; `total` where it is known or guessed.
    pub fn steps(what: impl Into<String>, total: Option<u64>) -> Progress {
        Progress::start(what.into(), total, false)
    }

    fn start(what: String, total: Option<u64>, bytes: bool) -> Progress {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let bar = BARS.add(
            bar.with_style(style(total.is_some(), bytes))
                .with_prefix(what.clone()),
        );
        let plain = if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(120));
            None
        } else if is_quiet() {
            None
        } else {
            say(&format!("{what}…"));
            Some(Mutex::new(Instant::now() + PLAIN_EVERY))
        };
        Progress {
            what,
            bytes,
            bar,
            plain,
        }
    }

    /// Adds `n` bytes or steps.
    pub fn inc(&self, n: u64) {
        self.bar.inc(n);
        self.plain_line();
    }

    /// Sets how many bytes or steps are done.
    pub fn position(&self, n: u64) {
        self.bar.set_position(n);
        self.plain_line();
    }

    /// How many bytes or steps are done.
    pub fn done(&self) -> u64 {
        self.bar.position()
    }

    /// Says what is being done right now, such as the file being compiled.
    pub fn message(&self, message: &str) {
        self.bar.set_message(message.to_owned());
        self.plain_line();
    }

    /// Takes the bar away and leaves a line that says how long the work took.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        let seconds = self.bar.elapsed().as_secs_f64();
        if !is_quiet() {
            note(format!("{}: done in {seconds:.1} s", self.what));
        }
    }

    fn plain_line(&self) {
        let Some(next) = &self.plain else { return };
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now < *next {
            return;
        }
        *next = now + PLAIN_EVERY;
        say(&format!(
            "{}: {} {}",
            self.what,
            self.counted(),
            self.bar.message()
        ));
    }

    fn counted(&self) -> String {
        let show = |n: u64| {
            if self.bytes {
                BinaryBytes(n).to_string()
            } else {
                n.to_string()
            }
        };
        match self.bar.length() {
            // A guessed total must not end in "2300 of 2200".
            Some(total) if total >= self.done() => {
                format!("{} of {}", show(self.done()), show(total))
            }
            _ => show(self.done()),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(known: bool, bytes: bool) -> ProgressStyle {
    let template = match (known, bytes) {
        (true, true) => {
            "{prefix} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {wide_msg}"
        }
        (true, false) => "{prefix} [{bar:30}] {percent}% {elapsed} {wide_msg}",
        (false, true) => "{spinner} {prefix} {binary_bytes} {wide_msg}",
        (false, false) => "{spinner} {prefix} {pos} {elapsed} {wide_msg}",
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// A line that stands on the terminal while something runs, such as a virtual machine.
pub struct Live(ProgressBar);

impl Live {
    /// Shows the line, with the time that has passed.
    pub fn new(what: String) -> Live {
        if !std::io::stderr().is_terminal() {
            return Live(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = BARS.add(ProgressBar::no_length().with_style(style).with_prefix(what));
        bar.enable_steady_tick(Duration::from_millis(120));
        Live(bar)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Does something to the terminal while no bar is being drawn.
pub fn suspend<T>(act: impl FnOnce() -> T) -> T {
    BARS.suspend(act)
}

/// Prints a line to stderr, above the bars that are being drawn.
pub fn note(line: impl AsRef<str>) {
    suspend(|| say(line.as_ref()));
}

/// Writes a line to stderr. That nobody reads it any more is no reason to stop.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
