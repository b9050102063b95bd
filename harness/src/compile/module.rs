//! Kernel modules, built by kbuild against the kernel under test, outside both
//! source trees, and what they say of their kfuncs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use object::{Object, ObjectSection};

use crate::assets;
use crate::cache::{Cache, Key, is_scratch};
use crate::compile::imports;
use crate::compile::makefile;
use crate::compile::reads::{self, Reads};
use crate::kernel::Kernel;
use crate::kfuncs;
use crate::plain;
use crate::progress::Progress;
use crate::project::Project;
use crate::scenario::Part;
use crate::tool::Tool;

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

/// What kbuild prints when it leaves a module without BTF (scripts/Makefile.modfinal).
const NO_BTF: &str = "Skipping BTF generation";

/// What resolve_btfids says before each name of a set that BTF lacks; then it goes on
/// (tools/bpf/resolve_btfids/main.c, 6.1 to 7.2).
const UNRESOLVED: &str = "WARN: resolve_btfids: unresolved symbol ";

/// What spells the kernel's macros alike, in modules that bring none of their own.
const HEADER: &str = "kassay_kfunc.h";

/// What a build has been seen to be without, for keys: one that was not looked at counts for nothing.
const RESOLVED: &str = "unresolved symbols";

/// How much a directory may hold, in bytes: more is none of a module's sources.
const MOST: u64 = 256 << 20;

/// The names of an entry's modules, as kbuild orders them.
const ORDER: &str = "order";

