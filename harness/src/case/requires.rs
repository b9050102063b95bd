//! What a scenario requires.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use object::{Object, ObjectSection};

use crate::btf::Btf;
use crate::cache::Cache;
use crate::compile::{self, Artifacts, module::Module};
use crate::interrupt;
use crate::kernel::{self, Availability, Catalog, Kernel};
use crate::kfuncs;
use crate::scenario::{Pinned, Requires, Scenario};
use crate::tool::{self, Tool};

/// What the scenario requires and the kernel, the host or the cache lacks. It is asked for before
/// anything is built: another build of the kernel takes as long as a kernel takes.
///
/// # Errors
/// The kernel's configuration or the catalog cannot be read, or the user interrupted.
pub fn lacks(cache: &Cache, kernel: &Kernel, scenario: &Scenario) -> Result<Option<String>> {
    match lacks_of_kernel(kernel, scenario)? {
        None => lacks_build(cache, kernel, scenario),
        lacking => Ok(lacking),
    }
}

/// What the scenario requires and its parts lack, now that they are built.
///
/// # Errors
/// A part or the kernel's configuration cannot be read.
pub fn lacks_built(
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
) -> Result<Option<String>> {
    if let Some(reason) = lacks_probe(&artifacts.guest, scenario)? {
        return Ok(Some(reason));
    }
    match lacks_jit(kernel, scenario, &artifacts.objects)? {
        None => lacks_base(scenario, &artifacts.modules),
        lacking => Ok(lacking),
    }
}

