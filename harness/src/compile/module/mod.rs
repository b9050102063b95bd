//! Kernel modules, built by kbuild against the kernel under test, outside both
//! source trees, and what they say of their kfuncs.

mod make;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

use crate::cache::{Cache, Key};
use crate::compile::imports;
use crate::compile::makefile;
use crate::compile::reads::{self, Reads};
use crate::kernel::Kernel;
use crate::kfuncs;
use crate::scenario::Part;

use make::make;
use sources::{Sources, renew};
pub use sources::{digest, name_sources};

/// A built module.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name, as the kernel has it.
    pub name: String,
    /// The file to insert.
    pub file: PathBuf,
    /// What it is given when it is inserted, as insmod(8) takes it.
    pub params: String,
    /// Names of the kfuncs that it registers.
    pub kfuncs: Vec<String>,
    /// The modules that it needs.
    pub needs: Vec<String>,
    /// Whether its license is none that goes with the kernel's.
    pub is_proprietary: bool,
    /// The directory that it was built of; empty where only its file is known.
    pub source: PathBuf,
}

/// The kfuncs of all these.
pub fn all_kfuncs(modules: &[Module]) -> Vec<String> {
    let kfuncs = modules.iter().flat_map(|module| &module.kfuncs);
    kfuncs.cloned().collect()
}

/// The licenses that go with the kernel's (include/linux/license.h, 6.1 to 7.2).
const LICENSES: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// What a build has been seen to be without, for keys: one that was not looked at counts for nothing.
const RESOLVED: &str = "unresolved symbols";

/// The names of an entry's modules, as kbuild orders them.
const ORDER: &str = "order";

/// What the modules of an entry export, as modpost writes it.
const SYMVERS: &str = "Module.symvers";

/// The folder of an entry with what gcc noted of the lines of modules that count how often these
/// run: a folder for each, and in it the whole path of each object file where it was built.
const NOTES: &str = "notes";

/// What the last build in a folder has read besides its sources, with a digest of it.
const READ: &str = ".read";

/// Builds the modules of directories for a kernel, each against what those before it export, and
/// returns of each directory those to insert, in order.
/// Headers that modules share lie in this repository's `modules/include`, which is beside each
/// when it is built; where a folder `include` beside it has the like of them, that one is.
///
/// # Errors
/// A compiler's error, with its lines; a module without BTF, with the reason
/// and how it is mended; a symbol that neither the kernel nor a directory before exports; a
/// directory that makes none, or not those that are asked for.
pub fn build(cache: &Cache, kernel: &Kernel, parts: &[Part]) -> Result<Vec<Vec<Module>>> {
    let (mut built, mut symvers) = (Vec::new(), Vec::new());
    for part in parts {
        // A directory knows its own symbols, also where it is named once more for another module.
        let others = symvers.iter().filter(|(of, _)| *of != &part.path);
        let others: Vec<PathBuf> = others.map(|(_, file)| PathBuf::clone(file)).collect();
        let entry = entry(cache, kernel, part, &others)?;
        let mut modules = chosen(part, &entry)?;
        for module in &mut modules {
            module.params.clone_from(&part.params);
            module.source.clone_from(&part.path);
        }
        built.push(modules);
        let file = entry.join(SYMVERS);
        let exported = fs::metadata(&file).with_context(|| format!("read `{}`", file.display()))?;
        let is_known = symvers.iter().any(|(_, known)| *known == file);
        if exported.len() > 0 && !is_known {
            symvers.push((&part.path, file));
        }
    }
    Ok(built)
}

