//! GitHub Actions: groups of the log, annotations, and the summary of a job.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};

use super::test_run::{Class, TestRun};
use super::{first_line, markdown, pretty, printable};
use crate::outcome::Outcome;

/// What GitHub takes of an annotation and of the summary of a step, in bytes.
const ANNOTATION: usize = 64 << 10;
const SUMMARY: usize = 1 << 20;

/// The variables that GitHub sets: the file of the summary, and the root of the repository.
const FILE: &str = "GITHUB_STEP_SUMMARY";
const WORKSPACE: &str = "GITHUB_WORKSPACE";

/// What has GitHub take lines for commands again. No guest can know it.
static RESUME: LazyLock<String> = LazyLock::new(|| {
    let mut bytes = [0; 16];
    // A guest that started before this cannot foresee the time either.
    let _ = getrandom::fill(&mut bytes);
    let at = std::time::SystemTime::now();
    let at = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:032x}{:x}", u128::from_ne_bytes(bytes), at.as_nanos())
});

/// What is printed of a case: a line, and where it is neither a pass nor skipped a group with all
/// that is said of it, and an annotation of its scenario.
pub fn case(outcome: &Outcome) -> String {
    let text = pretty::case(outcome);
    if Class::of(outcome).is_good() {
        return uncommanded(&text);
    }
    let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let workspace = std::env::var_os(WORKSPACE).map(PathBuf::from);
    let file = in_repository(&outcome.file, workspace.as_deref());
    let (verdict, name) = (outcome.verdict(), &outcome.case);
    let place = match file {
        Some(file) => format!("file={},line=1,", property(&file)),
        None => String::new(),
    };
    [
        format!("::group::{}", data(head)),
        uncommanded(rest),
        "::endgroup::".to_owned(),
        format!(
            "::error {place}title={}::{}",
            property(&format!("{verdict}: {name}")),
            data(&bounded(&format!(
                "{}\n{}",
                first_line(outcome.title()),
                outcome.reason()
            )))
        ),
    ]
    .join("\n")
}

/// What is printed below all cases.
pub fn conclusion(run: &TestRun) -> String {
    let mut text = uncommanded(&pretty::summary(run.outcomes));
    if let Some(cut) = run.cut() {
        text += &format!("\n::error title=interrupted::{}", data(&cut));
    }
    text
}

/// Sees whether the file of the summary can be written, if there is to be one.
///
/// # Errors
/// It cannot be opened.
pub fn check_summary() -> Result<()> {
    summary_file()?.map_or(Ok(()), |(path, _)| open(&path).map(drop))
}

/// Adds the table of the run and its reasons to the summary of the step, as far as there is room.
///
/// # Errors
/// The file cannot be written; a snapshot cannot be read.
pub fn summarise(run: &TestRun) -> Result<()> {
    let Some((path, had)) = summary_file()? else {
        return Ok(());
    };
    let text = markdown::text(run, SUMMARY.saturating_sub(had))?;
    let written = open(&path)?.write_all(text.as_bytes());
    written.with_context(|| format!("write the summary `{}`", path.display()))
}

/// The file, and how much is in it.
fn summary_file() -> Result<Option<(PathBuf, usize)>> {
    let Some(path) = std::env::var_os(FILE).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = PathBuf::from(path);
    let had = fs::metadata(&path).map_or(0, |file| file.len());
    Ok(Some((path, usize::try_from(had).unwrap_or(usize::MAX))))
}

fn open(path: &Path) -> Result<fs::File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("write the summary `{}`, which {FILE} names", path.display()))
}

/// The path of a file from the root of its repository on; none where it is in none.
fn in_repository(file: &Path, workspace: Option<&Path>) -> Option<String> {
    let file = file.canonicalize().ok()?;
    let workspace = workspace.and_then(|root| root.canonicalize().ok());
    let workspace = workspace.filter(|root| file.starts_with(root));
    let of_git = || file.ancestors().find(|root| root.join(".git").exists());
    let root = workspace.as_deref().or_else(of_git)?;
    let inside = file.strip_prefix(root).ok()?;
    Some(inside.display().to_string())
}

/// Lines of which GitHub takes none for a command, whatever a guest sent.
fn uncommanded(text: &str) -> String {
    let is_like_one = |line: &str| line.trim_start().starts_with("::") || line.contains("##[");
    if text.lines().any(is_like_one) {
        let resume = &*RESUME;
        return format!("::stop-commands::{resume}\n{text}\n::{resume}::");
    }
    text.to_owned()
}

/// As much of a text as an annotation has room for.
fn bounded(text: &str) -> String {
    let text = printable(text);
    // Escaped, a character takes three times its length at most.
    let most = ANNOTATION / 4;
    let ends = text
        .char_indices()
        .map(|(start, letter)| start + letter.len_utf8());
    let end = ends.take_while(|end| *end <= most).last().unwrap_or(0);
    text[..end].trim_end().to_owned()
}

/// A text after the `::` of a command.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D");
    text.replace('\n', "%0A")
}

/// A text in the place of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{outcome, ran, three};
    use crate::verdict::Verdict;

    #[test]
    fn a_failure_is_a_group_and_an_annotation_in_which_nothing_is_a_command() {
        let outcomes = three();
        let text = case(&outcomes[2]);
        let resume = format!("::{}::", *RESUME);
        let (before, rest) = text.split_once("\n::stop-commands::").unwrap();
        let (inside, after) = rest.split_once(&resume).unwrap();
        assert!(before.starts_with("::group::mismatch  ./a#b::sum (1.23 s, tcg, seed 7)"));
        assert!(before.ends_with("differs: <b> %25 ]]> # SKIP, \\u{1b}[31m"));
        assert!(
            inside.contains("\n    ::error::x\n    ##[error]y\n"),
            "{inside}"
        );
        let annotation =
            "\n::endgroup::\n::error title=mismatch%3A ./a#b%3A%3Asum::differs: <b> %25 ]]>";
        assert!(after.starts_with(annotation), "{after}");
        assert_eq!(after.lines().count(), 3, "{after}");
        assert!(after.contains("%0A::error::x%0A"), "{after}");
    }

    #[test]
    fn a_pass_and_a_skip_are_lines() {
        let outcomes = three();
        assert_eq!(case(&outcomes[0]), "pass      6.12::sum");
        assert_eq!(case(&outcomes[1]).lines().count(), 1);
    }

    #[test]
    fn a_long_reason_leaves_an_annotation_that_github_takes() {
        let mut outcome = outcome("6.1", "a", Verdict::Report);
        ran(&mut outcome).reason = "%ä\n".repeat(ANNOTATION);
        let text = case(&outcome);
        let annotation = text.lines().last().unwrap();
        assert!(annotation.len() < ANNOTATION, "{}", annotation.len());
    }

    #[test]
    fn a_path_is_told_from_the_root_of_the_repository_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("work/deep/a.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        let told = |workspace: Option<&str>| {
            let workspace = workspace.map(|name| folder.path().join(name));
            in_repository(&file, workspace.as_deref())
        };
        fs::create_dir(folder.path().join("work/.git")).unwrap();
        assert_eq!(told(None).unwrap(), "deep/a.toml");
        assert_eq!(told(Some("elsewhere")).unwrap(), "deep/a.toml");
        assert_eq!(told(Some("")).unwrap(), "work/deep/a.toml");
        assert_eq!(in_repository(&folder.path().join("none"), None), None);
    }

    #[test]
    fn what_has_a_meaning_in_a_command_is_escaped() {
        assert_eq!(data("1%\r\n:,"), "1%25%0D%0A:,");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }
}
