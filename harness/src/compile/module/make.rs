//! kbuild, as it is run for a directory of modules, and what it complains of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::SYMVERS;
use super::sources::{Place, Sources};
use crate::kernel::Kernel;
use crate::progress::Progress;
use crate::tool::Tool;

/// What kbuild prints when it leaves a module without BTF (scripts/Makefile.modfinal).
const NO_BTF: &str = "Skipping BTF generation";

/// Whether a line says that the compiler does not know an option, which came later than it, or that
/// the one which the headers name, as Debian's do, is not here.
fn is_of_compiler(line: &str) -> bool {
    line.contains("unrecognized command-line option")
        || (line.contains("gcc") && line.ends_with(": not found"))
}

/// What resolve_btfids says before each name of a set that BTF lacks; then it goes on
/// (tools/bpf/resolve_btfids/main.c, 6.1 to 7.2).
const UNRESOLVED: &str = "WARN: resolve_btfids: unresolved symbol ";

/// Runs kbuild in a folder that may have an older build of the module. What has not changed
/// since is not made again, which saves a third of the time.
pub(super) fn make(
    kernel: &Kernel,
    place: &Path,
    sources: &Sources,
    what: &str,
    log: &Path,
) -> Result<()> {
    if !kernel.build.join("Makefile").exists() {
        bail!(
            "build {what}: the kernel `{}` came without headers, so no module can be built for it",
            kernel.name
        );
    }
    let built = place.join(&sources.directory);
    let progress = Progress::steps(format!("build {what}"), None);
    let mut said = Said::default();
    let made = kbuild(kernel, &built, sources)?
        // Messages name the user's files, not our copies.
        .showing(place, Place::shown(&sources.root))
        .run_logged(log, |line| {
            progress.inc(1);
            said.hear(line);
        });
    let checked = made
        .map_err(|error| explain(error, &said.missing))
        .map_err(|error| match &said.of_compiler {
            Some(line) => error.context(another_compiler(line)),
            None => error,
        })
        .map_err(|error| anyhow!("{error:#}\n{}", by_hand(kernel, sources)));
    checked.with_context(|| format!("build {what}"))?;
    progress.finish();
    said.check(kernel, what).or_else(|error| {
        // kbuild takes what lies there for made, and would not say it again.
        fs::remove_dir_all(&built).with_context(|| format!("remove `{}`", built.display()))?;
        Err(error)
    })
}

/// The command that builds the modules of a folder.
fn kbuild(kernel: &Kernel, built: &Path, sources: &Sources) -> Result<Tool> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(kernel
        .kbuild()?
        .arg(format!("M={}", built.display()))
        .arg(format!("-j{jobs}"))
        .args(extra_symbols(&sources.symvers))
        .args(&sources.make)
        .arg("modules")
        // As by `make -C … M=$PWD`: Makefiles have `-I$(PWD)/include`.
        .cwd(built)
        .env("PWD", built))
}

/// What kbuild said that matters.
#[derive(Default)]
struct Said {
    /// That it makes no BTF.
    skipped: Option<String>,
    /// That the compiler does not know an option, or is not here.
    of_compiler: Option<String>,
    /// The symbols, and the lists of symbols, that it missed, in backticks.
    missing: Vec<String>,
    /// The members of sets that it found no function for, in backticks.
    unresolved: Vec<String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        if line.contains(NO_BTF) {
            self.skipped = Some(line.trim().to_owned());
        }
        if is_of_compiler(line) {
            self.of_compiler.get_or_insert(line.trim().to_owned());
        }
        let quoted = |name: &str| format!("`{name}`");
        self.missing.extend(missed(line).map(quoted));
        let symbol = line.trim().strip_prefix(UNRESOLVED);
        self.unresolved.extend(symbol.map(quoted));
    }

    /// Sees that what was made is what was meant.
    fn check(&self, kernel: &Kernel, what: &str) -> Result<()> {
        if let Some(line) = &self.skipped {
            bail!(
                "build {what}: kbuild says `{line}`; a module without BTF inserts cleanly and its \
                 kfuncs are missed much later. Put the kernel's vmlinux at `{}` (from its debug \
                 package, or as `scripts/extract-vmlinux` of a kernel's source finds it in `{}`), or \
                 a copy of /sys/kernel/btf/vmlinux from where that kernel runs, and run it again",
                kernel.btf.display(),
                kernel.image.display()
            );
        }
        if !self.unresolved.is_empty() {
            bail!(
                "build {what}: resolve_btfids finds no {} in BTF, which a set of the module names: no \
                 program could call it, and the kernel may refuse the set. Such a function was \
                 optimised away or is `static` (declare it with `__bpf_kfunc`, and not `static`), is \
                 misspelled, or was compiled without debug information (`-g0`)",
                self.unresolved.join(", ")
            );
        }
        Ok(())
    }
}

