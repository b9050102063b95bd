//! QEMU's dump of the guest's memory (`dump-guest-memory`) knows physical addresses, which `crash`
//! works with. gdb needs virtual ones, so the kernel's half of the page tables is added, walked
//! here with bounds. QEMU would walk whatever the guest has put into them, and under KASAN, whose
//! shadow maps one page of zeros over 16 TiB, it would come to no end.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::LittleEndian as LE;
use object::elf::{EM_X86_64, FileHeader64, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE, ProgramHeader64};
use object::pod::{bytes_of, bytes_of_slice, from_bytes, slice_from_bytes};

type Header = FileHeader64<LE>;
type Segment = ProgramHeader64<LE>;

/// The most segments; ELF counts them in 16 bits.
const MOST: usize = 60_000;

/// Size of an ELF file header, and of a program header.
const HEADER: usize = 64;
/// See [`HEADER`].
const SEGMENT: usize = 56;

/// Where QEMU's note (`QEMUCPUState`, target/i386/arch_dump.c) has CR0 to CR4: behind version and
/// size, eighteen registers and ten segments.
const CONTROL: usize = 8 + 18 * 8 + 10 * 24;

/// Bits of an entry of a page table that are an address (Intel SDM, volume 3, 4.5).
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Writes a dump of QEMU's again, with the kernel's virtual addresses.
///
/// # Errors
/// It is no dump of an x86-64 machine, or a file cannot be read or written.
pub fn map(from: &Path, to: &Path) -> Result<()> {
    let read = || -> Result<()> {
        let mut memory = Memory::open(from)?;
        let mapped = memory.mapped()?;
        memory.write(&mapped, &mut File::create(to)?)
    };
    read().with_context(|| format!("write the dump `{}`", to.display()))
}

/// A range of virtual addresses, and where in the dump its memory is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    virt: u64,
    phys: u64,
    offset: u64,
    size: u64,
}

impl Range {
    fn is_followed_by(&self, next: &Range) -> bool {
        self.virt + self.size == next.virt && self.offset + self.size == next.offset
    }
}

/// A dump as QEMU wrote it.
struct Memory {
    file: File,
    header: Header,
    segments: Vec<Segment>,
}

