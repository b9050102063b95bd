//! `MODULE.h`: what a program may name of a module, from its BTF. `vmlinux.h` has only the kernel's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use object::{Object, ObjectSection};

use super::module::Module;
use super::vmlinux;
use crate::cache::{Cache, Key};
use crate::kernel::Kernel;
use crate::tool::{self, Tool};
use crate::{btf, kfuncs, nearest, plain};

/// Whether clang did not find the header of one of these modules.
pub fn is_missing(error: &anyhow::Error, modules: &[Module]) -> bool {
    let said = format!("{error:#}");
    let mut names = modules.iter().map(|module| &module.name);
    names.any(|name| said.contains(&format!("'{name}.h' file not found")))
}

/// Adds to an error where a header that clang did not find could come from.
pub fn explain(error: anyhow::Error, modules: &[Module]) -> anyhow::Error {
    let said = format!("{error:#}");
    let name = said.split_once(".h' file not found");
    let name = name.and_then(|(before, _)| before.rsplit('\'').next());
    // No module has its header in a folder.
    let Some(name) = name.filter(|name| !name.contains('/')) else {
        return error;
    };
    let hint = nearest::hint(name, modules.iter().map(|module| module.name.as_str()));
    anyhow!(
        "{said}\n`{name}.h` is made for a module `{name}`, where `modules` of the scenario or \
         `--module` names one{hint}"
    )
}

/// The folder that has the headers of these modules, which is made once.
///
/// # Errors
/// As [`text`].
pub fn folder(cache: &Cache, kernel: &Kernel, modules: &[Module]) -> Result<PathBuf> {
    let mut key = Key::new("headers")
        .text("kernel", &kernel.key)
        .text("bpftool", &tool::identity(&vmlinux::bpftool()?));
    for module in modules {
        key = key.file(&module.name, &module.file)?;
    }
    let what = format!("headers of modules for {}", kernel.name);
    cache.get_or_make("vmlinux", &key.finish(), &what, |directory| {
        modules.iter().try_for_each(|module| {
            let path = directory.join(format!("{}.h", module.name));
            let text = text(cache, kernel, module)?;
            fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))
        })
    })
}

/// The header of a module: its types that the kernel does not have, and its kfuncs.
///
/// # Errors
/// There is no bpftool, or it cannot read the BTF of the module or the kernel.
pub fn text(cache: &Cache, kernel: &Kernel, module: &Module) -> Result<String> {
    let folder = vmlinux::header(cache, kernel)?;
    let make = || format!("make `{}.h`", module.name);
    let vmlinux = fs::read_to_string(folder.join("vmlinux.h")).with_context(make)?;
    let types = types(&dump(kernel, module).with_context(make)?, &vmlinux);
    let listing = kfuncs::of_modules(kernel, [Path::new(&module.file)]).with_context(make)?;
    let prototypes = listing
        .kfuncs
        .iter()
        .filter_map(|kfunc| kfunc.prototype.as_ref());
    let prototypes: Vec<String> = prototypes
        .map(|prototype| format!("extern {} __ksym;\n", prototype.trim_end_matches(';')))
        .collect();
    let guard = format!("__{}_H__", module.name.to_uppercase());
    Ok(format!(
        "#ifndef {guard}\n#define {guard}\n\n#include \"vmlinux.h\"\n\n\
         #ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n\
         #pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n\
         #endif\n\n{types}\
         #ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n\
         #ifndef BPF_NO_KFUNC_PROTOTYPES\n#ifndef __ksym\n\
         #define __ksym __attribute__((section(\".ksyms\")))\n#endif\n{}#endif\n\n\
         #endif /* {guard} */\n",
        prototypes.concat()
    ))
}

/// The types of a module in C, with those of its base that they are made of.
fn dump(kernel: &Kernel, module: &Module) -> Result<String> {
    let bytes = plain::read(&module.file, plain::MADE)?;
    let object = object::File::parse(&*bytes)?;
    let directory = tempfile::tempdir().context("make a temporary folder")?;
    let raw = |section: &str| -> Result<Option<PathBuf>> {
        let Some(section) = object.section_by_name(section) else {
            return Ok(None);
        };
        let file = directory.path().join(section.name()?);
        fs::write(&file, btf::native(section.data()?)?).context("write a section")?;
        Ok(Some(file))
    };
    let own = raw(".BTF")?.context("the module has no BTF")?;
    // A module that has the base that it was built with, as from 6.11 on, counts its types from
    // that, and bpftool before 7.5 (libbpf 1.5) does not know it.
    let base = raw(".BTF.base")?.unwrap_or_else(|| kernel.btf.clone());
    Tool::new(&vmlinux::bpftool()?)
        .args(["btf", "dump", "file"])
        .arg(&own)
        .arg("--base-btf")
        .arg(&base)
        .args(["format", "c"])
        .output()
}

/// The types of a dump that the kernel's does not have, by their names: what a base is made of is
/// written again, and is not whole.
fn types(dump: &str, vmlinux: &str) -> String {
    let known: BTreeSet<&str> = vmlinux.split("\n\n").filter_map(name).collect();
    let own = dump.split("\n\n");
    let own = own.filter(|block| name(block).is_some_and(|name| !known.contains(name)));
    own.map(|block| format!("{}\n\n", block.trim())).collect()
}

/// What a block of C defines: the words before its members, the name of a typedef, or the whole.
fn name(block: &str) -> Option<&str> {
    let block = block.trim();
    let is_type = ["struct ", "union ", "enum ", "typedef "];
    let kind = is_type.iter().find(|kind| block.starts_with(**kind))?;
    Some(match (*kind, block.split_once('{')) {
        ("typedef ", _) => {
            let pointer = block
                .rsplit_once("(*")
                .and_then(|(_, name)| name.split_once(')'));
            let plain = || {
                let words = block.trim_end_matches(';').split_whitespace();
                words.last().and_then(|word| word.split('[').next())
            };
            pointer.map(|(name, _)| name).or_else(plain)?
        }
        (_, Some((before, _))) if before.trim() != "enum" => before.trim(),
        (_, Some(_)) => block,
        // Only that there is one.
        (_, None) => block.trim_end_matches(';'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_has_is_left_out_by_its_name() {
        let vmlinux =
            "#define __VMLINUX_H__\n\nstruct a {\n\tint b;\n};\n\ntypedef unsigned int u32;";
        let dump = "#define __VMLINUX_H__\n\nstruct a {\n};\n\ntypedef int u32;\n\n\
                    struct own {\n\tstruct a *a;\n};\n\n#endif\n";
        assert_eq!(types(dump, vmlinux), "struct own {\n\tstruct a *a;\n};\n\n");
    }

    #[test]
    fn a_typedef_has_a_name_whatever_it_is_of() {
        assert_eq!(name("typedef int (*call)(void *);"), Some("call"));
        assert_eq!(name("typedef u8 mac[6];"), Some("mac"));
        assert_eq!(name("struct a {\n\tint b;\n};"), Some("struct a"));
        assert_eq!(name("enum {\n\tA = 0,\n};"), Some("enum {\n\tA = 0,\n};"));
        assert_eq!(name("enum a;"), Some("enum a"));
        assert_eq!(name("#endif"), None);
    }
}
