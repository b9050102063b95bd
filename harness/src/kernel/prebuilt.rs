//! Kernels that a distribution built: the machine's own, and those of Debian's suites. Their
//! packages are unpacked into one cache entry, not installed, so that an ordinary user can test on
//! them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::lock::{self, Lock};
use super::modules::Modules;
use super::{KIND, Kernel, MODULES, apt, catalog, image, read, tools, unpack};
use crate::cache::{Cache, Key};
use crate::interrupt;

/// The folder of an entry with the modules to insert at boot, named so that they sort in order.
const BOOT: &str = "boot-modules";

/// What the names of packages begin with that hold a part of a kernel or its headers. Since 7.2
/// Debian's image package is empty, and its parts are in the first three.
const PARTS: [&str; 5] = [
    "linux-base-",
    "linux-binary-",
    "linux-modules-",
    "linux-headers-",
    "linux-kbuild-",
];

/// That a name of the lock stands for another kernel now, in words, if it does.
pub type Moved = Option<String>;

/// The packages that make up a kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What `uname -r` says in it.
    pub release: String,
    /// The package of the compiler that the headers depend on, such as `gcc-14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// The image first.
    pub packages: Vec<apt::Package>,
}

impl Found {
    /// What it is, for a user: the release, and the version of its package.
    pub fn version(&self) -> String {
        let version = self.packages.first().map(|image| image.version.as_str());
        format!("{} ({})", self.release, version.unwrap_or("no package"))
    }

    /// The packages of the compiler, and of the programs, that modules are built with.
    fn tools(&self) -> Result<[&str; 2]> {
        let mut names = self.packages.iter().map(|package| package.name.as_str());
        let kbuild = names.find(|name| name.starts_with("linux-kbuild-"));
        let compiler = self.compiler.as_deref();
        Ok([
            compiler.context("find the compiler that the headers depend on")?,
            kbuild.context("find the package `linux-kbuild-…` that the headers depend on")?,
        ])
    }
}

/// Where headers have the program that resolves the names of a set of kfuncs.
const RESOLVE_BTFIDS: &str = "tools/bpf/resolve_btfids/resolve_btfids";

/// The package that depends on the headers of a suite's newest kernel.
const HEADERS: &str = "linux-headers-amd64";

impl catalog::Prebuilt {
    /// What the kernel is made of: as the lock says, else as it was last.
    fn found(&self, cache: &Cache, name: &str, lock: &Lock) -> Option<Found> {
        let locked = match self.suites.is_empty() {
            true => None,
            // One that cannot be read is told of when it is to be written.
            false => lock.get(name).ok().flatten(),
        };
        let last = || {
            let (memo, _) = cache.recall(&self.memo())?;
            serde_json::from_str(&memo).ok()
        };
        locked.or_else(last)
    }

    /// What apt knows of it. The lists of suites are brought up to date.
    fn archive(&self, cache: &Cache) -> Result<apt::Archive> {
        match self.suites.is_empty() {
            true => Ok(apt::Archive::host()),
            false => apt::Archive::of_suites(cache, &self.suites),
        }
    }

    /// All modules of the kernel that is cached, in a folder of their own, which is made of the
    /// same packages; it takes a download.
    ///
    /// # Errors
    /// apt no longer has these packages, or cannot download them.
    pub fn all_modules(&self, cache: &Cache, kernel: &Kernel, lock: &Lock) -> Result<Modules> {
        let found = self
            .found(cache, &kernel.name, lock)
            .context("find what the kernel was unpacked from")?;
        let what = format!("the modules of {}", found.release);
        let entry = cache.get_or_make(MODULES, &kernel.key, &what, |dir| {
            let binary = |package: &&apt::Package| {
                let rest = ["linux-headers-", "linux-kbuild-"];
                !rest.iter().any(|rest| package.name.starts_with(rest))
            };
            let packages: Vec<_> = found.packages.iter().filter(binary).cloned().collect();
            let all = tempfile::tempdir_in(dir).context("make a temporary folder")?;
            unpack::packages(&self.archive(cache)?, &what, &packages, all.path())?;
            let modules = modules(all.path(), &found.release)?;
            fs::rename(&modules, dir.join("modules"))
                .with_context(|| format!("keep `{}`", modules.display()))
        })?;
        Modules::of_package(&entry.join("modules"))
    }

