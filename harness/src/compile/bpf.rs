//! BPF objects, compiled by the host's clang, once for all kernels unless a program includes the
//! kernel's `vmlinux.h`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use crate::arch::Arch;
use crate::assets;
use crate::cache::{Cache, Key};
use crate::compile::{reads, vmlinux};
use crate::kernel::Kernel;
use crate::scenario::{self, Part};
use crate::tool::{self, Tool};

/// The oldest clang that will do.
const OLDEST: u32 = 14;

/// Names under which distributions install clang, the preferred one first.
const NAMES: &[&str] = &[
    "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang", "clang-14",
];

/// The compiler's flags, on every processor. Kernels since 6.19 have structures with members that
/// have a tag and no name, which clang leaves out otherwise.
const FLAGS: &[&str] = &[
    "-g",
    "-O2",
    "-Wall",
    "-Werror",
    "-fms-extensions",
    "-Wno-microsoft-anon-tag",
];

/// The flags of one processor: its byte order, and its registers for libbpf's macros. The C
/// library's headers are those of the guest's machine, as its kernel's are: with another word size
/// they ask for `gnu/stubs-32.h`, which few hosts have.
fn flags_of(arch: Arch) -> [String; 4] {
    let (order, machine) = match arch {
        Arch::X86 => ("bpf", "-D__x86_64__"),
        Arch::Arm64 => ("bpfel", "-D__aarch64__"),
        Arch::S390 => ("bpfeb", "-D__s390x__"),
    };
    let registers = format!("-D__TARGET_ARCH_{}", arch.kernel());
    [
        "-target".to_owned(),
        order.to_owned(),
        registers,
        machine.to_owned(),
    ]
}

/// What clang says of a header that nobody has but the kernel under test.
const NEEDS_VMLINUX: &str = "'vmlinux.h' file not found";

/// The programs of an object, each with its section: its functions but for those of `.text`, which
/// programs call.
pub fn programs(file: &Path) -> Result<Vec<(String, String)>> {
    let is_theirs = |symbol: &object::Symbol, section: &str| {
        symbol.is_global() && symbol.kind() == SymbolKind::Text && section != ".text"
    };
    symbols_in(file, is_theirs)
}

/// The names of an object's structures of programs, which libbpf finds by their sections.
pub fn structures(file: &Path) -> Result<Vec<String>> {
    let is_theirs = |symbol: &object::Symbol, section: &str| {
        let section = section.trim_start_matches('?');
        symbol.kind() == SymbolKind::Data && matches!(section, ".struct_ops" | ".struct_ops.link")
    };
    let structures = symbols_in(file, is_theirs)?.into_iter();
    Ok(structures.map(|(name, _)| name).collect())
}

/// Such symbols of an object, each with its section.
fn symbols_in(
    file: &Path,
    is_wanted: impl Fn(&object::Symbol, &str) -> bool,
) -> Result<Vec<(String, String)>> {
    let read = || format!("read BPF object `{}`", file.display());
    let data = fs::read(file).with_context(read)?;
    let object = object::File::parse(&*data).with_context(read)?;
    let wanted = |symbol: object::Symbol| {
        let section = object.section_by_index(symbol.section_index()?).ok()?;
        let names = (symbol.name().ok()?, section.name().ok()?);
        is_wanted(&symbol, names.1).then(|| (names.0.to_owned(), names.1.to_owned()))
    };
    Ok(object.symbols().filter_map(wanted).collect())
}

