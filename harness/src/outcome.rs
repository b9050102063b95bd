//! What one case came to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::coverage::Covered;
use crate::excerpt::bounded;
use crate::scenario::{Scenario, Unstable};
use crate::snapshot::Snapshot;
use crate::verdict::Verdict;
use crate::vm::Accelerator;

/// What one case came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which case.
    pub case: Name,
    /// The scenario's file.
    pub file: PathBuf,
    /// The kernel's release, when it was obtained.
    pub release: String,
    /// What executed the guest's instructions, or was to.
    pub accelerator: Accelerator,
    /// How it ended.
    pub end: End,
}

/// The name of a case: `KERNEL::SCENARIO`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The kernel's name, as asked for.
    pub kernel: String,
    /// The scenario's name.
    pub scenario: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.kernel, self.scenario)
    }
}

/// How a case ended.
#[derive(Clone, Debug)]
pub enum End {
    /// It was not run, for the kernel or the host lacks what this says.
    Skipped(String),
    /// It was not run, for something could not be had or built for it.
    Unbuilt(Unbuilt),
    /// It was not run: it passed last time, and nothing has changed since.
    Unchanged,
    /// It was run, or all was there to run it.
    Ran(Box<Judged>),
}

/// Why a case could not be run.
#[derive(Clone, Debug)]
pub struct Unbuilt {
    /// What was done when the error came up.
    pub title: String,
    /// The error, at any length.
    pub reason: String,
    /// Where the reason is kept.
    pub artifacts: Option<PathBuf>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict's stable name; empty for a pass.
    pub title: String,
    /// What was seen, at any length.
    pub reason: String,
    /// The first thing that was refused, whether the snapshot has it or not.
    pub refused: Option<String>,
    /// The title of the fault that was expected and seen, for a pass.
    pub expected: Option<String>,
    /// From the start of QEMU to its end; zero where it could not be started.
    pub duration: Duration,
    /// The seeds of the scenario's generators, in the order of its steps.
    pub seeds: Vec<u32>,
    /// Whether the machine went on from a saved state.
    pub restored: bool,
    /// The most memory that QEMU held, in KiB.
    pub peak_kib: Option<u64>,
    /// Where all of the run is, of a failure or where a pass is kept as well.
    pub artifacts: Option<PathBuf>,
    /// What its drivers reported by `fact`: names and values, in the order of its steps.
    pub facts: Vec<(String, String)>,
    /// What its modules counted of their lines, where they did.
    pub covered: Option<Covered>,
    /// The transcript, when the facts were complete, and where it belongs.
    pub transcript: Option<(Snapshot, String)>,
    /// Whether nothing is wrong but that the transcript is not the reviewed one.
    pub is_comparison: bool,
    /// The mark of a case that is known to be unstable.
    pub marked: Option<Marked>,
}

/// What a case that is marked unstable came to.
#[derive(Clone, Debug)]
pub struct Marked {
    /// The mark.
    pub mark: Unstable,
    /// The verdict that there would be without it.
    pub verdict: Verdict,
}

impl Judged {
    /// A verdict of which nothing more is known.
    pub fn new(verdict: Verdict) -> Judged {
        Judged {
            verdict,
            title: String::new(),
            reason: String::new(),
            refused: None,
            expected: None,
            duration: Duration::ZERO,
            seeds: Vec::new(),
            restored: false,
            peak_kib: None,
            artifacts: None,
            facts: Vec::new(),
            covered: None,
            transcript: None,
            is_comparison: false,
            marked: None,
        }
    }

    /// An error of which no machine has told.
    pub fn infra(error: &str) -> Judged {
        let reason = bounded(error);
        Judged {
            title: context(&reason).to_owned(),
            reason,
            ..Judged::new(Verdict::Infra)
        }
    }
}

impl Unbuilt {
    /// An error that keeps a case from being run.
    pub fn new(error: &str) -> Unbuilt {
        let reason = bounded(error);
        Unbuilt {
            title: context(&reason).to_owned(),
            reason,
            artifacts: None,
        }
    }
}

/// Why nothing was run of a case that has not changed.
pub const UNCHANGED: &str = "unchanged since it passed";

