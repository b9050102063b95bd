//! What the packages or images of a kernel are unpacked to, and how a kernel is made of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::modules::Modules;
use super::{Kernel, image, read};
use crate::arch::Arch;

/// The folder of an entry with the modules to insert at boot, named so that they sort in order.
const BOOT: &str = "boot-modules";

/// Where modules lie.
const MODULES: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// The file of an entry that says why a machine of the kernel cannot be reached.
const UNREACHABLE: &str = "unreachable";

/// Makes a kernel of what was unpacked into a folder: its headers work where they lie, its BTF is
/// beside them, and the modules to insert at boot are apart. Returns where all its modules lie.
///
/// # Errors
/// It has no modules, or no BTF.
pub fn settle(dir: &Path, release: &str, boot_modules: &[String]) -> Result<PathBuf> {
    cut_links(dir, &dir.canonicalize().context("find the folder")?)?;
    let headers = headers(dir, release);
    match headers.join("Makefile").exists() {
        true => mend_headers(&headers)?,
        // Programs can be tested on it, and modules not.
        false => fs::create_dir_all(&headers)
            .with_context(|| format!("make directory `{}`", headers.display()))?,
    }
    let modules = modules(dir, release)?;
    let of_package = Modules::of_package(&modules)?;
    let wanted = match of_package.lacking(boot_modules).as_slice() {
        [] => boot_modules,
        lacking => {
            let why = format!(
                "it has neither built in nor as modules {}",
                lacking.join(", ")
            );
            let file = dir.join(UNREACHABLE);
            fs::write(&file, why).with_context(|| format!("write `{}`", file.display()))?;
            &[]
        }
    };
    of_package.put(wanted, &[], &dir.join(BOOT))?;
    move_to_boot(&modules, &dir.join("boot"), release)?;
    let config = headers.join(".config");
    if !config.exists() {
        let from = dir.join(format!("boot/config-{release}"));
        fs::copy(&from, &config).with_context(|| format!("copy `{}`", from.display()))?;
    }
    let vmlinux = headers.join("vmlinux");
    if !vmlinux.exists() {
        let image = dir.join(format!("boot/vmlinuz-{release}"));
        fs::write(&vmlinux, image::btf(&image)?)
            .with_context(|| format!("write `{}`", vmlinux.display()))?;
    }
    Ok(modules)
}

/// Removes the links that lead out of a folder or nowhere, through which something would be written
/// there; packages have some, such as `build` beside modules.
fn cut_links(folder: &Path, root: &Path) -> Result<()> {
    let read = || format!("read `{}`", folder.display());
    for entry in fs::read_dir(folder).with_context(read)? {
        let entry = entry.with_context(read)?;
        let (path, kind) = (entry.path(), entry.file_type().with_context(read)?);
        if kind.is_dir() {
            cut_links(&path, root)?;
        } else if kind.is_symlink() && !path.canonicalize().is_ok_and(|to| to.starts_with(root)) {
            fs::remove_file(&path).with_context(|| format!("remove `{}`", path.display()))?;
        }
    }
    Ok(())
}

/// The release of the one kernel that is there: `boot/vmlinuz-RELEASE`, or as Debian's since 7.2
/// beside its modules.
///
/// # Errors
/// There is none, or more than one.
pub fn release(dir: &Path) -> Result<String> {
    let names = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    let of_image = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_prefix("vmlinuz-").map(str::to_owned)
    };
    let beside = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        entry.path().join("vmlinuz").exists().then_some(name)
    };
    let mut releases: Vec<String> = names(dir.join("boot")).filter_map(of_image).collect();
    let places = MODULES.iter().flat_map(|place| names(dir.join(place)));
    releases.extend(places.filter_map(beside));
    releases.sort();
    releases.dedup();
    match releases.as_slice() {
        [release] => Ok(release.clone()),
        [] => bail!("find a kernel: there is no `boot/vmlinuz-RELEASE`"),
        several => bail!("find a kernel: there are several, {}", several.join(", ")),
    }
}