    /// The kernel, if it is cached, in the version that the lock has, else the one that was last
    /// asked for; an entry that somebody damaged is an error.
    pub fn cached(&self, cache: &Cache, name: &str, lock: &Lock) -> Option<Result<Kernel>> {
        let found = self.found(cache, name, lock)?;
        let key = self.key(name, &found);
        let entry = cache.get(KIND, &key)?;
        let tools = match self.suites.is_empty() {
            true => None,
            false => Some(tools::cached(cache, &key)?),
        };
        // The lock may have no word of it yet.
        let noted = || self.note(name, &found, lock);
        let kernel = kernel(name, &found.release, &entry, &key);
        Some(kernel.and_then(|kernel| noted().map(|_| Kernel { tools, ..kernel })))
    }

    /// The kernel in the version that apt offers now, downloaded and unpacked unless cached; and,
    /// in words, that the lock had another.
    ///
    /// # Errors
    /// apt does not know or cannot download a package, or a package is not as Debian's are; the
    /// lock has another version and must stay.
    pub fn obtain(&self, cache: &Cache, name: &str, lock: &Lock) -> Result<(Kernel, Moved)> {
        let archive = self.archive(cache)?;
        let found = self.resolve(&archive)?;
        let wanted = match self.suites.is_empty() {
            true => None,
            false => Some(found.tools()?),
        };
        // One that must stay says so before anything is downloaded.
        if lock::is_fixed() {
            self.note(name, &found, lock)?;
        }
        let key = self.key(name, &found);
        let entry = cache.get_or_make(KIND, &key, name, |dir| {
            self.unpack(cache, &archive, &found, dir)
                .or_else(|error| self.remember(cache, error))
        })?;
        let tools =
            wanted.map(|[compiler, kbuild]| tools::obtain(cache, &archive, &key, compiler, kbuild));
        let tools = tools.transpose()?;
        cache.remember(&self.memo(), &serde_json::to_string(&found)?)?;
        cache.forget(&self.unusable_memo())?;
        let moved = self.note(name, &found, lock)?;
        let kernel = kernel(name, &found.release, &entry, &key)?;
        Ok((Kernel { tools, ..kernel }, moved))
    }

    /// Takes note of why a kernel that was downloaded cannot be used.
    fn remember(&self, cache: &Cache, error: anyhow::Error) -> Result<()> {
        if !interrupt::requested() {
            // What a tool has said takes many lines.
            let why = error.root_cause().to_string();
            let why = match why.contains('\n') {
                true => error.to_string(),
                false => why,
            };
            cache.remember(&self.unusable_memo(), &why)?;
        }
        Err(error)
    }

    /// Why the kernel could not be used when it was last downloaded, if so, and how long ago that
    /// was; else why the lists of its suites could not be had.
    pub fn unusable(&self, cache: &Cache) -> Option<(String, Duration)> {
        let itself = cache.recall(&self.unusable_memo());
        itself.or_else(|| apt::unreachable(cache, &self.suites))
    }

    fn unusable_memo(&self) -> String {
        format!("unusable-{}", self.memo())
    }

    fn note(&self, name: &str, found: &Found, lock: &Lock) -> Result<Moved> {
        match self.suites.is_empty() {
            true => Ok(None),
            false => lock.set(name, found),
        }
    }

    /// The config file of the kernel that [`obtain`](Self::obtain) made, as the distribution
    /// puts it into /boot. The one beside the headers names keys of the distribution's builder.
    pub fn config_file(kernel: &Kernel) -> PathBuf {
        kernel
            .image
            .with_file_name(format!("config-{}", kernel.release))
    }

    fn memo(&self) -> String {
        let key = Key::new("prebuilt").text("packages", &self.packages.join(" "));
        let key = match self.suites.is_empty() {
            true => key,
            false => key.text("suites", &self.suites.join(" ")),
        };
        format!("prebuilt-{}", key.finish())
    }

    fn key(&self, name: &str, found: &Found) -> String {
        let key = Key::new("prebuilt").text("modules", &self.boot_modules.join(" "));
        let key = match self.suites.is_empty() {
            true => key,
            false => key.text("programs", "wrapped"),
        };
        let key = found
            .packages
            .iter()
            .fold(key, |key, package| key.text("deb", &package.sha256));
        format!("{name}-{}", key.finish())
    }

