//! Where the repository lies that the tests belong to.

use std::path::{Path, PathBuf};

use kassay::project::Project;

pub fn repository() -> PathBuf {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.parent().unwrap().to_owned()
}

/// The project that it is.
pub fn project() -> Project {
    Project::of(&repository()).unwrap()
}