impl Memory {
    fn open(path: &Path) -> Result<Memory> {
        let file = File::open(path)?;
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0)?;
        let (header, _) = from_bytes::<Header>(&bytes).map_err(|()| wrong("no ELF header"))?;
        if header.e_machine.get(LE) != EM_X86_64 {
            bail!("the CPU was not in 64-bit mode");
        }
        let count = usize::from(header.e_phnum.get(LE));
        let mut bytes = vec![0; count * SEGMENT];
        file.read_exact_at(&mut bytes, header.e_phoff.get(LE))?;
        let (segments, _) =
            slice_from_bytes::<Segment>(&bytes, count).map_err(|()| wrong("no program headers"))?;
        Ok(Memory {
            header: *header,
            segments: segments.to_vec(),
            file,
        })
    }

    /// What the kernel's half of the page tables maps, as far as it is memory.
    fn mapped(&self) -> Result<Vec<Range>> {
        let control = self.control_registers()?;
        let (root, levels) = (control[3] & ADDRESS, 4 + (control[4] >> 12 & 1) as u32);
        // With page table isolation a user's table lies one page behind the kernel's.
        let walks = [root & !0x1000, root].map(|root| {
            let mut walk = Walk {
                memory: self,
                seen: HashSet::new(),
                found: Vec::new(),
            };
            // The last entry has the kernel and its modules.
            walk.table(root, levels, 0, 511..512);
            walk.table(root, levels, 0, 256..511);
            walk.found
        });
        let size = |found: &[Range]| found.iter().map(|range| range.size).sum::<u64>();
        let best = walks.into_iter().max_by_key(|found| size(found));
        Ok(best.unwrap_or_default())
    }

    /// CR0 to CR4 of the first CPU.
    fn control_registers(&self) -> Result<[u64; 5]> {
        let note = self
            .segments
            .iter()
            .find(|segment| segment.p_type.get(LE) == PT_NOTE);
        let note = note.context("find the registers: there are no notes")?;
        let mut notes = vec![0; note.p_filesz.get(LE).min(1 << 20) as usize];
        self.file.read_exact_at(&mut notes, note.p_offset.get(LE))?;
        // The name is the note's first; its parts are aligned to four bytes.
        let name = notes.windows(8).position(|name| name == b"QEMU\0\0\0\0");
        let name = name.context("find the registers: there is no note of QEMU's")?;
        let mut registers = [0; 5];
        for (number, register) in registers.iter_mut().enumerate() {
            let start = name + 8 + CONTROL + number * 8;
            let bytes = notes.get(start..start + 8).context("read the registers")?;
            *register = u64::from_le_bytes(bytes.try_into()?);
        }
        Ok(registers)
    }

    /// Physical memory: the first address, the one behind the last, and the place in the dump.
    fn loads(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let loads = self.segments.iter();
        loads
            .filter(|segment| segment.p_type.get(LE) == PT_LOAD)
            .map(|segment| {
                let (start, size) = (segment.p_paddr.get(LE), segment.p_filesz.get(LE));
                (start, start.saturating_add(size), segment.p_offset.get(LE))
            })
    }

    /// A page of physical memory.
    fn page(&self, phys: u64) -> Option<[u8; 4096]> {
        let (start, _, offset) = self
            .loads()
            .find(|(start, end, _)| (*start..*end).contains(&phys))?;
        let mut bytes = [0; 4096];
        let place = offset + (phys - start);
        self.file.read_exact_at(&mut bytes, place).ok()?;
        Some(bytes)
    }

    /// Writes the dump with further segments, whose headers come behind QEMU's.
    fn write(&mut self, mapped: &[Range], to: &mut File) -> Result<()> {
        let first = self.header.e_phoff.get(LE) + (self.segments.len() * SEGMENT) as u64;
        let shift = (mapped.len() * SEGMENT).next_multiple_of(4096) as u64;
        let count = self.segments.len() + mapped.len();
        let mut header = self.header;
        // QEMU 7.2 has the size of a pointer there.
        header.e_ehsize.set(LE, HEADER as u16);
        header.e_phoff.set(LE, HEADER as u64);
        header.e_phnum.set(LE, u16::try_from(count)?);
        header.e_shoff.set(LE, 0);
        header.e_shnum.set(LE, 0);
        header.e_shstrndx.set(LE, 0);
        let mut segments = self.segments.clone();
        segments.extend(mapped.iter().map(load));
        for segment in &mut segments {
            segment.p_offset.set(LE, segment.p_offset.get(LE) + shift);
        }
        to.write_all(bytes_of(&header))?;
        to.write_all(bytes_of_slice(&segments))?;
        to.seek(SeekFrom::Start(first + shift))?;
        self.file.seek(SeekFrom::Start(first))?;
        std::io::copy(&mut self.file, to)?;
        Ok(())
    }
}

fn wrong(what: &str) -> anyhow::Error {
    anyhow::anyhow!("QEMU's dump has {what}")
}

fn load(range: &Range) -> Segment {
    use object::endian::{U32, U64};
    let size = U64::new(LE, range.size);
    Segment {
        p_type: U32::new(LE, PT_LOAD),
        p_flags: U32::new(LE, PF_R | PF_W | PF_X),
        p_offset: U64::new(LE, range.offset),
        p_vaddr: U64::new(LE, range.virt),
        p_paddr: U64::new(LE, range.phys),
        p_filesz: size,
        p_memsz: size,
        p_align: U64::new(LE, 0),
    }
}

/// A walk of page tables (Intel SDM, volume 3, 4.5).
struct Walk<'a> {
    memory: &'a Memory,
    /// Tables that were walked, by level and address. KASAN maps one table of zeros in millions
    /// of places, and a table of a guest's may lead to itself.
    seen: HashSet<(u32, u64)>,
    found: Vec<Range>,
}

