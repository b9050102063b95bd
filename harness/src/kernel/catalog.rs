//! The kernels that are known by name: `kernel-config/kernels.toml`, which documents itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::kinds::{BASE_CONFIG, File, Prebuilt, Source, base_config, sources};
use super::lock::Lock;
use crate::arch::Arch;
use crate::assets;
use crate::cache::Cache;
use crate::plain;
use crate::project::Project;

/// Fragments that are the ground that others are added to.
const NO_FLAVOURS: [&str; 2] = [BASE_CONFIG, "distro.config"];

/// What the file of a fragment ends in.
const SUFFIX: &str = ".config";

/// The part of a name's letters that must be right for another name to be what was meant.
const ALIKE: f64 = 0.5;

/// What a spec is made of: `6.12+kasan/arm64`.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The name of the catalog, or the path.
    pub base: &'a str,
    /// The fragments that it adds.
    pub added: Vec<&'a str>,
    /// The processor.
    pub arch: Arch,
    /// Whether it is a path.
    pub is_path: bool,
}

impl Spec<'_> {
    /// What it adds to its base, such as `+kasan/arm64`, or nothing.
    pub fn rest(&self) -> String {
        let mut rest: String = self.added.iter().map(|name| format!("+{name}")).collect();
        if self.arch.is_foreign() {
            rest.extend(["/", self.arch.name()]);
        }
        rest
    }
}

/// A catalog of kernels.
#[derive(Debug)]
pub struct Catalog {
    /// The names to choose the default kernel from, best first; all of them are known.
    pub default: Vec<String>,
    /// What the names of kernels that move stand for.
    pub lock: Lock,
    sources: BTreeMap<String, Source>,
    /// Where config fragments are looked for, the first first.
    folders: Vec<PathBuf>,
}

impl Catalog {
    /// Reads the file that KASSAY_CATALOG names, else kassay's own, and adds the kernels of the
    /// project, which may take the places of others.
    ///
    /// # Errors
    /// The file cannot be read or is not a catalog, nor is what the project says of kernels.
    pub fn load(cache: &Cache) -> Result<Catalog> {
        let own = assets::kernels(cache)?;
        let path = std::env::var_os("KASSAY_CATALOG")
            .map_or_else(|| own.join("kernels.toml"), PathBuf::from);
        let read = || format!("read the kernel catalog `{}`", path.display());
        let text = plain::text(&path, plain::TEXT).with_context(read)?;
        let beside = path.parent().unwrap_or(Path::new("."));
        let mut catalog = Catalog::parse(&text, beside).with_context(read)?;
        catalog.folders.push(own);
        if let Some(project) = Project::here()? {
            catalog.folders.insert(0, project.fragments());
            catalog.lock = Lock::of(&project.root);
            catalog
                .add(project.catalog)
                .context("read the kernels of the project's `kassay.toml`")?;
        }
        Ok(catalog)
    }

    /// Reads a catalog from text; config fragments are looked for in `folder` first.
    ///
    /// # Errors
    /// The text is not a catalog.
    pub fn parse(text: &str, folder: &Path) -> Result<Catalog> {
        let file: File = toml::from_str(text)?;
        let catalog = Catalog {
            default: file.default.clone(),
            lock: Lock::default(),
            sources: sources(file)?,
            folders: vec![folder.to_owned()],
        };
        catalog.check()?;
        Ok(catalog)
    }

    /// Adds kernels, in the place of those of the same names.
    fn add(&mut self, kernels: toml::Table) -> Result<()> {
        let file: File = kernels.try_into()?;
        self.sources.extend(sources(file)?);
        self.check()
    }

    /// Sees that what its entries name is there.
    fn check(&self) -> Result<()> {
        for name in &self.default {
            self.source(name).context("in `default`")?;
        }
        for (name, source) in &self.sources {
            self.base(source)
                .with_context(|| format!("in `base` of kernel `{name}`"))?;
        }
        Ok(())
    }

