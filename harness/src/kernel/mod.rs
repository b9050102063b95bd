//! Kernels to test on: from the catalog or a path, downloaded or built, ending in a [`Kernel`].

mod apt;
mod availability;
pub mod build;
mod catalog;
mod download;
mod image;
mod kinds;
pub mod lock;
mod modules;
pub mod pack;
mod pahole;
mod prebuilt;
pub mod registry;
mod remote;
mod source;
pub mod tools;
mod tree;
mod unpack;
mod unpacked;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub use apt::unusable as apt_unusable;
pub use availability::{Availability, Chosen, attainable, availability, default};
pub use catalog::{Catalog, Spec};
pub use kinds::Source;
pub use modules::at_boot;

use crate::arch::Arch;
use crate::cache::{Cache, Key};
use crate::tool::{self, Tool};
use crate::{plain, progress};
use availability::built;
use kinds::Prebuilt;
use lock::Lock;

/// The cache's kind of finished kernels; their keys are `NAME-` and a [`Key`].
const KIND: &str = "kernel";

/// The cache's kind of some of a kernel's own modules, ready to be inserted.
const INSERTED: &str = "own-module";

/// The cache's kind of all modules of a kernel that packages were unpacked for.
const MODULES: &str = "own-modules";

/// A kernel that can be booted, and that modules can be built for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kernel {
    /// The name as asked for: one of the catalog, or a path.
    pub name: String,
    /// What `uname -r` says in it.
    pub release: String,
    /// The image that QEMU boots.
    pub image: PathBuf,
    /// The folder for `make -C`, to build modules.
    pub build: PathBuf,
    /// A file with the kernel's BTF: ELF with a section `.BTF`, or the BTF itself. It is
    /// `vmlinux` in the folder `build`, where kbuild looks for it, and may be missing.
    pub btf: PathBuf,
    /// The `.config` it was built with.
    pub config: PathBuf,
    /// Modules (plain .ko files) to insert at boot, in this order.
    pub modules: Vec<PathBuf>,
    /// Why no machine of it can be reached, so that only what needs none can be done with it.
    pub unreachable: Option<String>,
    /// The folder of [`tools`] that modules are built by, where they are not this machine's.
    pub tools: Option<PathBuf>,
    /// The processor that it is made for.
    #[serde(default)]
    pub arch: Arch,
    /// What tells it from any other kernel, for caches.
    pub key: String,
}

impl Kernel {
    /// Whether an option, such as `KPROBES`, is built in or a module.
    ///
    /// # Errors
    /// The config cannot be read.
    pub fn config_has(&self, option: &str) -> Result<bool> {
        let config = read(&self.config)?;
        Ok(matches!(set(&config, option), Some("y" | "m")))
    }

    /// What an option is set to, such as `y`, or a text in its quotes; nothing where it is off.
    ///
    /// # Errors
    /// The config cannot be read.
    pub fn config_value(&self, option: &str) -> Result<Option<String>> {
        Ok(set(&read(&self.config)?, option).map(str::to_owned))
    }

    /// Whether an option is a module, which somebody has to insert.
    ///
    /// # Errors
    /// The config cannot be read.
    pub fn config_is_module(&self, option: &str) -> Result<bool> {
        Ok(set(&read(&self.config)?, option) == Some("m"))
    }

    /// kbuild for this kernel, which is told of the compiler where it would choose another than
    /// the kernel was built by.
    ///
    /// # Errors
    /// The config cannot be read.
    pub fn kbuild(&self) -> Result<Tool> {
        let kbuild = Tool::hermetic("make").arg("-C").arg(&self.build);
        let kbuild = kbuild.args(toolchain(&read(&self.config)?).0);
        Ok(tools::first(
            self.arch.kbuild(kbuild),
            self.tools.as_deref(),
        ))
    }

    /// What tells the tools that modules are built with from any others.
    ///
    /// # Errors
    /// The config cannot be read.
    pub fn toolchain(&self) -> Result<String> {
        if let Some(tools) = &self.tools {
            return Ok(tools.display().to_string());
        }
        let (_, names) = toolchain(&read(&self.config)?);
        let names = names.iter().map(tool::identity);
        Ok(names.collect::<Vec<_>>().join("\n"))
    }

    /// What its debug information begins the names of its source files with.
    pub fn source_name(&self) -> PathBuf {
        pack::source_name(&self.build)
    }

