//! What guides the making of programs: those that came to code to which none before had come are
//! kept, and changed. It takes a kernel with KCOV, whose modules are compiled to tell.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use fastrand::Rng;
use kassay_guest::Place;
use object::read::ReadCache;
use object::{Architecture, Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind};

use super::program::Program;
use super::way::Way;
use crate::compile::module::Module;
use crate::kernel::Kernel;
use crate::plain;

/// What make is given for modules that tell (scripts/Makefile.lib, 6.1 to 7.2).
pub const TELLING: &str = "KCOV_INSTRUMENT=y";

/// What gcc has a module call at each place.
const TELLS: &str = "__sanitizer_cov_trace_pc";

/// Whether a kernel tells which code of modules is reached.
///
/// # Errors
/// Its config cannot be read.
pub fn guides(kernel: &Kernel) -> Result<bool> {
    kernel.config_has("KCOV")
}

/// The places that were reached, and the programs that reached each first.
#[derive(Default)]
pub struct Guide {
    seen: BTreeSet<Place>,
    corpus: Vec<(&'static Way, Program)>,
}

impl Guide {
    /// Keeps a program that came to a place to which none before had come; whether it did.
    pub fn take(&mut self, way: &'static Way, program: &Program, reached: &[Place]) -> bool {
        let known = self.seen.len();
        self.seen.extend(reached.iter().cloned());
        let is_new = self.seen.len() > known;
        if is_new {
            self.corpus.push((way, program.clone()));
        }
        is_new
    }

    /// One of the programs of a way, the later ones, which went further, more often.
    pub fn any(&self, way: &Way, rng: &mut Rng) -> Option<&Program> {
        let of_way = self.corpus.iter().filter(|(of, _)| *of == way);
        let programs: Vec<&Program> = of_way.map(|(_, program)| program).collect();
        let last = programs.len().checked_sub(1)?;
        let back = match rng.bool() {
            true => rng.usize(..=last),
            false => rng.usize(..=last.min(3)),
        };
        Some(programs[last - back])
    }

    /// How many places were reached.
    pub fn reached(&self) -> usize {
        self.seen.len()
    }
}

/// How many places there are in the modules.
///
/// # Errors
/// A module's file cannot be read.
pub fn places(modules: &[Module]) -> Result<usize> {
    let count = |module: &Module| {
        let read = || format!("read the code of `{}`", module.file.display());
        let cache = ReadCache::new(plain::open(&module.file).with_context(read)?);
        let file = object::File::parse(&cache).with_context(read)?;
        let is_it = |target: RelocationTarget| match target {
            RelocationTarget::Symbol(symbol) => file
                .symbol_by_index(symbol)
                .is_ok_and(|symbol| symbol.name() == Ok(TELLS)),
            _ => false,
        };
        let all = file.sections().flat_map(|section| section.relocations());
        let calls = all.filter(|(_, relocation)| is_it(relocation.target()));
        anyhow::Ok(calls.count())
    };
    let counts = modules.iter().map(count);
    Ok(counts.collect::<Result<Vec<_>>>()?.into_iter().sum())
}

/// How many numbers are taken from the code of a module at most.
const NUMBERS: usize = 64;

/// The numbers that the code of modules for x86 compares registers with. What only looks like such an
/// instruction adds a number that helps nobody; code for other processors gives none.
///
/// # Errors
/// A module's file cannot be read.
pub fn numbers(modules: &[Module]) -> Result<Vec<i64>> {
    let mut numbers = BTreeSet::new();
    for module in modules {
        let read = || format!("read the code of `{}`", module.file.display());
        let cache = ReadCache::new(plain::open(&module.file).with_context(read)?);
        let file = object::File::parse(&cache).with_context(read)?;
        let is_code = |section: &object::Section<_>| section.kind() == SectionKind::Text;
        for section in file.sections().filter(is_code) {
            if file.architecture() == Architecture::X86_64 {
                numbers.extend(compared(section.data().with_context(read)?));
            }
        }
    }
    Ok(numbers.into_iter().take(NUMBERS).collect())
}

/// The numbers of `cmp` with a register (opcodes 3d, 81 /7 and 83 /7 of Intel's manual).
fn compared(code: &[u8]) -> impl Iterator<Item = i64> {
    (0..code.len()).filter_map(|at| {
        let long = |at: usize| {
            let bytes = code.get(at..at + 4)?;
            Some(i64::from(i32::from_le_bytes(bytes.try_into().ok()?)))
        };
        let is_register = |at: usize| code.get(at).is_some_and(|byte| *byte >= 0xf8);
        match code[at] {
            0x3d => long(at + 1),
            0x81 if is_register(at + 1) => long(at + 2),
            0x83 if is_register(at + 1) => code.get(at + 2).map(|byte| i64::from(*byte as i8)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::way::WAYS;
    use super::*;

    #[test]
    fn numbers_are_those_of_comparisons() {
        // cmp $3,%ebx; cmp $0x64,%r12d; cmp $0x200,%r13d; cmp $0x1000,%eax; mov $7,%eax;
        // cmpl $5,(%rbx)
        let code = b"\x83\xfb\x03\x41\x83\xfc\x64\x41\x81\xfd\x00\x02\x00\x00\
                     \x3d\x00\x10\x00\x00\xb8\x07\x00\x00\x00\x83\x3b\x05";
        assert_eq!(compared(code).collect::<Vec<_>>(), [3, 100, 512, 4096]);
        assert_eq!(compared(b"\x81\xfd").count(), 0);
    }

    #[test]
    fn only_programs_that_went_further_are_kept() {
        let mut guide = Guide::default();
        let program = Program { calls: Vec::new() };
        let place = |offset| Place {
            module: "m".to_owned(),
            offset,
        };
        assert!(guide.take(&WAYS[0], &program, &[place(0), place(8)]));
        assert!(!guide.take(&WAYS[0], &program, &[place(8)]));
        assert_eq!((guide.reached(), guide.corpus.len()), (2, 1));
        let mut rng = Rng::with_seed(1);
        assert!(guide.any(&WAYS[0], &mut rng).is_some());
        assert!(guide.any(&WAYS[1], &mut rng).is_none());
    }
}
