//! Kernels that a distribution built: the machine's own, and those of Debian's suites. Their
//! packages are unpacked into one cache entry, not installed, so that an ordinary user can test on
//! them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::kinds::Prebuilt;
use super::lock::{self, Lock};
use super::modules::Modules;
use super::{KIND, Kernel, MODULES, apt, tools, unpack, unpacked};
use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::interrupt;

/// What the names of packages begin with that hold a part of a kernel or its headers. Since 7.2
/// Debian's image package is empty, and its parts are in the first three. The last has the headers of
/// Ubuntu's newer kernels.
const PARTS: [&str; 6] = [
    "linux-base-",
    "linux-binary-",
    "linux-modules-",
    "linux-headers-",
    "linux-kbuild-",
    "linux-hwe-",
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
    /// Those of this machine's architecture, where the others are of another: the programs that
    /// modules are built with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<apt::Package>,
}

impl Found {
    /// What it is, for a user: the release, and the version of its package.
    pub fn version(&self) -> String {
        let version = self.packages.first().map(|image| image.version.as_str());
        format!("{} ({})", self.release, version.unwrap_or("no package"))
    }

    /// The packages of the compiler, and of the programs, that modules are built with.
    fn tools(&self) -> Result<[&str; 2]> {
        let packages = self.packages.iter().chain(&self.programs);
        let mut names = packages.map(|package| package.name.as_str());
        let kbuild = names.find(|name| name.starts_with("linux-kbuild-"));
        let compiler = self.compiler.as_deref();
        Ok([
            compiler.context("find the compiler that the headers depend on")?,
            kbuild.context("find the package `linux-kbuild-…` that the headers depend on")?,
        ])
    }
}

/// How long it is believed that a kernel cannot be used.
const BELIEVED: Duration = Duration::from_secs(3600);

/// Where headers have the program that resolves the names of a set of kfuncs.
const RESOLVE_BTFIDS: &str = "tools/bpf/resolve_btfids/resolve_btfids";

/// The package that depends on the headers of a suite's newest kernel.
const HEADERS: &str = "linux-headers-amd64";

/// The packages that programs of the kernel's build are in, for the machine that builds.
const KBUILD: &str = "linux-kbuild-";

