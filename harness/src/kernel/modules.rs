//! A kernel's own modules, those that are not built in.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

use super::unpack::{unxz, unzstd};
use super::{Kernel, read};
use crate::nearest;

/// Where they lie, by their names, and which are built in.
pub struct Modules {
    files: HashMap<String, PathBuf>,
    builtin: HashSet<String>,
}

impl Modules {
    /// Those of a package: its folder `lib/modules/RELEASE`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn of_package(folder: &Path) -> Result<Modules> {
        let mut files = HashMap::new();
        collect(&folder.join("kernel"), &mut files)?;
        Ok(Modules {
            files,
            builtin: names(&read(&folder.join("modules.builtin"))?),
        })
    }

    /// Those that were built in a kernel's build tree.
    pub fn of_build(build: &Path) -> Modules {
        // Whoever builds none has no list of them.
        let list = |name: &str| fs::read_to_string(build.join(name)).unwrap_or_default();
        let file = |line: &str| {
            // It names the objects from Linux 6.2 on, and the modules before.
            let file = build.join(line).with_extension("ko");
            (module_name(&file), file)
        };
        let order = list("modules.order");
        let files = order.lines().map(file).filter(|(_, file)| file.is_file());
        Modules {
            files: files.collect(),
            builtin: names(&list("modules.builtin")),
        }
    }

    /// The module that goes by a name which is mostly no module's own: `crc32c` is the alias of
    /// `crc32c_generic`, and of faster ones that not every CPU takes.
    fn provider(&self, alias: &str) -> Option<String> {
        let names = [alias.to_owned(), format!("{alias}_generic")];
        let mut names = names.into_iter().map(|name| name.replace('-', "_"));
        names.find(|name| self.files.contains_key(name))
    }

    /// Where these and those that they need lie, in an order in which they can be inserted; without
    /// those that are in by then, and what is built in.
    ///
    /// # Errors
    /// There is no such module, or one cannot be read.
    pub fn order(&self, wanted: &[String], are_in: &[String]) -> Result<Vec<(String, PathBuf)>> {
        let mut order = Order {
            of: self,
            done: are_in.iter().cloned().collect(),
            files: Vec::new(),
        };
        wanted.iter().try_for_each(|name| order.add(name))?;
        Ok(order.files)
    }

    /// Those that the kernel has neither built in nor as modules.
    pub fn lacking<'a>(&self, wanted: &'a [String]) -> Vec<&'a str> {
        let is_there = |name: &str| self.builtin.contains(name) || self.files.contains_key(name);
        let missing = wanted
            .iter()
            .filter(|name| !is_there(&name.replace('-', "_")));
        missing.map(String::as_str).collect()
    }

    /// Puts these and those that they need, decompressed, into a new folder, numbered in that
    /// order.
    ///
    /// # Errors
    /// As [`Modules::order`]; the folder cannot be written.
    pub fn put(&self, wanted: &[String], are_in: &[String], into: &Path) -> Result<()> {
        let write = || format!("write `{}`", into.display());
        fs::create_dir_all(into).with_context(write)?;
        for (number, (name, file)) in self.order(wanted, are_in)?.iter().enumerate() {
            let path = into.join(format!("{number:02}-{name}.ko"));
            fs::write(path, decompressed(file)?).with_context(write)?;
        }
        Ok(())
    }
}

/// The modules that [`Modules::put`] has put into a folder, in their order.
///
/// # Errors
/// The folder cannot be read.
pub fn listed(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let files = fs::read_dir(folder).with_context(|| format!("read `{}`", folder.display()))?;
    let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "ko"));
    files.sort();
    Ok(files
        .into_iter()
        .map(|file| (numbered_name(&file), file))
        .collect())
}

/// The names of the modules that the guest has inserted at boot.
pub fn at_boot(kernel: &Kernel) -> Vec<String> {
    kernel
        .modules
        .iter()
        .map(|file| numbered_name(file))
        .collect()
}

/// The walk over modules and what they need.
struct Order<'a> {
    of: &'a Modules,
    done: HashSet<String>,
    files: Vec<(String, PathBuf)>,
}

impl Order<'_> {
    fn add(&mut self, name: &str) -> Result<()> {
        let name = name.replace('-', "_");
        if self.of.builtin.contains(&name) || !self.done.insert(name.clone()) {
            return Ok(());
        }
        let Some(file) = self.of.files.get(&name) else {
            bail!(
                "find the kernel's module `{name}`: it has none of that name, and it is not built \
                 in{}",
                nearest::hint(&name, self.of.files.keys().map(String::as_str))
            );
        };
        let module = decompressed(file)?;
        let [needs, before] =
            needs(&module).with_context(|| format!("read `{}`", file.display()))?;
        needs.iter().try_for_each(|needed| self.add(needed))?;
        let before = before.iter().filter_map(|alias| self.of.provider(alias));
        before
            .collect::<Vec<_>>()
            .iter()
            .try_for_each(|needed| self.add(needed))?;
        self.files.push((name, file.clone()));
        Ok(())
    }
}