impl Walk<'_> {
    fn table(&mut self, table: u64, level: u32, base: u64, places: std::ops::Range<u64>) {
        let Some(bytes) = self.memory.page(table) else {
            return;
        };
        let shift = 12 + 9 * (level - 1);
        for place in places {
            let start = place as usize * 8;
            let entry = bytes[start..start + 8].try_into().map(u64::from_le_bytes);
            let entry = entry.unwrap_or_default();
            let mut virt = base | place << shift;
            if base == 0 {
                // Addresses are extended by their highest bit.
                virt |= u64::MAX << (shift + 9);
            }
            let is_page = level == 1 || (level <= 3 && entry & 0x80 != 0);
            let target = entry & ADDRESS;
            match entry & 1 {
                0 => {}
                _ if is_page => self.page(virt, target >> shift << shift, 1 << shift),
                _ if self.seen.insert((level, target)) => {
                    self.table(target, level - 1, virt, 0..512)
                }
                _ => {}
            }
        }
    }

    /// Takes the parts of a page that are memory.
    fn page(&mut self, virt: u64, phys: u64, size: u64) {
        for (start, end, offset) in self.memory.loads() {
            let (from, to) = (phys.max(start), (phys + size).min(end));
            if from >= to {
                continue;
            }
            let range = Range {
                virt: virt + (from - phys),
                phys: from,
                offset: offset + (from - start),
                size: to - from,
            };
            let is_full = self.found.len() == MOST;
            match self.found.last_mut() {
                Some(last) if last.is_followed_by(&range) => last.size += range.size,
                _ if is_full => {}
                _ => self.found.push(range),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dump of eight pages: four levels of tables, the last of which lead to pages 4 and 5,
    /// then to page 1000, which is no memory, and to page 6 again.
    fn dump() -> Vec<u8> {
        use object::endian::{U16, U32};
        let mut header: Header = *from_bytes(&[0; HEADER]).unwrap().0;
        header.e_machine = U16::new(LE, EM_X86_64);
        // QEMU 7.2 has the size of a pointer there.
        header.e_ehsize.set(LE, HEADER as u16);
        header.e_phoff.set(LE, HEADER as u64);
        header.e_phnum = U16::new(LE, 2);
        let mut note = vec![0; 12];
        note.extend(b"QEMU\0\0\0\0");
        note.resize(20 + CONTROL + 40, 0);
        let start = (HEADER + 2 * SEGMENT) as u64;
        let mut notes = load(&Range {
            virt: 0,
            phys: 0,
            offset: start,
            size: note.len() as u64,
        });
        notes.p_type = U32::new(LE, PT_NOTE);
        let memory = load(&Range {
            virt: 0,
            phys: 0,
            offset: start + note.len() as u64,
            size: 8 * 4096,
        });
        let mut pages = vec![0u64; 8 * 512];
        pages[511] = 1 << 12 | 1;
        pages[512 + 510] = 2 << 12 | 1;
        pages[2 * 512] = 3 << 12 | 1;
        // This one leads back to where it is.
        pages[2 * 512 + 1] = 2 << 12 | 1;
        for (place, page) in [4u64, 5, 1000, 6].into_iter().enumerate() {
            pages[3 * 512 + place] = page << 12 | 1;
        }
        pages[4 * 512] = 0x1234;
        let pages = pages.iter().flat_map(|entry| entry.to_le_bytes());
        let mut dump = bytes_of(&header).to_vec();
        dump.extend(bytes_of_slice(&[notes, memory]));
        dump.extend(note);
        dump.extend(pages);
        dump
    }

    #[test]
    fn a_dump_gets_the_kernels_addresses() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, dump()).unwrap();
        map(&from, &to).unwrap();
        let mapped = Memory::open(&to).unwrap();
        let found: Vec<(u64, u64)> = mapped.segments[2..]
            .iter()
            .map(|segment| (segment.p_vaddr.get(LE), segment.p_filesz.get(LE)))
            .collect();
        let first = 0xffff_ffff_8000_0000;
        assert_eq!(found[..2], [(first, 2 * 4096), (first + 3 * 4096, 4096)]);
        let mut word = [0; 8];
        let offset = mapped.segments[2].p_offset.get(LE);
        mapped.file.read_exact_at(&mut word, offset).unwrap();
        assert_eq!(u64::from_le_bytes(word), 0x1234);
    }

    #[test]
    fn what_is_no_dump_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        for bytes in [&dump()[..200], &[0; 300], b""] {
            std::fs::write(&from, bytes).unwrap();
            assert!(map(&from, &dir.path().join("to")).is_err());
        }
    }
}
