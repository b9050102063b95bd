//! Reviewed transcripts, in insta's files: one for all kernels, and where a
//! kernel truly differs one of its own beside it, `NAME@KERNEL.snap`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use similar::{ChangeTag, TextDiff};

use crate::kernel::Kernel;
use crate::plain;
use crate::scenario::Scenario;

/// How long the shortest difference is looked for. Texts that have little in
/// common may be long, and then any difference will do.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a transcript compares with what was reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is the same.
    Same,
    /// It differs; the lines of a unified diff, from reviewed to seen.
    Differs(String),
    /// Nothing was reviewed yet.
    Missing,
}

/// The snapshot of a scenario on a kernel.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its name, as insta knows it.
    pub name: String,
    /// The directory that it lies in.
    pub directory: PathBuf,
}

impl Snapshot {
    /// The kernel's own snapshot where there is one, by the kernel's name, by its version (`6.1`),
    /// with PREEMPT_RT by `6.1-rt` or `rt`, or for another processor by `6.12-arm64` or `arm64`;
    /// else the common one.
    pub fn of(scenario: &Scenario, kernel: &Kernel) -> Snapshot {
        let directory = scenario.snapshots.clone();
        let own = kernel.names().into_iter();
        let name = own
            .map(|kernel| format!("{}@{}", scenario.name, kernel.replace('/', "_")))
            .find(|name| directory.join(format!("{name}.snap")).exists())
            .unwrap_or_else(|| scenario.name.clone());
        Snapshot { name, directory }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.snap", self.name))
    }

    /// Sees whether the file can be read, where it is there.
    ///
    /// # Errors
    /// It is there and is no snapshot.
    pub fn check(&self) -> Result<()> {
        let path = self.path();
        if path.exists() {
            read(&path).map(drop)
        } else {
            Ok(())
        }
    }

    /// The reviewed transcript, if there is one.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn reviewed(&self) -> Result<Option<String>> {
        let path = self.path();
        path.exists().then(|| read(&path)).transpose()
    }

    /// Compares a transcript with the file.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn compare(&self, transcript: &str) -> Result<Comparison> {
        let Some(reviewed) = self.reviewed()? else {
            return Ok(Comparison::Missing);
        };
        Ok(if reviewed.trim_end() == transcript.trim_end() {
            Comparison::Same
        } else {
            Comparison::Differs(diff(&reviewed, transcript))
        })
    }

    /// Whether it is the one of all kernels that have none of their own.
    pub fn is_common(&self) -> bool {
        !self.name.contains('@')
    }

    /// How a transcript of this snapshot differs from the common one; not at all where this
    /// is the common one, or there is none.
    ///
    /// # Errors
    /// The common one is there and cannot be read.
    pub fn differs_from_common(&self, transcript: &str) -> Result<Option<String>> {
        let name = self.name.split('@').next().unwrap_or_default();
        let common = Snapshot {
            name: name.to_owned(),
            directory: self.directory.clone(),
        };
        Ok(match common.compare(transcript)? {
            Comparison::Differs(diff) if !self.is_common() => Some(diff),
            _ => None,
        })
    }

    /// Makes a transcript the reviewed one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn accept(&self, about: &str, transcript: &str) -> Result<()> {
        let path = self.path();
        let about = serde_json::to_string(about)?;
        let text = format!("---\nsource: kassay\ndescription: {about}\n---\n{transcript}");
        fs::create_dir_all(&self.directory)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("write snapshot `{}`", path.display()))
    }
}

fn read(path: &Path) -> Result<String> {
    // insta would read whatever there is.
    plain::read(path, plain::MADE)
        .with_context(|| format!("read snapshot `{}`", path.display()))?;
    let snapshot = insta::Snapshot::from_file(path)
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("read snapshot `{}`", path.display()))?;
    let text = snapshot
        .as_text()
        .with_context(|| format!("snapshot `{}` is not text", path.display()))?;
    Ok(format!("{text}\n"))
}

/// A unified diff without a header: three lines of context, `-` reviewed, `+` seen.
pub fn diff(reviewed: &str, seen: &str) -> String {
    let mut config = TextDiff::configure();
    let diff = config.timeout(PATIENCE).diff_lines(reviewed, seen);
    let mut lines = String::new();
    for group in diff.grouped_ops(3) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(sign);
            lines.push_str(change.value().trim_end_matches('\n'));
            lines.push('\n');
        }
    }
    lines
}

/// A line of the reviewed text beside one of the text that was seen; none where the other has a line
/// more.
pub type Pair<'a> = (Option<&'a str>, Option<&'a str>);

/// Both texts line by line, what is the same in both side by side.
pub fn side_by_side<'a>(reviewed: &'a str, seen: &'a str) -> Vec<Pair<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (reviewed.lines().collect(), seen.lines().collect());
    let mut config = TextDiff::configure();
    let diff = config.timeout(PATIENCE).diff_slices(&old, &new);
    let mut pairs = Vec::new();
    for op in diff.ops() {
        let (left, right) = (&old[op.old_range()], &new[op.new_range()]);
        for at in 0..left.len().max(right.len()) {
            pairs.push((left.get(at).copied(), right.get(at).copied()));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;

    fn snapshot(directory: &Path) -> Snapshot {
        Snapshot {
            name: "case".to_owned(),
            directory: directory.to_owned(),
        }
    }

    #[test]
    fn a_kernel_with_preempt_rt_has_its_own_before_that_of_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("config"), "CONFIG_PREEMPT_RT=y\n").unwrap();
        let kernel = Kernel {
            name: "debian-12-rt".into(),
            release: "6.1.0-57-rt-amd64".into(),
            image: path("image"),
            build: path("build"),
            btf: path("vmlinux"),
            config: path("config"),
            modules: Vec::new(),
            unreachable: None,
            tools: None,
            arch: Arch::default(),
            key: "key".into(),
        };
        let scenario = Scenario {
            snapshots: folder.path().to_owned(),
            ..Scenario::new("a")
        };
        for own in ["6.1", "rt", "6.1-rt", "debian-12-rt"] {
            fs::write(path(&format!("a@{own}.snap")), "").unwrap();
            let name = Snapshot::of(&scenario, &kernel).name;
            assert_eq!(name, format!("a@{own}"));
        }
    }

    #[test]
    fn what_was_accepted_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = snapshot(directory.path());
        assert_eq!(
            snapshot.compare("trace\n  10\n").unwrap(),
            Comparison::Missing
        );
        snapshot.accept("about: \"it\"", "trace\n  10\n").unwrap();
        assert_eq!(snapshot.compare("trace\n  10\n").unwrap(), Comparison::Same);
    }

    #[test]
    fn a_difference_shows_both_sides() {
        let directory = tempfile::tempdir().unwrap();
        let snapshot = snapshot(directory.path());
        snapshot.accept("it", "trace\n  10\n").unwrap();
        let differs = Comparison::Differs(" trace\n-  10\n+  11\n".to_owned());
        assert_eq!(snapshot.compare("trace\n  11\n").unwrap(), differs);
    }

    #[test]
    fn what_is_the_same_stands_side_by_side() {
        let pairs = side_by_side("a\nb\nc\n", "a\nx\ny\nc\n");
        let expected = [
            (Some("a"), Some("a")),
            (Some("b"), Some("x")),
            (None, Some("y")),
            (Some("c"), Some("c")),
        ];
        assert_eq!(pairs, expected);
    }
}
