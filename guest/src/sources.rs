//! The files of this package, of which the harness builds the guest program: so it needs no
//! checkout, and the program is always the one that the wire types are of.

use std::path::PathBuf;

use include_dir::{Dir, include_dir};

/// The folder of the code.
static CODE: Dir = include_dir!("$CARGO_MANIFEST_DIR/src");

/// What lies beside it.
const BESIDE: [(&str, &str); 2] = [
    ("Cargo.lock", include_str!("../Cargo.lock")),
    ("build.rs", include_str!("../build.rs")),
];

const MANIFEST: &str = include_str!("../Cargo.toml");

/// All files, by their paths in the package.
pub fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let beside = BESIDE.map(|(name, text)| (name.into(), text.into()));
    let mut files = vec![("Cargo.toml".into(), manifest().into_bytes())];
    files.extend(beside);
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

/// The manifest, which a registry's package has without its workspace: wherever it is unpacked, it
/// belongs to no other.
fn manifest() -> String {
    match MANIFEST.lines().any(|line| line == "[workspace]") {
        true => MANIFEST.to_owned(),
        false => format!("{MANIFEST}\n[workspace]\n"),
    }
}
