//! The kfuncs that a kernel or a module has, as its file tells: the sets that it registers, with
//! flags, from `.BTF_ids`, and prototypes from `.BTF`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectKind, ObjectSection, ObjectSymbol, ReadCache, ReadRef};

use crate::btf::{self, Btf, Shape, Signature};
use crate::kernel::Kernel;
use crate::plain;

/// One kfunc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kfunc {
    /// Its name.
    pub name: String,
    /// How C declares it; nothing where BTF has no such function, so that no program can call it.
    pub prototype: Option<String>,
    /// The kinds of its types; nothing where there is no prototype.
    pub shape: Option<Shape>,
    /// What it takes and returns; nothing where there is no prototype.
    pub signature: Option<Signature>,
    /// Its flags (include/linux/btf.h); nothing where they cannot be told.
    pub flags: Option<u32>,
    /// The names of the sets that have it, in order.
    pub sets: Vec<String>,
}

/// What there is, and where it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The kfuncs by their names.
    pub kfuncs: Vec<Kfunc>,
    /// What told them.
    pub source: Source,
    /// Whether what its BTF needs of the kernel's is in the file itself (`.BTF.base`), so that
    /// other builds of the kernel take it too.
    pub is_distilled: bool,
}

/// What tells which functions are kfuncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The sets in `.BTF_ids`.
    Sets,
    /// The tags that pahole 1.26 and later leaves in `.BTF`; they have no flags.
    Tags,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Sets => "sets in .BTF_ids",
            Source::Tags => "tags in .BTF, which have no flags",
        })
    }
}

/// Flags by their bits (include/linux/btf.h, 6.1, 6.11, 6.12 and 7.2). No bit has had two
/// meanings: 3 is gone since 6.4, and 4 is not there in 7.2.
const FLAGS: [&str; 17] = [
    "KF_ACQUIRE",
    "KF_RELEASE",
    "KF_RET_NULL",
    "KF_KPTR_GET",
    "KF_TRUSTED_ARGS",
    "KF_SLEEPABLE",
    "KF_DESTRUCTIVE",
    "KF_RCU",
    "KF_ITER_NEW",
    "KF_ITER_NEXT",
    "KF_ITER_DESTROY",
    "KF_RCU_PROTECTED",
    "KF_FASTCALL",
    "KF_ARENA_RET",
    "KF_ARENA_ARG1",
    "KF_ARENA_ARG2",
    "KF_IMPLICIT_ARGS",
];

/// Sets of functions that programs of the type fmod_ret attach to and none calls. They have no
/// mark of their own, and the first even that of kfuncs: see who calls
/// `register_btf_fmodret_id_set` (net/bpf/test_run.c and net/mptcp/bpf.c, 6.11 to 7.2). The last
/// was in drivers/hid/bpf until HID-BPF came to have struct_ops, before 6.11.
const FMOD_RET: [&str; 3] = [
    "bpf_test_modify_return_ids",
    "bpf_mptcp_fmodret_ids",
    "hid_bpf_fmodret_ids",
];

/// The section with what a module's BTF needs of the kernel's.
pub const BASE: &str = ".BTF.base";

/// The flag of a set that has kfuncs (BTF_SET8_KFUNCS of include/linux/btf_ids.h, since 6.9).
const MARK: u32 = 1;

/// The tag of a kfunc.
const TAG: &str = "bpf_kfunc";

impl Kfunc {
    /// The function of this id, in no set yet.
    fn of(btf: &Btf, id: u32, flags: Option<u32>) -> Result<Kfunc> {
        Ok(Kfunc {
            name: btf.function(id)?,
            prototype: Some(btf.prototype(id)?),
            shape: Some(btf.shape(id)?),
            signature: Some(btf.signature(id)?),
            flags,
            sets: Vec::new(),
        })
    }

    /// The names of its flags; a bit that is not known is a number. Nothing where they cannot be
    /// told.
    pub fn flags(&self) -> Option<Vec<String>> {
        let bits = self.flags?;
        let set = (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1);
        let name = |bit: u32| match FLAGS.get(bit as usize) {
            Some(name) => (*name).to_owned(),
            None => format!("{:#x}", 1u32 << bit),
        };
        Some(set.map(name).collect())
    }

    /// Flags, sets and prototype for people; `-` where there is nothing, `?` where it cannot be
    /// told.
    pub fn words(&self) -> [String; 3] {
        let joined = |words: &[String]| match words.is_empty() {
            true => "-".to_owned(),
            false => words.join(","),
        };
        let flags = self.flags().map_or("?".to_owned(), |flags| joined(&flags));
        let c = self.prototype.clone();
        let c = c.unwrap_or_else(|| format!("{} (not in BTF: no program can call it)", self.name));
        [flags, joined(&self.sets), c]
    }
}

