//! A repository's commits, searched by git's own bisect in a worktree of ours. The user's
//! working tree, index and branches are never touched.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Unfit;
use super::policy::Judgment;
use crate::normalise::visible;
use crate::tool::Tool;
use crate::{interrupt, plain, tool};

/// Variables by which git would take another repository than the one it is told; those that
/// run us in a hook, or in a `git bisect run`, set some.
const OTHERS: [&str; 6] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
];

/// A git repository of the user's.
pub struct Repository {
    /// What holds its branches, with no symbolic link in its path.
    pub git_dir: PathBuf,
    /// Its working tree, where it has one.
    pub top: Option<PathBuf>,
    /// The folder that was asked for, from the top.
    pub inside: PathBuf,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// All of its hash.
    pub hash: String,
    /// The hash as people write it.
    pub short: String,
    /// The first line of its message.
    pub subject: String,
}

/// Where a bisect is.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// This commit is to be judged.
    At(String),
    /// This commit is the first bad one.
    Found(String),
    /// One of these is, and none of them but the last can be judged.
    Among(Vec<String>),
}

/// Settings that the user may have otherwise: hooks and monitors, a part of the files, and more
/// in what git prints than what is asked for.
const SETTINGS: [(&str, &str); 4] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.sparseCheckout", "false"),
    ("log.showSignature", "false"),
];

/// git in a folder, with settings of ours: a checkout in the cache is nobody else's business.
fn git(folder: &Path) -> Tool {
    let git = OTHERS.iter().fold(Tool::new("git"), Tool::without);
    let git = git.env("GIT_CONFIG_COUNT", SETTINGS.len().to_string());
    let set = |git: Tool, (number, (name, value)): (usize, &(&str, &str))| {
        git.env(format!("GIT_CONFIG_KEY_{number}"), name)
            .env(format!("GIT_CONFIG_VALUE_{number}"), value)
    };
    let git = SETTINGS.iter().enumerate().fold(git, set);
    git.arg("-C").arg(folder)
}

impl Repository {
    /// The repository that a folder belongs to.
    ///
    /// # Errors
    /// [`Unfit`], where it belongs to none; git cannot be run, or the folder not be looked into.
    pub fn at(path: &Path) -> Result<Repository> {
        let find = || format!("find the git repository of `{}`", path.display());
        tool::require("git").with_context(find)?;
        // git does not tell a folder that it may not enter from one that has no repository.
        plain::metadata(&path.join(".")).with_context(find)?;
        let ask = |what: &str| -> Result<PathBuf> {
            let said = git(path).args(["rev-parse", what]).output();
            interrupt::check()?;
            let said = said.map_err(|error| Unfit(format!("{}: {error:#}", find())))?;
            Ok(said.trim_end_matches('\n').into())
        };
        let whole = |path: PathBuf| {
            fs::canonicalize(&path).with_context(|| format!("find `{}`", path.display()))
        };
        let git_dir = whole(ask("--absolute-git-dir")?)?;
        // A bare one has no working tree, and from `.git` git sees none.
        let has_top = ask("--is-inside-work-tree")? == Path::new("true");
        let top = has_top.then(|| whole(ask("--show-toplevel")?));
        Ok(Repository {
            git_dir,
            top: top.transpose()?,
            inside: ask("--show-prefix")?,
        })
    }

    fn git(&self) -> Tool {
        git(self.top.as_ref().unwrap_or(&self.git_dir))
    }

    /// The commit that a revision names.
    ///
    /// # Errors
    /// [`Unfit`], where there is none.
    pub fn commit(&self, revision: &str) -> Result<Commit> {
        let hash = self
            .git()
            .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
            .arg(format!("{revision}^{{commit}}"))
            .output();
        let Ok(hash) = hash else {
            interrupt::check()?;
            let hint = if self.is_shallow() { SHALLOW } else { "" };
            let why = format!(
                "find the commit `{revision}`: `{}` has none of that name{hint}",
                self.git_dir.display()
            );
            return Err(Unfit(why).into());
        };
        self.show(hash.trim())
    }

    /// The commit of a hash.
    ///
    /// # Errors
    /// There is none.
    pub fn show(&self, hash: &str) -> Result<Commit> {
        let text = self
            .git()
            .args(["log", "-1", "--format=%h%x09%s", "--end-of-options", hash])
            .output()?;
        let (short, subject) = text.trim_end().split_once('\t').unwrap_or((hash, ""));
        Ok(Commit {
            hash: hash.to_owned(),
            short: short.to_owned(),
            subject: visible(subject),
        })
    }

