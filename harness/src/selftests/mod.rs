//! The kernel's own selftests of BPF, `tools/testing/selftests/bpf` of its tree: `test_progs` is
//! built for a kernel, and each of its tests is a scenario.

mod choice;
mod farm;
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cache::{Cache, Key};
use crate::compile::bpf;
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::tool;
use crate::{interrupt, plain};
use choice::{Chosen, Sources};

pub use said::settle;

/// Where they lie in a tree.
const PLACE: &str = "tools/testing/selftests/bpf";

/// Names under which distributions install what takes debug info away from BPF objects.
const STRIPS: [&str; 4] = [
    "llvm-strip",
    "llvm-strip-19",
    "llvm-strip-18",
    "llvm-strip-17",
];

/// What make's log is called.
const LOG: &str = "selftests";

/// What the kernel's config is called beside `test_progs`.
const CONFIG: &str = "kernel.config";

/// A `test_progs` that is built.
pub struct Suite {
    /// The folder that it lies in, with all that it reads.
    folder: PathBuf,
    /// The names of the tests that were chosen.
    pub tests: Vec<String>,
    /// Why some of them are not in it, by their names.
    pub left_out: BTreeMap<String, String>,
    /// Nobody else builds there while it is run.
    _lock: File,
}

/// The selftests of a tree, to be built for a kernel.
struct Build<'a> {
    cache: &'a Cache,
    tree: PathBuf,
    kernel: &'a Kernel,
    clang: PathBuf,
    strip: PathBuf,
    /// A tree of links to the other, in which all is made.
    farm: PathBuf,
}

/// Builds `test_progs` of a tree for a kernel, with the tests of which `is_chosen` is true. Make
/// itself decides what has changed. What does not compile is left out.
///
/// # Errors
/// There are no such tests, or no tool to build them by; make's own lines.
pub fn build(
    cache: &Cache,
    tree: &Path,
    kernel: &Kernel,
    is_chosen: impl Fn(&str) -> bool,
) -> Result<Suite> {
    let tree = tree.canonicalize();
    let tree = tree.context("find the tree of the selftests")?;
    let (clang, strip) = (bpf::clang(cache)?, strip()?);
    let key = Key::new("selftests")
        .text("tree", &tree.to_string_lossy())
        .text("kernel", &kernel.key)
        .text("clang", &tool::identity(&clang));
    let key = format!("selftests-{}", key.finish());
    let lock = cache.lock("target", &key, "test_progs")?;
    let build = Build {
        cache,
        farm: cache.dir("target").join(&key),
        tree,
        kernel,
        clang,
        strip,
    };
    let (tests, left_out) = build.all(is_chosen)?;
    let config = build.folder().join(CONFIG);
    fs::copy(&kernel.config, &config).with_context(|| format!("write `{}`", config.display()))?;
    cache.touch("target", &key);
    Ok(Suite {
        folder: build.folder(),
        tests,
        left_out,
        _lock: lock,
    })
}

/// The names of all tests of a tree.
///
/// # Errors
/// It has none, or they cannot be read.
pub fn names(tree: &Path) -> Result<Vec<String>> {
    let folder = tree.join(PLACE);
    if !folder.is_dir() {
        bail!(
            "find selftests in `{}`: it has no `{PLACE}`",
            tree.display()
        );
    }
    let sources = Sources::read(&folder)?;
    Ok(sources.tests().map(|(name, _)| name).collect())
}

/// What strips objects.
fn strip() -> Result<PathBuf> {
    STRIPS.iter().find_map(tool::find).with_context(|| {
        format!(
            "`{}` is not installed: install it with `kassay setup --selftests`",
            STRIPS[0]
        )
    })
}

