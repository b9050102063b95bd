//! The kinds of kernels that a catalog has, each a table of its file.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::registry;
use crate::arch::Arch;

/// The fragment that a kernel is built with when none is named.
pub const BASE_CONFIG: &str = "base.config";

/// Where a kernel comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file of source, built here.
    Tarball(Tarball),
    /// A Debian package of source, built here.
    Package(Package),
    /// A kernel that a distribution built.
    Prebuilt(Prebuilt),
    /// A kernel that somebody packed.
    Remote(Remote),
}

/// A file of source at an address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tarball {
    /// Where the tar.xz file is, by http or https.
    pub url: String,
    /// The file's SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Config fragments, in the order they are merged.
    #[serde(default = "base_config")]
    pub config: Vec<String>,
    /// The kernel of the distribution whose config file to start from, instead of tinyconfig.
    pub base: Option<String>,
}

/// A Debian package that holds a tar.xz file of source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name.
    pub package: String,
    /// Suites of Debian to look for it in where the machine's own do not have it, best first.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Config fragments, in the order they are merged.
    #[serde(default = "base_config")]
    pub config: Vec<String>,
    /// The kernel of the distribution whose config file to start from, instead of tinyconfig.
    pub base: Option<String>,
}

/// A kernel that a distribution built.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prebuilt {
    /// Packages that depend on the kernel's own package, best first.
    pub packages: Vec<String>,
    /// Suites of Debian that it comes from, in the place of the machine's own; of what several of
    /// them have, the newest counts, or the first suite's where that is one of backports.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Suites whose `linux-kbuild-…` has the programs that this kernel's lacks: Debian 12 has no
    /// `resolve_btfids` for its own 6.1.
    #[serde(default)]
    pub programs: Vec<String>,
    /// Modules to insert at boot; what they depend on need not be named.
    #[serde(default = "boot_modules")]
    pub boot_modules: Vec<String>,
    /// The processor that it is for; a spec names it, and not the catalog.
    #[serde(skip)]
    pub arch: Arch,
}

/// A kernel that somebody packed, with what modules are built with.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it lies.
    pub place: Place,
    /// Modules to insert at boot; what they depend on need not be named.
    pub boot_modules: Vec<String>,
    /// Suites of Debian that have the compiler that built it; none for this machine's own.
    pub tools: Vec<String>,
}

/// Where a kernel lies that somebody packed.
#[derive(Clone, Debug)]
pub enum Place {
    /// Debian packages at addresses: image, modules, headers.
    Packages(Vec<Address>),
    /// An image of a registry, by digest.
    Image(String),
}

/// A file at an address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Where it is, by http or https.
    pub url: String,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deb {
    files: Vec<Address>,
    #[serde(default = "boot_modules")]
    boot_modules: Vec<String>,
    #[serde(default)]
    tools: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Oci {
    image: String,
    #[serde(default = "boot_modules")]
    boot_modules: Vec<String>,
    #[serde(default)]
    tools: Vec<String>,
}

/// A catalog's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The names to choose the default kernel from.
    #[serde(default)]
    pub default: Vec<String>,
    #[serde(default)]
    tarball: BTreeMap<String, Tarball>,
    #[serde(default)]
    package: BTreeMap<String, Package>,
    #[serde(default)]
    prebuilt: BTreeMap<String, Prebuilt>,
    #[serde(default)]
    deb: BTreeMap<String, Deb>,
    #[serde(default)]
    oci: BTreeMap<String, Oci>,
}

/// The kernels of a file, by their names.
pub fn sources(file: File) -> Result<BTreeMap<String, Source>> {
    let tarballs = file
        .tarball
        .into_iter()
        .map(|(name, it)| (name, Source::Tarball(it)));
    let packages = file
        .package
        .into_iter()
        .map(|(name, it)| (name, Source::Package(it)));
    let prebuilt = file
        .prebuilt
        .into_iter()
        .map(|(name, it)| (name, Source::Prebuilt(it)));
    let remote = |place, boot_modules, tools| {
        Source::Remote(Remote {
            place,
            boot_modules,
            tools,
        })
    };
    let debs = file.deb.into_iter().map(|(name, it)| {
        let place = Place::Packages(it.files);
        (name, remote(place, it.boot_modules, it.tools))
    });
    let images = file.oci.into_iter().map(|(name, it)| {
        let place = Place::Image(it.image);
        (name, remote(place, it.boot_modules, it.tools))
    });
    let built = tarballs.chain(packages);
    let ready = prebuilt.chain(debs).chain(images);
    let mut sources = BTreeMap::new();
    for (name, source) in built.chain(ready) {
        check_name(&name)?;
        source.check().with_context(|| format!("kernel `{name}`"))?;
        if sources.insert(name.clone(), source).is_some() {
            bail!("kernel `{name}` has two sources");
        }
    }
    Ok(sources)
}

