//! The files of this package, of which the harness builds the guest program: so it needs no
//! checkout, and the program is always the one that the wire types are of.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};

/// The folder of the code.
static CODE: Dir = include_dir!("$CARGO_MANIFEST_DIR/src");

/// What lies beside it. The versions that are locked are those of the harness, or of a registry's
/// package (see build.rs).
const BESIDE: [(&str, &str); 2] = [
    (
        "Cargo.lock",
        include_str!(concat!(env!("OUT_DIR"), "/Cargo.lock")),
    ),
    ("build.rs", include_str!("../build.rs")),
];

/// The manifest, to which is added that it is a workspace of its own wherever it is unpacked. Every
/// byte of the program is unpacked in an emulated machine, so it is to be small.
const MANIFEST: &str = concat!(
    include_str!("../Cargo.toml"),
    "\n[workspace]\n\n[profile.release]\nopt-level = \"s\"\nlto = true\ncodegen-units = 1\n",
    "panic = \"abort\"\nstrip = true\n"
);

/// All files, by their paths in the package.
pub fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let beside = BESIDE.iter().chain(&[("Cargo.toml", MANIFEST)]);
    let mut files: Vec<_> = beside
        .map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec()))
        .collect();
    add(&CODE, &mut files);
    files.sort();
    files
}

fn add(folder: &Dir, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let code = |path| PathBuf::from("src").join(path);
    let own = folder.files();
    files.extend(own.map(|file| (code(file.path()), file.contents().to_vec())));
    folder.dirs().for_each(|folder| add(folder, files));
}