/// Compiles a program's file. Headers may lie beside it or in `bpf/`; those of
/// libbpf are of the one that loads the program, since some of them must match it: versions
/// differ in how they describe a USDT probe's arguments, and a mixture finds none.
/// `vmlinux.h` is the kernel's, unless there is one; `of_modules` is a folder with headers of modules.
/// An object is taken as it is.
///
/// # Errors
/// No clang; the compiler's own lines.
pub fn build(
    cache: &Cache,
    kernel: &Kernel,
    part: &Part,
    libbpf: &Path,
    of_modules: Option<&Path>,
) -> Result<PathBuf> {
    if scenario::is_object(&part.path) {
        return prebuilt(cache, part);
    }
    let what = format!("BPF program {}", part.name);
    let compile = || format!("compile {what}");
    let mut compiler = Compiler::of(cache, part, libbpf, kernel.arch)?;
    compiler.folders.extend(of_modules.map(Path::to_owned));
    let mut text = compiler.expand();
    if let Err(error) = &text
        && format!("{error:#}").contains(NEEDS_VMLINUX)
    {
        compiler.vmlinux = Some(vmlinux::header(cache, kernel)?);
        text = compiler.expand();
    }
    let text = text.with_context(compile)?;
    // The expanded text and what its `.incbin` names are all that clang reads, wherever it lies.
    let key = Key::new("bpf")
        .text("name", &part.name)
        .text("compiler", &tool::identity(&compiler.clang))
        .text("flags", &FLAGS.join(" "))
        .text("flags of the processor", &flags_of(kernel.arch).join(" "))
        .text("own flags", &part.flags.join("\0"))
        .text("source", &compiler.anywhere(&text));
    let key = compiler
        .binaries(key, &text)
        .with_context(compile)?
        .finish();
    let object = format!("{}.bpf.o", part.name);
    let entry = cache.get_or_make("bpf", &key, &what, |directory| {
        let tool = compiler.tool().arg("-c").arg(&compiler.source);
        tool.arg("-o")
            .arg(directory.join(&object))
            .run_logged(&cache.log(&format!("bpf-{key}"))?, |_| {})
            .with_context(compile)?;
        if !directory.join(&object).is_file() {
            bail!("compile {what}: clang ended well and wrote no object");
        }
        if compiler.expand().with_context(compile)? != text {
            bail!("compile {what}: its sources changed meanwhile; run it again");
        }
        Ok(())
    })?;
    Ok(entry.join(object))
}

/// A digest of all that a program is compiled of, but for the kernel's own `vmlinux.h` and what
/// kassay makes of these modules.
///
/// # Errors
/// No clang; its own lines, such as of a header that nobody has; a file that cannot be read.
pub fn digest(cache: &Cache, part: &Part, modules: &[Part], libbpf: &Path) -> Result<String> {
    let key = Key::new("program").text("flags", &part.flags.join("\0"));
    if scenario::is_object(&part.path) {
        return Ok(key.file("object", &part.path)?.finish());
    }
    let empty = tempfile::tempdir().context("make a temporary folder")?;
    let inserted = modules.iter().flat_map(|part| &part.insert);
    let named = modules.iter().map(|part| &part.name).chain(inserted);
    for name in named
        .map(|name| name.replace('-', "_"))
        .chain(["vmlinux".to_owned()])
    {
        let file = empty.path().join(format!("{name}.h"));
        fs::write(&file, "").with_context(|| format!("write an empty `{name}.h`"))?;
    }
    let mut compiler = Compiler::of(cache, part, libbpf, Arch::default())?;
    compiler.vmlinux = Some(empty.path().to_owned());
    let text = compiler
        .expand()
        .with_context(|| format!("read BPF program {}", part.name))?;
    let key = key.text("source", &compiler.anywhere(&text));
    Ok(compiler.binaries(key, &text)?.finish())
}

/// Flags by which clang makes no object, or not where it is looked for.
const OURS: [&str; 7] = ["-E", "-S", "-M", "-MM", "-MD", "-MMD", "-fsyntax-only"];

/// What a program is compiled by.
struct Compiler<'a> {
    clang: PathBuf,
    arch: Arch,
    source: PathBuf,
    flags: &'a [String],
    /// Folders of headers.
    folders: Vec<PathBuf>,
    /// The folder of the machine's own headers, such as those of `linux/bpf.h`.
    machine: PathBuf,
    /// The folder of the kernel's `vmlinux.h`, where it is needed.
    vmlinux: Option<PathBuf>,
}

