//! Which lines of modules ran and which branches were taken, over all scenarios, as gcc's counters
//! tell; and which of their kfuncs nobody called.

mod gcov;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use kassay_guest::Fact;

use crate::cache::Cache;
use crate::case::Case;
use crate::compile::module::{self, Module};
use crate::facts::Facts;
use crate::kernel::Kernel;
use crate::kfuncs;
use crate::refusal;

/// What one run of a case has counted.
#[derive(Clone, Debug, Default)]
pub struct Covered {
    /// By what tells each object file from others on all kernels, and by source files as people know
    /// them.
    pub objects: BTreeMap<String, Files>,
    /// The kfuncs of its modules, by their names.
    pub kfuncs: BTreeMap<String, Kfunc>,
}

/// Files of source, by their paths: from the project's folder, or whole outside of it.
pub type Files = BTreeMap<String, File>;

/// What was counted in a file of source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// By their names.
    pub functions: BTreeMap<String, Function>,
    /// By their numbers, from 1.
    pub lines: BTreeMap<u32, Line>,
}

/// What was counted in a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// The line that it begins in.
    pub line: u32,
    /// How often it was called.
    pub calls: u64,
}

/// What was counted in a line that has code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How often it ran.
    pub runs: u64,
    /// How often each way out of it was taken.
    pub branches: Vec<u64>,
}

/// What is known of a kfunc beside its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kfunc {
    /// Those of its flags by which the verifier checks calls, such as `KF_TRUSTED_ARGS`.
    pub flags: Vec<String>,
    /// Whether a program that calls it was refused.
    pub is_refused: bool,
}

/// Sees that the modules of a kernel can count.
///
/// # Errors
/// They cannot; the kernel's configuration cannot be read.
pub fn check(kernel: &Kernel) -> Result<()> {
    let name = &kernel.name;
    if !kernel.config_has("GCOV_KERNEL")? {
        bail!(
            "count what runs on {name}: it was built without CONFIG_GCOV_KERNEL, which a kernel \
             such as `6.12+gcov` has"
        );
    }
    if kernel.config_has("CC_IS_CLANG")? {
        bail!("count what runs on {name}: it was built by clang, and only gcc's counts are read");
    }
    Ok(())
}

/// What a run of a case has counted; none where it did not come to its end.
///
/// # Errors
/// gcov cannot read it.
pub fn of(cache: &Cache, case: &Case, facts: &Facts) -> Result<Option<Covered>> {
    let counted = facts.told.iter().find_map(|fact| match fact {
        Fact::Coverage { files } => Some(files),
        _ => None,
    });
    let Some(counted) = counted.filter(|_| facts.whole.is_ok()) else {
        return Ok(None);
    };
    let gcov = case.kernel.arch.tool("gcov");
    let (mut objects, mut noted) = (BTreeMap::new(), BTreeSet::new());
    let copies = cache.dir("build");
    for module in case.modules {
        let mut parts = case.scenario.modules.iter();
        let part = parts.find(|part| part.path == module.source);
        let part = part.map_or(&[][..], std::slice::from_ref);
        for (object, notes) in gcov::notes(&module.notes())? {
            let found = gcov::counts_of(&object, counted);
            let listed = gcov::read(&gcov, &notes, found)
                .with_context(|| format!("read what `{object}` has counted"))?;
            let named = |path: &Path| {
                let text = path.to_string_lossy();
                let named = module::name_sources(&text, cache, part);
                (named != text).then_some(named)
            };
            let known: &mut Files = objects.entry(key(module, &object, &copies)).or_default();
            for (path, file) in gcov::files(&listed, named) {
                known.entry(path).or_default().join(&file);
            }
            noted.insert(object);
        }
    }
    let is_known = |path: &str| gcov::is_of_modpost(path) || noted.contains(&gcov::object(path));
    if let Some((path, _)) = counted.iter().find(|(path, _)| !is_known(path)) {
        bail!("read what modules have counted: nothing is noted of `{path}`, which has");
    }
    let kfuncs = kfuncs_of(case, facts)?;
    Ok(Some(Covered { objects, kfuncs }))
}

/// What an object is known by on all kernels, for each of which its module was built in a folder of
/// its own below `copies`.
fn key(module: &Module, object: &str, copies: &Path) -> String {
    let inside = Path::new(object).strip_prefix(copies).ok();
    let inside = inside.map(|path| path.components().skip(1).collect::<PathBuf>());
    let inside = inside.unwrap_or_else(|| object.into());
    format!("{}: {}", module.source.display(), inside.display())
}

fn kfuncs_of(case: &Case, facts: &Facts) -> Result<BTreeMap<String, Kfunc>> {
    let files = case.modules.iter().map(|module| module.file.as_path());
    let listing = kfuncs::of_modules(case.kernel, files)?;
    let logs = facts.told.iter().filter_map(|fact| match fact {
        Fact::Loaded {
            error: Some(_),
            log,
            ..
        } => Some(log),
        _ => None,
    });
    let refused: BTreeSet<&str> = logs.filter_map(|log| last_called(log)).collect();
    let kfunc = |it: kfuncs::Kfunc| {
        let mut flags = it.flags().unwrap_or_default();
        flags.retain(|flag| CHECKED.contains(&flag.as_str()));
        let known = Kfunc {
            flags,
            is_refused: refused.contains(it.name.as_str()),
        };
        (it.name, known)
    };
    Ok(listing.kfuncs.into_iter().map(kfunc).collect())
}

/// The flags by which the verifier checks where a kfunc is called, or with what.
const CHECKED: [&str; 10] = [
    "KF_RELEASE",
    "KF_KPTR_GET",
    "KF_TRUSTED_ARGS",
    "KF_SLEEPABLE",
    "KF_DESTRUCTIVE",
    "KF_RCU",
    "KF_ITER_NEW",
    "KF_ITER_NEXT",
    "KF_ITER_DESTROY",
    "KF_RCU_PROTECTED",
];

