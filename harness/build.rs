//! Has the binary made anew when a file is added to a folder that it brings.

fn main() {
    for folder in ["build.rs", "include", "kernel-config"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
