//! `kassay bisect`: the commit that broke a scenario.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::chosen;
use super::error::{Error, Result};
use super::how::How;
use super::scenarios;
use super::session::Session;
use super::{is_left, print};
use crate::bisect::{self, Answer, Asked, Bisect, Commit, Question, Repository, Search};
use crate::case::Setting;
use crate::interrupt;
use crate::kernel::Spec;
use crate::plain;
use crate::progress;
use crate::project::Project;
use crate::report::UNJUDGED;
use crate::scenario;

const EXAMPLES: &str = "\
Examples:
  kassay bisect --tree ~/linux --good v6.11 --bad v6.12 kfunc_sum
  kassay bisect --tree ~/linux+kasan --good v6.11 --bad HEAD --scenario case.toml
  kassay bisect --tree . --good main~50 --bad main --kernel distro kfunc_dropme

Ctrl-C stops it; the same command goes on where it was.

Exit codes:
  0    the first bad commit was found
  2    wrong usage, such as a good end that fails
  125  it could not be found: too much had to be skipped, or an end could not be judged
  130  interrupted";

/// The arguments of `kassay bisect`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct BisectArgs {
    /// Search only by scenarios whose name contains one of these; in a repository of modules and
    /// programs, of the scenarios that it has
    filter: Vec<String>,
    /// A git repository: a kernel's, with config fragments as in `run --kernel TREE+kasan`, or
    /// one of modules and programs
    #[arg(long)]
    tree: String,
    /// A commit at which the scenarios pass
    #[arg(long, value_name = "REV", required_unless_present = "abandon")]
    good: Option<String>,
    /// A commit at which they fail
    #[arg(long, value_name = "REV", required_unless_present = "abandon")]
    bad: Option<String>,
    /// The kernel that modules and programs are tried on: a name of the catalog (see
    /// `kassay list`) or a path; not for a kernel's tree
    #[arg(long, value_name = "SPEC")]
    kernel: Option<String>,
    /// Look at each end N times, and call a commit good only after N passes
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    #[command(flatten)]
    how: How,
    /// Forget what an earlier bisect of TREE has found out
    #[arg(long)]
    restart: bool,
    /// Only remove what bisects of TREE have left: a worktree, a build folder, what was judged
    #[arg(long, conflicts_with_all = ["good", "bad", "restart"])]
    abandon: bool,
}

/// Searches and prints what came of it.
///
/// # Errors
/// A slip, which an end that is not what it is said to be is as well; an end that cannot
/// be judged; the interrupt, after which the same command goes on.
pub fn run(args: &BisectArgs) -> Result<u8> {
    let session = Session::open()?;
    let asked = session.catalog.spec(&args.tree).map_err(Error::slip)?;
    let repository = Repository::at(Path::new(asked.base))?;
    if args.abandon {
        return abandon(&session, &repository, &args.tree, &asked.rest());
    }
    let (search, setting) = prepare(args, &session, repository, &asked)?;
    // It is cleared up after the bisect.
    let Session {
        store: _store,
        catalog,
        ..
    } = session;
    let mut bisect = Bisect::open(search, setting, catalog)?;
    let ended = bisect.run();
    if interrupt::requested() {
        let steps = bisect.steps();
        progress::note(format!(
            "{steps} steps judged; the same command goes on from here"
        ));
    }
    Ok(tell(&bisect, &ended?)?)
}

/// Prints what came of it, and returns the exit code.
fn tell(bisect: &Bisect, answer: &Answer) -> anyhow::Result<u8> {
    let (text, path) = bisect.mail(answer, &command())?;
    print(text.trim_end())?;
    progress::note(format!("all of this: {}", path.display()));
    Ok(match answer {
        Answer::Found(_) => 0,
        Answer::Among(_) => UNJUDGED,
    })
}

/// What is searched, and how its commits are run.
fn prepare(
    args: &BisectArgs,
    session: &Session,
    repository: Repository,
    asked: &Spec,
) -> Result<(Search, Setting)> {
    let setting = args.how.setting(&session.store, false)?;
    let (good, bad) = args.ends(&repository)?;
    let (base, is_kernel) = base(&repository, &bad)?;
    let question = match is_kernel {
        true => args.of_kernel(session, asked)?,
        false => args.of_parts(session, repository.top.as_deref(), &base, &asked.rest())?,
    };
    let search = Search {
        repository,
        base,
        good,
        bad,
        question,
        repeat: args.repeat.into(),
        restart: args.restart,
    };
    // Each kernel of a tree is run a few times only, and its state would not be used again.
    let cold = setting.cold || is_kernel;
    Ok((search, Setting { cold, ..setting }))
}