    /// Follows the first known package to the kernel's own, and that and its headers' to those
    /// that they are split into.
    fn resolve(&self, archive: &apt::Archive) -> Result<Found> {
        for package in &self.packages {
            if archive.show(package)?.is_none() {
                continue;
            }
            let image = archive
                .depends(package)?
                .into_iter()
                .find(|name| name.starts_with("linux-image-"));
            let image =
                image.with_context(|| format!("find the kernel that `{package}` depends on"))?;
            let release = image
                .trim_start_matches("linux-image-")
                .trim_end_matches("-unsigned");
            let headers = format!("linux-headers-{release}");
            let of_headers = archive.depends(&headers)?;
            let is_compiler = |name: &&String| {
                ["gcc-", "linux-compiler-gcc-"]
                    .iter()
                    .any(|kind| name.starts_with(kind))
            };
            let compiler = of_headers.iter().find(is_compiler).cloned();
            let parts = [archive.depends(&image)?, of_headers].concat();
            let mut names = vec![image.clone(), headers];
            for part in parts {
                if PARTS.iter().any(|kind| part.starts_with(kind)) && !names.contains(&part) {
                    names.push(part);
                }
            }
            let packages = names
                .iter()
                .map(|name| archive.require(name))
                .collect::<Result<_>>()?;
            return Ok(Found {
                release: release.to_owned(),
                compiler,
                packages,
            });
        }
        let places = match self.suites.is_empty() {
            true => "apt here; run `sudo apt-get update`".to_owned(),
            false => format!("Debian's {}", self.suites.join(" and ")),
        };
        bail!(
            "find a kernel package: none of {} is known to {places}",
            self.packages.join(", ")
        )
    }

    fn unpack(
        &self,
        cache: &Cache,
        archive: &apt::Archive,
        found: &Found,
        dir: &Path,
    ) -> Result<()> {
        let what = format!("linux-image-{} and its headers", found.release);
        unpack::packages(archive, &what, &found.packages, dir)?;
        mend_headers(&headers(dir, &found.release))?;
        let modules = modules(dir, &found.release)?;
        Modules::of_package(&modules)?
            .put(&self.boot_modules, &[], &dir.join(BOOT))
            .context(
                "use this kernel: a machine is reached by modules that it has neither built in \
                 nor beside it",
            )?;
        move_to_boot(&modules, &dir.join("boot"), &found.release)?;
        let vmlinux = headers(dir, &found.release).join("vmlinux");
        if !vmlinux.exists() {
            let image = dir.join(format!("boot/vmlinuz-{}", found.release));
            fs::write(&vmlinux, image::btf(&image)?)
                .with_context(|| format!("write `{}`", vmlinux.display()))?;
        }
        if !self.suites.is_empty() {
            self.fill_in(cache, &headers(dir, &found.release))?;
            tools::wrap(&dir.join("usr/lib"))?;
        }
        // Nine tenths of the entry. Who names others gets them by `all_modules`.
        fs::remove_dir_all(&modules).with_context(|| format!("remove `{}`", modules.display()))
    }
}

impl catalog::Prebuilt {
    /// Puts into the headers the program that a set of kfuncs is built by, where they lack it and
    /// another suite has it.
    fn fill_in(&self, cache: &Cache, headers: &Path) -> Result<()> {
        let place = headers.join(RESOLVE_BTFIDS);
        if self.programs.is_empty() || place.exists() {
            return Ok(());
        }
        let archive = apt::Archive::of_suites(cache, &self.programs)?;
        let kbuild = Self::kbuild(&archive)?;
        let all = tempfile::tempdir_in(headers).context("make a temporary folder")?;
        unpack::packages(
            &archive,
            &kbuild.name,
            std::slice::from_ref(&kbuild),
            all.path(),
        )?;
        let program = all
            .path()
            .join("usr/lib")
            .join(&kbuild.name)
            .join(RESOLVE_BTFIDS);
        let folder = place.parent().unwrap_or(headers);
        fs::create_dir_all(folder)
            .with_context(|| format!("make directory `{}`", folder.display()))?;
        fs::copy(&program, &place)
            .with_context(|| format!("copy `{}`", program.display()))
            .map(drop)
    }

    /// The package of a suite's newest kernel with the programs that modules are built with.
    fn kbuild(archive: &apt::Archive) -> Result<apt::Package> {
        let mut name = HEADERS.to_owned();
        for kind in ["linux-headers-", "linux-kbuild-"] {
            let depends = archive.depends(&name)?;
            let next = depends.into_iter().find(|name| name.starts_with(kind));
            name = next.with_context(|| format!("find `{kind}…` that `{name}` depends on"))?;
        }
        archive.require(&name)
    }
}

/// The folder of modules in what packages were unpacked into.
fn modules(dir: &Path, release: &str) -> Result<PathBuf> {
    let places = ["lib/modules", "usr/lib/modules"].map(|place| dir.join(place).join(release));
    let found = places.into_iter().find(|place| place.is_dir());
    found.with_context(|| format!("find the modules of `{release}`"))
}

fn headers(entry: &Path, release: &str) -> PathBuf {
    entry
        .join("usr/src")
        .join(format!("linux-headers-{release}"))
}

fn kernel(name: &str, release: &str, entry: &Path, key: &str) -> Result<Kernel> {
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
        tools: None,
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