/// The kfuncs of a kernel itself.
///
/// # Errors
/// Its BTF cannot be read, or tells of no kfunc.
pub fn of_kernel(kernel: &Kernel) -> Result<Listing> {
    let file = &kernel.btf;
    let told = || format!("read the kfuncs of `{}`", file.display());
    let listing = match btf::is_raw(file).with_context(told)? {
        true => from_tags(&btf(file)?),
        false => read(file, None),
    };
    let listing = listing.with_context(told)?;
    if listing.kfuncs.is_empty() {
        bail!(
            "list the kfuncs of {}: `{}` has neither symbols for the sets in .BTF_ids, which a kernel \
             of 6.0 or later has, nor tags in .BTF; put a vmlinux that is not stripped there, or \
             build the kernel with pahole 1.26 or newer",
            kernel.name,
            file.display()
        );
    }
    Ok(listing)
}

/// The kfuncs of files of modules that were built for a kernel, by their names. A module needs its symbols
/// to be inserted, so that an empty list is true.
///
/// # Errors
/// Its BTF or the kernel's cannot be read.
pub fn of_modules<'a>(
    kernel: &Kernel,
    files: impl IntoIterator<Item = &'a Path>,
) -> Result<Listing> {
    let (mut kfuncs, mut is_distilled) = (Vec::new(), true);
    for file in files {
        let listing = of_module(kernel, file)?;
        kfuncs.extend(listing.kfuncs);
        is_distilled &= listing.is_distilled;
    }
    kfuncs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Listing {
        kfuncs,
        source: Source::Sets,
        is_distilled,
    })
}

fn of_module(kernel: &Kernel, file: &Path) -> Result<Listing> {
    let base = btf(&kernel.btf)?;
    read(file, Some(Arc::new(base)))
        .with_context(|| format!("read the kfuncs of `{}`", file.display()))
}

/// A kernel's own BTF, which is not split.
fn btf(file: &Path) -> Result<Btf> {
    let read = || format!("read the BTF of `{}`", file.display());
    Btf::parse(&btf::data(file)?, None).with_context(read)
}

fn read(file: &Path, base: Option<Arc<Btf>>) -> Result<Listing> {
    let cache = ReadCache::new(plain::open(file)?);
    let elf = object::File::parse(&cache)?;
    let section = |name: &str| elf.section_by_name(name).map(|section| section.data());
    // What a module's BTF needs of the kernel's may be in the module itself (since 6.11).
    let is_distilled = section(BASE).is_some();
    let base = match section(BASE) {
        Some(own) => Some(Arc::new(Btf::parse(own?, None)?.distilled(base))),
        None => base,
    };
    let btf = Btf::parse(section(".BTF").context("no section .BTF")??, base)?;
    let sets = sets(&elf)?;
    let listing = match sets.is_empty() && elf.kind() != ObjectKind::Relocatable {
        true => from_tags(&btf)?,
        false => from_sets(&btf, sets)?,
    };
    Ok(Listing {
        is_distilled,
        ..listing
    })
}

fn from_sets(btf: &Btf, sets: Vec<Set>) -> Result<Listing> {
    let mut kfuncs: BTreeMap<(String, u32), Kfunc> = BTreeMap::new();
    let mut add = |kfunc: Kfunc, set: &str| {
        let key = (kfunc.name.clone(), kfunc.flags.unwrap_or_default());
        let kfunc = kfuncs.entry(key).or_insert(kfunc);
        kfunc.sets.push(set.to_owned());
    };
    for set in sets {
        let mut found = Vec::new();
        for (id, flags) in set.entries.iter().filter(|(id, _)| *id != 0) {
            let kfunc = Kfunc::of(btf, *id, Some(*flags))?;
            found.push(kfunc.name.clone());
            add(kfunc, &set.name);
        }
        // Entries were sorted by their ids when these were found; that of a function which BTF
        // does not have is 0.
        for name in set.names.iter().filter(|name| !found.contains(name)) {
            let kfunc = Kfunc {
                name: name.clone(),
                prototype: None,
                shape: None,
                signature: None,
                flags: None,
                sets: Vec::new(),
            };
            add(kfunc, &set.name);
        }
    }
    Ok(Listing {
        kfuncs: kfuncs.into_values().collect(),
        source: Source::Sets,
        is_distilled: false,
    })
}