/// What to do where the kernel was built by another compiler.
fn another_compiler(line: &str) -> String {
    format!(
        "the kernel was built by another compiler than this machine's (`{line}`): install the \
         package of the version that CC_VERSION_TEXT of its config names, such as gcc-14, or name a \
         suite of Debian that has it in `tools` of the kernel's table"
    )
}

/// How a user would build the modules where they lie.
fn by_hand(kernel: &Kernel, sources: &Sources) -> String {
    let directory = sources.root.join(&sources.directory);
    let variables: String = sources
        .make
        .iter()
        .map(|text| format!(" '{text}'"))
        .collect();
    let (directory, build) = (directory.display(), kernel.build.display());
    let tools = match &kernel.tools {
        None => String::new(),
        Some(tools) => {
            let tools = tools.display();
            format!("KASSAY_TOOLS={tools} PATH={tools}/usr/bin:$PATH ")
        }
    };
    format!("by hand: cd {directory} && {tools}make -C {build} M=$PWD{variables} modules")
}

/// How kbuild is told what modules elsewhere export (Documentation/kbuild/modules.rst). It stands
/// above what a Makefile says itself, which leads to where its owner builds.
fn extra_symbols(symvers: &[PathBuf]) -> Option<String> {
    let files = symvers.iter().map(|file| file.display().to_string());
    let files: Vec<String> = files.collect();
    (!files.is_empty()).then(|| format!("KBUILD_EXTRA_SYMBOLS={}", files.join(" ")))
}

/// What modpost says it misses of other modules, in a line (scripts/mod/modpost.c, 6.1 to 7.2):
/// `ERROR: modpost: "SYMBOL" [MODULE.ko] undefined!`, or the list of them that a Makefile names.
fn missed(line: &str) -> Option<&str> {
    let symbol = || {
        let (symbol, rest) = line.strip_prefix("ERROR: modpost: \"")?.split_once("\" ")?;
        rest.ends_with("undefined!").then_some(symbol)
    };
    let file = || line.strip_suffix(": No such file or directory");
    symbol().or_else(|| file().filter(|file| file.ends_with(SYMVERS)))
}

/// Adds what to do to an error of kbuild that comes of what it misses of other modules.
pub(super) fn explain(error: anyhow::Error, missing: &[String]) -> anyhow::Error {
    if missing.is_empty() {
        return error;
    }
    error.context(format!(
        "neither the kernel nor a directory named before has {}: where another module does, name \
         its directory before this one in `modules` of a scenario",
        missing.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_than_the_kernels_says_what_to_install() {
        for line in [
            "gcc: error: unrecognized command-line option '-fmin-function-alignment=16'",
            "/bin/sh: 1: x86_64-linux-gnu-gcc-14: not found",
        ] {
            let mut said = Said::default();
            said.hear(line);
            said.hear("make: *** [a.o] Error 127");
            let why = another_compiler(&said.of_compiler.unwrap());
            assert!(
                why.contains(line) && why.contains("CC_VERSION_TEXT"),
                "{why}"
            );
        }
    }
}