impl Prebuilt {
    /// What the kernel is made of: as the lock says, else as it was last.
    pub fn found(&self, cache: &Cache, name: &str, lock: &Lock) -> Option<Found> {
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
            false => apt::Archive::of_suites(cache, &self.suites, self.arch),
        }
    }

    /// What it has for this machine, where that is another: the programs that run here.
    fn programs(&self, cache: &Cache) -> Result<Option<apt::Archive>> {
        let of = || apt::Archive::of_suites(cache, &self.suites, Arch::X86);
        self.arch.is_foreign().then(of).transpose()
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
            let unpacked = unpack::packages(&self.archive(cache)?, &what, &packages, all.path());
            unpacked.with_context(|| {
                format!(
                    "get {what}, which the mirror may no longer have (`kassay kernel update {}` \
                     moves to what it has)",
                    kernel.name
                )
            })?;
            let modules = unpacked::modules(all.path(), &found.release)?;
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
        let kernel = unpacked::kernel(name, &found.release, &entry, &key);
        let arch = self.arch;
        Some(kernel.map(|kernel| Kernel {
            tools,
            arch,
            ..kernel
        }))
    }

    /// The kernel in the version of the lock, where apt still offers that and the name is not to
    /// `move_on`, else in the version that apt offers now; downloaded and unpacked unless cached.
    /// And, in words, that the lock had another.
    ///
    /// # Errors
    /// apt does not know or cannot download a package, or a package is not as Debian's are; the
    /// lock has another version and must stay.
    pub fn obtain(
        &self,
        cache: &Cache,
        name: &str,
        lock: &Lock,
        move_on: bool,
    ) -> Result<(Kernel, Moved)> {
        let archive = self.archive(cache)?;
        let locked = match self.suites.is_empty() || move_on {
            true => None,
            false => lock.get(name)?,
        };
        let of_host = self.programs(cache)?;
        let programs = of_host.as_ref().unwrap_or(&archive);
        let is_offered = |locked: &Found| -> Result<bool> {
            Ok(archive.offers(&locked.packages)? && programs.offers(&locked.programs)?)
        };
        let found = match locked {
            Some(locked) if is_offered(&locked)? => locked,
            _ => self.resolve(&archive, of_host.as_ref())?,
        };
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
            let what = format!("linux-image-{} and its headers", found.release);
            unpack::packages(&archive, &what, &found.packages, dir)?;
            if let Some(of_host) = &of_host {
                unpack::packages(of_host, KBUILD, &found.programs, dir)?;
            }
            self.settle(cache, &found, dir)
                .or_else(|error| self.remember(cache, error))
        })?;
        let tools = wanted.map(|wanted| tools::obtain(cache, programs, &key, wanted, self.arch));
        let tools = tools.transpose()?;
        self.settle_on(cache, &found)?;
        let moved = self.note(name, &found, lock)?;
        let kernel = unpacked::kernel(name, &found.release, &entry, &key)?;
        let arch = self.arch;
        let kernel = Kernel {
            tools,
            arch,
            ..kernel
        };
        Ok((kernel, moved))
    }

    /// Has packages be what the kernel is made of, where no lock says another.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub fn settle_on(&self, cache: &Cache, found: &Found) -> Result<()> {
        cache.remember(&self.memo(), &serde_json::to_string(found)?)?;
        cache.forget(&self.unusable_memo())
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

    /// Why the kernel could not be used when it was downloaded within the last hour, if so, and
    /// how long ago that was; else why the lists of its suites could not be had.
    pub fn unusable(&self, cache: &Cache) -> Option<(String, Duration)> {
        let itself = cache.recall(&self.unusable_memo());
        let itself = itself.filter(|(_, age)| *age < BELIEVED);
        itself.or_else(|| apt::unreachable(cache, &self.suites, self.arch))
    }

    fn unusable_memo(&self) -> String {
        format!("unusable-{}", self.memo())
    }

    /// Takes note in the lock of what a cached kernel is, of which it may have no word yet.
    ///
    /// # Errors
    /// Those of [`Lock::set`].
    pub fn note_cached(&self, cache: &Cache, name: &str, lock: &Lock) -> Result<()> {
        match self.found(cache, name, lock) {
            Some(found) => self.note(name, &found, lock).map(drop),
            None => Ok(()),
        }
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
        let key = match self.arch.is_foreign() {
            true => key.text("processor", self.arch.name()),
            false => key,
        };
        format!("prebuilt-{}", key.finish())
    }

    /// The cache's name for the kernel that some packages make.
    pub fn key(&self, name: &str, found: &Found) -> String {
        let key = Key::new("prebuilt").text("modules", &self.boot_modules.join(" "));
        let key = match self.suites.is_empty() {
            true => key,
            false => key.text("programs", "wrapped"),
        };
        let key = found
            .packages
            .iter()
            .chain(&found.programs)
            .fold(key, |key, package| key.text("deb", &package.sha256));
        format!("{}-{}", super::entry(name), key.finish())
    }

    /// Follows the first known package to the kernel's own, and that and its headers' to those
    /// that they are split into.
    fn resolve(&self, archive: &apt::Archive, of_host: Option<&apt::Archive>) -> Result<Found> {
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
            let (programs, packages): (Vec<_>, Vec<_>) = names
                .iter()
                .partition(|name| of_host.is_some() && name.starts_with(KBUILD));
            let require = |archive: &apt::Archive, names: Vec<&String>| {
                let packages = names.into_iter().map(|name| archive.require(name));
                packages.collect::<Result<Vec<_>>>()
            };
            return Ok(Found {
                release: release.to_owned(),
                compiler,
                packages: require(archive, packages)?,
                programs: require(of_host.unwrap_or(archive), programs)?,
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

    /// Makes a kernel of the packages that were unpacked into a folder.
    fn settle(&self, cache: &Cache, found: &Found, dir: &Path) -> Result<()> {
        let modules = unpacked::settle(dir, &found.release, &self.boot_modules)?;
        if !self.suites.is_empty() {
            self.fill_in(cache, &unpacked::headers(dir, &found.release))?;
            tools::wrap(&dir.join("usr/lib"))?;
        }
        // Nine tenths of the entry. Who names others gets them by `all_modules`.
        fs::remove_dir_all(&modules).with_context(|| format!("remove `{}`", modules.display()))
    }
}

impl Prebuilt {
    /// Puts into the headers the program that a set of kfuncs is built by, where they lack it and
    /// another suite has it.
    fn fill_in(&self, cache: &Cache, headers: &Path) -> Result<()> {
        let place = headers.join(RESOLVE_BTFIDS);
        if self.programs.is_empty() || place.exists() {
            return Ok(());
        }
        let archive = apt::Archive::of_suites(cache, &self.programs, Arch::X86)?;
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
