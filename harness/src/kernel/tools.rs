//! What a kernel of another suite has its modules built by: that suite's compiler, linker and
//! pahole, unpacked and not installed. This machine's loader and C library may be older than these
//! programs want, so each runs by the loader and with the libraries of its own suite.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use object::{Object, ObjectSection};

use super::apt::{self, Archive};
use super::unpack;
use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::tool::Tool;

/// The cache's kind of them.
pub const KIND: &str = "tools";

/// The variable by which a program that [`wrap`] has replaced finds the folder of tools.
const VARIABLE: &str = "KASSAY_TOOLS";

/// Under what [`cached`] has the tools that are a newer pahole and no more.
pub const PAHOLE: &str = "pahole";

/// The suite of Debian that a newer pahole comes from: 1.30, which writes all that kernels up to
/// 7.2 want, and the distilled base that modules may have from 6.11 on (1.28).
const OF_PAHOLE: &str = "trixie";

/// What they are beside the compiler.
const ALWAYS: [&str; 2] = ["binutils", "pahole"];

/// Folders of libraries, as Debian's `libc6` and others have them on this processor.
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/// What takes the place of a program. It may be called by a link, whose name the program is told;
/// gcc finds its parts from there.
const SCRIPT: &str = "\
#!/bin/sh
program=$0
[ -e \"$program.elf\" ] || program=$(realpath \"$0\")
tools=${KASSAY_TOOLS:?is to be the folder of the tools of this kernel}
libraries=$tools/lib/x86_64-linux-gnu:$tools/usr/lib/x86_64-linux-gnu
exec \"$tools/loader\" --inhibit-cache --library-path \"$libraries\" --argv0 \"$0\" \\
    \"$program.elf\" \"$@\"
";

/// The folder of tools for a kernel's key, if it is cached.
pub fn cached(cache: &Cache, kernel: &str) -> Option<PathBuf> {
    let (key, _) = cache.recall(&memo(kernel))?;
    let tools = cache.get(KIND, &key);
    tools.inspect(|_| cache.touch(KIND, &key))
}

/// The key of a folder of tools.
pub fn key(tools: Option<&Path>) -> Option<&str> {
    tools?.file_name()?.to_str()
}

/// Has tools of the cache be those for a kernel's key.
///
/// # Errors
/// The cache cannot be written.
pub fn adopt(cache: &Cache, kernel: &str, key: &str) -> Result<()> {
    cache.remember(&memo(kernel), key)
}

/// The folder of tools for a kernel's key: its compiler, and the libraries that the programs of
/// its `kbuild` package want; downloaded and unpacked unless cached.
///
/// # Errors
/// apt does not know or cannot download a package, or the disk is full.
pub fn obtain(
    cache: &Cache,
    archive: &Archive,
    kernel: &str,
    [compiler, kbuild]: [&str; 2],
    arch: Arch,
) -> Result<PathBuf> {
    let compiler = cross(compiler, arch);
    let names = [&[compiler.as_str(), kbuild][..], &ALWAYS].concat();
    let mut packages = archive.closure(&names)?;
    packages.retain(|package| package.name != kbuild);
    let what = format!("{compiler}, {} and their libraries", ALWAYS.join(", "));
    keep(cache, archive, kernel, &what, &packages)
}

/// The package of a compiler of this machine's that makes code for a processor: of `gcc-14`,
/// `gcc-16-for-host` or `linux-compiler-gcc-12-arm`, such as `gcc-14-aarch64-linux-gnu`.
fn cross(compiler: &str, arch: Arch) -> String {
    let version = compiler
        .split('-')
        .find(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    match version {
        Some(version) if arch.is_foreign() => format!("gcc-{version}-{}", arch.gnu()),
        _ => compiler.to_owned(),
    }
}

/// Fetches the pahole of [`OF_PAHOLE`], for kernels that are built here; returns its version.
///
/// # Errors
/// That suite of Debian cannot be had.
pub fn fetch_pahole(cache: &Cache) -> Result<String> {
    let archive = Archive::of_suites(cache, &[OF_PAHOLE.to_owned()], Arch::X86)?;
    let packages = archive.closure(&[PAHOLE])?;
    keep(
        cache,
        &archive,
        PAHOLE,
        "pahole and its libraries",
        &packages,
    )?;
    archive.require(PAHOLE).map(|pahole| pahole.version)
}

/// The folder of these packages, which is remembered as the one for a kernel.
fn keep(
    cache: &Cache,
    archive: &Archive,
    kernel: &str,
    what: &str,
    packages: &[apt::Package],
) -> Result<PathBuf> {
    let digests = packages.iter().map(|package| &package.sha256);
    let key = digests
        .fold(Key::new(KIND), |key, digest| key.text("deb", digest))
        .finish();
    let make = |dir: &Path| make(archive, what, packages, dir);
    let tools = cache.get_or_make(KIND, &key, what, make)?;
    adopt(cache, kernel, &key)?;
    Ok(tools)
}

/// Removes the tools that no kernel in the cache wants any more.
///
/// # Errors
/// A folder cannot be removed.
pub fn sweep(cache: &Cache) -> Result<()> {
    let kernels = cache.keys(super::KIND);
    let kernels = kernels.iter().map(String::as_str).chain([PAHOLE]);
    let wanted: Vec<String> = kernels
        .filter_map(|kernel| cache.recall(&memo(kernel)))
        .map(|(key, _)| key)
        .collect();
    let keys = cache.keys(KIND).into_iter();
    keys.filter(|key| !wanted.contains(key))
        .try_for_each(|key| cache.remove(KIND, &key).map(drop))
}

fn memo(kernel: &str) -> String {
    format!("tools-{kernel}")
}

fn make(archive: &Archive, what: &str, packages: &[apt::Package], dir: &Path) -> Result<()> {
    unpack::packages(archive, what, packages, dir)?;
    let loader = wrap(&dir.join("usr"))?.context("find a program among the tools")?;
    let mut places = LIBRARIES
        .iter()
        .map(|folder| Path::new(folder).join(&loader));
    let place = places
        .find(|place| dir.join(place).is_file())
        .with_context(|| format!("find `{loader}` in the tools' libraries"))?;
    symlink(place, dir.join("loader")).context("link the tools' loader")
}

/// Replaces each program in a folder by a script that has it run by the tools' loader, and returns
/// the name of the loader that they want. Libraries stay.
///
/// # Errors
/// The folder cannot be read or written.
pub fn wrap(folder: &Path) -> Result<Option<String>> {
    let mut loader = None;
    let read = || format!("read `{}`", folder.display());
    let entries = fs::read_dir(folder).with_context(read)?;
    // All of them before the first is replaced: new ones may come in between.
    let entries = entries
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(read)?;
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            loader = wrap(&path)?.or(loader);
        } else if kind.is_file()
            && let Some(wanted) = interpreter(&path)?
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let replaced = || format!("replace `{}`", path.display());
            fs::rename(&path, path.with_file_name(format!("{name}.elf"))).with_context(replaced)?;
            fs::write(&path, SCRIPT).with_context(replaced)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).with_context(replaced)?;
            loader = Some(wanted);
        }
    }
    Ok(loader)
}

