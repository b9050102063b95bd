//! The command line: one thin file a subcommand.

mod accepted;
pub mod bench;
pub mod bisect;
pub mod cache;
pub mod chosen;
pub mod completions;
mod coverage;
pub mod diff;
pub mod doctor;
pub mod error;
pub mod exec;
pub mod explain;
pub mod faults;
pub mod fuzz;
pub mod header;
pub mod history;
pub mod how;
pub mod init;
pub mod kernel;
pub mod kfuncs;
pub mod list;
pub mod load;
pub mod man;
pub mod matrix;
pub mod new;
pub mod objects;
pub mod open;
mod options;
mod packages;
mod packs;
pub mod place;
mod remember;
pub mod repeat;
pub mod report;
pub mod reports;
pub mod repro;
pub mod run;
pub mod scenarios;
mod selftests;
pub mod session;
pub mod setup;
mod shard;
pub mod shards;
pub mod shell;
mod time;
pub mod verify;
pub mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::interrupt;
use crate::kernel::lock as kernel_lock;
use crate::progress;
pub use error::{Error, Result};

/// Tests kernel modules and BPF programs on real kernels.
#[derive(Parser)]
#[command(name = "kassay", version, about, after_help = ENVIRONMENT)]
struct Cli {
    /// Fail where kassay.lock would have to change
    #[arg(long, global = true)]
    locked: bool,
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "\
Environment:
  KASSAY_CACHE       where kernels and all that is built are kept [default: $XDG_CACHE_HOME/kassay]
  KASSAY_CACHE_LIMIT what it may take, kernels and sources aside, such as 20G [default: 10G]
  KASSAY_KERNELS     kernels for `run`, `watch`, `kfuncs` and `cargo test --test vm`, with commas
                     between them
  KASSAY_CATALOG     a catalog of kernels, instead of kassay's own
  KASSAY_LOCKED      as `--locked`, where it is not empty
  KASSAY_NO_HISTORY  as `--no-history` of `run`, and `watch` too, where it is not empty
  KASSAY_TARGET      what runs leave [default: target/kassay of the project, the folder with a
                     `kassay.toml` here or above]

Exit codes:
  0    something passed; all else was skipped
  1    at least one regression
  2    wrong usage
  125  no regression, but something could not be judged, or nothing was
  130  interrupted
`exec` and `shell` exit as the program does, and with 120 when the kernel crashed or reported trouble.";

#[derive(Subcommand)]
enum Command {
    /// Make a project that passes: a module with a kfunc, a program, a scenario, its snapshot
    New(new::NewArgs),
    /// Make a project of the modules in the working directory
    Init(init::InitArgs),
    /// Run scenarios on kernels
    Run(run::RunArgs),
    /// Run scenarios, and again those that a saved file touches
    Watch(watch::WatchArgs),
    /// Show the page of the last run in a browser, or a case of it
    Open(open::OpenArgs),
    /// Say what a verdict or a title means, its usual causes, and what to look at
    Explain(explain::ExplainArgs),
    /// Show how cases have done and how long they take, as far as runs of them are known
    History(history::HistoryArgs),
    /// Split a run over machines, so that they take equally long
    Shards(shards::ShardsArgs),
    /// Make one report of those of a run's shards
    Report(report::ReportCommand),
    /// Run a failed case again, from the folder that it left
    Repro(repro::ReproArgs),
    /// Call a module's kfuncs in sequences that nobody thought of, and keep what goes wrong
    Fuzz(fuzz::FuzzArgs),
    /// Find the commit of a git repository that broke a scenario
    Bisect(bisect::BisectArgs),
    /// Run a program in a pristine kernel, as if it ran here
    Exec(exec::ExecArgs),
    /// Open a shell in a pristine kernel, with the host's root read-only
    Shell(shell::ShellArgs),
    /// Load a BPF program in a pristine kernel, and stream the trace until Ctrl-C
    Load(load::LoadArgs),
    /// Show kernels, and whether each can be had, and scenarios
    List(list::ListArgs),
    /// List the kfuncs of a kernel or of a module: prototypes, flags, sets
    Kfuncs(kfuncs::KfuncsArgs),
    /// Print a module's types and kfuncs as a header for BPF programs
    Header(header::HeaderArgs),
    /// Show what each kernel takes: modules inserted, programs loaded and attached
    Matrix(matrix::MatrixArgs),
    /// Show what it takes the verifier to prove programs, and compare kernels or versions
    Verify(verify::VerifyArgs),
    /// Have each allocation of scenarios' modules fail in turn, and see whether it is handled
    Faults(faults::FaultsArgs),
    /// Run the kernel's own selftests of BPF, each on a pristine machine
    Selftests(selftests::SelftestsArgs),
    /// Show what differs between two kernels: verdicts, transcripts, verifier messages, kfuncs
    Diff(diff::DiffArgs),
    /// Download, build or remove kernels, and take them to other machines
    Kernel(kernel::KernelArgs),
    /// Show what the cache holds, and clear it up
    Cache(cache::CacheArgs),
    /// Install what kassay needs of the host's packages
    Setup(setup::SetupArgs),
    /// Measure how fast kassay is, or what the drivers of a scenario report
    Bench(bench::BenchArgs),
    /// Show what is here, what is missing, and which accelerator is used
    Doctor,
    /// Print a script by which a shell completes the command line
    Completions(completions::CompletionsArgs),
    /// Write the manual, a page for each command
    Man(man::ManArgs),
}

/// The whole command line, for what is made of it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line, does what it says and returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.locked {
        kernel_lock::refuse_changes();
    }
    match interrupt::install()
        .map_err(Error::from)
        .and_then(|()| cli.command.run())
    {
        Ok(code) => ExitCode::from(code),
        Err(error) => error.report(),
    }
}