    /// What it is called where kernels are told apart, the most particular first: by its name, by
    /// its version (`6.1`), with PREEMPT_RT by `6.1-rt` and `rt`, for another processor by
    /// `6.12-arm64` and `arm64`.
    pub fn names(&self) -> Vec<String> {
        let (major, minor, _) = self.version();
        let version = format!("{major}.{minor}");
        let mut names = vec![self.name.clone()];
        if self.arch != Arch::default() {
            let arch = self.arch;
            names.extend([format!("{version}-{arch}"), arch.to_string()]);
        }
        // Of a config that cannot be read, whoever needs it tells.
        if self.config_has("PREEMPT_RT").unwrap_or(false) {
            names.extend([format!("{version}-rt"), "rt".to_owned()]);
        }
        names.push(version);
        names
    }

    /// The release's numbers, such as (6, 11, 0).
    pub fn version(&self) -> (u32, u32, u32) {
        numbers(&self.release)
    }
}

/// The numbers of a release; what is no number counts as 0.
pub fn numbers(release: &str) -> (u32, u32, u32) {
    let mut numbers = release.splitn(3, '.').map(|part| {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..digits].parse().unwrap_or(0)
    });
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

/// The kernel that `spec` asks for, which is a name of the catalog or a path, either with
/// config fragments added (`6.12+kasan`); downloaded and built unless cached. A cached kernel
/// takes milliseconds, a source tree at least a `make`.
///
/// # Errors
/// There is no such kernel, or it cannot be had or built; never another one in its place.
pub fn obtain(cache: &Cache, catalog: &Catalog, spec: &str) -> Result<Kernel> {
    let spec = Catalog::shortest(spec);
    let asked = catalog.spec(spec)?;
    if asked.is_path {
        return tree::obtain(cache, spec, &asked, &catalog.for_tree(&asked)?);
    }
    let (source, fragments) = &catalog.get(spec)?;
    let cached = built(cache, catalog, spec).with_context(|| format!("get kernel `{spec}`"))?;
    if let Some(kernel) = cached {
        cache.touch(KIND, &kernel.key);
        return Ok(kernel);
    }
    let arch = asked.arch;
    let built = |from: source::Source| {
        let base = match catalog.base(source)? {
            Some((name, prebuilt)) => Some(ready(cache, name, prebuilt, &catalog.lock)?),
            None => None,
        };
        let base = base.as_ref().map(Prebuilt::config_file);
        let config = build::Config::read(arch, base.as_deref(), fragments)?;
        build::obtain(cache, spec, &from, &config)
    };
    match source {
        Source::Tarball(tarball) => tarball.obtain(cache).and_then(built),
        Source::Package(package) => package
            .cached(cache)
            .map_or_else(|| package.obtain(cache), Ok)
            .and_then(built),
        Source::Prebuilt(prebuilt) => ready(cache, spec, prebuilt, &catalog.lock),
        Source::Remote(remote) => match remote.cached(cache, spec) {
            Some(kernel) => kernel.inspect(|kernel| cache.touch(KIND, &kernel.key)),
            None => remote.obtain(cache, spec),
        },
    }
    .with_context(|| format!("get kernel `{spec}`"))
}

/// The kernel's own modules of these names and those that they need, in an order in which they can
/// be inserted; none that is built in, or inserted at boot.
///
/// # Errors
/// The kernel has no such module, or was built without its modules; a package cannot be had again.
pub fn modules(
    cache: &Cache,
    kernel: &Kernel,
    wanted: &[String],
) -> Result<Vec<(String, PathBuf)>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let at_boot = at_boot(kernel);
    let catalog = Catalog::load(cache)?;
    let source = catalog.get(&kernel.name).ok().map(|(source, _)| source);
    let all = || match &source {
        Some(Source::Prebuilt(prebuilt)) => prebuilt.all_modules(cache, kernel, &catalog.lock),
        Some(Source::Remote(remote)) => remote.all_modules(cache, kernel),
        _ => Ok(modules::Modules::of_build(&kernel.build)),
    };
    if !matches!(source, Some(Source::Prebuilt(_) | Source::Remote(_))) {
        return all()?.order(wanted, &at_boot);
    }
    let key = Key::new(INSERTED)
        .text("kernel", &kernel.key)
        .text("modules", &wanted.join("\0"))
        .finish();
    let what = format!("modules of {}: {}", kernel.name, wanted.join(", "));
    let entry = cache.get_or_make(INSERTED, &key, &what, |dir| {
        all()?.put(wanted, &at_boot, dir)
    })?;
    modules::listed(&entry)
}