impl Build<'_> {
    /// Makes it. The names of the tests that are chosen, and why some of them are not in it.
    fn all(
        &self,
        is_chosen: impl Fn(&str) -> bool,
    ) -> Result<(Vec<String>, BTreeMap<String, String>)> {
        let sources = Sources::read(&self.tree.join(PLACE))?;
        let tests = sources.tests().filter(|(name, _)| is_chosen(name));
        let tests: Vec<(String, &str)> = tests.collect();
        // What was built for an earlier choice stays, so that a second choice takes little.
        let mut files = farm::stems(&self.folder().join("prog_tests"), ".c").unwrap_or_default();
        files.extend(tests.iter().map(|(_, file)| (*file).to_owned()));
        let mut chosen = sources.choose(files);
        let mut left_out = BTreeMap::new();
        while let Err(error) = self.make(&chosen) {
            interrupt::check()?;
            let lost = self.lost(&chosen);
            let (without, kept) = lost.split(&sources, chosen.files);
            let is_stuck = without.is_empty();
            chosen.files = kept;
            chosen.programs.retain(|it| !lost.programs.contains(it));
            for (test, file) in &tests {
                if let Some(culprits) = without.get(*file) {
                    left_out.insert(test.clone(), self.complaint(culprits));
                }
            }
            if is_stuck {
                return Err(error);
            }
        }
        let tests = tests.into_iter().map(|(name, _)| name).collect();
        Ok((tests, left_out))
    }

    /// Makes `test_progs` of what is chosen, and goes on with the rest where something fails.
    fn make(&self, chosen: &Chosen) -> Result<()> {
        let what = format!("build test_progs for {}", self.kernel.name);
        let folder = self.folder();
        let keeps = |path: &Path| match (path.parent(), path.file_stem(), path.extension()) {
            (Some(folder), Some(stem), Some(end)) if end == "c" => {
                let stem = stem.to_string_lossy();
                match folder.to_str() {
                    Some("progs") => chosen.programs.contains(&*stem),
                    Some("prog_tests") => chosen.files.contains(&*stem),
                    _ => true,
                }
            }
            _ => true,
        };
        if farm::plant(&self.tree, &self.farm, &keeps)? {
            // Its rule knows of files that changed, and not of those that are gone or older.
            let _ = fs::remove_file(folder.join("prog_tests/tests.h"));
        }
        let set = |name: &str, path: &Path| format!("{name}={}", path.display());
        let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
        let progress = Progress::steps(&what, None);
        // Of two folders make goes to the second, if that is a whole path. What stands before it
        // names the compiler of the kernel, which modules for it take.
        let make = self.kernel.kbuild()?.arg("-C").arg(&folder);
        make.args(["-k", &format!("-j{jobs}")])
            .arg(set("OUTPUT", &folder))
            .arg(set("VMLINUX_BTF", &self.kernel.btf))
            .arg(set("KDIR", &self.kernel.build))
            .arg(set("CLANG", &self.clang))
            .arg(set("LLVM_STRIP", &self.strip))
            // What shows the JIT's code needs LLVM's libraries, and is left out.
            .args(["BPF_GCC=", "feature-llvm=0", "test_progs"])
            .showing(&self.farm, &self.tree)
            .run_logged(&self.log()?, |line| {
                if let Some(step) = line.strip_prefix("  ") {
                    progress.inc(1);
                    let name = step.rsplit([' ', '/']).next();
                    progress.message(name.unwrap_or_default());
                }
            })
            .context(what)?;
        progress.finish();
        Ok(())
    }

    /// What was not made: programs, or where all of those were, files of tests.
    fn lost(&self, chosen: &Chosen) -> Chosen {
        let folder = self.folder();
        let of = |names: &BTreeSet<String>, end: &str| -> BTreeSet<String> {
            let is_lost = |name: &&String| !folder.join(format!("{name}{end}")).is_file();
            names.iter().filter(is_lost).cloned().collect()
        };
        let programs = of(&chosen.programs, ".bpf.o");
        let files = match programs.is_empty() {
            true => of(&chosen.files, ".test.o"),
            false => BTreeSet::new(),
        };
        Chosen { files, programs }
    }

    /// Which of these sources do not compile, and what a compiler said first of them.
    fn complaint(&self, culprits: &[String]) -> String {
        let log = read(&self.cache.dir("logs").join(format!("{LOG}.log"))).unwrap_or_default();
        let said = log.lines().find_map(|line| {
            let (place, said) = line.split_once("error: ")?;
            let is_of = |path: &String| place.contains(&format!("{path}:"));
            culprits.iter().any(is_of).then_some(said)
        });
        let said = said.map_or(String::new(), |said| format!(": {said}"));
        let culprits: Vec<String> = culprits.iter().map(|it| format!("`{it}`")).collect();
        let (all, does) = (
            culprits.join(", "),
            ["does", "do"][usize::from(culprits.len() > 1)],
        );
        format!("{all} {does} not compile{said}")
    }

    fn log(&self) -> Result<PathBuf> {
        self.cache.log(LOG)
    }

    /// The folder of the selftests, where all has to be made: of another, 6.12's Makefile does not
    /// find light skeletons a second time.
    fn folder(&self) -> PathBuf {
        self.farm.join(PLACE)
    }
}

impl Chosen {
    /// Of these files of tests, those that cannot do without what these are, each with what of
    /// these it takes, by paths from the folder of the selftests on; and the others.
    fn split(
        &self,
        sources: &Sources,
        files: BTreeSet<String>,
    ) -> (BTreeMap<String, Vec<String>>, BTreeSet<String>) {
        let mut without = BTreeMap::new();
        let mut kept = BTreeSet::new();
        for file in files {
            let own = self.files.get(&file).map(|it| format!("prog_tests/{it}.c"));
            let programs = self.programs.iter();
            let taken = programs.filter(|program| sources.takes(&file, program));
            let taken = taken.map(|it| format!("progs/{it}.c"));
            let culprits: Vec<String> = own.into_iter().chain(taken).collect();
            match culprits.is_empty() {
                true => drop(kept.insert(file)),
                false => drop(without.insert(file, culprits)),
            }
        }
        (without, kept)
    }
}

fn read(path: &Path) -> Result<String> {
    let bytes = plain::read(path, plain::MADE);
    let bytes = bytes.with_context(|| format!("read `{}`", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Suite {
    /// Writes the scenario of a test beside `test_progs`, and returns its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn scenario(&self, test: &str) -> Result<PathBuf> {
        let path = self.folder.join(format!("{test}.toml"));
        let text = format!(
            "about = \"the selftest {test}\"\nhost_root = true\ncpus = 2\nmemory = 1024\n\
             timeout = 600\nallow = [\"no_programs\", \"no_snapshot\"]\n\n\
             # There libbpf looks for the values of externs in `.kconfig`.\n\
             [[step]]\nrun = \"mkdir -p /boot && cp {CONFIG} /boot/config-$(uname -r)\"\n\n\
             [[step]]\nrun = \"./test_progs -a {test}\"\n"
        );
        // What has not changed is left alone: another kassay may be reading it.
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
        }
        Ok(path)
    }
}

/// The version of a tree, such as (6, 12).
///
/// # Errors
/// It has no Makefile of a kernel.
pub fn version(tree: &Path) -> Result<(u32, u32)> {
    let path = tree.join("Makefile");
    let text = read(&path)?;
    let number = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let value = lines.find(|(key, _)| key.trim() == name)?.1;
        value.trim().parse().ok()
    };
    match (number("VERSION"), number("PATCHLEVEL")) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => bail!("read `{}`: it is no Makefile of a kernel", path.display()),
    }
}