impl Compiler<'_> {
    fn of<'a>(cache: &Cache, part: &'a Part, libbpf: &Path, arch: Arch) -> Result<Compiler<'a>> {
        let source = std::path::absolute(&part.path)
            .with_context(|| format!("find `{}`", part.path.display()))?;
        // With these clang makes something else, or elsewhere, and the cache keeps the old object.
        let is_ours = |flag: &&String| flag.starts_with("-o") || OURS.contains(&flag.as_str());
        if let Some(flag) = part.flags.iter().find(is_ours) {
            bail!(
                "compile BPF program {}: leave `{flag}` out of its flags, it is kassay's to give",
                part.name
            );
        }
        let folders = vec![
            source.parent().unwrap_or(Path::new("/")).to_owned(),
            assets::headers(cache)?,
            libbpf.to_owned(),
        ];
        Ok(Compiler {
            clang: clang(cache)?,
            arch,
            source,
            flags: &part.flags,
            folders,
            machine: match arch.is_foreign() {
                // Where Debian's cross compilers have them.
                true => format!("/usr/{}/include", arch.gnu()).into(),
                false => format!("/usr/include/{}", arch.gnu()).into(),
            },
            vmlinux: None,
        })
    }

    /// clang with all flags, in the source's folder, from which the paths of flags are. Headers are
    /// first looked for where the program's own flags say.
    fn tool(&self) -> Tool {
        let folders = self.folders.iter().chain(&self.vmlinux);
        Tool::hermetic(&self.clang)
            .cwd(&self.folders[0])
            .args(flags_of(self.arch))
            .args(FLAGS)
            .args(self.flags)
            .args(folders.map(|folder| format!("-I{}", folder.display())))
            // Of another processor they come before this machine's.
            .arg(match self.arch.is_foreign() {
                true => "-isystem",
                false => "-idirafter",
            })
            .arg(&self.machine)
    }

    /// The source with all that it includes.
    fn expand(&self) -> Result<String> {
        self.tool().arg("-E").arg(&self.source).output()
    }

    /// An expanded source, of which it does not count where it lies. Only lines such as
    /// `# 1 "/home/me/bpf/a.h"` tell that: of a folder `/a` there is also something in `6/a`.
    fn anywhere(&self, text: &str) -> String {
        let folders = self.folders.iter().chain([&self.machine]);
        let folders: Vec<_> = folders.chain(&self.vmlinux).collect();
        let lines = text
            .split_inclusive('\n')
            .map(|line| match line.starts_with("# ") {
                true => folders.iter().fold(line.to_owned(), |line, folder| {
                    line.replace(&format!("\"{}/", folder.display()), "\"/")
                }),
                false => line.to_owned(),
            });
        lines.collect()
    }

    /// Adds the files that an expanded source has the assembler read.
    fn binaries(&self, key: Key, text: &str) -> Result<Key> {
        reads::binaries(text).try_fold(key, |key, binary| {
            let name = binary.context(
                "nobody can tell which file `.incbin` reads where its name is no plain text",
            )?;
            key.file("binary", &self.folders[0].join(name))
        })
    }
}

/// An object that somebody else compiled.
fn prebuilt(cache: &Cache, part: &Part) -> Result<PathBuf> {
    let (file, name) = (&part.path, format!("{}.bpf.o", part.name));
    let key = Key::new("bpf").file("object", file)?.finish();
    let entry = cache.get_or_make(
        "bpf",
        &key,
        &format!("BPF object {}", part.name),
        |directory| {
            std::fs::copy(file, directory.join("object"))
                .with_context(|| format!("keep `{name}`"))
                .map(drop)
        },
    )?;
    Ok(entry.join("object"))
}

/// The first clang of `NAMES` that is new enough. Which version a file is
/// does not change while the file does not, so the answer is remembered.
pub fn clang(cache: &Cache) -> Result<PathBuf> {
    let mut too_old = None;
    for path in NAMES.iter().filter_map(tool::find) {
        let version = version(cache, &path)?;
        if version >= OLDEST {
            return Ok(path);
        }
        too_old = Some((path, version));
    }
    match too_old {
        Some((path, version)) => bail!(
            "find clang: `{}` is version {version}, and {OLDEST} is the oldest that will do; \
             `kassay setup` installs one",
            path.display()
        ),
        None => bail!("find clang: there is none in PATH; `kassay setup` installs it"),
    }
}

fn version(cache: &Cache, clang: &Path) -> Result<u32> {
    let memo = Key::new("clang")
        .text("file", &tool::identity(clang))
        .finish();
    let memo = format!("clang-{memo}");
    if let Some(version) = cache.recall(&memo).and_then(|(text, _)| text.parse().ok()) {
        return Ok(version);
    }
    let said = Tool::new(clang).arg("-dumpversion").output()?;
    let version = said
        .split('.')
        .next()
        .and_then(|major| major.trim().parse().ok())
        .unwrap_or(0);
    cache.remember(&memo, &version.to_string())?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_source_lies_does_not_count_and_what_it_says_does() {
        let compiler = |folder: &str| Compiler {
            arch: Arch::default(),
            clang: "clang".into(),
            source: Path::new(folder).join("a.bpf.c"),
            flags: &[],
            folders: vec![folder.into()],
            machine: "/usr/include/x86_64-linux-gnu".into(),
            vmlinux: None,
        };
        let text = "# 1 \"/a/a.bpf.c\"\nint half = 6/a;\n";
        let moved = text.replace("\"/a/", "\"/b/");
        let anywhere = compiler("/a").anywhere(text);
        assert_eq!(anywhere, compiler("/b").anywhere(&moved));
        assert_ne!(anywhere, compiler("/a").anywhere(&text.replace("6/a", "6")));
    }
}