fn from_tags(btf: &Btf) -> Result<Listing> {
    let kfuncs = btf.tagged(TAG)?.into_iter();
    let kfuncs: Result<Vec<Kfunc>> = kfuncs.map(|id| Kfunc::of(btf, id, None)).collect();
    let mut kfuncs = kfuncs?;
    kfuncs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Listing {
        kfuncs,
        source: Source::Tags,
        is_distilled: false,
    })
}

/// A set of kfuncs in `.BTF_ids`, which Debian's headers have as well.
///
/// When the kernel is linked, the entries are sorted by their ids, and their symbols stay where
/// they were. So the symbols do not tell which flags are whose, and the ids do.
pub struct Set {
    /// What the source calls it.
    name: String,
    is_marked: bool,
    /// BTF ids and flags.
    entries: Vec<(u32, u32)>,
    /// The names of its functions, as the source has them.
    pub names: Vec<String>,
}

/// The sets of kfuncs in a file, in its order.
///
/// # Errors
/// `.BTF_ids` does not have what its symbols promise.
pub fn sets<'a, R: ReadRef<'a>>(elf: &object::File<'a, R>) -> Result<Vec<Set>> {
    all_sets(elf).map(of_kfuncs)
}

/// The names of the sets with flags that are not marked as sets of kfuncs, in a file.
///
/// # Errors
/// As [`sets`].
pub fn unmarked<'a, R: ReadRef<'a>>(elf: &object::File<'a, R>) -> Result<Vec<String>> {
    let sets = all_sets(elf)?.into_iter().filter(|set| !set.is_marked);
    Ok(sets.map(|set| set.name).collect())
}

/// The sets with flags in a file.
fn all_sets<'a, R: ReadRef<'a>>(elf: &object::File<'a, R>) -> Result<Vec<Set>> {
    let Some(section) = elf.section_by_name(".BTF_ids") else {
        return Ok(Vec::new());
    };
    let (data, start) = (section.data()?, section.address());
    // A symbol for each set and each entry (include/linux/btf_ids.h).
    let symbols = elf.symbols().filter_map(|symbol| {
        let is_here = symbol.section_index() == Some(section.index());
        let at = symbol.address().checked_sub(start)? as usize;
        is_here.then_some((at, symbol.name().ok()?))
    });
    let mut symbols: Vec<(usize, &str)> = symbols.collect();
    symbols.sort_unstable();
    symbols.dedup();
    sets_in(data, &symbols, elf.is_little_endian())
}

/// Sets without flags and lists are other things.
fn sets_in(data: &[u8], symbols: &[(usize, &str)], is_little: bool) -> Result<Vec<Set>> {
    let mut sets = Vec::new();
    for (at, symbol) in symbols {
        if let Some(name) = symbol.strip_prefix("__BTF_ID__set8__") {
            let set = set(data, *at, name, symbols, is_little)
                .with_context(|| format!("read the set `{name}` in .BTF_ids"))?;
            sets.push(set);
        }
    }
    Ok(sets)
}

/// Where any set is marked, those that are not are other things.
fn of_kfuncs(mut sets: Vec<Set>) -> Vec<Set> {
    let any_is_marked = sets.iter().any(|set| set.is_marked);
    sets.retain(|set| set.is_marked || !any_is_marked);
    sets.retain(|set| !FMOD_RET.contains(&set.name.as_str()));
    sets
}

/// A count and the set's flags, and an id and flags for each entry (struct btf_id_set8).
fn set(
    data: &[u8],
    at: usize,
    name: &str,
    symbols: &[(usize, &str)],
    is_little: bool,
) -> Result<Set> {
    let word = |at: usize| -> Result<u32> {
        let bytes = data.get(at..at + 4).context("it ends too early")?;
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        Ok(match is_little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        })
    };
    let count = word(at)? as usize;
    let entries = (0..count).map(|n| Ok((word(at + 8 + 8 * n)?, word(at + 12 + 8 * n)?)));
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let inside = at + 8..at + 8 + 8 * count;
    let names = symbols.iter().filter(|(place, _)| inside.contains(place));
    Ok(Set {
        name: name.to_owned(),
        is_marked: word(at + 4)? & MARK != 0,
        entries,
        names: names
            .filter_map(|(_, symbol)| function(symbol).map(str::to_owned))
            .collect(),
    })
}

