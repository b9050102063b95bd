//! `--accept` of `kassay run`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::outcome::{End, Name, Outcome};
use crate::progress;
use crate::scenario::Scenario;
use crate::snapshot::Comparison;
use crate::verdict::Verdict;

/// The snapshots that are accepted, and the kernels whose transcripts they are.
#[derive(Default)]
pub struct Accepted(BTreeMap<PathBuf, String>);

impl Accepted {
    /// Accepts what can be accepted: a transcript that differs or is new. No other
    /// fault becomes right by being seen, and no transcript takes the place of another
    /// kernel's.
    ///
    /// # Errors
    /// A snapshot cannot be read or written.
    pub fn accept(&mut self, outcome: &mut Outcome, scenario: &Scenario) -> anyhow::Result<()> {
        let End::Ran(judged) = &mut outcome.end else {
            return Ok(());
        };
        let Some((snapshot, transcript)) = &judged.transcript else {
            return Ok(());
        };
        let path = snapshot.path();
        if judged.is_comparison {
            let comparison = snapshot.compare(transcript)?;
            if transcript.trim().is_empty() {
                judged.reason = "not accepted, for the transcript is empty".to_owned();
                return Ok(());
            }
            if let (Some(first), Comparison::Differs(diff)) = (self.0.get(&path), &comparison) {
                judged.title = format!("the transcript differs from that on {first}");
                judged.reason = format!("{diff}\n{}", anothers(first, &path, &outcome.case));
                return Ok(());
            }
            if comparison != Comparison::Same {
                snapshot.accept(&scenario.about, transcript)?;
                progress::note(format!("accepted `{}`", path.display()));
            }
            judged.verdict = Verdict::Pass;
            judged.title.clear();
            judged.reason.clear();
        }
        if judged.verdict == Verdict::Pass {
            self.0.entry(path).or_insert(outcome.case.kernel.clone());
        }
        Ok(())
    }
}

/// Why a case's transcript does not take the place of that of the kernel `first`.
fn anothers(first: &str, path: &Path, case: &Name) -> String {
    let Name { kernel, scenario } = case;
    format!(
        "not accepted, for the snapshot is that of {first}; where {kernel} truly differs, copy `{}` \
         to `{scenario}@{kernel}.snap` and accept that",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Judged;
    use crate::project::Project;
    use crate::snapshot::Snapshot;
    use crate::vm::Accelerator;

    /// What comes of accepting this transcript of a kernel that has no snapshot of its own.
    fn accept(
        accepted: &mut Accepted,
        kernel: &str,
        transcript: &str,
        directory: &Path,
    ) -> Outcome {
        let file = directory.join("case.toml");
        std::fs::write(&file, "about = 'x'").unwrap();
        let scenario = Scenario::read(&file, &Project::of(directory).unwrap()).unwrap();
        let snapshot = Snapshot {
            name: scenario.name.clone(),
            directory: directory.to_owned(),
        };
        let verdict = match snapshot.compare(transcript).unwrap() {
            Comparison::Same => Verdict::Pass,
            _ => Verdict::Mismatch,
        };
        let judged = Judged {
            is_comparison: verdict == Verdict::Mismatch,
            transcript: Some((snapshot, transcript.to_owned())),
            ..Judged::new(verdict)
        };
        let mut outcome = Outcome::new(
            kernel,
            Accelerator::Tcg,
            &scenario,
            End::Ran(Box::new(judged)),
        );
        accepted.accept(&mut outcome, &scenario).unwrap();
        outcome
    }

    #[test]
    fn an_empty_transcript_is_not_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let outcome = accept(&mut Accepted::default(), "6.1", "", directory.path());
        assert_eq!(outcome.verdict(), Verdict::Mismatch);
        assert!(outcome.reason().contains("empty"), "{}", outcome.reason());
    }

    #[test]
    fn no_kernel_takes_anothers_snapshot() {
        let directory = tempfile::tempdir().unwrap();
        let mut accepted = Accepted::default();
        let mut verdict = |kernel, transcript| {
            accept(&mut accepted, kernel, transcript, directory.path()).verdict()
        };
        assert_eq!(verdict("6.1", "1\n"), Verdict::Pass);
        assert_eq!(verdict("6.12", "1\n"), Verdict::Pass);
        assert_eq!(verdict("7.2", "2\n"), Verdict::Mismatch);
        let mut again = Accepted::default();
        let other = accept(&mut again, "6.1", "1\n", directory.path());
        assert_eq!(other.verdict(), Verdict::Pass);
        let other = accept(&mut again, "7.2", "2\n", directory.path());
        assert!(
            other.reason().contains("case@7.2.snap"),
            "{}",
            other.reason()
        );
    }
}
