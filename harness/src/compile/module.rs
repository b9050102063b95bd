//! Kernel modules, built by kbuild against the kernel under test, outside both
//! source trees, and what they say of their kfuncs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, Key, is_scratch};
use crate::kernel::Kernel;
use crate::kfuncs;
use crate::progress::Progress;
use crate::scenario::Part;
use crate::tool::Tool;

/// A built module.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name, which is that of its directory.
    pub name: String,
    /// The file to insert.
    pub file: PathBuf,
    /// Names of the kfuncs that it registers.
    pub kfuncs: Vec<String>,
}

/// What kbuild prints when it leaves a module without BTF (scripts/Makefile.modfinal).
const NO_BTF: &str = "Skipping BTF generation";

/// Builds a module for a kernel. Headers that modules share lie in `include` beside the
/// module's folder, else in this repository's `modules/include`; when it is built they are
/// beside it.
///
/// # Errors
/// A compiler's error, with its lines; a module without BTF, with the reason
/// and how it is mended.
pub fn build(cache: &Cache, kernel: &Kernel, part: &Part) -> Result<Module> {
    let Part {
        name, path: source, ..
    } = part;
    let beside = source.with_file_name("include");
    let include = match beside.is_dir() {
        true => beside,
        false => crate::repository().join("modules/include"),
    };
    let key = key(kernel, part, &include)?;
    let what = format!("module {name} for {}", kernel.name);
    let entry = cache.get_or_make("modules", &key, &what, |directory| {
        let place = Key::new("build")
            .text("name", name)
            .text("source", &source.to_string_lossy())
            .text("kernel", &kernel.key)
            .finish();
        let _lock = cache.lock("build", &place, &format!("the last build of {what}"))?;
        let place = cache.dir("build").join(&place);
        renew(source, &place.join(name))?;
        renew(&include, &place.join("include"))?;
        if self::key(kernel, part, &include)? != key {
            bail!("build {what}: its sources changed while they were read; run it again");
        }
        give_btf(kernel)?;
        let built = place.join(name);
        make(kernel, &built, &what, &cache.log(&format!("module-{key}"))?)?;
        let file = format!("{name}.ko");
        fs::copy(built.join(&file), directory.join(&file))
            .with_context(|| format!("keep `{file}`"))
            .map(drop)
    })?;
    Module::at(name, entry.join(format!("{name}.ko")))
}

impl Module {
    /// The module in a file.
    ///
    /// # Errors
    /// The file cannot be read as one.
    pub fn at(name: &str, file: PathBuf) -> Result<Module> {
        Ok(Module {
            name: name.to_owned(),
            kfuncs: kfuncs(&file)?,
            file,
        })
    }
}

fn key(kernel: &Kernel, part: &Part, include: &Path) -> Result<String> {
    let key = Key::new("modules")
        .text("name", &part.name)
        .text("kernel", &kernel.key)
        .tree("source", &part.path)?
        .tree("include", include)?;
    Ok(key.finish())
}

/// Runs kbuild in a folder that may have an older build of the module. What has not changed
/// since is not made again, which saves a third of the time.
fn make(kernel: &Kernel, directory: &Path, what: &str, log: &Path) -> Result<()> {
    let progress = Progress::steps(format!("build {what}"), None);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut skipped = None;
    Tool::new("make")
        .arg("-C")
        .arg(&kernel.build)
        .arg(format!("M={}", directory.display()))
        .arg(format!("-j{jobs}"))
        .arg("modules")
        // A make that started kassay would otherwise hand down its flags and its jobserver.
        .env("MAKEFLAGS", "")
        // Messages name the user's files, not our copies.
        .showing(directory.parent().unwrap_or(directory), "modules")
        .run_logged(log, |line| {
            progress.inc(1);
            if line.contains(NO_BTF) {
                skipped = Some(line.to_owned());
            }
        })
        .with_context(|| format!("build {what}"))?;
    progress.finish();
    if let Some(line) = skipped {
        bail!(
            "build {what}: kbuild says `{line}`; a module without BTF inserts cleanly and its kfuncs are \
             missed much later. Put the kernel's vmlinux (or a copy of its /sys/kernel/btf/vmlinux) at \
             `{}`, install pahole, and try again",
            kernel.build.join("vmlinux").display()
        );
    }
    Ok(())
}

/// kbuild takes the base BTF from `vmlinux` in the build tree. A tree that has
/// none gets a link to the kernel's, where it can be written.
fn give_btf(kernel: &Kernel) -> Result<()> {
    let wanted = kernel.build.join("vmlinux");
    if wanted.exists() {
        return Ok(());
    }
    std::os::unix::fs::symlink(&kernel.btf, &wanted).with_context(|| {
        format!(
            "give the build tree its BTF: link `{}` to `{}`",
            wanted.display(),
            kernel.btf.display()
        )
    })
}

/// Names of the kfuncs in a module's `.BTF_ids`.
fn kfuncs(module: &Path) -> Result<Vec<String>> {
    let read = || -> Result<Vec<String>> {
        let data = fs::read(module)?;
        let sets = kfuncs::sets(&object::File::parse(&*data)?)?;
        Ok(sets.into_iter().flat_map(|set| set.names).collect())
    };
    read().with_context(|| format!("read the kfuncs of `{}`", module.display()))
}

/// Brings a copy of a folder's files up to date: by the times of those that changed make tells
/// what to make again. Where a file came or went, the copy is made anew, for what was made of
/// one that is gone must go too.
fn renew(from: &Path, to: &Path) -> Result<()> {
    let copy = || -> std::io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && !is_scratch(&entry.path()) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        let (list, names_of_all) = (to.join(".files"), names.join("\n"));
        if fs::read_to_string(&list).ok().as_ref() != Some(&names_of_all) {
            if to.exists() {
                fs::remove_dir_all(to)?;
            }
            fs::create_dir_all(to)?;
        }
        for name in names {
            let content = fs::read(from.join(&name))?;
            if fs::read(to.join(&name)).ok().as_ref() != Some(&content) {
                fs::write(to.join(&name), content)?;
            }
        }
        fs::write(list, names_of_all)
    };
    copy().with_context(|| format!("copy `{}` to `{}`", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_copy_keeps_what_is_the_same_and_nothing_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).unwrap();
        for name in ["a.c", "b.c"] {
            fs::write(from.join(name), name).unwrap();
        }
        renew(&from, &to).unwrap();
        fs::write(to.join("a.o"), "made of a.c").unwrap();
        fs::write(from.join("b.c"), "new").unwrap();
        renew(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("b.c")).unwrap(), "new");
        assert!(to.join("a.o").exists());
        fs::remove_file(from.join("a.c")).unwrap();
        renew(&from, &to).unwrap();
        assert!(!to.join("a.o").exists() && !to.join("a.c").exists());
    }
}
