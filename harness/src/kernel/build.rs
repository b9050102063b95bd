//! Builds kernels from source, out of tree, with a small config.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::source::Source;
use super::{KIND, Kernel, pahole, read, tools};
use crate::arch::{Arch, HOST};
use crate::cache::{Cache, Key};
use crate::progress::{self, Progress};
use crate::tool::{self, Tool};

/// How many steps a build is guessed to have until one was counted; 6.11 with base.config.
const STEPS: u64 = 2200;

/// What a built tree must have beside its image, to boot its kernel and to build modules for it.
/// Without `vmlinux` modules have no BTF, of which kbuild tells when one is built.
const NEEDED: [&str; 2] = [".config", "Module.symvers"];

/// What a tree is taken for a built one by, beside its image.
pub const RELEASE: &str = "include/config/kernel.release";

/// What must be built in, without `CONFIG_`: nothing inserts modules of a tree when it boots.
const BUILT_IN: [&str; 16] = [
    // The guest program, and what tells of it from the first line on.
    "BLK_DEV_INITRD",
    "BINFMT_ELF",
    "PROC_FS",
    "SYSFS",
    "TMPFS",
    "DEVTMPFS",
    // The host: virtio ports and a 9p share.
    "VIRTIO_CONSOLE",
    "NET_9P",
    "NET_9P_VIRTIO",
    "9P_FS",
    // Modules, BPF programs, and kfuncs between them.
    "MODULES",
    "MODULE_UNLOAD",
    "KALLSYMS",
    "BPF_SYSCALL",
    "DEBUG_INFO_BTF",
    "DEBUG_INFO_BTF_MODULES",
];

/// What of this is by another name for each processor: a console, and the bus of virtio's devices.
fn built_in_of(arch: Arch) -> [&'static str; 2] {
    match arch {
        Arch::X86 => ["SERIAL_8250_CONSOLE", "VIRTIO_PCI"],
        Arch::Arm64 => ["SERIAL_AMBA_PL011_CONSOLE", "VIRTIO_PCI"],
        Arch::S390 => ["SCLP_VT220_CONSOLE", "S390_GUEST"],
    }
}

/// What a kernel's .config is made of.
pub struct Config {
    /// The processor that it is for.
    arch: Arch,
    /// A distribution's whole config file to start from, instead of tinyconfig.
    base: Option<String>,
    /// The text of all fragments, in order.
    fragment: String,
}

impl Config {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read(arch: Arch, base: Option<&Path>, fragments: &[PathBuf]) -> Result<Config> {
        let fragments = fragments.iter().map(|fragment| read(fragment));
        Ok(Config {
            arch,
            base: base.map(read).transpose()?,
            fragment: fragments.collect::<Result<_>>()?,
        })
    }

    /// All of it, as one text.
    fn text(&self) -> String {
        self.base.clone().unwrap_or_default() + &self.fragment
    }
}

/// The kernel built from a source of the catalog with some config, unless cached.
///
/// # Errors
/// A tool is missing, an option cannot be had, or the build fails.
pub fn obtain(cache: &Cache, name: &str, source: &Source, config: &Config) -> Result<Kernel> {
    let key = key(cache, name, &source.key, config)?;
    let entry = cache.get_or_make(KIND, &key, name, |dir| {
        let build = dir.join("build");
        make(cache, name, &source.dir, &build, config)?;
        settle(&build, &cache.dir(KIND).join(&key).join("build"))?;
        sweep(&build)
    })?;
    from_entry(cache, name, &entry, key)
}

fn from_entry(cache: &Cache, name: &str, entry: &Path, key: String) -> Result<Kernel> {
    Ok(Kernel {
        tools: tools::cached(cache, tools::PAHOLE),
        ..from_tree(name, &entry.join("build"), key)?
    })
}

/// Has the Makefile of a build speak of the place that the build will be moved to: since 7.x
/// it has a `KBUILD_OUTPUT` of its own, with which modules are built.
fn settle(build: &Path, place: &Path) -> Result<()> {
    let file = build.join("Makefile");
    let here = build.display().to_string();
    let text = read(&file)?.replace(&here, &place.display().to_string());
    fs::write(&file, text).with_context(|| format!("write `{}`", file.display()))
}