/// The cache entry with the modules of a directory, built against what others export.
///
/// What a build reads besides its sources is known when it was done. Then it is remembered under
/// the sources' key, and part of the entry's own, so that a look-up takes a digest of those files.
fn entry(cache: &Cache, kernel: &Kernel, part: &Part, symvers: &[PathBuf]) -> Result<PathBuf> {
    let sources = Sources::of(cache, part, symvers)?;
    let by = format!("{}\n{}", kernel.key, kernel.toolchain()?);
    let key = sources.key(&by)?;
    if let Some(entry) = made(cache, &key)? {
        return Ok(entry);
    }
    let what = format!("module {} for {}", part.name, kernel.name);
    let place = Key::new("build")
        .text("without", RESOLVED)
        .text("source", &part.path.to_string_lossy())
        // make does not see that a tool, a program or a variable has changed.
        .text("by", &by)
        .text("programs", &sources.programs)
        .text("make", &part.make.join("\0"))
        .finish();
    let _lock = cache.lock("build", &place, &format!("the last build of {what}"))?;
    // Whoever had the lock may have made it.
    if let Some(entry) = made(cache, &key)? {
        return Ok(entry);
    }
    let place = cache.dir("build").join(&place);
    clear_stale(&place, &sources)?;
    renew(&sources.files, &place)?;
    if Sources::of(cache, part, symvers)?.key(&by)? != key {
        bail!("build {what}: its sources changed while they were read; run it again");
    }
    let (began, log) = (SystemTime::now(), cache.log(&format!("module-{key}"))?);
    make(kernel, &place, &sources, &what, &log)?;
    let known = known(cache, kernel, &place);
    let mut reads = Reads::of(&place, &sources.directory, &kernel.build, &known)?;
    // What was written meanwhile may have been read before.
    reads.is_open |= reads.has_changed(began);
    fs::write(place.join(READ), reads.digest() + "\n" + &reads.text())
        .with_context(|| format!("write `{}`", place.join(READ).display()))?;
    cache.remember(&memo(&key), &reads.text())?;
    let (built, mut key) = (place.join(&sources.directory), entry_key(&key, &reads));
    // Nobody can tell what the commands of a Makefile read. There, make decides on each run, and
    // the key has what it made.
    if reads.is_open {
        key = modules_of(&built)?
            .iter()
            .try_fold(key, |key, (name, file)| key.file(name, file))?;
    }
    cache.get_or_make("modules", &key.finish(), &what, |directory| {
        keep(&built, directory, &sources)
            .and_then(|()| keep_notes(&built, directory))
            .with_context(|| format!("build {what}"))
    })
}

/// What is remembered of a build's reads.
fn memo(key: &str) -> String {
    format!("reads-{key}")
}

/// The key of an entry with modules, of the sources' key and what else was read.
fn entry_key(key: &str, reads: &Reads) -> Key {
    Key::new("modules")
        .text("sources", key)
        .text("reads", &reads.digest())
}

/// The entry that was made of sources, where all that its build has read is as it was.
fn made(cache: &Cache, key: &str) -> Result<Option<PathBuf>> {
    let reads = cache
        .recall(&memo(key))
        .map(|(text, _)| Reads::parse(&text));
    match reads.filter(|reads| !reads.is_open) {
        Some(reads) => cache.take("modules", &entry_key(key, &reads).finish()),
        None => Ok(None),
    }
}

/// Removes the last build where make would not see what has changed since: an older file in the
/// place of one that it read, or what an assembler reads; and one that did not come to its end.
fn clear_stale(place: &Path, sources: &Sources) -> Result<()> {
    let last = fs::read_to_string(place.join(READ)).unwrap_or_default();
    let is_as_it_was = last
        .split_once('\n')
        .is_some_and(|(digest, reads)| Reads::parse(reads).digest() == digest);
    let mut files = sources.files.iter().map(|(file, _)| file.as_path());
    let stays = is_as_it_was && !reads::have_binaries(&mut files);
    let clear = match stays {
        true => fs::remove_file(place.join(READ)),
        false if place.exists() => fs::remove_dir_all(place),
        false => Ok(()),
    };
    clear.with_context(|| format!("clear `{}`", place.display()))
}

/// Where files lie that the key knows: copies of the sources, what others export, and a kernel
/// that is an entry of the cache. One that is used where it lies may change its headers alone.
fn known(cache: &Cache, kernel: &Kernel, place: &Path) -> Vec<PathBuf> {
    let mut known = vec![place.to_owned(), cache.dir("modules"), kernel.btf.clone()];
    let entry = cache.dir("kernel").join(&kernel.key);
    if entry.is_dir() {
        known.extend([entry, kernel.build.join("source")]);
    }
    let whole = known.iter().filter_map(|path| path.canonicalize().ok());
    whole.collect()
}

/// The modules that kbuild has made in a directory, by their names, in its order.
fn modules_of(built: &Path) -> Result<Vec<(String, PathBuf)>> {
    let order = built.join("modules.order");
    let order =
        fs::read_to_string(&order).with_context(|| format!("read `{}`", order.display()))?;
    let module = |line: &str| {
        // It names the objects from Linux 6.2 on, and the modules before.
        let file = built.join(line).with_extension("ko");
        // As the kernel calls it (scripts/Makefile.lib, `modname`).
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        (name.replace('-', "_"), file)
    };
    Ok(order.lines().map(module).collect())
}

/// Keeps the modules that kbuild has made in a directory, and the list of what they export.
fn keep(built: &Path, to: &Path, sources: &Sources) -> Result<()> {
    let modules = modules_of(built)?;
    if modules.is_empty() {
        bail!(makes_none(sources));
    }
    for (name, file) in &modules {
        fs::copy(file, to.join(format!("{name}.ko")))
            .with_context(|| format!("keep `{}`", file.display()))?;
    }
    let symvers = built.join(SYMVERS);
    fs::copy(&symvers, to.join(SYMVERS))
        .with_context(|| format!("keep `{}`", symvers.display()))?;
    let names: Vec<String> = modules.into_iter().map(|(name, _)| name).collect();
    fs::write(to.join(ORDER), names.join("\n")).context("keep the order of the modules")
}

