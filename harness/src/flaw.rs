//! What keeps programs from the kfuncs of a module, as far as its file tells.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use object::ReadCache;

use crate::btf;
use crate::compile::imports;
use crate::compile::module::Module;
use crate::kernel::Kernel;
use crate::kfuncs;
use crate::plain;

/// One flaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// This set does not have the flag that the kernel wants of it.
    Unmarked(String),
    /// This kfunc is called as a function of the kernel is.
    Taken(String),
    /// Nothing is registered.
    Unregistered,
}

/// What registers something that programs use: kfuncs, functions to attach to, structures of
/// callbacks (kernel/bpf/btf.c and include/linux/bpf.h, 6.1 to 7.2).
const REGISTER: [&str; 4] = [
    KFUNCS,
    FMOD_RET,
    "register_btf_id_dtor_kfuncs",
    "__register_bpf_struct_ops",
];
const KFUNCS: &str = "register_btf_kfunc_id_set";
/// What takes sets without the flag.
const FMOD_RET: &str = "register_btf_fmodret_id_set";

/// The first version that wants the flag BTF_SET8_KFUNCS (include/linux/btf_ids.h).
const MARKED: (u32, u32) = (6, 9);

impl Flaw {
    /// What is wrong, in a line that is the same on each kernel.
    pub fn title(&self, module: &str) -> String {
        match self {
            Flaw::Unmarked(set) => format!("set {set} of {module} does not say that it has kfuncs"),
            Flaw::Taken(kfunc) => format!("kfunc {kfunc} of {module} has the name of the kernel's"),
            Flaw::Unregistered => format!("module {module} registers no kfuncs"),
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Unmarked(set) => write!(
                f,
                "`{set}` does not have BTF_SET8_KFUNCS, without which {KFUNCS} says `Invalid \
                 argument` since 6.9: declare it by BTF_KFUNCS_START({set}) and \
                 BTF_KFUNCS_END({set}), and not by BTF_SET8_START"
            ),
            Flaw::Taken(kfunc) => write!(
                f,
                "the kernel's own BTF has a function {kfunc}: libbpf takes that one, and from 7.2 \
                 on the kernel refuses the set; give the kfunc another name"
            ),
            Flaw::Unregistered => write!(
                f,
                "it does not call {KFUNCS} or the like, so that no program may call a function of it"
            ),
        }
    }
}

/// The flaws of a module that was built for a kernel, whose own BTF has these strings.
///
/// # Errors
/// The module cannot be read, or the kernel's BTF.
pub fn of(kernel: &Kernel, module: &Module, strings: &[u8]) -> Result<Vec<Flaw>> {
    let (calls, unmarked) = read(&module.file)
        .with_context(|| format!("read the sets of `{}`", module.file.display()))?;
    let (major, minor, _) = kernel.version();
    let is_of_kfuncs = calls.contains(&KFUNCS) && !calls.contains(&FMOD_RET);
    let wants_mark = (major, minor) >= MARKED && is_of_kfuncs;
    let unmarked = unmarked.into_iter().filter(|_| wants_mark);
    let taken = btf::taken(&kernel.btf, strings, &module.kfuncs)?;
    let mut flaws: Vec<Flaw> = unmarked.map(Flaw::Unmarked).collect();
    flaws.extend(taken.into_iter().map(Flaw::Taken));
    flaws.extend(calls.is_empty().then_some(Flaw::Unregistered));
    Ok(flaws)
}

/// What of [`REGISTER`] a module calls, and its sets without the flag.
fn read(file: &Path) -> Result<(Vec<&'static str>, Vec<String>)> {
    let cache = ReadCache::new(plain::open(file)?);
    let elf = object::File::parse(&cache)?;
    let names = imports::of(file)?;
    let is_called = |name: &&str| names.iter().any(|import| import == name);
    let calls = REGISTER.into_iter().filter(is_called);
    Ok((calls.collect(), kfuncs::unmarked(&elf)?))
}

/// Why the kernel did not take a module, which says no more than this error.
pub fn why(module: &Module, flaws: &[Flaw], error: &str) -> Option<String> {
    if error.contains("os error 2)") && !module.needs.is_empty() {
        let needs = module.needs.join(", ");
        return Some(format!(
            "{} uses symbols of {needs}, which have to be in before: name them before it in \
             `modules`, or in `kernel_modules`",
            module.name
        ));
    }
    let is_vague = error.contains("os error 22") && !module.kfuncs.is_empty();
    let counts = |flaw: &&Flaw| **flaw != Flaw::Unregistered;
    let words: Vec<String> = flaws.iter().filter(counts).map(Flaw::to_string).collect();
    match words.is_empty() {
        false => Some(format!("{}: {}", module.name, words.join("; "))),
        true if is_vague => Some(format!(
            "{}: its file has no flaw that would explain this. {KFUNCS} says it of a type of \
             programs that may call no kfuncs (bpf_prog_type_to_kfunc_hook of kernel/bpf/btf.c has \
             those that may), and of iterators whose functions are not as they should be. Where the \
             kernel log says that BTF failed to validate, the module was built for another build of \
             the kernel, and its BTF has no base of its own (`{}`)",
            module.name,
            kfuncs::BASE
        )),
        true => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_does_not_say_is_said() {
        let mut module = Module {
            name: "m".to_owned(),
            file: "m.ko".into(),
            params: String::new(),
            kfuncs: vec!["f".to_owned()],
            needs: vec!["other".to_owned()],
            is_proprietary: false,
            source: std::path::PathBuf::new(),
        };
        let flaws = [Flaw::Unmarked("ids".to_owned())];
        let invalid = "Invalid argument (os error 22)";
        let said = |module: &Module, flaws, error| why(module, flaws, error).unwrap_or_default();
        assert!(said(&module, &flaws, invalid).contains("`ids` does not have BTF_SET8_KFUNCS"));
        assert!(said(&module, &[], invalid).contains("a type of programs that may call no"));
        let missing = "No such file or directory (os error 2)";
        assert!(said(&module, &[], missing).starts_with("m uses symbols of other, which"));
        module.kfuncs.clear();
        assert_eq!(why(&module, &[Flaw::Unregistered], invalid), None);
        assert_eq!(why(&module, &[], "Out of memory (os error 12)"), None);
    }
}
