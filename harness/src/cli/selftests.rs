//! `kassay selftests`: the kernel's own selftests of BPF, each on a machine of its own.

use std::path::PathBuf;

use clap::Args;

use super::chosen;
use super::coverage::Counted;
use super::error::{Error, Result};
use super::how::Machines;
use super::reports::ReportArgs;
use super::run::{detectors, exit_code};
use super::scenarios::scenarios;
use super::session::Session;
use super::{is_left, print};
use crate::case::Setting;
use crate::kernel::Kernel;
use crate::outcome::{End, Outcome};
use crate::report::test_run::Foot;
use crate::scenario::Scenario;
use crate::selftests;
use crate::{interrupt, pool, progress, run as case};

const HELP: &str = "\
`test_progs` is built for the kernel from the tree's tools/testing/selftests/bpf, which stays as it
is, with the tests that are chosen alone. A test that does not compile is skipped. Each other test
runs on a restored machine, and is judged as any case is: a test that passes while the kernel reports
trouble is a report, one that leaves something behind is a leak.

Examples:
  kassay selftests --tree linux kfunc_call dynptr           on the kernel that is built in the tree
  kassay selftests --tree linux --kernel distro kfunc_call
  kassay selftests --tree linux --report junit=selftests.xml

Exit codes are those of `kassay run`.";

/// The arguments of `kassay selftests`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct SelftestsArgs {
    /// Run only tests whose name contains one of these
    filter: Vec<String>,
    /// The kernel's source tree that the tests are of
    #[arg(long, value_name = "LINUX")]
    tree: PathBuf,
    /// The kernel that they are run on: a name of the catalog (see `kassay list`) or a path
    /// [default: the one that is built in the tree]
    #[arg(long, value_name = "SPEC")]
    kernel: Option<String>,
    /// Show the names of the tests, and run none
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    machines: Machines,
    #[command(flatten)]
    reports: ReportArgs,
}

/// Builds the tests that are chosen, runs them and prints what becomes of each.
///
/// # Errors
/// A slip, such as a filter that leaves no test; they cannot be built; an interrupt.
pub fn run(args: &SelftestsArgs) -> Result<u8> {
    let names = selftests::names(&args.tree).map_err(Error::slip)?;
    let mut names = names.iter().filter(|name| args.has(name)).peekable();
    if names.peek().is_none() {
        return Err(args.none());
    }
    if args.list {
        names.try_for_each(|name| print(name))?;
        return Ok(0);
    }
    let session = Session::open()?;
    let setting = args.machines.setting(&session.store)?;
    let told = args.reports.begin(&[])?;
    let kernel = args.kernel(&session)?;
    let cache = &session.store.cache;
    let suite = selftests::build(cache, &args.tree, &kernel, |name| args.has(name))?;
    let files = suite.tests.iter().map(|name| suite.scenario(name));
    let files = files.collect::<anyhow::Result<Vec<PathBuf>>>()?;
    let tests = scenarios(&files, &session.project)?;
    let (mut passed, mut skipped) = (0, 0);
    let run = |test: &Scenario| match suite.left_out.get(&test.name) {
        Some(why) => Ok(left_out(&setting, &kernel, test, why)),
        None => case::run(&setting, &kernel, test),
    };
    let ran = each(&setting, &kernel, &tests, run, |outcome| {
        let count = selftests::settle(outcome);
        (passed, skipped) = (passed + count.0, skipped + count.1);
        told.case(outcome)
    });
    let ran = ran.map_err(Error::from);
    let mut last = vec![format!("{passed} subtests passed, {skipped} skipped")];
    last.extend(detectors(&[(kernel.name.clone(), Ok(kernel))])?);
    let foot = Foot {
        detectors: last,
        ..Foot::default()
    };
    let stopped = ran.as_ref().err().map(|error| format!("{error:#}"));
    let written = told.end(tests.len(), foot, stopped.as_deref(), None);
    exit_code(ran, &Counted::default(), written)
}

impl SelftestsArgs {
    /// That the filter leaves none.
    fn none(&self) -> Error {
        let tree = self.tree.display();
        let filter = self.filter.join("`, `");
        Error::Slip(match self.filter.iter().any(|part| part.contains('/')) {
            _ if self.filter.is_empty() => format!("find tests in `{tree}`: there are none"),
            true => format!(
                "no test matches `{filter}`: a filter is a part of a test's name, and subtests run \
                 with their test"
            ),
            false => format!(
                "no test matches `{filter}`; `kassay selftests --tree {tree} --list` shows what \
                 there is"
            ),
        })
    }

    fn has(&self, test: &str) -> bool {
        is_left(&self.filter, test)
    }

    /// The kernel; that it is of another version than the tests is said.
    fn kernel(&self, session: &Session) -> Result<Kernel> {
        let tree = std::path::absolute(&self.tree).map_err(|error| Error::slip(error.into()))?;
        let name = self.kernel.clone();
        let name = name.unwrap_or_else(|| tree.display().to_string());
        let kernel = chosen::kernel(session, Some(&name))?;
        if kernel.arch.is_foreign() {
            return Err(Error::Slip(format!(
                "run selftests on `{name}`: they run in the host's root, whose programs are for \
                 another processor"
            )));
        }
        let (major, minor) = selftests::version(&tree).map_err(Error::slip)?;
        let (of_major, of_minor, _) = kernel.version();
        if (major, minor) != (of_major, of_minor) {
            progress::note(format!(
                "the selftests are those of {major}.{minor}, and the kernel is {}: what is new in \
                 either may fail",
                kernel.release
            ));
        }
        Ok(kernel)
    }
}

/// The outcome of a test that is not in `test_progs`.
fn left_out(setting: &Setting, kernel: &Kernel, test: &Scenario, why: &str) -> Outcome {
    let accelerator = setting.accelerator_of(&kernel.name);
    let end = End::Skipped(why.to_owned());
    Outcome {
        release: kernel.release.clone(),
        ..Outcome::new(&kernel.name, accelerator, test, end)
    }
}

/// Runs tests side by side, and shows each as soon as all before it have ended.
fn each(
    setting: &Setting,
    kernel: &Kernel,
    tests: &[Scenario],
    run: impl Fn(&Scenario) -> anyhow::Result<Outcome> + Sync,
    mut show: impl FnMut(&mut Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let work = |test: &Scenario| {
        interrupt::check()?;
        let _line = progress::Live::new(format!("{}::{}", kernel.name, test.name));
        run(test)
    };
    pool::each(tests, setting.jobs, work, |mut outcome| {
        show(&mut outcome)?;
        outcomes.push(outcome);
        Ok(())
    })?;
    Ok(outcomes)
}