/// The folder of a repository that is a kernel's tree, or has modules and programs, from the
/// top, and which of both it is: the top, unless it is the folder that was asked for.
fn base(repository: &Repository, bad: &Commit) -> anyhow::Result<(PathBuf, bool)> {
    let (top, inside) = (Path::new(""), &*repository.inside);
    let has = |folder: &Path, name: &str| repository.has(&bad.hash, folder, name);
    for folder in [top, inside] {
        if has(folder, "Kconfig")? && has(folder, "Makefile")? && has(folder, "arch")? {
            return Ok((folder.to_owned(), true));
        }
    }
    let has_parts = has(inside, "modules")? || has(inside, "bpf")?;
    let folder = if has_parts { inside } else { top };
    Ok((folder.to_owned(), false))
}

impl BisectArgs {
    /// The commits to search between.
    fn ends(&self, repository: &Repository) -> anyhow::Result<(Commit, Commit)> {
        let end = |revision: &Option<String>| repository.commit(revision.as_deref().unwrap_or(""));
        let (good, bad) = (end(&self.good)?, end(&self.bad)?);
        repository.check_ends(&good, &bad)?;
        if repository.is_dirty()? {
            progress::note(format!(
                "`{}` has changes that are in no commit; except for scenarios, they are not looked at",
                self.tree
            ));
        }
        Ok((good, bad))
    }

    /// What is asked of a kernel's commits.
    fn of_kernel(&self, session: &Session, asked: &Spec) -> Result<Question> {
        if self.kernel.is_some() {
            let why = "it has kernels of its own; `--kernel` goes with a repository of modules";
            return Err(Error::Slip(format!("`{}`: {why}", self.tree)));
        }
        let fragments = session.catalog.for_tree(asked).map_err(Error::slip)?;
        let mut scenarios = self.how.scenarios(&session.project)?;
        scenarios.retain(|scenario| self.wants(&scenario.name));
        if scenarios.is_empty() {
            return Err(self.no_scenario());
        }
        Ok(Question::Kernel {
            added: asked.rest(),
            arch: asked.arch,
            fragments,
            scenarios,
            seed: self.how.seed,
        })
    }

    /// What is asked of the commits of modules and programs.
    fn of_parts(
        &self,
        session: &Session,
        top: Option<&Path>,
        base: &Path,
        added: &str,
    ) -> Result<Question> {
        if !added.is_empty() {
            let why = format!("`{added}` goes with a kernel's tree, and this is none");
            return Err(Error::Slip(format!("`{}`: {why}", self.tree)));
        }
        let asked = self.asked(top, base).map_err(Error::slip)?;
        if asked.is_empty() {
            return Err(self.no_scenario());
        }
        let kernel = chosen::kernel(session, self.kernel.as_deref())?;
        Ok(Question::Parts {
            kernel: Box::new(kernel),
            asked,
            seed: self.how.seed,
        })
    }

    /// The scenarios that are wanted: those that were named, else those of a folder of the
    /// repository's working tree.
    fn asked(&self, top: Option<&Path>, base: &Path) -> anyhow::Result<Vec<Asked>> {
        let mut files = match self.how.scenario.is_empty() {
            true => files(top.map(|top| top.join(base)))?,
            false => scenarios::files(&self.how.scenario)?,
        };
        files.retain(|file| self.wants(&file.file_stem().unwrap_or_default().to_string_lossy()));
        files.iter().map(|file| Asked::read(file, top)).collect()
    }

    fn wants(&self, scenario: &str) -> bool {
        is_left(&self.filter, scenario)
    }

    fn no_scenario(&self) -> Error {
        let filter = self.filter.join("`, `");
        Error::Slip(format!("no scenario matches `{filter}`"))
    }
}

/// The scenarios in a folder of a repository's working tree.
fn files(folder: Option<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let project = folder.map(|folder| Project::of(&folder)).transpose()?;
    let place = project.map(|project| project.scenarios);
    if let Some(place) = &place {
        let found = plain::metadata(place);
        let found = found.with_context(|| format!("look at `{}`", place.display()))?;
        if found.is_some_and(|found| found.is_dir()) {
            return scenario::files(place);
        }
    }
    let place = place.unwrap_or_else(|| "scenarios".into());
    bail!(
        "find scenarios: there is no `{}`; name one by `--scenario FILE`, or by `--tree` the folder \
         that has them",
        place.display()
    )
}

fn abandon(session: &Session, repository: &Repository, tree: &str, added: &str) -> Result<u8> {
    let was_there = bisect::abandon(&session.store.cache, &session.catalog, repository, added)?;
    print(&match was_there {
        true => format!("removed what bisects of `{tree}` have left"),
        false => format!("there is no bisect of `{tree}`"),
    })?;
    Ok(0)
}

/// The command as it was given, for a shell.
fn command() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = shlex::try_join(words.iter().map(String::as_str));
    // Only a byte of 0 cannot be quoted, and no argument has one.
    format!("kassay {}", words.unwrap_or_default())
}
