//! kassay assays kernel extensions: it boots a real kernel in QEMU, inserts
//! the modules that define kfuncs, loads the BPF programs that call them,
//! triggers them, and compares what the kernel printed with a reviewed snapshot.
//!
//! Data flows one way: a [`scenario`] and a [`kernel`] are [`compile`]d into
//! what a [`vm`] runs; its evidence becomes a [`verdict`] and a [`transcript`],
//! which [`snapshot`] compares. [`run`] is that whole way.

pub mod attachment;
pub mod bench;
pub mod bisect;
pub mod btf;
pub mod cache;
pub mod cli;
pub mod compile;
pub mod complaint;
pub mod debugger;
pub mod detector;
pub mod diff;
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
pub mod terminal;
pub mod tool;
pub mod transcript;
pub mod trial;
pub mod verdict;
pub mod vm;
pub mod watch;

use std::path::PathBuf;

/// The place of `modules/`, `bpf/`, `guest/` and `kernel-config/`: the
/// repository that this program was built from, or `KASSAY_REPOSITORY`.
pub fn repository() -> PathBuf {
    if let Some(path) = std::env::var_os("KASSAY_REPOSITORY") {
        return PathBuf::from(path);
    }
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}