/// The fragments of a kernel that names none.
pub fn base_config() -> Vec<String> {
    vec![BASE_CONFIG.to_owned()]
}

/// What the guest and scenarios use, which Debian has as modules.
fn boot_modules() -> Vec<String> {
    let of_guest = ["virtio_pci", "virtio_console", "9p", "9pnet_virtio"];
    let of_scenarios = ["veth", "sch_ingress", "cls_bpf", "act_bpf", "overlay"];
    of_guest
        .iter()
        .chain(&of_scenarios)
        .map(|&name| name.to_owned())
        .collect()
}

/// A name is part of file names and of test names, so it is kept plain.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+.-_".contains(c);
    if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(plain) {
        bail!(
            "`{name}`: a name is made of letters, digits, `+`, `-`, `_` and `.`, and begins with \
             none of the last four"
        );
    }
    Ok(())
}

impl Source {
    /// The same kernel for another processor.
    ///
    /// # Errors
    /// It is made for one alone.
    pub fn of(mut self, arch: Arch) -> Result<Source> {
        match &mut self {
            _ if !arch.is_foreign() => {}
            Source::Prebuilt(prebuilt) if !prebuilt.suites.is_empty() => prebuilt.turn(arch),
            Source::Tarball(Tarball {
                config, base: None, ..
            })
            | Source::Package(Package {
                config, base: None, ..
            }) => config.extend(arch.fragment()),
            _ => bail!(
                "it comes for this machine's processor alone, and `6.12/{arch}` and `debian-13/{arch}` \
                 for {arch}"
            ),
        }
        Ok(self)
    }

    /// The names of its config fragments; none where it is not built here.
    pub fn config(&self) -> &[String] {
        match self {
            Source::Tarball(tarball) => &tarball.config,
            Source::Package(package) => &package.config,
            Source::Prebuilt(_) | Source::Remote(_) => &[],
        }
    }

    pub fn base(&self) -> Option<&str> {
        match self {
            Source::Tarball(tarball) => tarball.base.as_deref(),
            Source::Package(package) => package.base.as_deref(),
            Source::Prebuilt(_) | Source::Remote(_) => None,
        }
    }

    /// What it names becomes parts of paths and arguments of apt.
    fn check(&self) -> Result<()> {
        let names: Vec<&String> = match self {
            Source::Tarball(tarball) => {
                tarball.check()?;
                Vec::new()
            }
            Source::Package(package) => std::iter::once(&package.package)
                .chain(&package.suites)
                .collect(),
            Source::Prebuilt(prebuilt) => {
                let suites = prebuilt.suites.iter().chain(&prebuilt.programs);
                suites.chain(&prebuilt.packages).collect()
            }
            Source::Remote(remote) => {
                remote.place.check()?;
                remote.tools.iter().collect()
            }
        };
        let mut names = names.into_iter().chain(self.config());
        names.try_for_each(|name| check_name(name))
    }
}

impl Prebuilt {
    /// Debian has the architecture in the packages' names.
    fn turn(&mut self, arch: Arch) {
        for package in &mut self.packages {
            if let Some(kind) = package.strip_suffix(Arch::X86.debian()) {
                *package = format!("{kind}{}", arch.debian());
            }
        }
        self.arch = arch;
    }
}

impl Tarball {
    fn check(&self) -> Result<()> {
        check_url(&self.url)
    }
}

impl Place {
    fn check(&self) -> Result<()> {
        match self {
            Place::Image(image) => registry::image::reference(image).map(drop),
            Place::Packages(files) if files.is_empty() => bail!("it names no files"),
            Place::Packages(files) => files.iter().try_for_each(|file| {
                // A `+` in it may be written as the bytes that it is.
                check_url(&file.url.replace(['%', '~'], ""))
            }),
        }
    }
}

fn check_url(url: &str) -> Result<()> {
    let is_http = url.starts_with("http://") || url.starts_with("https://");
    let file = url.rsplit('/').next().unwrap_or_default();
    if !is_http || check_name(file).is_err() {
        bail!("`{url}` is not the address of a file by http or https");
    }
    Ok(())
}