/// The kfunc at whose call the verifier stopped: the last instruction that it came to.
fn last_called(log: &str) -> Option<&str> {
    let instruction = |line: &'_ str| {
        let (number, _) = line.split_once(": (")?;
        number.parse::<u32>().ok()
    };
    let last = log.lines().rfind(|line| instruction(line).is_some())?;
    refusal::called(last)
}

impl Covered {
    /// Adds what another run has counted.
    fn add(&mut self, other: &Covered) {
        for (object, files) in &other.objects {
            let known = self.objects.entry(object.clone()).or_default();
            for (path, file) in files {
                known.entry(path.clone()).or_default().add(file);
            }
        }
        for (name, kfunc) in &other.kfuncs {
            let known = self.kfuncs.entry(name.clone()).or_default();
            known.is_refused |= kfunc.is_refused;
            known.flags.clone_from(&kfunc.flags);
        }
    }

    /// The files of all objects: what several have of a header is side by side.
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        for (path, file) in self.objects.values().flatten() {
            files.entry(path.clone()).or_default().join(file);
        }
        files
    }
}

impl File {
    /// Adds what another run of the same object has counted.
    fn add(&mut self, other: &File) {
        self.merge(other, |line, other| {
            let length = line.branches.len().max(other.branches.len());
            line.branches.resize(length, 0);
            for (count, more) in line.branches.iter_mut().zip(&other.branches) {
                *count = count.saturating_add(*more);
            }
        });
    }

    /// Adds what another object has counted.
    fn join(&mut self, other: &File) {
        self.merge(other, |line, other| line.branches.extend(&other.branches));
    }

    fn merge(&mut self, other: &File, branches: impl Fn(&mut Line, &Line)) {
        for (name, function) in &other.functions {
            let known = self.functions.entry(name.clone()).or_default();
            known.line = function.line;
            known.calls = known.calls.saturating_add(function.calls);
        }
        for (number, line) in &other.lines {
            let known = self.lines.entry(*number).or_default();
            known.runs = known.runs.saturating_add(line.runs);
            branches(known, line);
        }
    }
}

/// What all runs have counted together.
#[derive(Debug, Default)]
pub struct Total {
    /// Their sum.
    pub covered: Covered,
    /// The scenarios that reach each line of each file.
    pub reached: BTreeMap<(String, u32), BTreeSet<String>>,
    /// How many runs there were.
    pub runs: usize,
    /// How many of them have told nothing.
    pub silent: usize,
}

impl Total {
    /// Adds what a run of a scenario has counted, if it did.
    pub fn add(&mut self, scenario: &str, covered: Option<&Covered>) {
        self.runs += 1;
        let Some(covered) = covered else {
            self.silent += 1;
            return;
        };
        self.covered.add(covered);
        for (path, file) in covered.files() {
            for (number, _) in file.lines.iter().filter(|(_, line)| line.runs > 0) {
                let by = self.reached.entry((path.clone(), *number)).or_default();
                by.insert(scenario.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(runs: u64, branches: &[u64]) -> Line {
        Line {
            runs,
            branches: branches.to_vec(),
        }
    }

    /// What an object has counted in line 1 of a header.
    fn covered(object: &str, runs: u64, branches: &[u64]) -> Covered {
        let file = File {
            lines: [(1, line(runs, branches))].into(),
            ..File::default()
        };
        let files = Files::from([("m.h".to_owned(), file)]);
        Covered {
            objects: [(object.to_owned(), files)].into(),
            ..Covered::default()
        }
    }

    #[test]
    fn runs_of_an_object_add_up_and_objects_stand_side_by_side() {
        let mut total = Total::default();
        total.add("a", Some(&covered("a.o", 1, &[1, 0])));
        total.add("b", Some(&covered("a.o", 2, &[0, 2])));
        total.add("b", Some(&covered("b.o", 0, &[0, 0])));
        total.add("c", None);
        let line = &total.covered.files()["m.h"].lines[&1];
        assert_eq!((line.runs, &*line.branches), (3, &[1, 2, 0, 0][..]));
        let by: Vec<_> = total.reached[&("m.h".to_owned(), 1)].iter().collect();
        assert_eq!(by, ["a", "b"]);
        assert_eq!(total.silent, 1);
    }

    #[test]
    fn an_object_is_the_same_on_all_kernels_and_another_in_each_directory() {
        let of = |source: &str, build: &str| {
            let module = Module {
                name: "m".to_owned(),
                file: PathBuf::new(),
                params: String::new(),
                kfuncs: Vec::new(),
                needs: Vec::new(),
                is_proprietary: false,
                source: source.into(),
            };
            key(
                &module,
                &format!("/c/build/{build}/drv/m.o"),
                Path::new("/c/build"),
            )
        };
        assert_eq!(of("/one/drv", "0"), of("/one/drv", "1"));
        assert_ne!(of("/one/drv", "0"), of("/two/drv", "0"));
    }

    #[test]
    fn a_refusal_is_of_the_last_kfunc_that_the_verifier_came_to() {
        let log = "0: (85) call bpf_a#1\n1: (85) call bpf_b#2\nR1 must be referenced or trusted\n";
        assert_eq!(last_called(log), Some("bpf_b"));
        assert_eq!(last_called("1: (95) exit\n"), None);
        let behind = "0: (85) call bpf_a#1\n1: (61) r0 = *(u32 *)(r0 +0)\nR0 invalid mem access\n";
        assert_eq!(last_called(behind), None);
    }
}