/// The file name of the loader that a program wants; nothing for what is none, and for a library.
fn interpreter(path: &Path) -> Result<Option<String>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mode = path.metadata()?.permissions().mode();
    if mode & 0o111 == 0 || name.contains(".so") {
        return Ok(None);
    }
    let bytes = fs::read(path).with_context(|| format!("read `{}`", path.display()))?;
    let Ok(file) = object::File::parse(&*bytes) else {
        return Ok(None);
    };
    let section = file.section_by_name(".interp");
    let wanted = section.and_then(|section| section.data().ok());
    let wanted = wanted.map(|data| String::from_utf8_lossy(data).into_owned());
    Ok(wanted.map(|path| {
        let path = path.trim_end_matches('\0');
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }))
}

/// Has a command find these tools before the machine's own, where there are any.
pub fn first(command: Tool, tools: Option<&Path>) -> Tool {
    let Some(tools) = tools else {
        return command;
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let (bin, path) = (tools.join("usr/bin"), path.to_string_lossy().into_owned());
    command
        .env(VARIABLE, tools)
        .env("PATH", format!("{}:{path}", bin.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cross_compiler_is_of_the_version_that_built_the_kernel() {
        let arm64 = |compiler| cross(compiler, Arch::Arm64);
        assert_eq!(arm64("gcc-14"), "gcc-14-aarch64-linux-gnu");
        assert_eq!(arm64("gcc-16-for-host"), "gcc-16-aarch64-linux-gnu");
        let of_old = "linux-compiler-gcc-12-arm";
        assert_eq!(arm64(of_old), "gcc-12-aarch64-linux-gnu");
        assert_eq!(cross("gcc-14", Arch::X86), "gcc-14");
    }

    #[test]
    fn tools_come_before_the_machines_own() {
        let seen = |tools| first(Tool::hermetic("env"), tools).output().unwrap();
        let of_tools = seen(Some(Path::new("/tools")));
        assert!(
            of_tools.contains("\nPATH=/tools/usr/bin:") || of_tools.starts_with("PATH=/tools/")
        );
        assert!(of_tools.contains("KASSAY_TOOLS=/tools\n"));
        assert!(!seen(None).contains(VARIABLE));
    }

    #[test]
    fn a_program_runs_by_the_loader_of_its_tools_by_each_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("usr/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy("/bin/echo", bin.join("echo")).unwrap();
        symlink("echo", bin.join("say")).unwrap();
        fs::write(bin.join("readme"), "text").unwrap();
        let loader = wrap(dir.path()).unwrap().unwrap();
        // A loader that says what it is asked for.
        fs::copy("/bin/echo", dir.path().join("loader")).unwrap();
        assert!(loader.starts_with("ld-"), "{loader}");
        for name in ["echo", "say"] {
            let said = Tool::new(bin.join(name))
                .env(VARIABLE, dir.path())
                .arg("hello")
                .output()
                .unwrap();
            let program = bin.join("echo.elf").display().to_string();
            assert!(said.contains(&format!("/bin/{name} ")), "{said}");
            assert!(said.ends_with(&format!("/{name}.elf hello\n")) || said.contains(&program));
        }
        assert_eq!(fs::read_to_string(bin.join("readme")).unwrap(), "text");
    }
}