impl Outcome {
    /// How a scenario ended on a kernel of this name.
    pub fn new(kernel: &str, accelerator: Accelerator, scenario: &Scenario, end: End) -> Outcome {
        Outcome {
            case: Name {
                kernel: kernel.to_owned(),
                scenario: scenario.name.clone(),
            },
            file: scenario.path.clone(),
            release: String::new(),
            accelerator,
            end,
        }
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        match &self.end {
            End::Skipped(_) => Verdict::Skipped,
            End::Unbuilt(_) => Verdict::Infra,
            End::Unchanged => Verdict::Pass,
            End::Ran(judged) => judged.verdict,
        }
    }

    /// The verdict's stable name; empty for a pass.
    pub fn title(&self) -> &str {
        match &self.end {
            End::Skipped(reason) => reason.lines().next().unwrap_or_default(),
            End::Unbuilt(unbuilt) => &unbuilt.title,
            End::Unchanged => "",
            End::Ran(judged) => &judged.title,
        }
    }

    /// What was seen, at any length.
    pub fn reason(&self) -> &str {
        match &self.end {
            End::Skipped(reason) => reason,
            End::Unbuilt(unbuilt) => &unbuilt.reason,
            End::Unchanged => UNCHANGED,
            End::Ran(judged) => &judged.reason,
        }
    }

    /// The same, where it can be put in other words.
    pub fn reason_mut(&mut self) -> Option<&mut String> {
        match &mut self.end {
            End::Skipped(reason) => Some(reason),
            End::Unbuilt(unbuilt) => Some(&mut unbuilt.reason),
            End::Unchanged => None,
            End::Ran(judged) => Some(&mut judged.reason),
        }
    }

    /// Where all of it is kept.
    pub fn artifacts(&self) -> Option<&Path> {
        match &self.end {
            End::Skipped(_) | End::Unchanged => None,
            End::Unbuilt(unbuilt) => unbuilt.artifacts.as_deref(),
            End::Ran(judged) => judged.artifacts.as_deref(),
        }
    }

    /// What the run came to, if there was one.
    pub fn judged(&self) -> Option<&Judged> {
        match &self.end {
            End::Ran(judged) => Some(judged),
            _ => None,
        }
    }

    /// The mark of a case that is known to be unstable, and what it came to by itself.
    pub fn marked(&self) -> Option<&Marked> {
        self.judged()?.marked.as_ref()
    }

    /// Whether something could not be had or built for it.
    pub fn is_unbuilt(&self) -> bool {
        matches!(self.end, End::Unbuilt(_))
    }

    /// Whether nothing is wrong but that the transcript is not the reviewed one.
    pub fn is_comparison(&self) -> bool {
        self.judged().is_some_and(|judged| judged.is_comparison)
    }

    /// The transcript, when the facts were complete, and where it belongs.
    pub fn transcript(&self) -> Option<&(Snapshot, String)> {
        self.judged()?.transcript.as_ref()
    }

    /// From the start of QEMU to its end; zero where there was none.
    pub fn duration(&self) -> Duration {
        self.judged()
            .map_or(Duration::ZERO, |judged| judged.duration)
    }
}

/// What was done when an error came up, as in ``build module `m` ``: its first line up to what
/// follows, which may have paths of the cache.
fn context(error: &str) -> &str {
    let line = error.lines().next().unwrap_or_default();
    line.split_once(": ").map_or(line, |(context, _)| context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_called_by_its_context() {
        let reason = "build module m for 6.12: run `make M=/cache/0123`: exit status: 2\n    m.c:6";
        assert_eq!(Unbuilt::new(reason).title, "build module m for 6.12");
        assert_eq!(Judged::infra("no such thing").title, "no such thing");
    }

    #[test]
    fn a_skip_is_called_by_all_that_it_says() {
        let outcome = Outcome {
            case: Name {
                kernel: "distro".to_owned(),
                scenario: "case".to_owned(),
            },
            file: PathBuf::new(),
            release: String::new(),
            accelerator: Accelerator::Tcg,
            end: End::Skipped("needs a==1: `pip install a==1`".to_owned()),
        };
        assert_eq!(outcome.title(), outcome.reason());
        assert_eq!(outcome.case.to_string(), "distro::case");
    }
}