/// A distribution's kernel as it is cached, else in the version that apt offers now.
fn ready(cache: &Cache, name: &str, prebuilt: &Prebuilt, lock: &Lock) -> Result<Kernel> {
    match prebuilt.cached(cache, name, lock) {
        Some(kernel) => {
            let kernel = kernel?;
            prebuilt.note_cached(cache, name, lock)?;
            cache.touch(KIND, &kernel.key);
            Ok(kernel)
        }
        None => {
            let (kernel, moved) = prebuilt.obtain(cache, name, lock, false)?;
            if let Some(moved) = moved {
                progress::note(format!("kernel {name}: {moved}, and so has kassay.lock"));
            }
            Ok(kernel)
        }
    }
}

/// Downloads and unpacks what a kernel of the catalog is made of, without building it;
/// a package in the version that apt offers now.
///
/// # Errors
/// There is no such kernel, or it cannot be downloaded.
pub fn fetch(cache: &Cache, catalog: &Catalog, name: &str) -> Result<()> {
    let name = Catalog::shortest(name);
    if catalog.spec(name)?.is_path {
        bail!("fetch `{name}`: it is a path, so there is nothing to download");
    }
    match &catalog.get(name)?.0 {
        Source::Tarball(tarball) => tarball.obtain(cache).map(drop),
        Source::Package(package) => package.obtain(cache).map(drop),
        Source::Prebuilt(prebuilt) => match catalog.lock.get(name)? {
            Some(_) => ready(cache, name, prebuilt, &catalog.lock).map(drop),
            None => prebuilt.obtain(cache, name, &catalog.lock, true).map(drop),
        },
        Source::Remote(remote) => remote.obtain(cache, name).map(drop),
    }
    .with_context(|| format!("fetch kernel `{name}`"))
}

/// Has the name of a kernel that moves stand for what the mirror has now, and says what that is.
///
/// # Errors
/// The name is not of such a kernel; the kernel cannot be had; the lock must stay as it is.
pub fn update(cache: &Cache, catalog: &Catalog, name: &str) -> Result<String> {
    let name = Catalog::shortest(name);
    let prebuilt = match catalog.get(name)?.0 {
        Source::Prebuilt(prebuilt) => prebuilt,
        Source::Remote(_) => bail!(
            "update kernel `{name}`: it is known by its digest, and moves with its table alone"
        ),
        Source::Tarball(_) | Source::Package(_) => bail!(
            "update kernel `{name}`: it is built from source; `kassay kernel fetch {name}` asks \
             for a newer version"
        ),
    };
    let (kernel, moved) = prebuilt
        .obtain(cache, name, &catalog.lock, true)
        .with_context(|| format!("update kernel `{name}`"))?;
    Ok(moved.unwrap_or(kernel.release))
}

/// Removes from the cache all that was made for a kernel, and says whether there was anything.
///
/// A source stays as long as another kernel was built from it.
///
/// # Errors
/// There is no such kernel, or the cache cannot be written.
pub fn remove(cache: &Cache, catalog: &Catalog, spec: &str) -> Result<bool> {
    let spec = Catalog::shortest(spec);
    let asked = catalog.spec(spec)?;
    if asked.is_path {
        return tree::remove(cache, spec, asked.base);
    }
    let source = match catalog.get(spec)?.0 {
        Source::Tarball(tarball) => tarball.cached(cache),
        Source::Package(package) => package.cached(cache),
        Source::Prebuilt(_) | Source::Remote(_) => None,
    };
    let mut removed = false;
    for key in cache.keys(KIND) {
        if is_of(&key, spec) {
            removed |= cache.remove(KIND, &key)?;
            cache.remove(MODULES, &key)?;
        }
    }
    tools::sweep(cache)?;
    if let Some(source) = source.filter(|source| !build::uses(cache, source)) {
        removed |= cache.remove("source", &source.key)?;
    }
    Ok(removed)
}

/// Whether a spec names a kernel of the catalog or a path that exists, and fragments that are
/// known; whether that kernel can be had or built is another matter.
pub fn is_known(catalog: &Catalog, spec: &str) -> bool {
    let Ok(asked) = catalog.spec(spec) else {
        return false;
    };
    match asked.is_path {
        // What cannot be looked at may well be there.
        true => {
            let found = plain::metadata(asked.base.as_ref());
            found.map_or(true, |found| found.is_some()) && catalog.for_tree(&asked).is_ok()
        }
        false => catalog.get(spec).is_ok(),
    }
}

