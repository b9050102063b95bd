//! kassay tests kernel modules and BPF programs: it boots a real kernel in QEMU, inserts the modules
//! that define kfuncs, loads the BPF programs that call them, triggers them, and compares what the
//! kernel printed with a reviewed snapshot.
//!
//! Most people use the program `kassay`, and its book tells of
//! scenarios, kernels and verdicts. A program of one's own can run the same scenarios:
//!
//! ```no_run
//! use kassay::{Project, Scenario, Verdict};
//!
//! # fn main() -> anyhow::Result<()> {
//! let project = Project::here()?.expect("there is a `kassay.toml` here or above");
//! let scenario = Scenario::read(&project.scenarios.join("hello.toml"), &project)?;
//! let kernel = kassay::kernel("distro")?;
//! let outcome = kassay::run(&kernel, &scenario)?;
//! assert_eq!(outcome.verdict(), Verdict::Pass, "{}", outcome.reason());
//! # Ok(())
//! # }
//! ```
//!
//! Only what this page lists is for others. The modules are the rooms of kassay's own house, which
//! ARCHITECTURE.md shows; its tests and fuzz targets enter them, and nothing in them is stable.

#[doc(hidden)]
pub mod absent;
#[doc(hidden)]
pub mod arch;
#[doc(hidden)]
pub mod assets;
#[doc(hidden)]
pub mod attachment;
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod bisect;
#[doc(hidden)]
pub mod btf;
#[doc(hidden)]
pub mod cache;
#[doc(hidden)]
pub mod case;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod compile;
#[doc(hidden)]
pub mod complaint;
#[doc(hidden)]
pub mod coverage;
#[doc(hidden)]
pub mod debugger;
#[doc(hidden)]
pub mod detector;
#[doc(hidden)]
pub mod diff;
#[doc(hidden)]
pub mod entries;
#[doc(hidden)]
pub mod excerpt;
#[doc(hidden)]
pub mod facts;
#[doc(hidden)]
pub mod faults;
#[doc(hidden)]
pub mod flaw;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
pub mod globals;
#[doc(hidden)]
pub mod history;
#[doc(hidden)]
pub mod interrupt;
#[doc(hidden)]
pub mod inventory;
#[doc(hidden)]
pub mod kernel;
#[doc(hidden)]
pub mod kernel_report;
#[doc(hidden)]
pub mod kfuncs;
#[doc(hidden)]
pub mod kit;
#[doc(hidden)]
pub mod library;
#[doc(hidden)]
pub mod live;
#[doc(hidden)]
pub mod milestone;
#[doc(hidden)]
pub mod nearest;
#[doc(hidden)]
pub mod normalise;
#[doc(hidden)]
pub mod outcome;
#[doc(hidden)]
pub mod outlet;
#[doc(hidden)]
pub mod plain;
#[doc(hidden)]
pub mod pool;
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod project;
#[doc(hidden)]
pub mod rate;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod refusal;
#[doc(hidden)]
pub mod repeat;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod scenario;
pub mod selftests;
#[doc(hidden)]
pub mod shard;
#[doc(hidden)]
pub mod size;
#[doc(hidden)]
pub mod snapshot;
#[doc(hidden)]
pub mod state;
#[doc(hidden)]
pub mod step;
#[doc(hidden)]
pub mod streams;
#[doc(hidden)]
pub mod symbol;
#[doc(hidden)]
pub mod template;
#[doc(hidden)]
pub mod terminal;
#[doc(hidden)]
pub mod tool;
#[doc(hidden)]
pub mod transcript;
#[doc(hidden)]
pub mod trial;
#[doc(hidden)]
pub mod value;
#[doc(hidden)]
pub mod verdict;
#[doc(hidden)]
pub mod vm;
#[doc(hidden)]
pub mod watch;

pub use kernel::Kernel;
pub use library::{kernel, run};
pub use outcome::Outcome;
pub use project::Project;
pub use scenario::Scenario;
pub use verdict::Verdict;

/// The project of the tutorials, for tests.
#[cfg(test)]
fn repository() -> std::path::PathBuf {
    let harness = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.parent().expect("harness/ is in it").to_owned()
}
