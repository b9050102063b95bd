//! Keeps the function that uprobes are placed on among the program's dynamic
//! symbols; all others are stripped.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=kassay_add");
}
