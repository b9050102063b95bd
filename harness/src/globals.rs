//! The values that a scenario gives to global variables of BPF programs: found by their names in
//! the compiled objects, and put into bytes as their BTF says.

use std::path::Path;

use anyhow::{Context, Result, bail};
use kassay_guest::Global;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SymbolKind};
use toml::{Table, Value};

use crate::btf::{Btf, Layout};
use crate::nearest;
use crate::value::encode;

/// Sections whose variables can be set before an object is loaded.
const SECTIONS: &[&str] = &[".rodata", ".data", ".bss"];

/// The bytes of each value, and where they belong in these objects.
///
/// # Errors
/// No object has the variable, and the nearest is named; several have it; the value is not one
/// that the variable can have. An object that cannot be read.
pub fn set<'a>(
    objects: impl Iterator<Item = (&'a str, &'a Path)>,
    wanted: &Table,
) -> Result<Vec<Global>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let read = |(name, file)| {
        let variables = variables(name, file);
        variables.with_context(|| format!("read the variables of `{name}`"))
    };
    let all: Vec<Vec<Variable>> = objects.map(read).collect::<Result<_>>()?;
    let all: Vec<Variable> = all.into_iter().flatten().collect();
    let set = |(name, value): (&String, &Value)| {
        let found = one(&all, name).and_then(|variable| variable.with(value));
        found.with_context(|| format!("set the global `{name}`"))
    };
    wanted.iter().map(set).collect()
}

/// A global variable of an object.
struct Variable {
    name: String,
    layout: Layout,
    order: Endianness,
    /// Where it lies; its bytes are zeros.
    place: Global,
}

impl Variable {
    fn with(&self, value: &Value) -> Result<Global> {
        let mut place = self.place.clone();
        let bytes = encode(&self.layout, value, self.order)?;
        place.bytes[..bytes.len()].copy_from_slice(&bytes);
        Ok(place)
    }
}

/// The one variable of that name.
fn one<'a>(all: &'a [Variable], name: &str) -> Result<&'a Variable> {
    let found: Vec<&Variable> = all.iter().filter(|one| one.name == name).collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let hint = nearest::hint(name, all.iter().map(|one| one.name.as_str()));
            bail!("no BPF program has a variable of that name{hint}")
        }
        _ => {
            let objects = found.iter().map(|one| one.place.object.as_str());
            let objects: Vec<&str> = objects.collect();
            bail!("it is in each of `{}`", objects.join("`, `"))
        }
    }
}

/// The variables of an object that can be set.
fn variables(name: &str, file: &Path) -> Result<Vec<Variable>> {
    let bytes = std::fs::read(file)?;
    let object = object::File::parse(&*bytes)?;
    let Some(btf) = object.section_by_name(".BTF") else {
        return Ok(Vec::new());
    };
    let btf = Btf::parse(btf.data()?, None)?;
    let symbols = object.symbols();
    let symbols = symbols.filter(|symbol| symbol.kind() == SymbolKind::Data);
    let variable = |symbol| variable(name, &object, &btf, &symbol).transpose();
    symbols.filter_map(variable).collect()
}

/// The variable of a symbol, if it can be set.
fn variable(
    name: &str,
    object: &object::File,
    btf: &Btf,
    symbol: &object::Symbol,
) -> Result<Option<Variable>> {
    let Some(section) = section_of(object, symbol) else {
        return Ok(None);
    };
    let variable = symbol.name()?.to_owned();
    let layout = btf.variable(&variable)?;
    Ok(layout.map(|layout| Variable {
        name: variable,
        layout,
        order: btf.order,
        place: Global {
            object: name.to_owned(),
            section,
            offset: symbol.address() as usize,
            bytes: vec![0; symbol.size() as usize],
        },
    }))
}

/// The section that a symbol is in, if it is one of variables that can be set.
fn section_of(object: &object::File, symbol: &object::Symbol) -> Option<String> {
    let section = object.section_by_index(symbol.section_index()?).ok()?;
    let section = section.name().ok()?;
    let is_one = |known: &&str| section == *known || section.starts_with(&format!("{known}."));
    SECTIONS.iter().any(is_one).then(|| section.to_owned())
}
