//! What a debugger needs to attach to a machine: a script for gdb, and the line that starts it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::elf::{FileHeader64, SHF_ALLOC};
use object::read::elf::FileHeader;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags};
use serde_json::json;

use crate::compile::module::Module;
use crate::kernel::Kernel;
use crate::vm;

/// The script's constant part.
const SCRIPT: &str = include_str!("attach.py");

/// The size of a section header, and where in it the section's address is (elf(5), `Elf64_Shdr`).
const SECTION: usize = 64;
/// See [`SECTION`].
const SECTION_ADDRESS: usize = 16;

/// The longest path of a socket (unix(7)).
const LONGEST: usize = 107;

/// Writes the script into a run's directory and returns what a user is told.
///
/// # Errors
/// A module cannot be read, the script cannot be written, or the socket's path is too long.
pub fn invite(directory: &Path, kernel: &Kernel, modules: &[Module]) -> Result<String> {
    let socket = directory.join(vm::SOCKET);
    if socket.as_os_str().len() > LONGEST {
        bail!(
            "debug: the socket's path `{}` has more than {LONGEST} bytes; set KASSAY_CACHE to a shorter one",
            socket.display()
        );
    }
    let mut all = BTreeMap::new();
    for module in modules {
        let copy = directory.join(format!("{}.ko", module.name));
        let symbols = read(&module.file, &copy)
            .with_context(|| format!("read the symbols of `{}`", module.file.display()))?;
        all.insert(&module.name, json!([copy, symbols]));
    }
    let script = directory.join("attach.py");
    let text = format!(
        "SOCKET = {}\nARCH = {}\nMODULES = {}\n{SCRIPT}",
        json!(socket),
        json!(kernel.arch.name()),
        json!(all)
    );
    fs::write(&script, text).with_context(|| format!("write `{}`", script.display()))?;
    // Distributions have gdb for their own processor, and in a package of its own for all others.
    let gdb = match kernel.arch.is_foreign() {
        true => "gdb-multiarch",
        false => "gdb",
    };
    let (kernel, note) = match symbols_of(kernel) {
        Some(file) => (format!(" {}", file.display()), ""),
        None => (
            String::new(),
            "\n(this kernel has no debug information, and so there are no symbols; one that kassay \
             builds has)",
        ),
    };
    Ok(format!(
        "the machine stands still until a debugger lets it go; Ctrl-C ends it\n\
         {gdb}{kernel} -x {}{note}",
        script.display()
    ))
}

/// The kernel's ELF file, where that has debug information.
fn symbols_of(kernel: &Kernel) -> Option<PathBuf> {
    let path = kernel.build.join("vmlinux");
    let file = fs::File::open(&path).ok()?;
    let data = object::ReadCache::new(file);
    let file = object::File::parse(&data).ok()?;
    file.section_by_name(".debug_info").map(|_| path)
}

/// A symbol of each section that is loaded: its place in the table, and its value. `copy` becomes
/// a copy of the module whose sections all have address 0. The linker gives some another one, and
/// then gdb takes debug information to be relocated already.
fn read(module: &Path, copy: &Path) -> Result<BTreeMap<String, (usize, u64)>> {
    let mut data = fs::read(module)?;
    let header = FileHeader64::<Endianness>::parse(&*data)?;
    let order = header.endian()?;
    let (start, count) = (
        header.e_shoff.get(order) as usize,
        header.e_shnum.get(order),
    );
    for section in 0..usize::from(count) {
        let address = start + section * SECTION + SECTION_ADDRESS;
        let address = data.get_mut(address..address + 8);
        address.context("read the section headers")?.fill(0);
    }
    fs::write(copy, &data)?;
    let file = object::File::parse(&*data)?;
    let mut found = BTreeMap::new();
    for symbol in file.symbols() {
        let Some(section) = symbol.section_index() else {
            continue;
        };
        let section = file.section_by_index(section)?;
        let is_loaded = matches!(section.flags(), SectionFlags::Elf { sh_flags }
            if sh_flags & u64::from(SHF_ALLOC) != 0);
        if is_loaded {
            let name = section.name()?.to_owned();
            found
                .entry(name)
                .or_insert((symbol.index().0, symbol.address()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_a_module_get_address_0_in_either_byte_order() {
        for order in [1, 2] {
            // The header, and those of no section and of the names (elf(5)).
            let mut module = vec![0; 64 + 2 * SECTION];
            module[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, order, 1]);
            let ends = [(16, 2, 1), (20, 4, 1), (40, 8, 64), (58, 2, 64), (60, 2, 2)];
            for (place, size, value) in ends.into_iter().chain([(62, 2, 1), (132, 4, 3)]) {
                let last = if order == 1 { place } else { place + size - 1 };
                module[last] = value;
            }
            let address = 64 + SECTION + SECTION_ADDRESS;
            let mut without = module.clone();
            without[address..address + 8].fill(0);
            module[address..address + 8].fill(0xff);
            let directory = tempfile::tempdir().unwrap();
            let [file, copy] = ["m.ko", "copy.ko"].map(|name| directory.path().join(name));
            fs::write(&file, &module).unwrap();
            assert!(read(&file, &copy).unwrap().is_empty());
            assert_eq!(fs::read(&copy).unwrap(), without);
        }
    }
}
