//! BPF objects, compiled by the host's clang once for all kernels.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, Key, is_scratch};
use crate::scenario::Part;
use crate::tool::{self, Tool};

/// The oldest clang that will do.
const OLDEST: u32 = 14;

/// Names under which distributions install clang, the preferred one first.
const NAMES: &[&str] = &[
    "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang", "clang-14",
];

/// The compiler's flags. The machine's own headers are those of `linux/bpf.h`.
const FLAGS: &[&str] = &[
    "-target",
    "bpf",
    "-g",
    "-O2",
    "-Wall",
    "-Werror",
    "-D__TARGET_ARCH_x86",
];

/// Compiles a program's file. Headers may lie beside it or in `bpf/`; those of
/// libbpf are of the one that loads the program, since some of them must match it.
///
/// # Errors
/// No clang; the compiler's own lines.
pub fn build(cache: &Cache, part: &Part, libbpf: &Path) -> Result<PathBuf> {
    let Part {
        name,
        path: source,
        flags,
    } = part;
    let shared = crate::repository().join("bpf");
    let folders = [source.parent().unwrap_or(Path::new("")), &shared];
    let clang = clang(cache)?;
    let key = key(&clang, &folders, libbpf, part)?;
    let what = format!("BPF program {name}");
    let object = format!("{name}.bpf.o");
    let entry = cache.get_or_make("bpf", &key, &what, |directory| {
        Tool::new(&clang)
            .args(FLAGS)
            .args(folders.map(|folder| format!("-I{}", folder.display())))
            .arg(format!("-I{}", libbpf.display()))
            .arg(format!(
                "-I/usr/include/{}-linux-gnu",
                std::env::consts::ARCH
            ))
            .args(flags)
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(directory.join(&object))
            .run_logged(&cache.log(&format!("bpf-{key}"))?, |_| {})
            .with_context(|| format!("compile {what}"))?;
        if self::key(&clang, &folders, libbpf, part)? != key {
            bail!("compile {what}: its sources changed meanwhile; run it again");
        }
        Ok(())
    })?;
    Ok(entry.join(object))
}

fn key(clang: &Path, folders: &[&Path], libbpf: &Path, part: &Part) -> Result<String> {
    let mut key = Key::new("bpf")
        .text("name", &part.name)
        .text("compiler", &clang.display().to_string())
        .text("flags", &FLAGS.join(" "))
        .text("own flags", &part.flags.join("\0"))
        .tree("libbpf", libbpf)?
        .file("source", &part.path)?;
    for folder in folders {
        for header in headers(folder)? {
            key = key.file("header", &header)?;
        }
    }
    Ok(key.finish())
}

fn headers(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut headers: Vec<PathBuf> = std::fs::read_dir(directory)
        .with_context(|| format!("list `{}`", directory.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "h"))
        .filter(|path| !is_scratch(path))
        .collect();
    headers.sort();
    Ok(headers)
}

/// The first clang of [`NAMES`] that is new enough. Which version a file is
/// does not change while the file does not, so the answer is remembered.
pub fn clang(cache: &Cache) -> Result<PathBuf> {
    let mut too_old = None;
    for path in NAMES.iter().filter_map(tool::find) {
        let version = version(cache, &path)?;
        if version >= OLDEST {
            return Ok(path);
        }
        too_old = Some((path, version));
    }
    match too_old {
        Some((path, version)) => bail!(
            "find clang: `{}` is version {version}, and {OLDEST} is the oldest that will do; \
             `cargo kassay setup` installs one",
            path.display()
        ),
        None => bail!("find clang: there is none in PATH; `cargo kassay setup` installs it"),
    }
}

fn version(cache: &Cache, clang: &Path) -> Result<u32> {
    let file = clang
        .metadata()
        .with_context(|| format!("look at `{}`", clang.display()))?;
    let memo = Key::new("clang")
        .text("path", &clang.display().to_string())
        .text(
            "file",
            &format!("{:?} {}", file.modified().ok(), file.len()),
        )
        .finish();
    let memo = format!("clang-{memo}");
    if let Some(version) = cache.recall(&memo).and_then(|(text, _)| text.parse().ok()) {
        return Ok(version);
    }
    let said = Tool::new(clang).arg("-dumpversion").output()?;
    let version = said
        .split('.')
        .next()
        .and_then(|major| major.trim().parse().ok())
        .unwrap_or(0);
    cache.remember(&memo, &version.to_string())?;
    Ok(version)
}
