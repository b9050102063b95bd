//! Drivers, each a package that cargo builds as one static program.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::guest::{cargo, linked, require_target};
use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::progress::Progress;
use crate::scenario::Part;
use crate::tool::Tool;

/// Builds a driver. Cargo itself decides each time whether anything has changed, since only cargo
/// knows what its packages are made of.
///
/// # Errors
/// Cargo's own lines.
pub fn build(cache: &Cache, part: &Part, arch: Arch) -> Result<PathBuf> {
    let what = || match arch.is_foreign() {
        true => format!("build the driver `{}` for {arch}", part.name),
        false => format!("build the driver `{}`", part.name),
    };
    let folder = part.path.canonicalize().with_context(what)?;
    require_target(arch, &folder).with_context(what)?;
    let place = Key::new("driver").text("folder", &folder.to_string_lossy());
    let place = format!("driver-{}", place.finish());
    let _lock = cache.lock("target", &place, "cargo's build of a driver")?;
    let target = cache.dir("target").join(&place);
    let progress = Progress::steps(what(), None);
    linked(Tool::new(cargo()), arch)
        .args(["build", "--release", "--bin", &part.name])
        .args(["--target", &arch.target(), "--target-dir"])
        .arg(&target)
        // As for the guest program.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .cwd(&folder)
        .run_logged(&cache.log("driver")?, |_| progress.inc(1))
        .with_context(what)?;
    progress.finish();
    cache.touch("target", &place);
    let built = target.join(arch.target()).join("release").join(&part.name);
    if !built.is_file() {
        bail!("{}: cargo made no `{}`", what(), built.display());
    }
    let key = Key::new("driver").file("program", &built)?.finish();
    let entry = cache.get_or_make("driver", &key, "a driver", |directory| {
        let copied = fs::copy(&built, directory.join(&part.name));
        copied.with_context(|| format!("copy `{}`", built.display()))?;
        Ok(())
    })?;
    Ok(entry.join(&part.name))
}