/// What the modules of an entry export, as modpost writes it.
const SYMVERS: &str = "Module.symvers";

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
/// the sources' key, and part of the entry's own.
fn entry(cache: &Cache, kernel: &Kernel, part: &Part, symvers: &[PathBuf]) -> Result<PathBuf> {
    let sources = Sources::of(cache, part, symvers)?;
    let by = format!("{}\n{}", kernel.key, kernel.toolchain()?.1);
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
    if reads.is_open {
        key = modules_of(&built)?
            .iter()
            .try_fold(key, |key, (name, file)| key.file(name, file))?;
    }
    cache.get_or_make("modules", &key.finish(), &what, |directory| {
        keep(&built, directory, &sources).with_context(|| format!("build {what}"))
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

/// A digest of all that a directory of modules is built of, but for the kernel and what others
/// export.
///
/// # Errors
/// Something of it cannot be read.
pub fn digest(cache: &Cache, part: &Part) -> Result<String> {
    Sources::of(cache, part, &[])?.key("")
}

/// What a directory of modules is built of.
struct Sources {
    /// The folder that all of it lies in.
    root: PathBuf,
    /// The modules' directory, from there.
    directory: PathBuf,
    /// Each file, and its path from there.
    files: Vec<(PathBuf, PathBuf)>,
    /// What modules elsewhere export, a file of each directory.
    symvers: Vec<PathBuf>,
    /// The programs of PyPI that write some of it, with their versions.
    programs: String,
    /// Variables that make is given.
    make: Vec<String>,
}

impl Sources {
    fn of(cache: &Cache, part: &Part, symvers: &[PathBuf]) -> Result<Sources> {
        let Place {
            root,
            directory,
            with,
        } = Place::of(part)?;
        let source = root.join(&directory);
        let inside = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_owned();
        let shown = directory.to_string_lossy();
        if shown.contains(|letter: char| letter.is_whitespace() || ":$#\\\"'".contains(letter)) {
            bail!(
                "build module {}: make takes no such path as `{}`",
                part.name,
                source.display()
            );
        }
        let mut files = Vec::new();
        for path in with.iter().chain([&source]) {
            list(path, &inside(path), &mut files)?;
        }
        let beside = source.with_file_name("include");
        let include = directory.with_file_name("include");
        match beside.join(HEADER).is_file() {
            true => list(&beside, &include, &mut files)?,
            false => files.push((assets::headers(cache)?.join(HEADER), include.join(HEADER))),
        }
        files.sort();
        files.dedup();
        Ok(Sources {
            root,
            directory,
            files,
            symvers: symvers.to_owned(),
            programs: part
                .pip
                .iter()
                .map(|pinned| format!("{pinned}\n"))
                .collect(),
            make: part.make.clone(),
        })
    }

    /// A digest of all of it, and of what it is built by.
    fn key(&self, by: &str) -> Result<String> {
        let key = Key::new("modules")
            .text("keeps", SYMVERS)
            .text("without", RESOLVED)
            .text("by", by)
            .text("programs", &self.programs)
            .text("make", &self.make.join("\0"))
            .text("directory", &self.directory.to_string_lossy());
        let mut symvers = self.symvers.iter();
        let key = symvers.try_fold(key, |key, file| key.file(SYMVERS, file))?;
        let mut files = self.files.iter();
        let key = files.try_fold(key, |key, (from, to)| key.file(&to.to_string_lossy(), from))?;
        Ok(key.finish())
    }
}

/// Where a directory of modules lies.
struct Place {
    /// The folder that all of what it is built of lies in.
    root: PathBuf,
    /// The directory, from there.
    directory: PathBuf,
    /// What it is built with.
    with: Vec<PathBuf>,
}

impl Place {
    fn of(part: &Part) -> Result<Place> {
        let whole = |path: &PathBuf| {
            path.canonicalize().with_context(|| {
                format!("find `{}`, which {} is built of", path.display(), part.name)
            })
        };
        let source = whole(&part.path)?;
        let with: Vec<PathBuf> = part.with.iter().map(whole).collect::<Result<_>>()?;
        let holds = |root: &&Path| with.iter().all(|path| path.starts_with(root));
        let root = source
            .ancestors()
            .skip(1)
            .find(holds)
            .unwrap_or(Path::new("/"));
        Ok(Place {
            directory: source.strip_prefix(root).unwrap_or(&source).to_owned(),
            root: root.to_owned(),
            with,
        })
    }

    /// The root as messages name it.
    fn shown(root: &Path) -> &Path {
        let project = Project::here().ok().flatten();
        let inside = project.and_then(|project| root.strip_prefix(&project.root).ok());
        inside.unwrap_or(root)
    }
}

/// A text of the kernel's in which the files that modules were built of are the user's, not our
/// copies. Those of a directory that is no more are named from where it lay.
pub fn name_sources(text: &str, cache: &Cache, parts: &[Part]) -> String {
    let copies = format!("{}/", cache.dir("build").display());
    if !text.contains(&copies) {
        return text.to_owned();
    }
    let places: Vec<Place> = parts
        .iter()
        .filter_map(|part| Place::of(part).ok())
        .collect();
    let mut texts = text.split(&copies);
    let mut named = texts.next().unwrap_or_default().to_owned();
    for text in texts {
        let file = text.split_once('/').map_or(text, |(_, file)| file);
        let is_in = |place: &&Place| Path::new(file).starts_with(&place.directory);
        // Headers that are shared lie beside each directory.
        let place = places.iter().find(is_in).or(places.first());
        let root = place.map_or(Path::new(""), |place| Place::shown(&place.root));
        named.push_str(&root.join(file).to_string_lossy());
    }
    named
}

/// Adds a file, or all files of a folder, to those that are copied to a path.
fn list(from: &Path, to: &Path, files: &mut Vec<(PathBuf, PathBuf)>) -> Result<()> {
    let mut size = 0;
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = left.pop() {
        let read = || format!("read `{}`", from.display());
        if !from.is_dir() {
            size += from.metadata().with_context(read)?.len();
            files.push((from, to));
            continue;
        }
        for entry in fs::read_dir(&from).with_context(read)? {
            let path = entry.with_context(read)?.path();
            // A link to a folder may lead back.
            let is_one = path.is_file() || (path.is_dir() && !path.is_symlink());
            if is_one && !is_scratch(&path) && !is_made(&path) {
                let to = to.join(path.file_name().unwrap_or_default());
                left.push((path, to));
            }
        }
    }
    if size > MOST {
        bail!(
            "copy `{}`: it holds more than {} MiB; give the module a directory of its own",
            from.display(),
            MOST >> 20
        );
    }
    Ok(())
}

/// Whether a file is no source: one that kbuild has made there, which leaves a note of how beside
/// each, a scenario or a snapshot.
fn is_made(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_ours = name.ends_with(".toml") || name.ends_with(".snap");
    is_ours || path.with_file_name(format!(".{name}.cmd")).exists()
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
        })
    }
}

