//! What kmemleak lists (mm/kmemleak.c, `print_unreferenced`), with the names of functions
//! whose module is gone: the kernel has none for them any more. The guest tells where each module's
//! code was, and its `.ko` has the functions.

use std::fs;

use kassay_guest::Code;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use crate::compile::module::Module;
use crate::kernel_report::frame;

/// The functions of a module that was inserted, and where they were.
struct Functions {
    module: String,
    /// When it was inserted, in `jiffies`.
    since: u64,
    functions: Vec<Function>,
}

struct Function {
    name: String,
    start: u64,
    size: u64,
}

impl Functions {
    /// Reads those of a module whose code was there. A file that is no module has none.
    fn read(module: &Module, code: &Code) -> Functions {
        let data = fs::read(&module.file).unwrap_or_default();
        let file = object::File::parse(&*data).ok();
        let function = |symbol: object::Symbol| {
            let section = file.as_ref()?.section_by_index(symbol.section_index()?);
            let section = section.ok()?;
            let mut sections = code.sections.iter();
            let (_, base) = sections.find(|(name, _)| Ok(name.as_str()) == section.name())?;
            Some(Function {
                name: symbol.name().ok()?.to_owned(),
                start: base + symbol.address(),
                size: symbol.size(),
            })
        };
        let symbols = file.iter().flat_map(|file| file.symbols());
        let symbols = symbols.filter(|symbol| symbol.kind() == SymbolKind::Text);
        Functions {
            module: module.name.clone(),
            since: code.since,
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

/// The objects with a name for each address in the code of these modules, which stand in the
/// order in which they were inserted.
pub fn name(objects: &str, modules: &[(&Module, &Code)]) -> String {
    let modules = modules.iter();
    let modules: Vec<Functions> = modules
        .map(|(module, code)| Functions::read(module, code))
        .collect();
    let objects = each(objects);
    objects.map(|object| name_one(object, &modules)).collect()
}

/// The same of one object, without the numbers that kernels print in the place of addresses
/// that they keep to themselves. Where a module's initial code was, a later one may lie.
fn name_one(object: &str, modules: &[Functions]) -> String {
    let time = allocated(object).unwrap_or(u64::MAX);
    let modules = || modules.iter().rev().filter(|module| module.since <= time);
    let lines = object.lines().map(|line| {
        let text = line.trim_start();
        let margin = &line[..line.len() - text.len()];
        let frame = frame::without_address(text);
        let place = address(frame).and_then(|at| modules().find_map(|module| module.place(at)));
        format!("{margin}{}\n", place.as_deref().unwrap_or(frame))
    });
    lines.collect()
}

/// The function or variable that was at an address, of modules which stand in the order in which
/// they were inserted.
pub fn symbol(modules: &[(&Module, &Code)], word: &str) -> Option<String> {
    let address = address(word)?;
    let of = |(module, code): &(&Module, &Code)| {
        let data = fs::read(&module.file).ok()?;
        let file = object::File::parse(&*data).ok()?;
        let is_at = |symbol: &object::Symbol| {
            let section = symbol.section_index()?;
            let section = file.section_by_index(section).ok()?;
            let mut sections = code.sections.iter();
            let (_, base) = sections.find(|(name, _)| Ok(name.as_str()) == section.name())?;
            let start = base.checked_add(symbol.address())?;
            let size = symbol.size().max(1);
            Some((start..start.saturating_add(size)).contains(&address))
        };
        let kinds = [SymbolKind::Text, SymbolKind::Data];
        let mut symbols = file
            .symbols()
            .filter(|symbol| kinds.contains(&symbol.kind()));
        let found = symbols.find(|symbol| is_at(symbol) == Some(true))?;
        Some(found.name().ok()?.to_owned())
    };
    modules.iter().rev().find_map(of)
}

fn address(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// The objects that were allocated before a time in `jiffies`, and those since.
pub fn split(objects: &str, since: u64) -> (String, String) {
    let is_old = |object: &&str| allocated(object).is_some_and(|time| time < since);
    each(objects).partition(is_old)
}

fn each(objects: &str) -> impl Iterator<Item = &str> {
    let starts = objects.match_indices("unreferenced object 0x");
    let starts = starts.map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([objects.len()]);
    starts.zip(ends).map(|(start, end)| &objects[start..end])
}

/// The time of `  comm "insmod", pid 37, jiffies 4294893000`, behind which older kernels
/// say how long ago that was.
fn allocated(object: &str) -> Option<u64> {
    let (_, rest) = object.lines().nth(1)?.rsplit_once(", jiffies ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two modules, of which the second was put where the first had begun.
    const LOG: &str = include_str!("../kernel_report/logs/kmemleak.log");

    fn module(module: &str, since: u64, functions: &[(&str, u64, u64)]) -> Functions {
        let functions = functions.iter().map(|(name, start, size)| Function {
            name: (*name).to_owned(),
            start: *start,
            size: *size,
        });
        Functions {
            module: module.to_owned(),
            since,
            functions: functions.collect(),
        }
    }

    #[test]
    fn what_was_allocated_before_is_told_apart() {
        let (before, after) = split(LOG, 4294895546);
        assert!(before.contains("jiffies 4294895508") && after.contains("jiffies 4294895546"));
        assert_eq!(format!("{before}{after}"), LOG);
        assert_eq!(split(LOG, 0).1, LOG);
        let old = "unreferenced object 0x1 (size 8):\n  comm \"a\", pid 1, jiffies 7 (age 1.2s)\n";
        assert_eq!(split(old, 8).0, old);
    }

    #[test]
    fn an_address_is_of_the_module_that_was_there_then() {
        let modules = [
            module(
                "a",
                4294895440,
                &[
                    ("lost", 0xffffffffa0201000, 0x4a),
                    ("start", 0xffffffffa0207000, 0x1d),
                ],
            ),
            module(
                "b",
                4294895540,
                &[
                    ("other", 0xffffffffa0207000, 0x90),
                    ("begin", 0xffffffffa020d000, 0x80),
                ],
            ),
        ];
        let named: String = each(LOG).map(|object| name_one(object, &modules)).collect();
        let first = "lost+0x3a/0x4a [a]\n    start+0x12/0x1d [a]\n    do_one_initcall+0xbb";
        assert!(named.contains(first), "{named}");
        let second = "begin+0x3a/0x80 [b]\n    begin+0x62/0x80 [b]\n    do_one_initcall+0xbb";
        assert!(named.contains(second), "{named}");
    }

    #[test]
    fn an_address_that_nobody_knows_stays() {
        let line =
            "unreferenced object 0x1 (size 8):\n    [<0000000012345678>] 0xffffffffa0201000\n";
        let kept = line.replace("[<0000000012345678>] ", "");
        assert_eq!(name_one(line, &[]), kept);
    }
}
