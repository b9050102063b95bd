//! What kmemleak lists (mm/kmemleak.c, `print_unreferenced`), with the names of functions
//! whose module is gone.

use std::fs;

use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::frame;
use crate::compile::module::Module;

/// The functions of a module that was inserted, and where they were.
struct Code {
    module: String,
    functions: Vec<Function>,
}

struct Function {
    name: String,
    start: u64,
    size: u64,
}

impl Code {
    /// Reads the functions of a module, whose sections were at these addresses. A file that is
    /// no module has none.
    fn read(module: &Module, sections: &[(String, u64)]) -> Code {
        let data = fs::read(&module.file).unwrap_or_default();
        let file = object::File::parse(&*data).ok();
        let function = |symbol: object::Symbol| {
            let section = file.as_ref()?.section_by_index(symbol.section_index()?);
            let section = section.ok()?;
            let (_, base) = sections
                .iter()
                .find(|(name, _)| Ok(name.as_str()) == section.name())?;
            Some(Function {
                name: symbol.name().ok()?.to_owned(),
                start: base + symbol.address(),
                size: symbol.size(),
            })
        };
        let symbols = file.iter().flat_map(|file| file.symbols());
        let symbols = symbols.filter(|symbol| symbol.kind() == SymbolKind::Text);
        Code {
            module: module.name.clone(),
            functions: symbols.filter_map(function).collect(),
        }
    }

    /// `f+0x1/0x2 [m]`, as the kernel wrote it while the module was there.
    fn place(&self, address: u64) -> Option<String> {
        let is_in = |f: &&Function| (f.start..f.start + f.size).contains(&address);
        let Function { name, start, size } = self.functions.iter().find(is_in)?;
        let offset = address - start;
        Some(format!("{name}+{offset:#x}/{size:#x} [{}]", self.module))
    }
}

/// What a module was, when it was inserted: its sections of code and their addresses.
pub type Place<'a> = (&'a Module, &'a [(String, u64)]);

/// The objects with a name for each address in the code of these modules, and without the
/// numbers that kernels print in the place of addresses that they keep to themselves. What was
/// freed after a module's start may have become a later module's: that comes first.
pub fn named(objects: &str, modules: &[Place]) -> String {
    let modules = modules.iter().rev();
    let codes: Vec<Code> = modules
        .map(|(module, sections)| Code::read(module, sections))
        .collect();
    let lines = objects.lines().map(|line| {
        let text = line.trim_start();
        let margin = &line[..line.len() - text.len()];
        let frame = frame::without_address(text);
        let place = address(frame).and_then(|at| codes.iter().find_map(|code| code.place(at)));
        format!("{margin}{}\n", place.as_deref().unwrap_or(frame))
    });
    lines.collect()
}

fn address(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// The objects that were allocated before a time in `jiffies`, and those since.
pub fn split(objects: &str, since: u64) -> (String, String) {
    let (mut before, mut after) = (String::new(), String::new());
    let starts = objects.match_indices(OBJECT).map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([objects.len()]);
    for (start, end) in starts.zip(ends) {
        let object = &objects[start..end];
        let is_old = allocated(object).is_some_and(|time| time < since);
        if is_old { &mut before } else { &mut after }.push_str(object);
    }
    (before, after)
}

const OBJECT: &str = "unreferenced object 0x";

/// The time of `  comm "insmod", pid 37, jiffies 4294893000`, behind which older kernels
/// say how long ago that was.
fn allocated(object: &str) -> Option<u64> {
    let (_, rest) = object.lines().nth(1)?.rsplit_once(", jiffies ")?;
    rest.split(' ').next()?.parse().ok()
}
