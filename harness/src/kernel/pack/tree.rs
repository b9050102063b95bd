//! The build tree of a kernel that was built here, so that modules are built in it elsewhere: without
//! what only kbuild's next build of the kernel would read, and with that part of the source that is
//! read for modules, as distributions have it in their headers.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::super::{KIND, read};
use super::content::KERNEL;
use super::parts::{Part, Parts};
use crate::arch::Arch;
use crate::cache::Cache;
use crate::plain;

/// The build tree in an entry of the cache, and the part of the source in one that was unpacked.
pub const BUILD: &str = "build";
const SOURCE: &str = "source";

/// The file of an unpacked entry that says where the source was: the debug information names it.
const SOURCE_NAME: &str = "source-name";

/// The one file of a build tree that names places by their absolute paths and is read for modules;
/// and what stands for the places in a pack.
const MAKEFILE: &str = "Makefile";
const MARKS: [(&str, &str); 2] = [("@KASSAY_SOURCE@", SOURCE), ("@KASSAY_BUILD@", BUILD)];

/// What the names of files end in that only a build of the kernel itself reads again: objects,
/// archives, how they were made, of what and with which complaints, and constants of its structures.
const INTERIM: [&str; 6] = [".o", ".a", ".cmd", ".d", ".s", ".log"];

/// Collects the build tree in an entry of the cache, and the part of its source.
///
/// # Errors
/// Something cannot be read, or names a place here.
pub fn collect(cache: &Cache, entry: &Path, arch: Arch, parts: &mut Parts) -> Result<()> {
    let build = entry.join(BUILD);
    let link = build.join(SOURCE);
    let source = link.canonicalize().with_context(|| {
        format!(
            "find the source that the kernel was built from, `{}`, by which modules are built",
            link.display()
        )
    })?;
    let is_kept = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !INTERIM.iter().any(|end| name.ends_with(end)) && path != Path::new(SOURCE)
    };
    parts.some(&build, &format!("{KERNEL}/{BUILD}"), is_kept)?;
    check(parts, &[&source, &cache.dir(KIND)])?;
    let places = [(MARKS[0].0, &source), (MARKS[1].0, &build)];
    let text = places
        .iter()
        .fold(read(&build.join(MAKEFILE))?, |text, (mark, place)| {
            text.replace(&place.display().to_string(), mark)
        });
    let at = |path: &str| Path::new(KERNEL).join(path);
    parts.add(&at(BUILD).join(MAKEFILE), Part::Text(text));
    let link = Path::new("..").join(SOURCE);
    parts.add(&at(BUILD).join(SOURCE), Part::Link(link));
    let name = source_name(&build).display().to_string();
    parts.add(&at(SOURCE_NAME), Part::Text(name));
    let is_read = |path: &Path| is_read_for_modules(path, arch);
    parts.some(&source, &format!("{KERNEL}/{SOURCE}"), is_read)
}

/// Whether modules are built by a file of the source: what `make bindeb-pkg` puts into a package of
/// headers (scripts/package/install-extmod-build of 6.12).
fn is_read_for_modules(path: &Path, arch: Arch) -> bool {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    match parts.iter().map(|part| &**part).collect::<Vec<_>>()[..] {
        [MAKEFILE] => true,
        ["include" | "scripts", ..] => true,
        ["arch", of, file] if of == arch.kernel() => file.starts_with(MAKEFILE),
        ["arch", of, .., file] if of == arch.kernel() => {
            let is_header = parts[2..].iter().any(|part| part == "include");
            is_header || ["Kbuild.platforms", "Platform"].contains(&file)
        }
        _ => false,
    }
}

/// Sees that no text names a place here; the debug information of programs may.
fn check(parts: &Parts, places: &[&Path]) -> Result<()> {
    for (path, part) in parts.iter() {
        let Part::File(file) = part else { continue };
        if path.ends_with(Path::new(BUILD).join(MAKEFILE)) {
            continue;
        }
        let read = || format!("read `{}`", file.display());
        let mut bytes = Vec::new();
        let mut opened = plain::open(file).with_context(read)?;
        opened.read_to_end(&mut bytes).with_context(read)?;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let is_named = |place: &&&Path| text.contains(&place.display().to_string());
        if let Some(place) = places.iter().find(is_named) {
            bail!(
                "`{}` names `{}`, which is of this cache alone, and nothing is known of how to have \
                 it name another place: please tell kassay's makers which kernel it is",
                file.display(),
                place.display()
            );
        }
    }
    Ok(())
}

/// What the debug information of a kernel begins the names of its source files with.
pub fn source_name(build: &Path) -> PathBuf {
    let link = build.join(SOURCE);
    match link.read_link() {
        Ok(to) if to.is_relative() => {
            let name = fs::read_to_string(build.with_file_name(SOURCE_NAME));
            name.map_or(link, PathBuf::from)
        }
        Ok(to) => to,
        Err(_) => link,
    }
}

/// Has the build tree of a kernel that was unpacked, if it has one, speak of the place that the
/// kernel will be moved to.
///
/// # Errors
/// Its Makefile cannot be written.
pub fn settle(kernel: &Path, place: &Path) -> Result<()> {
    let file = kernel.join(BUILD).join(MAKEFILE);
    if !file.is_file() {
        return Ok(());
    }
    let text = MARKS.iter().fold(read(&file)?, |text, (mark, folder)| {
        text.replace(mark, &place.join(folder).display().to_string())
    });
    fs::write(&file, text).with_context(|| format!("write `{}`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_source_of_an_unpacked_kernel_is_named_as_it_was_when_it_was_built() {
        let entry = tempfile::tempdir().unwrap();
        let build = entry.path().join(BUILD);
        fs::create_dir(&build).unwrap();
        fs::write(entry.path().join(SOURCE_NAME), "/there/linux").unwrap();
        for (link, name) in [
            ("/here/linux", "/here/linux"),
            ("../source", "/there/linux"),
        ] {
            symlink(link, build.join(SOURCE)).unwrap();
            assert_eq!(source_name(&build), Path::new(name));
            fs::remove_file(build.join(SOURCE)).unwrap();
        }
    }

    #[test]
    fn of_a_source_what_modules_are_built_by_goes_along() {
        let goes = |path: &str| is_read_for_modules(Path::new(path), Arch::X86);
        for path in [
            "Makefile",
            "scripts/mod/modpost.c",
            "include/linux/module.h",
            "arch/x86/Makefile.postlink",
            "arch/x86/include/uapi/asm/bpf.h",
            "arch/x86/um/asm/include/a.h",
        ] {
            assert!(goes(path), "{path}");
        }
        for path in [
            "Kconfig",
            "kernel/Makefile",
            "arch/x86/mm/Makefile",
            "arch/arm64/include/asm/bpf.h",
            "drivers/net/include/a.h",
        ] {
            assert!(!goes(path), "{path}");
        }
    }
}