    /// The kernel whose config file a kernel starts from, with its name, if there is one.
    ///
    /// # Errors
    /// The kernel is not known, or none that the distribution built.
    pub fn base(&self, source: &Source) -> Result<Option<(&str, &Prebuilt)>> {
        let Some(name) = source.base() else {
            return Ok(None);
        };
        match self.sources.get_key_value(name) {
            Some((name, Source::Prebuilt(prebuilt))) => Ok(Some((name, prebuilt))),
            Some(_) => bail!("`{name}` is not `prebuilt`, so it has no config file of its own"),
            None => self.source(name).map(|_| None),
        }
    }

    /// The names of all kernels, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }

    /// Whether a kernel starts from a distribution's config file, which takes long to build.
    pub fn has_base(&self, name: &str) -> bool {
        self.sources.get(name).is_some_and(|it| it.base().is_some())
    }

    /// The suites of Debian that a kernel comes from; none where it is of another kind.
    pub fn suites(&self, name: &str) -> &[String] {
        match self.sources.get(name) {
            Some(Source::Prebuilt(prebuilt)) => &prebuilt.suites,
            _ => &[],
        }
    }

    /// Whether a kernel of that name is known.
    pub fn knows(&self, name: &str) -> bool {
        self.sources.contains_key(name)
    }