/// The processor of a kernel by its spec: of a tree that is built, the one that it is built for.
pub fn processor(spec: &str) -> Arch {
    let (path, arch) = Catalog::processor(spec);
    let built = || {
        let tree = fs::canonicalize(path).ok()?;
        tree.ancestors().find_map(build::processor)
    };
    match arch.is_foreign() {
        true => arch,
        false => built().unwrap_or(arch),
    }
}

/// What the keys of a kernel's entries in the cache begin with: its spec, as a name of files.
fn entry(spec: &str) -> String {
    spec.replace('/', "_")
}

/// Whether an entry in the cache is of the kernel of a spec.
fn is_of(key: &str, spec: &str) -> bool {
    let name = key.rsplit_once('-').map(|(name, _)| name);
    name == Some(&entry(spec))
}

/// What a config sets an option to.
fn set<'a>(config: &'a str, option: &str) -> Option<&'a str> {
    config.lines().find_map(|line| {
        line.strip_prefix("CONFIG_")?
            .strip_prefix(option)?
            .strip_prefix('=')
    })
}

/// See [`Kernel::toolchain`]; the tools by their names. kbuild takes gcc unless it is told so, or
/// the headers name the compiler, as Debian's do. By what name it goes, it says itself in the
/// config.
fn toolchain(config: &str) -> (Option<&'static str>, Vec<String>) {
    let is_on = |option| set(config, option) == Some("y");
    let told = match (is_on("CC_IS_CLANG"), is_on("LD_IS_LLD")) {
        (false, _) => None,
        (true, true) => Some("LLVM=1"),
        (true, false) => Some("CC=clang"),
    };
    let mut names: Vec<String> = match told {
        None => ["gcc", "ld", "pahole"].map(str::to_owned).to_vec(),
        Some(_) => ["clang", "ld", "ld.lld", "pahole"]
            .map(str::to_owned)
            .to_vec(),
    };
    let said = set(config, "CC_VERSION_TEXT").unwrap_or_default();
    let name = said.trim_matches('"').split(' ').next().unwrap_or_default();
    if let Some((prefix, _)) = name.split_once("gcc") {
        names.extend([name.to_owned(), format!("{prefix}ld")]);
    }
    (told, names)
}

fn read(path: &Path) -> Result<String> {
    plain::text(path, plain::MADE).with_context(|| format!("read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(release: &str, config: &str) -> (tempfile::NamedTempFile, Kernel) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), config).unwrap();
        let path = file.path().to_owned();
        let kernel = Kernel {
            name: "test".into(),
            release: release.into(),
            image: path.clone(),
            build: path.clone(),
            btf: path.clone(),
            config: path,
            modules: Vec::new(),
            unreachable: None,
            tools: None,
            arch: Arch::default(),
            key: "test".into(),
        };
        (file, kernel)
    }

    #[test]
    fn a_release_has_three_numbers() {
        let version = |release| kernel(release, "").1.version();
        assert_eq!(version("6.12.117+deb12-amd64"), (6, 12, 117));
        assert_eq!(version("7.2.0-rc3-00012-gabc"), (7, 2, 0));
        assert_eq!(version("6.1"), (6, 1, 0));
    }

    #[test]
    fn an_option_is_on_when_built_in_or_a_module() {
        let (_file, kernel) = kernel(
            "6.11.0",
            "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_AB=n\n",
        );
        let has = |option| kernel.config_has(option).unwrap();
        assert!(has("A") && has("B") && !has("C") && !has("AB") && !has("D"));
    }

    #[test]
    fn modules_are_built_by_what_built_the_kernel() {
        let debian = "CONFIG_CC_VERSION_TEXT=\"x86_64-linux-gnu-gcc-12 (Debian 12.2.0) 12.2.0\"\n";
        let (told, names) = toolchain(debian);
        let own = ["x86_64-linux-gnu-gcc-12", "x86_64-linux-gnu-ld"];
        assert_eq!((told, &names[3..]), (None, &own.map(str::to_owned)[..]));
        let clang = "CONFIG_CC_IS_CLANG=y\n";
        assert_eq!(toolchain(clang).0, Some("CC=clang"));
        let llvm = format!("{clang}CONFIG_LD_IS_LLD=y\n");
        assert_eq!(toolchain(&llvm).0, Some("LLVM=1"));
    }
}