impl Command {
    /// Does what it says and returns the exit code.
    fn run(&self) -> Result<u8> {
        match self {
            Command::New(args) => new::run(args).map(|()| 0),
            Command::Init(args) => init::run(args).map(|()| 0),
            Command::Run(args) => run::run(args),
            Command::Watch(args) => watch::run(args).map(|()| 0),
            Command::Open(args) => open::run(args).map(|()| 0),
            Command::Explain(args) => explain::run(args),
            Command::History(args) => history::run(args).map(|()| 0),
            Command::Shards(args) => shards::run(args).map(|()| 0),
            Command::Report(args) => report::run(args),
            Command::Repro(args) => repro::run(args),
            Command::Fuzz(args) => fuzz::run(args),
            Command::Bisect(args) => bisect::run(args),
            Command::Exec(args) => exec::run(args),
            Command::Shell(args) => shell::run(args),
            Command::Load(args) => load::run(args),
            Command::List(args) => list::run(args).map(|()| 0),
            Command::Kfuncs(args) => kfuncs::run(args).map(|()| 0),
            Command::Header(args) => header::run(args).map(|()| 0),
            Command::Matrix(args) => matrix::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Faults(args) => faults::run(args),
            Command::Selftests(args) => selftests::run(args),
            Command::Diff(args) => diff::run(args),
            Command::Kernel(args) => kernel::run(args).map(|()| 0),
            Command::Cache(args) => cache::run(args).map(|()| 0),
            Command::Setup(args) => setup::run(args).map(|()| 0),
            Command::Bench(args) => bench::run(args).map(|()| 0),
            Command::Doctor => doctor::run(),
            Command::Man(args) => man::run(args).map(|()| 0),
            Command::Completions(args) => {
                completions::run(args);
                Ok(0)
            }
        }
    }
}

/// Whether a filter leaves what has this name: it contains one of the filter's words, if there
/// is any.
fn is_left(filter: &[String], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|part| name.contains(part))
}

/// Writes a line to stdout, with its colours where that is a terminal that is to have any
/// (`NO_COLOR`, `CLICOLOR_FORCE`). A reader that has gone away is no error.
pub fn print(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match progress::suspend(|| writeln!(anstream::stdout(), "{line}")) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}