    /// What a spec is made of.
    ///
    /// # Errors
    /// Its parts are in another order, or have other names, of which the error has the right ones.
    pub fn spec<'a>(&self, spec: &'a str) -> Result<Spec<'a>> {
        if let Some(meant) = self.meant(spec)? {
            // What is meant may be nothing that can be had, for another reason.
            let is_path = self.spec(&meant)?.is_path;
            if !is_path {
                self.get(&meant)?;
            }
            bail!(
                "no kernel is named `{spec}`, did you mean `{meant}`? (fragments come behind a `+` \
                 each, and then the processor behind a `/`)"
            );
        }
        let (plain, arch) = Catalog::processor(spec);
        let (base, added) = self.split(plain);
        let is_path = self.is_path(base);
        Ok(Spec {
            base,
            added,
            arch,
            is_path,
        })
    }

    /// The spec that somebody means who has its parts in another order, or the processor by another
    /// of its names.
    fn meant(&self, spec: &str) -> Result<Option<String>> {
        let is_tree = |path: &str| Path::new(path).join("Kconfig").exists();
        let ends = spec.rmatch_indices(['+', '/']).map(|(at, _)| &spec[..at]);
        let base = ends.into_iter().find(|it| self.knows(it) || is_tree(it));
        let Some(base) = base.filter(|_| !self.knows(spec) && !Path::new(spec).exists()) else {
            return Ok(None);
        };
        let flavours = self.flavours()?;
        let (mut meant, mut processor) = (base.to_owned(), None);
        for part in spec[base.len() + 1..].split(['+', '/']) {
            let is_fragment = flavours.iter().any(|known| known == part);
            match Arch::meant(part) {
                _ if is_fragment => meant.extend(["+", part]),
                Some(arch) if processor.is_none() => processor = Some(arch),
                _ => return Ok(None),
            }
        }
        if let Some(arch) = processor {
            let whole = format!("{meant}/{arch}");
            if whole == spec {
                return Ok(None);
            }
            if arch.is_foreign() {
                meant = whole;
            }
        }
        Ok(Some(meant).filter(|meant| meant != spec))
    }

    /// A name of the catalog wins over a file of that name; whatever else exists is a path.
    fn is_path(&self, base: &str) -> bool {
        let is_of_catalog = || {
            base.rsplit_once('/')
                .is_some_and(|(name, _)| self.knows(name))
        };
        match base.contains('/') {
            _ if self.knows(base) => false,
            true => Path::new(base).exists() || !is_of_catalog(),
            false => Path::new(base).exists(),
        }
    }

    /// The kernel that a spec names and the fragments that it adds, as `6.12` and `kasan` of
    /// `6.12+kasan`. The longest name of the catalog or path that there is wins, as both may
    /// have a `+` of their own.
    fn split<'a>(&self, spec: &'a str) -> (&'a str, Vec<&'a str>) {
        let ends = spec.rmatch_indices('+').map(|(at, _)| at);
        let end = std::iter::once(spec.len())
            .chain(ends)
            .find(|end| self.knows(&spec[..*end]) || Path::new(&spec[..*end]).exists())
            .or_else(|| spec.find('+'))
            .unwrap_or(spec.len());
        let added = spec[end..].split('+').skip(1).collect();
        (&spec[..end], added)
    }

    /// The source of the kernel that a spec names, and the fragments to build it with.
    ///
    /// # Errors
    /// The kernel or a fragment is not known, of which the error has the nearest that is; or
    /// there are fragments for a kernel that is not built here.
    pub fn get(&self, spec: &str) -> Result<(Source, Vec<PathBuf>)> {
        let Spec {
            base: name,
            added,
            arch,
            ..
        } = self.spec(spec)?;
        let source = self.source(name)?;
        if matches!(source, Source::Prebuilt(_) | Source::Remote(_)) && !added.is_empty() {
            bail!(
                "build kernel `{spec}`: `{name}` comes built, so its config stays as it is; \
                 `+{}` goes with a kernel that is built from source",
                added.join("+")
            );
        }
        let source = source.clone().of(arch);
        let source = source.with_context(|| format!("use `{name}` for {arch}"))?;
        let fragments = self.fragments(source.config(), &added)?;
        Ok((source, fragments))
    }

    /// A spec without the processor that it ends in, and that processor: `debian-13/arm64`. A path
    /// that exists is one whatever it ends in.
    pub fn processor(spec: &str) -> (&str, Arch) {
        let named = spec
            .rsplit_once('/')
            .and_then(|(rest, name)| Some((rest, Arch::named(name)?)));
        match named {
            Some(named) if !Path::new(spec).exists() => named,
            _ => (spec, Arch::default()),
        }
    }

    /// A spec without this machine's own processor, which need not be named.
    pub fn shortest(spec: &str) -> &str {
        let (plain, arch) = Catalog::processor(spec);
        if arch.is_foreign() { spec } else { plain }
    }

    /// The fragments to build a kernel with that is not of the catalog.
    ///
    /// # Errors
    /// A fragment is not known.
    pub fn for_tree(&self, spec: &Spec) -> Result<Vec<PathBuf>> {
        let mut own = base_config();
        own.extend(spec.arch.fragment());
        self.fragments(&own, &spec.added)
    }

    fn source(&self, name: &str) -> Result<&Source> {
        if let Some(source) = self.sources.get(name) {
            return Ok(source);
        }
        if let Some((kernel, processor)) = name.rsplit_once('/')
            && self.knows(kernel)
        {
            if let Some(arch) = Arch::named(processor) {
                bail!(
                    "name kernel `{name}`: one processor comes, and last, as in \
                     `{kernel}+FRAGMENT/{arch}`"
                );
            }
            let known = Arch::ALL.map(Arch::name).join(", ");
            bail!(
                "no processor is named `{processor}` (known are {known}; a config fragment comes \
                 behind a `+`; or give the path of a kernel tree)"
            );
        }
        let nearest = nearest(name, self.names())
            .map(|nearest| format!(", did you mean `{nearest}`?"))
            .unwrap_or_default();
        let known: Vec<&str> = self.names().collect();
        bail!(
            "no kernel is named `{name}`{nearest} (known are {}; or give the path of a kernel tree)",
            known.join(", ")
        )
    }

    /// The paths of fragments that files name, and of fragments that a spec adds.
    fn fragments(&self, own: &[String], added: &[&str]) -> Result<Vec<PathBuf>> {
        let known = match added {
            [] => Vec::new(),
            _ => self.flavours()?,
        };
        for name in added {
            if !known.iter().any(|known| known == name) {
                let nearest = nearest(name, known.iter().map(String::as_str))
                    .map(|nearest| format!(", did you mean `{nearest}`?"))
                    .unwrap_or_default();
                bail!(
                    "no config fragment is named `{name}`{nearest} (known are {}; a processor comes \
                     behind a `/`)",
                    known.join(", ")
                );
            }
        }
        let added = added.iter().map(|name| format!("{name}{SUFFIX}"));
        let names = own.iter().cloned().chain(added);
        Ok(names.map(|name| self.fragment(&name)).collect())
    }

    /// The names of the fragments that a spec may add, sorted.
    fn flavours(&self) -> Result<Vec<String>> {
        let mut names = BTreeSet::new();
        for folder in &self.folders {
            let files = match fs::read_dir(folder) {
                Err(error) if plain::is_absent(&error) => continue,
                files => files.with_context(|| format!("list `{}`", folder.display()))?,
            };
            names.extend(files.flatten().filter_map(|file| {
                let name = file.file_name().into_string().ok()?;
                let is_of = |arch: Arch| arch.fragment().as_ref() == Some(&name);
                let is_ground = NO_FLAVOURS.contains(&name.as_str());
                let is_added = !is_ground && !Arch::ALL.into_iter().any(is_of);
                let name = name.strip_suffix(SUFFIX).filter(|_| is_added)?;
                Some(name.to_owned())
            }));
        }
        Ok(names.into_iter().collect())
    }

    /// The path of a config fragment: in the project, beside the catalog, or kassay's own.
    fn fragment(&self, name: &str) -> PathBuf {
        let mut paths = self.folders.iter().map(|folder| folder.join(name));
        let last = self.folders.last().map(|folder| folder.join(name));
        paths
            .find(|path| path.exists())
            .or(last)
            .unwrap_or_else(|| name.into())
    }
}