/// The kernel that [`obtain`] would find in the cache, by the key of its source, which need not be
/// there.
///
/// # Errors
/// There is no compiler; the build tree is not whole.
pub fn cached(cache: &Cache, name: &str, source: &str, config: &Config) -> Result<Option<Kernel>> {
    let key = key(cache, name, source, config)?;
    let entry = cache.get(KIND, &key);
    entry
        .map(|entry| from_entry(cache, name, &entry, key))
        .transpose()
}

/// Whether any kernel in the cache was built from this source, and so still needs it.
pub fn uses(cache: &Cache, source: &Source) -> bool {
    // The link is kbuild's own.
    let link = |key: &String| fs::read_link(cache.dir(KIND).join(key).join("build/source"));
    cache
        .keys(KIND)
        .iter()
        .any(|key| link(key).is_ok_and(|dir| dir == source.dir))
}

/// The kernel in a build tree, which must be whole.
///
/// # Errors
/// Something that is needed is missing, or not built in.
pub fn from_tree(name: &str, build: &Path, key: String) -> Result<Kernel> {
    let Some(arch) = processor(build) else {
        bail!(
            "use the build tree `{}`: it has no `{RELEASE}`, or no image, such as `{}`",
            build.display(),
            HOST.image()
        );
    };
    if let Some(missing) = NEEDED.iter().find(|file| !build.join(file).exists()) {
        bail!(
            "use the build tree `{}`: it has no `{missing}`",
            build.display()
        );
    }
    let config = build.join(".config");
    let missing = not_built_in(&read(&config)?, arch);
    if !missing.is_empty() {
        bail!(
            "use the build tree `{}`: what runs in a virtual machine needs CONFIG_{}=y; build it \
             in with `scripts/config -e {} && make olddefconfig && make`",
            build.display(),
            missing.join("=y, CONFIG_"),
            missing.join(" -e "),
        );
    }
    Ok(Kernel {
        name: name.to_owned(),
        release: read(&build.join(RELEASE))?.trim().to_owned(),
        image: build.join(arch.image()),
        build: build.to_owned(),
        btf: build.join("vmlinux"),
        config,
        modules: Vec::new(),
        unreachable: None,
        tools: None,
        arch,
        key,
    })
}

/// The processor that a tree was built for, if it was: one that was built for several has been
/// configured for one of them.
pub fn processor(tree: &Path) -> Option<Arch> {
    let config = fs::read_to_string(tree.join(".config")).unwrap_or_default();
    let is_on = |option| super::set(&config, option) == Some("y");
    let is_built = |arch: &Arch| {
        [arch.image(), RELEASE]
            .iter()
            .all(|file| tree.join(file).exists())
    };
    let is_meant = |arch: &&Arch| is_on(arch.option());
    let mut built = Arch::ALL.iter().filter(|arch| is_built(arch));
    let first = built.clone().next();
    built.find(is_meant).or(first).copied()
}

/// The options of [`BUILT_IN`] that a config has off, or as modules.
fn not_built_in(config: &str, arch: Arch) -> Vec<&'static str> {
    let is_missing = |option: &&str| super::set(config, option) != Some("y");
    let options = BUILT_IN.into_iter().chain(built_in_of(arch));
    options.filter(is_missing).collect()
}

/// The key of a kernel that is built here, from a source by its key.
///
/// # Errors
/// There is no compiler.
pub fn key(cache: &Cache, name: &str, source: &str, config: &Config) -> Result<String> {
    let tools = tools::cached(cache, tools::PAHOLE);
    key_by(tools::key(tools.as_deref()), name, source, config)
}

/// All that shapes a build: the source, the config, and the tools that a kernel's own
/// .config takes note of. `pahole` is the key of the newer one that there may be.
///
/// # Errors
/// There is no compiler.
pub fn key_by(pahole: Option<&str>, name: &str, source: &str, config: &Config) -> Result<String> {
    let mut key = Key::new(KIND)
        .text("source", source)
        .text("config", &config.text());
    if let Some(pahole) = pahole {
        key = key.text("tools", pahole);
    }
    for (program, says) in programs(config.arch)? {
        key = key.text(&program, &says);
    }
    Ok(format!("{}-{}", super::entry(name), key.finish()))
}

