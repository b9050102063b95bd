//! `kassay bisect`: the commit that broke a scenario.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::cache::limit;
use super::chosen;
use super::run::{self, How};
use super::{Usage, is_left, print, usage};
use crate::bisect::{self, Answer, Asked, Bisect, Commit, Question, Repository, Search, Unfit};
use crate::cache::Cache;
use crate::case::Setting;
use crate::interrupt;
use crate::inventory;
use crate::kernel::Catalog;
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
/// Wrong usage, which an end that is not what it is said to be is as well; an end that cannot
/// be judged; the interrupt, after which the same command goes on.
pub fn run(args: &BisectArgs) -> Result<u8> {
    let (catalog, limit) = (super::chosen::catalog(&Cache::open()?)?, limit()?);
    let (path, added) = catalog.split(&args.tree);
    let added: String = added.iter().map(|name| format!("+{name}")).collect();
    let repository = Repository::at(Path::new(path)).map_err(usage)?;
    if args.abandon {
        return abandon(&catalog, &repository, &args.tree, &added);
    }
    let setting = args.how.setting(false)?;
    let cache = setting.cache.clone();
    let mut bisect = prepare(args, repository, added, setting, catalog)?;
    let ended = bisect.run();
    if interrupt::requested() {
        let steps = bisect.steps();
        progress::note(format!(
            "{steps} steps judged; the same command goes on from here"
        ));
    }
    let answer = ended.map_err(unfit)?;
    let (text, path) = bisect.mail(&answer, &command())?;
    print(text.trim_end())?;
    progress::note(format!("all of this: {}", path.display()));
    inventory::clear_up(&cache, limit);
    Ok(match answer {
        Answer::Found(_) => 0,
        Answer::Among(_) => UNJUDGED,
    })
}

fn prepare(
    args: &BisectArgs,
    repository: Repository,
    added: String,
    setting: Setting,
    catalog: Catalog,
) -> Result<Bisect> {
    let end = |revision: &Option<String>| {
        let revision = revision.as_deref().unwrap_or_default();
        repository.commit(revision).map_err(usage)
    };
    let (good, bad) = (end(&args.good)?, end(&args.bad)?);
    repository.check_ends(&good, &bad).map_err(usage)?;
    if repository.is_dirty()? {
        progress::note(format!(
            "`{}` has changes that are in no commit; except for scenarios, they are not looked at",
            args.tree
        ));
    }
    let (base, is_kernel) = base(&repository, &bad)?;
    let question = match is_kernel {
        true => of_kernel(args, &catalog, added)?,
        false => of_parts(args, &setting.cache, &catalog, &repository, &base, &added)?,
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
    let setting = Setting {
        cold: setting.cold || is_kernel,
        ..setting
    };
    Bisect::open(search, setting, catalog).map_err(unfit)
}

/// The folder of a repository that is a kernel's tree, or has modules and programs, from the
/// top, and which of both it is: the top, unless it is the folder that was asked for.
fn base(repository: &Repository, bad: &Commit) -> Result<(PathBuf, bool)> {
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

/// What is asked of a kernel's commits.
fn of_kernel(args: &BisectArgs, catalog: &Catalog, added: String) -> Result<Question> {
    if args.kernel.is_some() {
        let why = "it has kernels of its own; `--kernel` goes with a repository of modules";
        return Err(Usage(format!("`{}`: {why}", args.tree)).into());
    }
    let fragments: Vec<&str> = added.split('+').skip(1).collect();
    let fragments = catalog.for_tree(&fragments).map_err(usage)?;
    let mut scenarios = args.how.scenarios().map_err(usage)?;
    scenarios.retain(|scenario| args.wants(&scenario.name));
    if scenarios.is_empty() {
        return Err(args.no_scenario().into());
    }
    Ok(Question::Kernel {
        added,
        fragments,
        scenarios,
        seed: args.how.seed,
    })
}

/// What is asked of the commits of modules and programs.
fn of_parts(
    args: &BisectArgs,
    cache: &Cache,
    catalog: &Catalog,
    repository: &Repository,
    base: &Path,
    added: &str,
) -> Result<Question> {
    if !added.is_empty() {
        let why = format!("`{added}` goes with a kernel's tree, and this is none");
        return Err(Usage(format!("`{}`: {why}", args.tree)).into());
    }
    let top = repository.top.as_deref();
    let mut files = match args.how.scenario.is_empty() {
        true => files(top.map(|top| top.join(base))).map_err(usage)?,
        false => run::files(&args.how.scenario).map_err(usage)?,
    };
    files.retain(|file| args.wants(&file.file_stem().unwrap_or_default().to_string_lossy()));
    if files.is_empty() {
        return Err(args.no_scenario().into());
    }
    let asked = files.iter().map(|file| Asked::read(file, top));
    let asked = asked.collect::<Result<_>>().map_err(usage)?;
    let kernel = chosen::kernel(cache, catalog, args.kernel.as_deref())?;
    Ok(Question::Parts {
        kernel: Box::new(kernel),
        asked,
        seed: args.how.seed,
    })
}

/// The scenarios in a folder of a repository's working tree.
fn files(folder: Option<PathBuf>) -> Result<Vec<PathBuf>> {
    let project = folder.map(|folder| Project::of(&folder)).transpose()?;
    let place = project.map(|project| project.scenarios);
    if let Some(place) = place.as_ref().filter(|place| place.is_dir()) {
        return scenario::files(place);
    }
    let place = place.unwrap_or_else(|| "scenarios".into());
    bail!(
        "find scenarios: there is no `{}`; name one by `--scenario FILE`, or by `--tree` the folder \
         that has them",
        place.display()
    )
}

impl BisectArgs {
    fn wants(&self, scenario: &str) -> bool {
        is_left(&self.filter, scenario)
    }

    fn no_scenario(&self) -> Usage {
        Usage(format!(
            "no scenario matches `{}`",
            self.filter.join("`, `")
        ))
    }
}

fn abandon(catalog: &Catalog, repository: &Repository, tree: &str, added: &str) -> Result<u8> {
    let was_there = bisect::abandon(&Cache::open()?, catalog, repository, added)?;
    print(&match was_there {
        true => format!("removed what bisects of `{tree}` have left"),
        false => format!("there is no bisect of `{tree}`"),
    })?;
    Ok(0)
}

/// What cannot be done as it was asked for is the user's slip.
fn unfit(error: anyhow::Error) -> anyhow::Error {
    match error.is::<Unfit>() {
        true => usage(error),
        false => error,
    }
}

/// The command as it was given, for a shell.
fn command() -> String {
    let words = std::env::args().skip(1).map(|word| quoted(&word));
    std::iter::once("kassay".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+=,:@%^".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("v6.12^2"), "v6.12^2");
        assert_eq!(quoted("main~5"), "'main~5'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
