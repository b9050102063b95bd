//! Kernels that others have packed: Debian packages at addresses, and images of registries. Each is
//! known by its digest, so that it is what it was when somebody named it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::apt::{self, Archive};
use super::kinds::{Place, Remote};
use super::modules::Modules;
use super::unpack::{Counted, untar};
use super::{KIND, Kernel, download, read, registry, set, tools, unpacked};
use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::progress::{self, Progress};
use crate::tool::Tool;

/// The folder of an entry with all modules of the kernel.
const MODULES: &str = "all-modules";

/// How far below an image's root a kernel's folder `boot` may lie.
const DEPTH: usize = 5;

impl Remote {
    /// The kernel, if it is cached; an entry that somebody damaged is an error.
    pub fn cached(&self, cache: &Cache, name: &str) -> Option<Result<Kernel>> {
        let key = self.key(name);
        let entry = cache.get(KIND, &key)?;
        let tools = match self.tools.is_empty() {
            true => None,
            false => Some(tools::cached(cache, &key)?),
        };
        let kernel = kernel(name, &entry, &key);
        Some(kernel.map(|kernel| Kernel { tools, ..kernel }))
    }

    /// The kernel, downloaded and unpacked unless cached.
    ///
    /// # Errors
    /// Something cannot be downloaded or has another digest, or is no kernel.
    pub fn obtain(&self, cache: &Cache, name: &str) -> Result<Kernel> {
        let key = self.key(name);
        let entry = cache.get_or_make(KIND, &key, name, |dir| self.unpack(dir))?;
        let kernel = kernel(name, &entry, &key)?;
        let built_by = compiler(&kernel)?;
        let tools = match (self.tools.is_empty(), built_by) {
            (true, Some(built_by)) => {
                tell(&kernel, built_by)?;
                None
            }
            (true, None) => None,
            (false, Some(built_by)) => {
                let archive = Archive::of_suites(cache, &self.tools, Arch::X86)?;
                let compiler = format!("gcc-{built_by}");
                let wanted = [compiler.as_str(), KBUILD_LIBRARIES];
                Some(tools::obtain(cache, &archive, &key, wanted, Arch::X86)?)
            }
            (false, None) => bail!("find the gcc that `{name}` was built by in its config"),
        };
        Ok(Kernel { tools, ..kernel })
    }

    /// All modules of the kernel that is cached.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn all_modules(&self, cache: &Cache, kernel: &Kernel) -> Result<Modules> {
        Modules::of_package(&cache.dir(KIND).join(&kernel.key).join(MODULES))
    }

    /// The cache's name for the kernel.
    pub fn key(&self, name: &str) -> String {
        let key = Key::new("remote")
            .text("modules", &self.boot_modules.join(" "))
            .text("tools", &self.tools.join(" "));
        let key = match &self.place {
            Place::Image(image) => key.text("image", image),
            Place::Packages(files) => files
                .iter()
                .fold(key, |key, file| key.text("deb", &file.sha256)),
        };
        format!("{}-{}", super::entry(name), key.finish())
    }

    fn unpack(&self, dir: &Path) -> Result<()> {
        match &self.place {
            Place::Image(image) => {
                let all = dir.join("image");
                fs::create_dir(&all).with_context(|| format!("make `{}`", all.display()))?;
                registry::image::pull(image, &all)?;
                move_up(&all, dir)?;
            }
            Place::Packages(files) => {
                for file in files {
                    let deb = dir.join("package.deb");
                    download::file(&file.url, &file.sha256, &deb)?;
                    let progress = Progress::bytes(format!("unpack `{}`", file.url), None);
                    apt::contents(&deb)
                        .read(|contents| untar(Counted::new(contents, &progress), dir))?;
                    progress.finish();
                    fs::remove_file(&deb).with_context(|| format!("remove `{}`", deb.display()))?;
                }
            }
        }
        let release = unpacked::release(dir)?;
        let modules = unpacked::settle(dir, &release, &self.boot_modules)?;
        if !self.tools.is_empty() {
            tools::wrap(&dir.join("usr"))?;
        }
        fs::rename(&modules, dir.join(MODULES))
            .with_context(|| format!("keep `{}`", modules.display()))
    }
}

/// A package for its libraries, those that the programs of headers want.
const KBUILD_LIBRARIES: &str = "libelf-dev";

fn kernel(name: &str, entry: &Path, key: &str) -> Result<Kernel> {
    let release = unpacked::release(entry)?;
    unpacked::kernel(name, &release, entry, key)
}

/// Moves what is beside a kernel's `boot`, wherever that lies in an image, to where packages have it.
fn move_up(image: &Path, dir: &Path) -> Result<()> {
    let root = root(image, DEPTH).context("find `boot/vmlinuz-RELEASE` in the image")?;
    let entries = fs::read_dir(&root).with_context(|| format!("read `{}`", root.display()))?;
    for entry in entries.flatten() {
        let to = dir.join(entry.file_name());
        fs::rename(entry.path(), &to)
            .with_context(|| format!("move `{}`", entry.path().display()))?;
    }
    fs::remove_dir_all(image).with_context(|| format!("remove `{}`", image.display()))
}

/// The folder that has a kernel's `boot`.
fn root(folder: &Path, depth: usize) -> Option<PathBuf> {
    if unpacked::release(folder).is_ok() {
        return Some(folder.to_owned());
    }
    let depth = depth.checked_sub(1)?;
    let mut below: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    below.sort();
    below.iter().find_map(|folder| root(folder, depth))
}

/// The major version of the gcc that a kernel was built by.
fn compiler(kernel: &Kernel) -> Result<Option<u32>> {
    let config = read(&kernel.config)?;
    // As `140200`; 0 where it was another compiler.
    let version = set(&config, "GCC_VERSION").and_then(|version| version.parse::<u32>().ok());
    Ok(version
        .map(|version| version / 10_000)
        .filter(|major| *major > 0))
}

/// Says that this machine's gcc is another than the one that built the kernel.
fn tell(kernel: &Kernel, built_by: u32) -> Result<()> {
    let here = Tool::new("gcc").arg("-dumpversion").output()?;
    let here = here.trim().split('.').next().unwrap_or_default();
    if here != built_by.to_string() {
        progress::note(format!(
            "kernel {}: it was built by gcc {built_by}, and this machine has gcc {here}; where a \
             module does not build, name a suite of Debian that has the other in `tools` of its \
             table",
            kernel.name
        ));
    }
    Ok(())
}
