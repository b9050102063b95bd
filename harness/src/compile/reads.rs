//! What a build of modules reads besides its sources, of which its cache key knows nothing.
//!
//! kbuild takes note of what a compiler read in a file `.NAME.cmd` beside each that it makes
//! (scripts/basic/fixdep.c, 6.1 to 7.2). What the assembler's `.incbin` reads is in none of these,
//! and neither is what a Makefile reads itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::cache::{Key, digest};
use crate::compile::makefile;

/// How many names of a folder of headers are looked at: a header that comes may be found before
/// another of its name.
const MOST_NAMES: usize = 10_000;

/// The line that stands for what nobody can tell.
const OPEN: &str = "?";

/// What a build has read that is neither its sources nor the kernel's nor the compiler's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Files, and folders in which headers are looked for, sorted.
    paths: Vec<PathBuf>,
    /// Whether it may have read more than that, so that only make can tell whether it would make
    /// the same again.
    pub is_open: bool,
}

impl Reads {
    /// What a build has read in the folder `place`, whose modules lie in `directory` of it, for
    /// the kernel that was built in `kernel`. What lies in `known` is in the key.
    ///
    /// # Errors
    /// A file of the build cannot be read.
    pub fn of(place: &Path, directory: &Path, kernel: &Path, known: &[PathBuf]) -> Result<Reads> {
        let mut reads = Reads::default();
        let from = [kernel, &place.join(directory)];
        for file in files(place, usize::MAX) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') && name.ends_with(".cmd") {
                let text = text(&file)?;
                let words = text.split_whitespace();
                let outside = words.filter_map(|word| outside(word, from, known));
                reads.paths.extend(outside);
            } else if makefile::is_one(&file) {
                reads.is_open |= makefile::asks(&text(&file)?);
            } else if is_source(&file) {
                reads.add_binaries(&text(&file)?, place);
            }
        }
        reads.paths.sort();
        reads.paths.dedup();
        Ok(reads)
    }

    /// Adds what the assembler reads for a source.
    fn add_binaries(&mut self, source: &str, place: &Path) {
        for binary in binaries(source) {
            let found = binary
                .map(Path::new)
                .and_then(|name| match name.is_absolute() {
                    true => name.canonicalize().ok(),
                    false => files(place, usize::MAX)
                        .into_iter()
                        .find(|file| file.ends_with(name)),
                });
            match found {
                Some(path) if path.starts_with(place) => {}
                Some(path) => self.paths.push(path),
                None => self.is_open = true,
            }
        }
    }

    /// What [`Reads::text`] wrote.
    pub fn parse(text: &str) -> Reads {
        let (open, paths): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| *line == OPEN);
        Reads {
            paths: paths.into_iter().map(PathBuf::from).collect(),
            is_open: !open.is_empty(),
        }
    }

    /// A line for each.
    pub fn text(&self) -> String {
        let paths = self
            .paths
            .iter()
            .map(|path| format!("{}\n", path.display()));
        let open = self.is_open.then(|| format!("{OPEN}\n"));
        paths.chain(open).collect()
    }

    /// A digest of all of it as it is now.
    pub fn digest(&self) -> String {
        let now = |path: &PathBuf| match path.is_dir() {
            true => names(path),
            // What is gone is as good as empty.
            false => digest(path).unwrap_or_default(),
        };
        let paths = self.paths.iter();
        let key = paths.fold(Key::new("reads"), |key, path| {
            key.text(&path.to_string_lossy(), &now(path))
        });
        key.text("open", &self.is_open.to_string()).finish()
    }

    /// Whether some of it was written since this moment.
    pub fn has_changed(&self, since: SystemTime) -> bool {
        let paths = self.paths.iter().filter(|path| path.is_file());
        let mut times = paths.filter_map(|path| path.metadata().ok()?.modified().ok());
        times.any(|time| time >= since)
    }
}

/// Whether an assembler reads files for some of these, which make does not see change.
pub fn have_binaries<'a>(mut files: impl Iterator<Item = &'a Path>) -> bool {
    files.any(|file| {
        is_source(file) && text(file).is_ok_and(|text| binaries(&text).next().is_some())
    })
}