/// The programs that kernels for a processor, and modules for them, are built by, and the version
/// that each says it has.
///
/// # Errors
/// One is not installed.
pub fn programs(arch: Arch) -> Result<Vec<(String, String)>> {
    let tools = ["gcc", "ld"].map(|name| arch.tool(name));
    // What runs while the kernel and its modules are built is this machine's.
    let own = arch.is_foreign().then(|| "gcc".to_owned());
    let all = tools.into_iter().chain(["pahole".to_owned()]).chain(own);
    let version = |name: String| {
        let program = arch.require(name.clone())?;
        Ok((name, Tool::new(program).arg("--version").output()?))
    };
    all.map(version).collect()
}

/// Builds the kernel of `source` in the folder `build`, which may have an older build of it.
///
/// # Errors
/// A tool is missing, an option cannot be had, or the build fails.
pub fn make(cache: &Cache, name: &str, source: &Path, build: &Path, config: &Config) -> Result<()> {
    fs::create_dir_all(build).with_context(|| format!("make `{}`", build.display()))?;
    let label = name.replace('/', "_");
    let log = cache.log(&format!("kernel-{label}"))?;

    let tools = tools::cached(cache, tools::PAHOLE);
    let kbuild = || kbuild(config.arch, source, build, tools.as_deref());
    configure(source, build, config, &log, &kbuild)?;
    if tools.is_none()
        && let Some(lost) = pahole::lost(source)?
    {
        progress::note(format!("build kernel {name}: {lost}"));
    }
    let memo = format!("steps-{label}");
    let steps = cache
        .recall(&memo)
        .and_then(|(steps, _)| steps.parse().ok())
        .unwrap_or(STEPS);
    let progress = Progress::steps(format!("build kernel {name}"), Some(steps));
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
    // A distribution's config has thousands of modules. They would take hours, and the guest
    // has no file system to find them in, so only what modules of ours need is made.
    let rest = match config.base {
        Some(_) => "modules_prepare",
        None => "modules",
    };
    let image = config.arch.image();
    let image = image.rsplit('/').next().unwrap_or(image);
    kbuild()
        .args([&format!("-j{jobs}"), image, rest])
        .run_logged(&log, |line| {
            if let Some(file) = step(line) {
                progress.inc(1);
                progress.message(file);
            }
        })?;
    cache.remember(&memo, &progress.done().to_string())?;
    progress.finish();
    if config.base.is_some() {
        // Without the kernel's modules its symbols are those of vmlinux.
        let (from, to) = (build.join("vmlinux.symvers"), build.join("Module.symvers"));
        fs::copy(&from, to).with_context(|| format!("copy `{}`", from.display()))?;
    }
    Ok(())
}

/// Makes the build's .config, from nothing: what olddefconfig makes of the config of another
/// commit depends on which one that was. Where it comes out as it was, it keeps its time, so
/// that make does not look through it.
fn configure(
    source: &Path,
    build: &Path,
    wanted: &Config,
    log: &Path,
    kbuild: &dyn Fn() -> Tool,
) -> Result<()> {
    let config = build.join(".config");
    let time = |path: &Path| path.metadata().and_then(|meta| meta.modified());
    let before = fs::read(&config).ok().zip(time(&config).ok());
    let base = match &wanted.base {
        Some(base) => base.clone(),
        None => {
            kbuild().arg("tinyconfig").run_logged(log, |_| ())?;
            read(&config)?
        }
    };
    // Where an option is set twice kconfig takes the last one.
    let write = || format!("write `{}`", config.display());
    fs::write(&config, base + &wanted.fragment).with_context(write)?;
    kbuild().arg("olddefconfig").run_logged(log, |_| ())?;
    let made = read(&config)?;
    if let Some((_, time)) = before.filter(|(text, _)| text == made.as_bytes()) {
        let file = fs::File::options().append(true).open(&config);
        file.and_then(|file| file.set_modified(time))
            .with_context(write)?;
    }
    let missing = unmet(&wanted.fragment, &made);
    if !missing.is_empty() {
        bail!(
            "configure `{}`: this kernel does not take {} (an option may depend on one that is \
             off, or have another name in this version; see its Kconfig)",
            source.display(),
            missing.join(", ")
        );
    }
    Ok(())
}