/// The function that a symbol is of: `__BTF_ID__func__NAME__NUMBER`.
fn function(symbol: &str) -> Option<&str> {
    let (name, number) = symbol.strip_prefix("__BTF_ID__func__")?.rsplit_once("__")?;
    number
        .chars()
        .all(|digit| digit.is_ascii_digit())
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::tests::functions;

    /// A set of these entries.
    fn bytes(flags: u32, entries: &[(u32, u32)]) -> Vec<u8> {
        let head = [entries.len() as u32, flags];
        let entries = entries.iter().flat_map(|(id, flags)| [*id, *flags]);
        let words = head.into_iter().chain(entries);
        words.flat_map(u32::to_le_bytes).collect()
    }

    fn names(data: &[u8], symbols: &[(usize, &str)]) -> Vec<String> {
        let sets = of_kfuncs(sets_in(data, symbols, true).unwrap());
        sets.into_iter().map(|set| set.name).collect()
    }

    #[test]
    fn entries_are_named_by_their_ids_and_those_without_by_what_is_left() {
        // As in a file: the symbols are in the order of the source, the entries are sorted.
        let data = bytes(MARK, &[(0, 0), (2, 1 << 5), (3, 1 | 4)]);
        let symbols = [
            (0, "__BTF_ID__set8__all"),
            (8, "__BTF_ID__func__g__1"),
            (16, "__BTF_ID__func__gone__by__2"),
            (24, "__BTF_ID__func__f__3"),
        ];
        let sets = sets_in(&data, &symbols, true).unwrap();
        let listing = from_sets(&functions(&["f", "g"]), sets).unwrap();
        let row = |kfunc: &Kfunc| (kfunc.prototype.clone(), kfunc.flags());
        let flags = |names: &[&str]| Some(names.iter().map(|name| name.to_string()).collect());
        let rows: Vec<_> = listing.kfuncs.iter().map(row).collect();
        let c = |name| Some(format!("void {name}(void)"));
        assert_eq!(rows[0], (c("f"), flags(&["KF_SLEEPABLE"])));
        assert_eq!(rows[1], (c("g"), flags(&["KF_ACQUIRE", "KF_RET_NULL"])));
        assert_eq!(rows[2], (None, None));
        assert_eq!(listing.kfuncs[2].name, "gone__by");
        assert_eq!(listing.kfuncs[2].sets, ["all"]);
    }

    #[test]
    fn a_kfunc_of_two_sets_is_one() {
        let data = [bytes(MARK, &[(2, 0)]), bytes(MARK, &[(2, 0)])].concat();
        let symbols = [(0, "__BTF_ID__set8__a"), (16, "__BTF_ID__set8__b")];
        let sets = sets_in(&data, &symbols, true).unwrap();
        let listing = from_sets(&functions(&["f"]), sets).unwrap();
        assert_eq!(listing.kfuncs.len(), 1);
        assert_eq!(listing.kfuncs[0].sets, ["a", "b"]);
    }

    #[test]
    fn sets_without_the_mark_count_only_where_none_has_it() {
        let symbols = [
            (0, "__BTF_ID__set8__a"),
            (8, "__BTF_ID__set8__bpf_test_modify_return_ids"),
            (16, "__BTF_ID__set8__b"),
            (24, "__BTF_ID__set__plain"),
        ];
        let data = |b: u32| {
            [
                bytes(0, &[]),
                bytes(MARK, &[]),
                bytes(b, &[]),
                bytes(0, &[]),
            ]
        };
        assert_eq!(names(&data(MARK).concat(), &symbols), ["b"]);
        let old = [0, 0, 0, 0].map(|flags| bytes(flags, &[])).concat();
        assert_eq!(names(&old, &symbols), ["a", "b"]);
    }

    #[test]
    fn a_set_that_is_cut_off_is_an_error() {
        let data = bytes(MARK, &[(2, 0), (3, 0)]);
        for end in 0..data.len() {
            assert!(sets_in(&data[..end], &[(0, "__BTF_ID__set8__a")], true).is_err());
        }
    }

    #[test]
    fn an_unknown_flag_is_a_number() {
        let kfunc = Kfunc {
            name: "f".to_owned(),
            prototype: None,
            shape: None,
            signature: None,
            flags: Some(1 << 31 | 1 << 16),
            sets: Vec::new(),
        };
        assert_eq!(kfunc.flags().unwrap(), ["KF_IMPLICIT_ARGS", "0x80000000"]);
    }

    #[test]
    fn where_there_are_no_sets_tags_tell() {
        let listing = from_tags(&functions(&["f", "bpf_kfunc g"])).unwrap();
        assert_eq!(listing.kfuncs.len(), 1);
        assert_eq!(
            (listing.kfuncs[0].name.as_str(), listing.kfuncs[0].flags),
            ("g", None)
        );
    }
}
