//! Keeps the function that uprobes are placed on among the program's dynamic
//! symbols, of which it has no other, puts a function of its own in the
//! place of one of libbpf's, hands out libbpf's headers, and finds the
//! lock file that goes with the sources.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Names the folder that the headers go to.
const HEADERS: &str = "KASSAY_HEADERS";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
    if env::var_os("CARGO_FEATURE_SOURCES").is_some() {
        keep_lock();
    }
    println!("cargo::rerun-if-env-changed={HEADERS}");
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=kassay_add");
    if env::var_os("CARGO_FEATURE_STATIC").is_some() {
        println!("cargo::rustc-link-arg-bins=-Wl,--wrap=btf__load_vmlinux_btf");
    }
    if let (Some(to), Some(libbpf)) = (env::var_os(HEADERS), env::var_os("DEP_BPF_INCLUDE")) {
        let (from, to) = (PathBuf::from(libbpf).join("bpf"), PathBuf::from(to));
        for header in fs::read_dir(from).unwrap() {
            let header = header.unwrap();
            fs::copy(header.path(), to.join(header.file_name())).unwrap();
        }
    }
}

/// A registry's package has a lock file of its own; here it is the workspace's.
fn keep_lock() {
    let mut locks = ["Cargo.lock", "../Cargo.lock"].iter().map(Path::new);
    let lock = locks
        .find(|path| path.exists())
        .expect("there is a Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let to = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("Cargo.lock");
    fs::copy(lock, to).unwrap();
}
