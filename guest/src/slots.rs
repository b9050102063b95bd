//! The programs that a BPF object's file puts into program arrays.

#[cfg(target_endian = "big")]
use object::BigEndian as Own;
#[cfg(target_endian = "little")]
use object::LittleEndian as Own;
use object::elf::{FileHeader64, Rel64, STT_FUNC};
use object::read::elf::{FileHeader, SectionHeader};
use object::{SymbolIndex, elf};

/// Takes the programs that are not wanted out of an object's program arrays. libbpf fills these
/// arrays once all is loaded, and fails at a program that it was told not to load
/// (init_prog_array_slots of 1.7). What is no object stays as it is.
pub fn keep(object: &mut [u8], is_wanted: impl Fn(&str) -> bool) {
    let Some((section, kept)) = kept(object, is_wanted).ok().flatten() else {
        return;
    };
    if let Some(to) = object.get_mut(section.start..section.start + kept.len()) {
        to.copy_from_slice(&kept);
    }
    if let Some(to) = object.get_mut(section.size..section.size + 8) {
        to.copy_from_slice(&(kept.len() as u64).to_ne_bytes());
    }
}

/// Where in an object the relocations of its maps start, and where their size stands.
struct Section {
    start: usize,
    size: usize,
}

/// The relocations that stay; none where the object has no maps with first values.
fn kept(
    object: &[u8],
    is_wanted: impl Fn(&str) -> bool,
) -> object::Result<Option<(Section, Vec<u8>)>> {
    let header = FileHeader64::<Own>::parse(object)?;
    let sections = header.sections(Own, object)?;
    let symbols = sections.symbols(Own, object, elf::SHT_SYMTAB)?;
    let Some((index, section)) = sections.section_by_name(Own, b".rel.maps") else {
        return Ok(None);
    };
    let Some((relocations, _)) = section.rel(Own, object)? else {
        return Ok(None);
    };
    let mut kept = Vec::new();
    for relocation in relocations {
        let relocation: &Rel64<Own> = relocation;
        let symbol = symbols.symbol(SymbolIndex(relocation.r_sym(Own) as usize))?;
        let name = symbols.symbol_name(Own, symbol)?;
        if symbol.st_type() != STT_FUNC || is_wanted(&String::from_utf8_lossy(name)) {
            kept.extend_from_slice(object::bytes_of(relocation));
        }
    }
    let header = header.e_shoff(Own) as usize + index.0 * usize::from(header.e_shentsize(Own));
    let place = Section {
        start: section.sh_offset(Own) as usize,
        size: header + std::mem::offset_of!(elf::SectionHeader64<Own>, sh_size),
    };
    Ok(Some((place, kept)))
}