fn lacks_of_kernel(kernel: &Kernel, scenario: &Scenario) -> Result<Option<String>> {
    let (major, minor, _) = kernel.version();
    if let Some(bound) = &scenario.requires.kernel
        && !bound.holds((major, minor))
    {
        return Ok(Some(format!(
            "needs a kernel {bound}, and this is {}",
            kernel.release
        )));
    }
    let wanted = &scenario.requires.arch;
    if !wanted.is_empty() && !wanted.contains(&kernel.arch) {
        let names: Vec<&str> = wanted.iter().map(|arch| arch.name()).collect();
        let (names, is) = (names.join(" or "), kernel.arch);
        return Ok(Some(format!(
            "needs a kernel for {names}, and this is for {is}"
        )));
    }
    if scenario.host_root && kernel.arch.is_foreign() {
        let (arch, root) = (kernel.arch, "runs programs of the host, in its root");
        return Ok(Some(format!("{root}, and this kernel is for {arch}")));
    }
    if let Some(reason) = lacks_option(kernel, &scenario.requires)? {
        return Ok(Some(reason));
    }
    if scenario.fail_allocation.is_some()
        && let Some(reason) = lacks_failing(kernel)?
    {
        return Ok(Some(reason));
    }
    for program in &scenario.requires.pip {
        if let Some(reason) = lacks_program(program)? {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// The option that a kernel was to be built with, or without.
fn lacks_option(kernel: &Kernel, requires: &Requires) -> Result<Option<String>> {
    let release = &kernel.release;
    for option in &requires.config {
        if !kernel.config_has(option)? {
            let reason = format!("needs CONFIG_{option}, which {release} is built without");
            return Ok(Some(reason));
        }
    }
    for option in &requires.without {
        if kernel.config_has(option)? {
            let reason = format!("needs a kernel without CONFIG_{option}, and {release} has it");
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// What a program in place of the kernel's own decides by whether an allocation fails: the functions
/// are there and may be replaced.
const FAILING: [&str; 3] = ["FUNCTION_ERROR_INJECTION", "FAILSLAB", "FAIL_PAGE_ALLOC"];

/// What the kernel lacks to have allocations fail.
fn lacks_failing(kernel: &Kernel) -> Result<Option<String>> {
    for option in FAILING {
        if !kernel.config_has(option)? {
            return Ok(Some(format!(
                "needs CONFIG_{option} to have allocations fail, which {} is built without and a \
                 kernel such as `6.12+fault` has",
                kernel.release
            )));
        }
    }
    Ok(None)
}

/// The other build of the kernel that the scenario has its modules built for, where it is not in
/// the cache.
fn lacks_build(cache: &Cache, kernel: &Kernel, scenario: &Scenario) -> Result<Option<String>> {
    let Some(other) = compile::other_build(kernel, scenario) else {
        return Ok(None);
    };
    let availability = kernel::availability(cache, &Catalog::load(cache)?, &other);
    Ok(match availability {
        Ok(Availability::Ready) => None,
        Ok(_) => Some(format!(
            "needs another build of this kernel, which `kassay kernel build {other}` makes"
        )),
        Err(why) => Some(format!("needs another build of this kernel: {why:#}")),
    })
}

/// Why a program of PyPI is not as a scenario wants it.
fn lacks_program(wanted: &Pinned) -> Result<Option<String>> {
    let here = match tool::find(&wanted.name) {
        None => "is not on the host's PATH".to_owned(),
        Some(path) => {
            let said = Tool::new(path).arg("--version").output();
            interrupt::check()?;
            let said = said.unwrap_or_default();
            if said.split_whitespace().any(|word| word == wanted.version) {
                return Ok(None);
            }
            "of the host is another version".to_owned()
        }
    };
    Ok(Some(format!(
        "needs {wanted}, and `{}` {here}: `pip install {wanted}` in a virtual environment \
         whose bin is on PATH",
        wanted.name
    )))
}

/// The module that the scenario wants a base of its own in the BTF of, and that has none.
///
/// # Errors
/// A module cannot be read.
fn lacks_base(scenario: &Scenario, modules: &[Module]) -> Result<Option<String>> {
    if !scenario.requires.btf_base {
        return Ok(None);
    }
    for module in modules {
        if !module.has_section(kfuncs::BASE)? {
            return Ok(Some(format!(
                "needs a base of its own in the BTF of {}, which kbuild makes from Linux 6.11 on \
                 with pahole 1.28 or newer, and in 7.2 with any",
                module.name
            )));
        }
    }
    Ok(None)
}

/// Kinds of programs that the kernel calls by code that it writes itself, and so only where it
/// translates programs (`bpf_trampoline` of kernel/bpf/trampoline.c, 6.11).
const BY_TRAMPOLINE: [&str; 8] = [
    "fentry",
    "fexit",
    "fmod_ret",
    "freplace",
    "fsession",
    "lsm",
    "lsm_cgroup",
    "struct_ops",
];

/// What of a scenario's BPF objects a kernel cannot do that does not translate programs: the verifier
/// lets only translated ones call kfuncs (kernel/bpf/verifier.c).
///
/// # Errors
/// The kernel's configuration or an object cannot be read.
fn lacks_jit(
    kernel: &Kernel,
    scenario: &Scenario,
    objects: &[(String, PathBuf)],
) -> Result<Option<String>> {
    if kernel.config_has("BPF_JIT")? {
        return Ok(None);
    }
    let steps = scenario.steps.iter();
    let asked: Vec<&str> = steps.filter_map(|asked| asked.step.program()).collect();
    for (name, file) in objects {
        let why = needs_jit(file, &asked).with_context(|| format!("read the object `{name}`"))?;
        if let Some(why) = why {
            return Ok(Some(format!(
                "needs CONFIG_BPF_JIT, as `{name}` {why}, and {} is built without",
                kernel.release
            )));
        }
    }
    Ok(None)
}

/// Whether there are programs in a section that are loaded: where its name begins with `?`, libbpf
/// leaves those out that are not asked for.
fn is_loaded(section: &str, programs: &[(String, String)], asked: &[&str]) -> bool {
    let mut programs = programs.iter().filter(|(_, its)| its == section);
    !section.starts_with('?') || programs.any(|(name, _)| asked.contains(&&**name))
}

/// Whether the programs of a section are called by a trampoline.
fn is_by_trampoline(section: &str) -> bool {
    let name = section.trim_start_matches(['?', '.']);
    let kind = name.split(['/', '.']).next().unwrap_or_default();
    BY_TRAMPOLINE.contains(&kind)
}

/// What an object has that only translated programs can, of which steps ask for these by name.
fn needs_jit(file: &Path, asked: &[&str]) -> Result<Option<String>> {
    let bytes = fs::read(file)?;
    let object = object::File::parse(&*bytes)?;
    let mut sections = object.sections().filter_map(|section| section.name().ok());
    let programs = compile::bpf::programs(file)?;
    let needs = |section: &&str| is_by_trampoline(section) && is_loaded(section, &programs, asked);
    if let Some(section) = sections.find(needs) {
        return Ok(Some(format!("has a program of `{section}`")));
    }
    let calls = match object.section_by_name(".BTF") {
        Some(btf) => Btf::parse(btf.data()?, None)?.calls_kfuncs()?,
        None => false,
    };
    Ok(calls.then(|| "calls kfuncs".to_owned()))
}

/// The USDT probe that the scenario requires and the guest program has not.
///
/// # Errors
/// The guest program cannot be read.
pub fn lacks_probe(guest: &Path, scenario: &Scenario) -> Result<Option<String>> {
    let probes = &scenario.requires.probes;
    if probes.is_empty() {
        return Ok(None);
    }
    let program = fs::read(guest).with_context(|| format!("read `{}`", guest.display()))?;
    let has = |probe: &String| {
        // So it is in a note: the provider and the name, each with a NUL behind it.
        let note = format!("{}\0", probe.replace(':', "\0"));
        program
            .windows(note.len())
            .any(|bytes| bytes == note.as_bytes())
    };
    let missing = probes.iter().find(|probe| !has(probe));
    Ok(missing.map(|probe| {
        format!("needs the USDT probe {probe}, which the host's static C library is built without")
    }))
}

/// What a scenario requires, and the kernel has as modules that nothing inserts. Of an option its
/// module's name is mostly a part.
///
/// # Errors
/// The kernel's configuration cannot be read.
pub fn left_out(kernel: &Kernel, scenario: &Scenario) -> Result<String> {
    let mut inserted = kernel::at_boot(kernel);
    inserted.extend(scenario.kernel_modules.iter().cloned());
    let mut said = String::new();
    for option in &scenario.requires.config {
        let name = option.to_lowercase();
        let is_in = inserted.iter().any(|module| name.contains(module));
        if !is_in && kernel.config_is_module(option)? {
            said.push_str(&format!(
                "\n\nCONFIG_{option} is a module of this kernel, and nothing inserts it: see \
                 whether `kernel_modules = [\"{name}\"]` does"
            ));
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;
    use crate::project::Project;

    #[test]
    fn a_section_tells_what_calls_its_programs() {
        for section in ["fentry/f", "?fexit.s/f", ".struct_ops.link", "lsm_cgroup/f"] {
            assert!(is_by_trampoline(section), "{section}");
        }
        for section in ["kprobe/fentry", "tp_btf/f", "iter/task", ".maps"] {
            assert!(!is_by_trampoline(section), "{section}");
        }
    }

    #[test]
    fn a_program_that_is_loaded_on_demand_alone_counts_if_a_step_asks_for_it() {
        let programs = [("a", "fentry/f"), ("b", "?fentry/g")];
        let programs = programs.map(|(name, section)| (name.to_owned(), section.to_owned()));
        let is_loaded = |section, asked: &[&str]| is_loaded(section, &programs, asked);
        assert!(is_loaded("fentry/f", &[]) && is_loaded("?fentry/g", &["b"]));
        assert!(!is_loaded("?fentry/g", &["a"]) && !is_loaded("?.struct_ops", &["a"]));
    }

    #[test]
    fn a_probe_is_in_the_program_with_both_its_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("guest"), b"stapsdt\0libc\0setjmp\08@%rdi\0").unwrap();
        let lacks = |probe: &str| {
            let text = format!("about = 'x'\nrequires = {{ probes = ['{probe}'] }}");
            fs::write(path("case.toml"), text).unwrap();
            let scenario =
                Scenario::read(&path("case.toml"), &Project::of(directory.path()).unwrap())
                    .unwrap();
            lacks_probe(&path("guest"), &scenario).unwrap()
        };
        assert_eq!(lacks("libc:setjmp"), None);
        for other in ["libc:set", "libm:setjmp", "setjmp:libc"] {
            let reason = lacks(other).unwrap();
            assert!(reason.contains(&format!("probe {other},")), "{reason}");
        }
    }

    #[test]
    fn a_scenario_says_which_processors_it_is_for() {
        let config = tempfile::NamedTempFile::new().unwrap();
        let file = config.path().to_owned();
        let kernel = |arch| Kernel {
            name: "test".into(),
            release: "6.12.1".into(),
            image: file.clone(),
            build: file.clone(),
            btf: file.clone(),
            config: file.clone(),
            modules: Vec::new(),
            unreachable: None,
            tools: None,
            arch,
            key: "test".into(),
        };
        let lacks = |arch, scenario: &Scenario| lacks_of_kernel(&kernel(arch), scenario).unwrap();
        let mut scenario = Scenario::new("test");
        scenario.requires.arch = vec![Arch::X86];
        assert_eq!(lacks(Arch::X86, &scenario), None);
        let said = "needs a kernel for x86_64, and this is for arm64";
        assert_eq!(lacks(Arch::Arm64, &scenario).unwrap(), said);
        scenario.requires.arch.clear();
        scenario.host_root = true;
        let said = lacks(Arch::Arm64, &scenario).unwrap();
        assert!(said.contains("in its root, and this kernel is for arm64"));
    }
}
