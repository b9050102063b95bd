//! Kernels by path: a source tree, a built tree, or the bzImage in one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Kernel, Spec, build, tools};
use crate::arch::HOST;
use crate::cache::{Cache, Key};

/// The cache's kind of the build trees of source trees. They are not entries that are whole or
/// absent: an incremental build starts from whatever is there, and a kernel is taken from
/// them only after a make that succeeded, under the tree's lock.
const KIND: &str = "tree";

/// What a source tree is taken for one by that was configured, or built, in its own place
/// (`outputmakefile` in the kernel's Makefile, 6.1 to 7.2), beside a folder of its processor's.
/// kbuild's advice is `make mrproper`, which deletes the config.
const CONFIGURED: [&str; 2] = [".config", "include/config"];

/// The kernel at a path.
///
/// A built tree is used as it is, so that its `spec` is no more than the path. A source tree
/// is built with the fragments in a folder of the cache that belongs to its spec; `make` runs
/// each time, so that edits are picked up.
///
/// # Errors
/// The path is none of these, the tree is configured and not built, or the build fails.
pub fn obtain(cache: &Cache, spec: &str, asked: &Spec, fragments: &[PathBuf]) -> Result<Kernel> {
    let (path, arch) = (asked.base, asked.arch);
    let dir = fs::canonicalize(path).with_context(|| format!("find the kernel `{path}`"))?;
    if spec != path && (dir.is_file() || is_built(&dir)) {
        bail!(
            "build kernel `{spec}`: `{path}` is built already; `{}` goes with a source tree, such \
             as `git worktree add --detach DIR` makes of it",
            &spec[path.len()..]
        );
    }
    if dir.is_file() {
        let built = dir.ancestors().skip(1).find(|dir| is_built(dir));
        let built = built.with_context(|| {
            format!(
                "use the image `{path}`: no folder above it has `{}`",
                build::RELEASE
            )
        })?;
        return from_built(path, built, Some(dir.clone()));
    }
    if is_built(&dir) {
        return from_built(path, &dir, None);
    }
    check_source(&dir, spec, asked)?;
    let compiler = arch.require(arch.tool("gcc"));
    compiler.with_context(|| format!("build the kernel `{spec}`"))?;
    let key = key(&dir, spec, path);
    let _lock = cache.lock(KIND, &key, spec)?;
    let tree = cache.dir(KIND).join(&key);
    let config = build::Config::read(arch, None, fragments)?;
    build::make(cache, spec, &dir, &tree, &config)
        .with_context(|| format!("build the kernel `{spec}`"))?;
    cache.touch(KIND, &key);
    Ok(Kernel {
        tools: tools::cached(cache, tools::PAHOLE),
        ..from_built(spec, &tree, None)?
    })
}

/// Sees that a folder has a kernel's sources, which kbuild can build elsewhere.
fn check_source(dir: &Path, spec: &str, asked: &Spec) -> Result<()> {
    let path = asked.base;
    if !(dir.join("Kconfig").exists() && dir.join("Makefile").exists()) {
        bail!(
            "use `{path}` as a kernel: it is neither a source tree (`Kconfig`, `Makefile`) nor \
             a built one (`{}`, `{}`)",
            HOST.image(),
            build::RELEASE
        );
    }
    let generated = format!("arch/{}/include/generated", asked.arch.kernel());
    let mut marks = CONFIGURED.into_iter().chain([&*generated]);
    if let Some(mark) = marks.find(|mark| dir.join(mark).exists()) {
        bail!(
            "build kernel `{spec}`: kbuild builds nothing elsewhere from a tree that is configured \
             itself, and `{path}` has `{mark}`. Build it there with `make`, and it is used as it \
             is; or name another working tree, as `git -C {path} worktree add --detach DIR` makes"
        );
    }
    Ok(())
}

/// Removes the build tree of a source tree, and says whether there was one.
///
/// # Errors
/// The path does not exist, or the cache cannot be written.
pub fn remove(cache: &Cache, spec: &str, path: &str) -> Result<bool> {
    let dir = fs::canonicalize(path).with_context(|| format!("find the kernel `{path}`"))?;
    cache.remove(KIND, &key(&dir, spec, path))
}

/// A tree is known by its path and by what the spec adds to it.
fn key(dir: &Path, spec: &str, path: &str) -> String {
    let spec = dir.to_string_lossy() + &spec[path.len()..];
    Key::new(KIND).text("path", &spec).finish()
}

fn is_built(dir: &Path) -> bool {
    build::processor(dir).is_some()
}

/// The kernel in a built tree; what it is, is told by its content, as anybody may rebuild it.
fn from_built(name: &str, tree: &Path, image: Option<PathBuf>) -> Result<Kernel> {
    let mut kernel = build::from_tree(name, tree, String::new())?;
    if let Some(image) = image {
        kernel.image = image;
    }
    kernel.key = Key::new(KIND)
        .file("image", &kernel.image)?
        .file("config", &kernel.config)?
        .file("symbols", &tree.join("Module.symvers"))?
        .finish();
    Ok(kernel)
}