/// The folder of modules in what packages were unpacked into.
pub fn modules(dir: &Path, release: &str) -> Result<PathBuf> {
    let mut places = MODULES.iter().map(|place| dir.join(place).join(release));
    let found = places.find(|place| place.is_dir());
    found.with_context(|| format!("find the modules of `{release}`"))
}

pub fn headers(entry: &Path, release: &str) -> PathBuf {
    entry
        .join("usr/src")
        .join(format!("linux-headers-{release}"))
}

pub fn kernel(name: &str, release: &str, entry: &Path, key: &str) -> Result<Kernel> {
    let build = headers(entry, release);
    let mut modules = fs::read_dir(entry.join(BOOT))
        .and_then(|files| {
            files
                .map(|file| Ok(file?.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("read `{}`", entry.join(BOOT).display()))?;
    modules.sort();
    let kernel = Kernel {
        name: name.to_owned(),
        release: release.to_owned(),
        image: entry.join(format!("boot/vmlinuz-{release}")),
        btf: build.join("vmlinux"),
        config: build.join(".config"),
        build,
        modules,
        unreachable: fs::read_to_string(entry.join(UNREACHABLE)).ok(),
        tools: None,
        arch: Arch::default(),
        key: key.to_owned(),
    };
    for file in [&kernel.image, &kernel.config] {
        if !file.exists() {
            bail!(
                "find `{}`: remove the kernel with `kassay kernel remove {name}`",
                file.display()
            );
        }
    }
    Ok(kernel)
}

/// Puts the image and its config, which Debian has beside the modules since 7.2, where they were
/// before.
fn move_to_boot(modules: &Path, boot: &Path, release: &str) -> Result<()> {
    fs::create_dir_all(boot).with_context(|| format!("make directory `{}`", boot.display()))?;
    for name in ["vmlinuz", "config"] {
        let (from, to) = (modules.join(name), boot.join(format!("{name}-{release}")));
        if from.exists() {
            fs::rename(&from, &to).with_context(|| format!("move `{}`", from.display()))?;
        }
    }
    Ok(())
}

/// Makes the headers work where they lie: their Makefile includes another by its absolute path,
/// and since 7.2 names its own folder.
///
/// The new path starts at the Makefile itself, so it holds after the entry is renamed.
fn mend_headers(build: &Path) -> Result<()> {
    let path = build.join("Makefile");
    let above = "$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../";
    let mended = read(&path)?
        .replace("include /usr/src/", &format!("include {above}"))
        .replace(
            "KBUILD_OUTPUT=/usr/src/",
            &format!("KBUILD_OUTPUT:={above}"),
        );
    fs::write(&path, mended).with_context(|| format!("write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mended_headers_include_by_a_path_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("Makefile"),
            "KBUILD_OUTPUT=/usr/src/linux-headers-1\n\
             include /usr/src/linux-headers-1-common/Makefile\n",
        )
        .unwrap();
        mend_headers(dir.path()).unwrap();
        let text = read(&dir.path().join("Makefile")).unwrap();
        assert!(
            text.ends_with("../linux-headers-1-common/Makefile\n") && !text.contains("/usr/src"),
            "{text}"
        );
        assert!(text.starts_with("KBUILD_OUTPUT:=$(dir "), "{text}");
    }

    #[test]
    fn an_image_beside_the_modules_is_found_in_boot() {
        let dir = tempfile::tempdir().unwrap();
        let (modules, boot) = (dir.path().join("modules"), dir.path().join("boot"));
        fs::create_dir(&modules).unwrap();
        fs::write(modules.join("vmlinuz"), "image").unwrap();
        move_to_boot(&modules, &boot, "7.2").unwrap();
        assert_eq!(fs::read(boot.join("vmlinuz-7.2")).unwrap(), b"image");
        assert!(!boot.join("config-7.2").exists());
    }
}