/// The files that a source has the assembler read by `.incbin` or `.include`, in letters of either
/// case; none in the place of one whose name is no plain text.
pub fn binaries(source: &str) -> impl Iterator<Item = Option<&str>> {
    let small = source.to_ascii_lowercase();
    let after = |directive: &str| {
        let found = small.match_indices(directive);
        let ends = found.map(|(at, directive)| at + directive.len());
        ends.collect::<Vec<_>>()
    };
    let ends = [after(".incbin"), after(".include")].concat();
    let texts = ends.into_iter().map(|end| &source[end..]);
    let texts = texts.filter(|rest| rest.starts_with([' ', '\t']));
    texts.map(|rest| {
        // In C it stands within a text, and its quotes are escaped.
        let rest = rest
            .trim_start_matches([' ', '\t', '\\'])
            .strip_prefix('"')?;
        let end = rest.find(['"', '\\', '\n'])?;
        (end > 0 && !rest[end..].starts_with('\n')).then_some(&rest[..end])
    })
}

/// What a word of a command, or of a list of what was read, names outside: a file, or a folder of
/// headers.
fn outside(word: &str, from: [&Path; 2], known: &[PathBuf]) -> Option<PathBuf> {
    let name = word.strip_prefix("-I").unwrap_or(word);
    if name.is_empty() || name.starts_with('-') {
        return None;
    }
    let path = from
        .iter()
        .find_map(|from| from.join(name).canonicalize().ok())?;
    let is_wanted = match path.is_dir() {
        // The kernel's own headers are taken one by one.
        true => name != word && !from.iter().any(|from| path.starts_with(from)),
        false => path.is_file(),
    };
    let text = path.to_string_lossy();
    // It is known by its program.
    let is_compilers = text.contains("/lib/gcc/") || text.contains("/lib/clang/");
    let is_known = known.iter().any(|known| path.starts_with(known));
    (is_wanted && !is_compilers && !is_known).then_some(path)
}

/// The names in a folder of headers.
fn names(folder: &Path) -> String {
    let files = files(folder, MOST_NAMES);
    files
        .iter()
        .map(|file| format!("{}\n", file.display()))
        .collect()
}

/// The files of a folder and those below, sorted, up to a number.
fn files(folder: &Path, most: usize) -> Vec<PathBuf> {
    let (mut files, mut left) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = left.pop().filter(|_| files.len() < most) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            // A link to a folder may lead back.
            match path.is_dir() && !path.is_symlink() {
                true => left.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

fn is_source(path: &Path) -> bool {
    let suffix = path.extension().unwrap_or_default().to_string_lossy();
    ["c", "h", "S", "s", "inc"].contains(&&*suffix)
}

fn text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read `{}`", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_assembler_reads_is_named_or_nobody_knows_it() {
        let found = |text: &'static str| binaries(text).collect::<Vec<_>>();
        assert_eq!(found(".incbin \"/a/b.bin\""), [Some("/a/b.bin")]);
        assert_eq!(found(".IncBin \"/A/b.bin\""), [Some("/A/b.bin")]);
        assert_eq!(found(r#"asm(".incbin \"b.bin\"");"#), [Some("b.bin")]);
        assert_eq!(
            found("\t.include \"x.s\"\n.incbin BLOB\n"),
            [None, Some("x.s")]
        );
        assert_eq!(found(r#"asm(".incbin \"" BLOB "\"");"#), [None]);
        assert_eq!(found("#include <x.h>\n/* the .included */"), []);
    }

    #[test]
    fn what_kbuild_says_was_read_is_kept_where_it_lies_outside() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (place, kernel) = (dir.join("place"), dir.join("kernel"));
        for file in [
            "place/m/m.c",
            "kernel/k.h",
            "far/a.h",
            "near/b.h",
            "far/never.h",
        ] {
            fs::create_dir_all(dir.join(file).parent().unwrap()).unwrap();
            fs::write(dir.join(file), "").unwrap();
        }
        let far = dir.join("far");
        let command = format!(
            "savedcmd_m.o := gcc -I{0} -I. -c m.c\ndeps_m.o := \\\n  k.h \\\n  {0}/a.h \\\n  \
             ../../near/b.h \\\n    $(wildcard include/config/X) \\\n",
            far.display()
        );
        fs::write(place.join("m/.m.o.cmd"), command).unwrap();
        let known = [place.clone(), kernel.clone()];
        let reads = Reads::of(&place, Path::new("m"), &kernel, &known).unwrap();
        assert_eq!(
            reads.paths,
            [far.clone(), far.join("a.h"), dir.join("near/b.h")]
        );
        assert_eq!(Reads::parse(&reads.text()), reads);
        let before = reads.digest();
        fs::write(far.join("sooner.h"), "").unwrap();
        let between = reads.digest();
        fs::write(dir.join("near/b.h"), "2").unwrap();
        assert!(before != between && between != reads.digest());
    }
}