    /// The hashes of a commit's parents.
    ///
    /// # Errors
    /// There is no such commit.
    pub fn parents(&self, hash: &str) -> Result<Vec<String>> {
        let text = self
            .git()
            .args(["log", "-1", "--format=%P", hash])
            .output()?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }

    /// A commit with its message and the files that it changes.
    ///
    /// # Errors
    /// There is no such commit.
    pub fn stat(&self, hash: &str) -> Result<String> {
        self.git()
            .args(["show", "--no-color", "--stat", "--format=medium", hash])
            .output()
    }

    /// Whether a folder of a commit, from the top, has a file or folder of this name.
    ///
    /// # Errors
    /// An interruption by the user.
    pub fn has(&self, hash: &str, folder: &Path, name: &str) -> Result<bool> {
        let object = format!("{hash}:{}", folder.join(name).display());
        let found = self.git().args(["cat-file", "-e"]).arg(object).output();
        interrupt::check()?;
        Ok(found.is_ok())
    }

    /// Whether the working tree has changes of files that no commit has.
    ///
    /// # Errors
    /// git's.
    pub fn is_dirty(&self) -> Result<bool> {
        if self.top.is_none() {
            return Ok(false);
        }
        let args = ["status", "--porcelain", "--untracked-files=no"];
        Ok(!self.git().args(args).output()?.is_empty())
    }

    /// Checks that there is something to search between two commits.
    ///
    /// # Errors
    /// There is not, and why.
    pub fn check_ends(&self, good: &Commit, bad: &Commit) -> Result<()> {
        let (good, bad) = (&good.hash, &bad.hash);
        let Ok(base) = self.git().args(["merge-base", good, bad]).output() else {
            interrupt::check()?;
            let hint = if self.is_shallow() { SHALLOW } else { "" };
            let why = format!("search between the ends: they have no history in common{hint}");
            return Err(Unfit(why).into());
        };
        if base.trim() == bad {
            let why = "search between the ends: the bad one is the good one, or came before it; are \
                       `--good` and `--bad` mistaken for each other?";
            return Err(Unfit(why.to_owned()).into());
        }
        Ok(())
    }

    /// Whether a commit is another, or came before it.
    ///
    /// # Errors
    /// They have no history in common.
    pub fn is_ancestor(&self, hash: &str, of: &str) -> Result<bool> {
        let base = self.git().args(["merge-base", hash, of]).output()?;
        Ok(base.trim() == hash)
    }

    fn is_shallow(&self) -> bool {
        let args = ["rev-parse", "--is-shallow-repository"];
        self.git()
            .args(args)
            .output()
            .is_ok_and(|said| said.trim() == "true")
    }
}

const SHALLOW: &str = "; the repository is shallow, `git fetch --unshallow` gets the rest";

/// A worktree of ours, in which bisects have refs and a log of their own.
pub struct Worktree {
    /// Its folder.
    pub path: PathBuf,
}

impl Worktree {
    /// The worktree in this folder, which is made if absent. What a git that was killed in it
    /// left locked is unlocked: nobody else works here.
    ///
    /// # Errors
    /// git's.
    pub fn obtain(repository: &Repository, path: PathBuf, commit: &str) -> Result<Worktree> {
        let worktree = Worktree { path };
        if let Some(dir) = worktree.git_dir() {
            unlock(&dir);
            unlock(&dir.join("refs/bisect"));
            return Ok(worktree);
        }
        if worktree.path.exists() {
            fs::remove_dir_all(&worktree.path)
                .with_context(|| format!("remove `{}`", worktree.path.display()))?;
        }
        // Twice `--force` takes one whose folder is gone, even if it was locked.
        repository
            .git()
            .args(["worktree", "add", "--quiet", "--force", "--force"])
            .args(["--detach", "--no-checkout"])
            .arg(&worktree.path)
            .arg(commit)
            .output()?;
        Ok(worktree)
    }

    fn git(&self) -> Tool {
        git(&self.path)
    }

    /// Where its HEAD is, if it is a worktree of its own rather than a folder in another.
    fn git_dir(&self) -> Option<PathBuf> {
        if !self.path.join(".git").is_file() {
            return None;
        }
        let args = ["rev-parse", "--absolute-git-dir"];
        let dir = self.git().args(args).output().ok()?;
        Some(dir.trim().into())
    }

    /// Makes the files those of a commit. Only files that differ are written, so that a build
    /// is incremental.
    ///
    /// # Errors
    /// git's.
    pub fn go(&self, hash: &str) -> Result<()> {
        self.git()
            .args(["reset", "--quiet", "--hard", hash])
            .output()
            .map(drop)
    }

