//! kassay assays kernel extensions: it boots a real kernel in QEMU, inserts
//! the modules that define kfuncs, loads the BPF programs that call them,
//! triggers them, and compares what the kernel printed with a reviewed snapshot.
//!
//! Data flows one way: a [`scenario`] and a [`kernel`] are [`compile`]d into
//! what a [`vm`] runs; its evidence becomes a [`verdict`] and a [`transcript`],
//! which [`snapshot`] compares. [`run`] is that whole way.

pub mod assets;
pub mod attachment;
pub mod bench;
pub mod bisect;
pub mod btf;
pub mod cache;
pub mod case;
pub mod cli;
pub mod compile;
pub mod complaint;
pub mod debugger;
pub mod detector;
pub mod diff;
pub mod excerpt;
pub mod facts;
pub mod flaw;
pub mod globals;
pub mod interrupt;
pub mod inventory;
pub mod kernel;
pub mod kernel_report;
pub mod kfuncs;
pub mod kit;
pub mod live;
pub mod nearest;
pub mod normalise;
pub mod outcome;
pub mod outlet;
pub mod plain;
pub mod pool;
pub mod progress;
pub mod project;
pub mod record;
pub mod refusal;
pub mod report;
pub mod run;
pub mod scenario;
pub mod snapshot;
pub mod step;
pub mod streams;
pub mod symbol;
pub mod template;
pub mod terminal;
pub mod tool;
pub mod transcript;
pub mod trial;
pub mod verdict;
pub mod vm;
pub mod watch;

/// The project of the tutorials, for tests.
#[cfg(test)]
fn repository() -> std::path::PathBuf {
    let harness = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.parent().expect("harness/ is in it").to_owned()
}