/// `make` for an out-of-tree build that comes out the same wherever and whenever it runs. Where
/// there is ccache, what another config has compiled to the same is not compiled again.
fn kbuild(arch: Arch, source: &Path, build: &Path, tools: Option<&Path>) -> Tool {
    let kbuild = Tool::hermetic("make")
        .arg("-C")
        .arg(source)
        .arg(format!("O={}", build.display()));
    let kbuild = match tool::find("ccache") {
        None => kbuild,
        Some(_) => kbuild
            .arg(format!("CC=ccache {}", arch.tool("gcc")))
            .arg("HOSTCC=ccache gcc")
            // The folder of a build that is not done has a name of its own. It is in the debug
            // information alone.
            .env("CCACHE_NOHASHDIR", "1"),
    };
    let kbuild = match std::env::var_os("CCACHE_DIR") {
        None => kbuild,
        Some(folder) => kbuild.env("CCACHE_DIR", folder),
    };
    tools::first(arch.kbuild(kbuild), tools)
        .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
        .env("KBUILD_BUILD_USER", "kassay")
        .env("KBUILD_BUILD_HOST", "kassay")
        .env("KBUILD_BUILD_VERSION", "1")
}

/// The file that a line of a kernel build says it makes, such as `  CC      kernel/fork.o`.
fn step(line: &str) -> Option<&str> {
    let (verb, file) = line.strip_prefix("  ")?.split_once(' ')?;
    verb.starts_with(|c: char| c.is_ascii_uppercase())
        .then(|| file.trim())
}

/// The lines of a fragment that a config does not fulfil: kconfig silently drops what it cannot
/// have. An option that is to be off, or a text that is to be empty, may be unknown to the kernel.
/// Of an option that is set twice the last line counts.
fn unmet<'a>(fragment: &'a str, config: &str) -> Vec<&'a str> {
    let is_off = |line: &str| {
        line.strip_prefix("# ")
            .and_then(|line| line.strip_suffix(" is not set"))
            .or_else(|| line.strip_suffix("=\"\""))
            .map(str::to_owned)
    };
    let met = |line: &str| {
        let is_absent = |option: String| {
            !config.lines().any(|set| {
                set.strip_prefix(&option)
                    .is_some_and(|rest| rest.starts_with('='))
            })
        };
        config.lines().any(|set| set == line) || is_off(line).is_some_and(is_absent)
    };
    let option = |line: &'a str| {
        let rest = line.strip_prefix("# ").unwrap_or(line);
        rest.split(['=', ' ']).next().unwrap_or(rest)
    };
    let is_wanted = |line: &&str| line.starts_with("CONFIG_") || is_off(line).is_some();
    let lines: Vec<&str> = fragment
        .lines()
        .map(str::trim_end)
        .filter(is_wanted)
        .collect();
    let is_last = |&(at, line): &(usize, &&'a str)| {
        let mut later = lines[at + 1..].iter();
        !later.any(|other| option(other) == option(line))
    };
    let last = lines.iter().enumerate().filter(is_last);
    last.map(|(_, line)| *line)
        .filter(|line| !met(line))
        .collect()
}