    /// Begins a bisect, which forgets an earlier one. It touches no file.
    ///
    /// # Errors
    /// git's.
    pub fn start(&self, bad: &str, good: &str) -> Result<()> {
        self.git()
            .args(["bisect", "start", "--no-checkout", bad, good])
            .output()
            .map(drop)
    }

    /// Tells git what a commit was taken for.
    ///
    /// # Errors
    /// git's, such as that the failure is older than both ends.
    pub fn mark(&self, judgment: Judgment, hash: &str) -> Result<()> {
        let marked = self.git().args(["bisect", judgment.word(), hash]).output();
        match self.place() {
            // That nothing is left to judge is for git a failure.
            Ok(Place::Found(_) | Place::Among(_)) => Ok(()),
            _ => marked.map(drop),
        }
    }

    /// Where the bisect is.
    ///
    /// # Errors
    /// git's.
    pub fn place(&self) -> Result<Place> {
        let log = self.log()?;
        match outcome(&log) {
            Some(place) => Ok(place),
            None => {
                let args = ["rev-parse", "--verify", "BISECT_HEAD"];
                Ok(Place::At(self.git().args(args).output()?.trim().to_owned()))
            }
        }
    }

    /// How many commits may still be the first bad one, and about how many steps are left
    /// after the one that is due.
    ///
    /// # Errors
    /// git's.
    pub fn left(&self) -> Result<(usize, usize)> {
        let args = ["rev-list", "--bisect", "--bisect-vars"];
        let text = self.git().args(args).output()?;
        let value = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let number = |name| value(name).unwrap_or(0);
        Ok((number("bisect_all"), number("bisect_steps")))
    }

    /// git's log of the bisect, as `git bisect replay` reads it.
    ///
    /// # Errors
    /// git's.
    pub fn log(&self) -> Result<String> {
        let log = self.git().args(["bisect", "log"]).output()?;
        Ok(as_usual(&log))
    }

    /// Takes the worktree away, and with it all that git knows of its bisects.
    ///
    /// # Errors
    /// git's.
    pub fn remove(&self, repository: &Repository) -> Result<()> {
        if self.git_dir().is_none() {
            return Ok(());
        }
        repository
            .git()
            .args(["worktree", "remove", "--force", "--force"])
            .arg(&self.path)
            .output()
            .map(drop)
    }
}

/// A log as most kinds of git write it. git 2.55 has the word of a commit in quotes, where 2.47 does
/// not. That no files were touched is our affair.
fn as_usual(log: &str) -> String {
    log.replace("git bisect start '--no-checkout' ", "git bisect start ")
        .replace("first 'bad' commit", "first bad commit")
}

/// How a bisect ended, as its log says in words that git does not translate
/// (builtin/bisect.c, git 2.39).
fn outcome(log: &str) -> Option<Place> {
    let hash = |line: &str, before: &str| {
        let rest = line.strip_prefix(before)?.strip_prefix(": [")?;
        Some(rest.split(']').next()?.to_owned())
    };
    let found = log
        .lines()
        .find_map(|line| hash(line, "# first bad commit"));
    if let Some(found) = found {
        return Some(Place::Found(found));
    }
    let among: Vec<String> = log
        .lines()
        .filter_map(|line| hash(line, "# possible first bad commit"))
        .collect();
    (!among.is_empty()).then_some(Place::Among(among))
}

/// Removes the lock files in a folder.
fn unlock(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(".lock") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_says_how_the_bisect_ended() {
        let log = "git bisect start 'b' 'a'\n# good: [a] one\n";
        assert_eq!(outcome(log), None);
        let found = format!("{log}# first bad commit: [c] two: [x]\n");
        assert_eq!(outcome(&found), Some(Place::Found("c".to_owned())));
        let among = format!(
            "{log}# only skipped commits left to test\n\
             # possible first bad commit: [c] two\n# possible first bad commit: [d] three\n"
        );
        let both = vec!["c".to_owned(), "d".to_owned()];
        assert_eq!(outcome(&among), Some(Place::Among(both)));
    }

    #[test]
    fn quotes_around_the_word_of_a_commit_mean_nothing() {
        let log = "# bad: [d] four\n# possible first 'bad' commit: [c] three\n";
        let among = outcome(&as_usual(log));
        assert_eq!(among, Some(Place::Among(vec!["c".to_owned()])));
        assert_eq!(outcome(log), None);
    }
}