/// The name that was likely meant. Names of kernels are short, so that a likeness of half
/// their letters counts.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let alike = |known: &str| strsim::normalized_damerau_levenshtein(known, name);
    known
        .filter(|known| alike(known) >= ALIKE)
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Catalog> {
        Catalog::parse(text, &crate::repository().join("kernel-config"))
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn kassays_own_catalog_is_whole() {
        let text =
            fs::read_to_string(crate::repository().join("kernel-config/kernels.toml")).unwrap();
        let catalog = parse(&text).unwrap();
        let of_suites = |name: &&str| !catalog.suites(name).is_empty();
        assert_eq!(catalog.names().filter(of_suites).count(), 15);
        let others = catalog.names().filter(|name| !of_suites(name));
        assert!(others.eq([
            "5.15",
            "6.1",
            "6.11",
            "6.12",
            "6.12-distro",
            "6.18",
            "6.6",
            "7.0",
            "7.1",
            "7.2",
            "distro"
        ]));
        assert!(catalog.fragment(BASE_CONFIG).exists());
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = error("default = []\n[package.a]\npackage = 'b'\nconfg = []");
        assert!(error.contains("unknown field `confg`"), "{error}");
    }

    #[test]
    fn an_unknown_name_shows_the_nearest() {
        let catalog = parse("default = []\n[package.distro]\npackage = 'b'").unwrap();
        let error = catalog.get("distor").unwrap_err().to_string();
        assert!(error.contains("did you mean `distro`?"), "{error}");
        assert!(
            !catalog
                .get("7")
                .unwrap_err()
                .to_string()
                .contains("did you mean")
        );
    }

    #[test]
    fn the_default_must_be_known() {
        assert!(error("default = ['6.11']").contains("no kernel is named `6.11`"));
    }

    #[test]
    fn a_name_that_a_kernel_has_is_no_path_and_no_option() {
        for table in [
            "package.a]\npackage = '../b'",
            "package.a]\npackage = '-b'",
            "package.a]\npackage = 'b'\nconfig = ['/b']",
            "prebuilt.a]\npackages = ['b', '']",
        ] {
            let error = error(&format!("default = []\n[{table}"));
            assert!(error.contains("made of letters"), "{error}");
        }
        for url in ["file:///b", "http://b/..", "https://b/"] {
            let error = error(&format!(
                "default = []\n[tarball.a]\nsha256 = ''\nurl = '{url}'"
            ));
            assert!(error.contains("by http or https"), "{error}");
        }
    }

    #[test]
    fn a_name_is_no_path_and_has_one_source() {
        assert!(error("default = []\n[package.'../a']\npackage = 'b'").contains("made of letters"));
        let two = "default = []\n[package.a]\npackage = 'b'\n[prebuilt.a]\npackages = []";
        assert!(error(two).contains("two sources"));
    }

    fn added(spec: &str) -> Result<Vec<String>> {
        let text = "default = []\n[package.'6.12']\npackage = 'b'\n[package.'a+b']\npackage = 'b'\n\
                    [prebuilt.distro]\npackages = []";
        let (_, fragments) = parse(text).unwrap().get(spec)?;
        let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        Ok(fragments.iter().map(name).collect())
    }

    #[test]
    fn a_spec_adds_fragments_in_its_order() {
        assert_eq!(added("6.12").unwrap(), ["base"]);
        let three = ["base", "lockdep", "kasan"];
        assert_eq!(added("6.12+lockdep+kasan").unwrap(), three);
        assert_eq!(added("a+b").unwrap(), ["base"]);
        assert_eq!(added("a+b+kasan").unwrap(), ["base", "kasan"]);
    }

    #[test]
    fn a_spec_may_end_in_a_processor() {
        assert_eq!(Catalog::processor("a/arm64"), ("a", Arch::Arm64));
        assert_eq!(Catalog::processor("a"), ("a", Arch::X86));
        assert_eq!(Catalog::processor("a/b"), ("a/b", Arch::X86));
        let three = ["base", "arm64", "kasan"];
        assert_eq!(added("6.12+kasan/arm64").unwrap(), three);
        assert!(added("distro/arm64").is_err());
    }

    #[test]
    fn parts_of_a_spec_that_are_mixed_up_are_set_right() {
        for (spec, meant) in [
            ("6.12+arm64", "6.12/arm64"),
            ("6.12/kasan", "6.12+kasan"),
            ("6.12/aarch64", "6.12/arm64"),
            ("6.12/s390", "6.12/s390x"),
            ("6.12/amd64", "6.12"),
            ("6.12/arm64+kasan", "6.12+kasan/arm64"),
            ("6.12+kasan+arm64+lockdep", "6.12+kasan+lockdep/arm64"),
            ("a+b/arm64+kasan", "a+b+kasan/arm64"),
        ] {
            let error = added(spec).unwrap_err().to_string();
            assert!(
                error.contains(&format!("did you mean `{meant}`?")),
                "{error}"
            );
        }
        let built = added("distro/arm64+kasan").unwrap_err().to_string();
        assert!(built.contains("`distro` comes built"), "{built}");
        let two = added("6.12/arm64/s390x").unwrap_err().to_string();
        assert!(two.contains("one processor comes, and last"), "{two}");
    }

    #[test]
    fn this_machines_processor_need_not_be_named() {
        assert_eq!(added("6.12+kasan/x86_64").unwrap(), ["base", "kasan"]);
        let shortest = ["a/x86_64", "a", "a/arm64"].map(Catalog::shortest);
        assert_eq!(shortest, ["a", "a", "a/arm64"]);
    }

    #[test]
    fn an_unknown_fragment_shows_the_nearest() {
        let error = |spec| added(spec).unwrap_err().to_string();
        assert!(error("6.12+kasn").contains("did you mean `kasan`?"));
        assert!(error("6.12+base").contains(
            "known are before-5.18, btf-mismatch, fault, gcov, kasan, kcov, lirc, lockdep"
        ));
        assert!(error("6.12+../x").contains("no config fragment is named `../x`"));
        assert!(error("6.21+kasan").contains("did you mean `6.12`?"));
    }

    #[test]
    fn a_base_is_a_kernel_that_the_distribution_built() {
        let with = |base: &str| {
            format!(
                "default = []\n[package.a]\npackage = 'a'\nbase = '{base}'\n[prebuilt.b]\npackages = []"
            )
        };
        let catalog = parse(&with("b")).unwrap();
        let (source, _) = catalog.get("a").unwrap();
        assert_eq!(catalog.base(&source).unwrap().unwrap().0, "b");
        assert!(error(&with("a")).contains("`a` is not `prebuilt`"));
        assert!(error(&with("c")).contains("in `base` of kernel `a`: no kernel is named `c`"));
    }

    #[test]
    fn a_kernel_that_comes_built_takes_no_fragment() {
        let error = added("distro+kasan").unwrap_err().to_string();
        assert!(error.contains("`distro` comes built"), "{error}");
    }
}