/// Removes what only an incremental build needs, four fifths of a build tree.
///
/// The host programs in `scripts` and `tools` stay, modules are built with them.
fn sweep(build: &Path) -> Result<()> {
    let read = || format!("remove object files in `{}`", build.display());
    for entry in fs::read_dir(build).with_context(read)? {
        let entry = entry.with_context(read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().with_context(read)?.is_dir() {
            if name != "scripts" && name != "tools" {
                sweep(&entry.path())?;
            }
        } else if [".o", ".a", ".cmd"].iter().any(|end| name.ends_with(end))
            || name.starts_with(".tmp_vmlinux")
        {
            fs::remove_file(entry.path()).with_context(read)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_lost_or_different_is_unmet() {
        let fragment = "# a comment\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=\"x\"\n";
        assert_eq!(
            unmet(fragment, "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=\"x\"\n"),
            ["CONFIG_B=y"]
        );
        assert_eq!(
            unmet("CONFIG_A=y\n", "# CONFIG_A is not set\n"),
            ["CONFIG_A=y"]
        );
    }

    #[test]
    fn an_option_that_is_to_be_off_or_empty_may_be_absent() {
        let fragment = "# CONFIG_A is not set\n";
        assert!(unmet(fragment, "# CONFIG_A is not set\n").is_empty());
        assert!(unmet(fragment, "CONFIG_AB=y\n").is_empty());
        assert_eq!(unmet(fragment, "CONFIG_A=y\n"), ["# CONFIG_A is not set"]);
        let fragment = "CONFIG_A=\"\"\n";
        assert!(unmet(fragment, "").is_empty());
        assert!(unmet(fragment, "CONFIG_A=\"\"\n").is_empty());
        assert_eq!(unmet(fragment, "CONFIG_A=\"b\"\n"), ["CONFIG_A=\"\""]);
    }

    #[test]
    fn of_an_option_that_is_set_twice_the_last_line_counts() {
        let fragment = "CONFIG_A=y\nCONFIG_AB=y\n# CONFIG_A is not set\n";
        assert!(unmet(fragment, "CONFIG_AB=y\n").is_empty());
        assert_eq!(
            unmet(fragment, "CONFIG_A=y\n"),
            ["CONFIG_AB=y", "# CONFIG_A is not set"]
        );
    }

    #[test]
    fn what_the_guest_needs_is_built_in_by_our_own_config() {
        let base = crate::repository().join("kernel-config/base.config");
        let base = read(&base).unwrap();
        assert!(not_built_in(&base, Arch::X86).is_empty());
        let module = base.replace("CONFIG_9P_FS=y", "CONFIG_9P_FS=m");
        let off = module.replace("CONFIG_TMPFS=y", "# CONFIG_TMPFS is not set");
        assert_eq!(not_built_in(&off, Arch::X86), ["TMPFS", "9P_FS"]);
    }

    #[test]
    fn what_the_guest_needs_is_built_in_for_each_processor() {
        let folder = crate::repository().join("kernel-config");
        for arch in Arch::ALL {
            let files = ["base.config".to_owned()]
                .into_iter()
                .chain(arch.fragment());
            let all: String = files
                .map(|file| read(&folder.join(file)).unwrap())
                .collect();
            assert!(not_built_in(&all, arch).is_empty(), "{arch}");
        }
    }

    #[test]
    fn a_tree_is_of_the_processor_that_it_is_configured_for() {
        let tree = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let file = tree.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        assert_eq!(processor(tree.path()), None);
        put(RELEASE, "6.12.0");
        put(Arch::X86.image(), "");
        put(Arch::Arm64.image(), "");
        assert_eq!(processor(tree.path()), Some(Arch::X86));
        put(".config", "CONFIG_ARM64=y\n");
        assert_eq!(processor(tree.path()), Some(Arch::Arm64));
    }

    #[test]
    fn a_build_line_names_its_file() {
        assert_eq!(step("  CC      kernel/fork.o"), Some("kernel/fork.o"));
        assert_eq!(step("  CC [M]  a.o"), Some("[M]  a.o"));
        assert_eq!(step("make[1]: Entering directory"), None);
        assert_eq!(step("  printed by a script"), None);
    }

    #[test]
    fn a_build_that_moves_takes_its_makefile_along() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Makefile");
        let text = |place: &Path| format!("export KBUILD_OUTPUT = {}\n", place.display());
        fs::write(&file, text(dir.path())).unwrap();
        settle(dir.path(), Path::new("/there/build")).unwrap();
        let settled = fs::read_to_string(&file).unwrap();
        assert_eq!(settled, text(Path::new("/there/build")));
    }

    #[test]
    fn a_sweep_keeps_host_programs() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "kernel/a.o",
            "kernel/.a.o.cmd",
            "scripts/b.o",
            "vmlinux",
            ".tmp_vmlinux1",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        sweep(dir.path()).unwrap();
        let left = |file: &str| dir.path().join(file).exists();
        assert!(left("scripts/b.o") && left("vmlinux"));
        assert!(!left("kernel/a.o") && !left("kernel/.a.o.cmd") && !left(".tmp_vmlinux1"));
    }
}