/// Keeps what gcc noted of the lines of each module's objects, by the paths of these. What was left
/// by an object that is no more part of one is not kept.
fn keep_notes(built: &Path, to: &Path) -> Result<()> {
    // As gcc finds its own folder.
    let whole = built
        .canonicalize()
        .with_context(|| format!("find `{}`", built.display()))?;
    for (name, file) in modules_of(built)? {
        let list = file.with_extension("mod");
        let objects =
            fs::read_to_string(&list).with_context(|| format!("read `{}`", list.display()))?;
        // Relative ones are so to where make ran.
        for object in objects.split_whitespace().map(|object| whole.join(object)) {
            let note = object.with_extension("gcno");
            if note.is_file() {
                let path = note.strip_prefix("/").unwrap_or(&note);
                let to = to.join(NOTES).join(&name).join(path);
                fs::create_dir_all(to.parent().unwrap_or(&to))
                    .and_then(|()| fs::copy(&note, &to))
                    .with_context(|| format!("keep `{}`", note.display()))?;
            }
        }
    }
    Ok(())
}

/// What is said of a directory that makes no module.
fn makes_none(sources: &Sources) -> String {
    let files = sources.files.iter().map(|(file, _)| file);
    let mut texts = files
        .filter(|file| makefile::is_one(file))
        .filter_map(|file| fs::read_to_string(file).ok());
    let option = texts.find_map(|text| makefile::option(&text).map(str::to_owned));
    match option {
        Some(option) => format!(
            "it makes no module: `obj-$(CONFIG_{option})` of its Makefile takes \
             `make = [\"CONFIG_{option}=m\"]` in the module's table"
        ),
        None => "it makes no module: its Kbuild file or Makefile takes a line such as \
                 `obj-m += NAME.o`"
            .to_owned(),
    }
}

/// The modules of an entry that the part wants, in its order; else all, in kbuild's order but
/// each behind those that it needs.
fn chosen(part: &Part, entry: &Path) -> Result<Vec<Module>> {
    let order = entry.join(ORDER);
    let order =
        fs::read_to_string(&order).with_context(|| format!("read `{}`", order.display()))?;
    let at = |name: &str| Module::at(name, entry.join(format!("{name}.ko")));
    let known: Vec<&str> = order.lines().collect();
    if !part.insert.is_empty() {
        let wanted = part.insert.iter().map(|name| name.replace('-', "_"));
        return wanted
            .map(|name| match known.contains(&name.as_str()) {
                true => at(&name),
                false => bail!(
                    "insert {name}: `{}` makes {}",
                    part.path.display(),
                    known.join(", ")
                ),
            })
            .collect();
    }
    let mut left = known.into_iter().map(at).collect::<Result<Vec<_>>>()?;
    let mut modules: Vec<Module> = Vec::new();
    while !left.is_empty() {
        let is_free =
            |module: &Module| !left.iter().any(|other| module.needs.contains(&other.name));
        // kbuild refuses modules that need each other.
        let next = left.iter().position(is_free).unwrap_or(0);
        modules.push(left.remove(next));
    }
    Ok(modules)
}

impl Module {
    /// Where what gcc noted of its lines is.
    pub fn notes(&self) -> PathBuf {
        self.file.with_file_name(NOTES).join(&self.name)
    }

    /// Whether its file has a section of this name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn has_section(&self, name: &str) -> Result<bool> {
        let read = || format!("read `{}`", self.file.display());
        let data = fs::read(&self.file).with_context(read)?;
        let file = object::File::parse(&*data).with_context(read)?;
        Ok(file.section_by_name(name).is_some())
    }
}

/// The symbols that a module uses of one of the kernel's own, by the list that lies where the kernel
/// was built. None where there is no list.
pub fn uses(kernel: &Kernel, module: &Module, owner: &str) -> Result<Vec<String>> {
    let used = imports::of(&module.file)?;
    let list = fs::read_to_string(kernel.build.join(SYMVERS)).unwrap_or_default();
    let exported = list
        .lines()
        .filter_map(|line| exported(line).filter(|(of, _)| of == owner));
    let names = exported.map(|(_, name)| name.to_owned());
    Ok(names.filter(|name| used.contains(name)).collect())
}

/// The module and the symbol of a line of Module.symvers: `CRC\tSYMBOL\tPATH\tHOW\tNAMESPACE`.
fn exported(line: &str) -> Option<(String, &str)> {
    let mut fields = line.split('\t').skip(1);
    let (symbol, path) = (fields.next()?, fields.next()?);
    let module = path.rsplit('/').next()?.replace('-', "_");
    Some((module, symbol))
}

