//! Keeps the function that uprobes are placed on among the program's dynamic
//! symbols, of which it has no other, and hands out libbpf's headers.

use std::env;
use std::fs;
use std::path::PathBuf;

/// Names the folder that the headers go to.
const HEADERS: &str = "KASSAY_HEADERS";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={HEADERS}");
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=kassay_add");
    if let (Some(to), Some(libbpf)) = (env::var_os(HEADERS), env::var_os("DEP_BPF_INCLUDE")) {
        let (from, to) = (PathBuf::from(libbpf).join("bpf"), PathBuf::from(to));
        for header in fs::read_dir(from).unwrap() {
            let header = header.unwrap();
            fs::copy(header.path(), to.join(header.file_name())).unwrap();
        }
    }
}