/// Runs kbuild in a folder that may have an older build of the module. What has not changed
/// since is not made again, which saves a third of the time.
fn make(kernel: &Kernel, place: &Path, sources: &Sources, what: &str, log: &Path) -> Result<()> {
    let Sources {
        root, directory, ..
    } = sources;
    let built = place.join(directory);
    let progress = Progress::steps(format!("build {what}"), None);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut skipped, mut missing, mut unresolved) = (None, Vec::new(), Vec::new());
    Tool::hermetic("make")
        .arg("-C")
        .arg(&kernel.build)
        .arg(format!("M={}", built.display()))
        .arg(format!("-j{jobs}"))
        .args(extra_symbols(&sources.symvers))
        .args(kernel.toolchain()?.0)
        .args(&sources.make)
        .arg("modules")
        // As by `make -C … M=$PWD`.
        .cwd(&built)
        .env("PWD", &built)
        // Messages name the user's files, not our copies.
        .showing(place, Place::shown(root))
        .run_logged(log, |line| {
            progress.inc(1);
            if line.contains(NO_BTF) {
                skipped = Some(line.to_owned());
            }
            missing.extend(missed(line).map(|name| format!("`{name}`")));
            let symbol = line.trim().strip_prefix(UNRESOLVED);
            unresolved.extend(symbol.map(|name| format!("`{name}`")));
        })
        .map_err(|error| explain(error, &missing))
        .map_err(|error| anyhow!("{error:#}\n{}", by_hand(kernel, sources)))
        .with_context(|| format!("build {what}"))?;
    progress.finish();
    // kbuild takes what lies there for made, and would not say it again.
    let forget =
        || fs::remove_dir_all(&built).with_context(|| format!("remove `{}`", built.display()));
    if let Some(line) = skipped {
        forget()?;
        bail!(
            "build {what}: kbuild says `{}`; a module without BTF inserts cleanly and its kfuncs \
             are missed much later. Put the kernel's vmlinux at `{}` (from its debug package, or \
             as `scripts/extract-vmlinux` of a kernel's source finds it in `{}`), or a copy of \
             /sys/kernel/btf/vmlinux from where that kernel runs, and run it again",
            line.trim(),
            kernel.btf.display(),
            kernel.image.display()
        );
    }
    if !unresolved.is_empty() {
        forget()?;
        bail!(
            "build {what}: resolve_btfids finds no {} in BTF, which a set of the module names: no \
             program could call it, and the kernel may refuse the set. Such a function was \
             optimised away or is `static` (declare it with `__bpf_kfunc`, and not `static`), is \
             misspelled, or was compiled without debug information (`-g0`)",
            unresolved.join(", ")
        );
    }
    Ok(())
}

/// How a user would build the modules where they lie.
fn by_hand(kernel: &Kernel, sources: &Sources) -> String {
    let directory = sources.root.join(&sources.directory);
    let variables: String = sources
        .make
        .iter()
        .map(|text| format!(" '{text}'"))
        .collect();
    let (directory, build) = (directory.display(), kernel.build.display());
    format!("by hand: cd {directory} && make -C {build} M=$PWD{variables} modules")
}

/// How kbuild is told what modules elsewhere export (Documentation/kbuild/modules.rst). It stands
/// above what a Makefile says itself, which leads to where its owner builds.
fn extra_symbols(symvers: &[PathBuf]) -> Option<String> {
    let files = symvers.iter().map(|file| file.display().to_string());
    let files: Vec<String> = files.collect();
    (!files.is_empty()).then(|| format!("KBUILD_EXTRA_SYMBOLS={}", files.join(" ")))
}

/// What modpost says it misses of other modules, in a line (scripts/mod/modpost.c, 6.1 to 7.2):
/// `ERROR: modpost: "SYMBOL" [MODULE.ko] undefined!`, or the list of them that a Makefile names.
fn missed(line: &str) -> Option<&str> {
    let symbol = || {
        let (symbol, rest) = line.strip_prefix("ERROR: modpost: \"")?.split_once("\" ")?;
        rest.ends_with("undefined!").then_some(symbol)
    };
    let file = || line.strip_suffix(": No such file or directory");
    symbol().or_else(|| file().filter(|file| file.ends_with(SYMVERS)))
}

/// Adds what to do to an error of kbuild that comes of what it misses of other modules.
fn explain(error: anyhow::Error, missing: &[String]) -> anyhow::Error {
    if missing.is_empty() {
        return error;
    }
    error.context(format!(
        "neither the kernel nor a directory named before has {}: where another module does, name \
         its directory before this one in `modules` of a scenario",
        missing.join(", ")
    ))
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

/// Brings copies of files in a folder up to date: by the times of those that changed make tells
/// what to make again. Where a file came or went, the copy is made anew, for what was made of
/// one that is gone must go too.
fn renew(files: &[(PathBuf, PathBuf)], to: &Path) -> Result<()> {
    let names: Vec<_> = files.iter().map(|(_, to)| to.to_string_lossy()).collect();
    let (list, names) = (to.join(".files"), names.join("\n"));
    let copy = || -> std::io::Result<()> {
        if fs::read_to_string(&list).ok().as_ref() != Some(&names) {
            if to.exists() {
                fs::remove_dir_all(to)?;
            }
            fs::create_dir_all(to)?;
        }
        for (from, inside) in files {
            let (content, to) = (plain::read(from, plain::MADE)?, to.join(inside));
            if fs::read(&to).ok().as_ref() != Some(&content) {
                fs::create_dir_all(to.parent().unwrap_or(&to))?;
                if to.exists() {
                    fs::remove_file(&to)?;
                }
                // With its mode: a script that kbuild runs has to stay one.
                fs::copy(from, to)?;
            }
        }
        fs::write(&list, &names)
    };
    copy().with_context(|| format!("copy sources to `{}`", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