/// The modules that a module needs.
fn needs(module: &Path) -> Result<Vec<String>> {
    let names = info(module, "depends")?.join(",").replace('-', "_");
    let names = names.split(',').filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// What a module's `.modinfo` has by this name.
fn info(module: &Path, name: &str) -> Result<Vec<String>> {
    let read = || -> Result<Vec<String>> {
        let data = fs::read(module)?;
        let file = object::File::parse(&*data)?;
        let info = file
            .section_by_name(".modinfo")
            .context("it has no .modinfo")?;
        let info = String::from_utf8_lossy(info.data()?);
        let values = info
            .split('\0')
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Ok(values.map(str::to_owned).collect())
    };
    read().with_context(|| format!("read `{name}=` of `{}`", module.display()))
}

impl Module {
    /// The module in a file.
    ///
    /// # Errors
    /// The file cannot be read as one.
    pub fn at(name: &str, file: PathBuf) -> Result<Module> {
        let licenses = info(&file, "license")?;
        Ok(Module {
            name: name.to_owned(),
            kfuncs: kfuncs(&file)?,
            needs: needs(&file)?,
            // The kernel looks at the first one.
            is_proprietary: licenses
                .first()
                .is_none_or(|license| !LICENSES.contains(&license.as_str())),
            file,
            params: String::new(),
            source: PathBuf::new(),
        })
    }
}

/// Names of the kfuncs in a module's `.BTF_ids`.
fn kfuncs(module: &Path) -> Result<Vec<String>> {
    let read = || -> Result<Vec<String>> {
        let data = fs::read(module)?;
        let sets = kfuncs::sets(&object::File::parse(&*data)?)?;
        Ok(sets.into_iter().flat_map(|set| set.names).collect())
    };
    read().with_context(|| format!("read the kfuncs of `{}`", module.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sources::list;

    #[test]
    fn a_renewed_copy_keeps_what_is_the_same_and_nothing_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let renew = || {
            let mut files = Vec::new();
            list(&from, Path::new("a/b"), &mut files).unwrap();
            renew(&files, &to).unwrap();
        };
        fs::create_dir_all(from.join("sub")).unwrap();
        for name in ["a.c", "sub/b.c"] {
            fs::write(from.join(name), name).unwrap();
        }
        renew();
        fs::write(to.join("a/b/a.o"), "made of a.c").unwrap();
        fs::write(from.join("sub/b.c"), "new").unwrap();
        renew();
        assert_eq!(fs::read_to_string(to.join("a/b/sub/b.c")).unwrap(), "new");
        assert!(to.join("a/b/a.o").exists());
        fs::remove_file(from.join("a.c")).unwrap();
        renew();
        assert!(!to.join("a/b/a.o").exists() && !to.join("a/b/a.c").exists());
    }

    #[test]
    fn a_symbol_has_the_module_that_exports_it() {
        let line = "0x8ffe7e89\tf\tnet/netfilter/nf-conntrack\tEXPORT_SYMBOL_GPL\t";
        assert_eq!(exported(line), Some(("nf_conntrack".to_owned(), "f")));
        let line = "0xf7370f56\tg\tvmlinux\tEXPORT_SYMBOL\t";
        assert_eq!(exported(line), Some(("vmlinux".to_owned(), "g")));
        assert_eq!(exported("0xf7370f56"), None);
    }

    #[test]
    fn a_report_names_the_user_s_files() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let cache = Cache::at(&dir.join("cache")).unwrap();
        let named = |text: &str| {
            let part = |name: &str| Part {
                path: dir.join(name).join("m"),
                ..Part::default()
            };
            let copy = format!("{}/0123", cache.dir("build").display());
            let text = text.replace("COPY", &copy);
            let named = name_sources(&text, &cache, &[part("gone"), part("own")]);
            named.replace(&*dir.to_string_lossy(), "DIR")
        };
        fs::create_dir_all(dir.join("own/m")).unwrap();
        assert_eq!(named("at COPY/m/m.c:6 f"), "at DIR/own/m/m.c:6 f");
        let both = "(COPY/m/a.c:1, COPY/include/a.h:2)";
        assert_eq!(named(both), "(DIR/own/m/a.c:1, DIR/own/include/a.h:2)");
        fs::remove_dir_all(dir.join("own")).unwrap();
        assert_eq!(named("at COPY/m/m.c:6 f"), "at m/m.c:6 f");
        assert_eq!(named("at m.c:6 f"), "at m.c:6 f");
    }

    #[test]
    fn what_kbuild_made_among_the_sources_is_no_source() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.c", "a.o", ".a.o.cmd", "blob.o", "a.snap", "a.toml"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let mut files = Vec::new();
        list(dir.path(), Path::new(""), &mut files).unwrap();
        files.sort();
        let names: Vec<_> = files.iter().map(|(_, to)| to.to_str().unwrap()).collect();
        assert_eq!(names, ["a.c", "blob.o"]);
    }
}