/// The name in the path of a module that [`Modules::put`] has put there.
fn numbered_name(path: &Path) -> String {
    let name = module_name(path);
    let rest = name.split_once('_').map(|(_, rest)| rest.to_owned());
    rest.unwrap_or(name)
}

/// The module's name in a path: `kernel/fs/9p/9p.ko.xz` is `9p`; dashes count as underscores.
fn module_name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.split(".ko")
        .next()
        .unwrap_or_default()
        .replace('-', "_")
}

/// The names in a list of modules by their paths.
fn names(list: &str) -> HashSet<String> {
    list.lines()
        .map(|line| module_name(Path::new(line)))
        .collect()
}

fn collect(dir: &Path, files: &mut HashMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("read `{}`", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert(module_name(&path), path);
        }
    }
    Ok(())
}

fn decompressed(path: &Path) -> Result<Vec<u8>> {
    let open = || format!("read `{}`", path.display());
    let mut file = File::open(path).with_context(open)?;
    let mut bytes = Vec::new();
    match path.extension().and_then(|end| end.to_str()) {
        Some("xz") => unxz(file).read_to_end(&mut bytes),
        Some("zst") => unzstd(file)?.read_to_end(&mut bytes),
        Some("ko") => file.read_to_end(&mut bytes),
        _ => bail!(
            "read `{}`: neither .ko nor .ko.xz nor .ko.zst",
            path.display()
        ),
    }
    .with_context(open)?;
    Ok(bytes)
}

/// What a module's `.modinfo` says it needs: the modules whose symbols it uses, `depends=a,b`; and
/// those that are to be in before for another reason, `softdep=pre: c d post: e`. libcrc32c for
/// one is not inserted without its algorithm (lib/libcrc32c.c, 6.1 to 6.12).
fn needs(module: &[u8]) -> Result<[Vec<String>; 2]> {
    let elf = object::File::parse(module)?;
    let info = elf
        .section_by_name(".modinfo")
        .context("find its `.modinfo`")?
        .data()?;
    Ok(needs_of(&String::from_utf8_lossy(info)))
}

fn needs_of(info: &str) -> [Vec<String>; 2] {
    let fields = |name| {
        info.split('\0')
            .filter_map(move |field| field.strip_prefix(name))
    };
    let depends = fields("depends=").flat_map(|names| names.split(','));
    let depends = depends.filter(|name| !name.is_empty());
    let before = fields("softdep=pre:").flat_map(|names| {
        let names = names.split_whitespace();
        names.take_while(|name| *name != "post:")
    });
    [
        depends.map(str::to_owned).collect(),
        before.map(str::to_owned).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modules_name_has_no_folder_ending_or_dash() {
        assert_eq!(module_name(Path::new("kernel/fs/9p/9p.ko.xz")), "9p");
        assert_eq!(module_name(Path::new("kernel/a-b.ko")), "a_b");
        assert_eq!(
            numbered_name(Path::new("00-nf_conntrack.ko")),
            "nf_conntrack"
        );
    }

    #[test]
    fn what_a_module_needs_is_in_its_info() {
        let [needs, before] = needs_of("depends=a,b\0softdep=pre: c d post: e\0alias=x\0");
        assert_eq!(
            (needs, before),
            (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()])
        );
        assert_eq!(needs_of("depends=\0"), [vec![], vec![]] as [Vec<String>; 2]);
    }

    #[test]
    fn a_compressed_module_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        // As `zstd` and `xz` make them.
        let zstd = b"\x28\xb5\x2f\xfd\x04\x58\x39\0\0kassay\n\xbc\x1b\x15\x1c";
        let xz = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01\x16\0\0\0\x74\x2f\xe5\xa3\
            \x01\0\x06kassay\n\0\0\x14\x06\xad\x88\xf5\x4b\xbf\x6f\0\x01\x1f\x07\
            \x16\x2e\xb8\x73\x1f\xb6\xf3\x7d\x01\0\0\0\0\x04YZ";
        let files = [
            ("a.ko", &b"kassay\n"[..]),
            ("a.ko.zst", zstd),
            ("a.ko.xz", xz),
        ];
        for (name, data) in files {
            fs::write(dir.path().join(name), data).unwrap();
            assert_eq!(
                decompressed(&dir.path().join(name)).unwrap(),
                b"kassay\n",
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_built_in_or_in_by_then_is_passed_over_and_what_is_not_there_is_said() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("modules.builtin"), "kernel/lib/crc32.ko\n").unwrap();
        fs::write(dir.path().join("modules.order"), "net/far_away.o\n").unwrap();
        fs::create_dir(dir.path().join("net")).unwrap();
        fs::write(dir.path().join("net/far_away.ko"), "").unwrap();
        let modules = Modules::of_build(dir.path());
        let order = |name: &str| modules.order(&[name.to_owned()], &["in".to_owned()]);
        assert_eq!(order("crc32").unwrap(), []);
        assert_eq!(order("in").unwrap(), []);
        let error = order("far_awya").unwrap_err().to_string();
        assert!(
            error.contains("`far_awya`: it has none") && error.contains("`far_away`"),
            "{error}"
        );
    }
}
