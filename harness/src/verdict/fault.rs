//! What is wrong with a run.

use super::Verdict;

/// A verdict that needs no look at a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Never [`Verdict::Pass`].
    pub verdict: Verdict,
    /// Its stable name.
    pub title: String,
    /// What was seen, at any length.
    pub reason: String,
    /// Whether the kernel stopped because of it, which brings other faults.
    pub(super) stops: bool,
    /// Whether it is that something does not go on, so that the run may not come to its end.
    pub(super) stalls: bool,
}

impl Fault {
    /// A fault of that verdict and name.
    pub fn new(verdict: Verdict, title: impl Into<String>) -> Fault {
        Fault {
            verdict,
            title: title.into(),
            reason: String::new(),
            stops: false,
            stalls: false,
        }
    }

    /// The same fault, with what was seen.
    pub fn because(mut self, reason: impl Into<String>) -> Fault {
        self.reason = reason.into();
        self
    }
}
