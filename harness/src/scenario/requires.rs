//! What a scenario needs of a kernel and of the host.

use std::fmt;

use crate::arch::Arch;
use serde::{Deserialize, Deserializer};

/// What a scenario needs of a kernel. Where it is missing, the scenario is
/// skipped.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requires {
    /// A version bound such as `>=6.10`.
    pub kernel: Option<Bound>,
    /// The processors of which one must be the kernel's; none for any.
    pub arch: Vec<Arch>,
    /// Whether modules must have a base of their own in their BTF, which kbuild makes from Linux
    /// 6.11 on with pahole 1.28 or newer, and in 7.2 with any.
    pub btf_base: bool,
    /// Options that must be `y` or `m`, without `CONFIG_`.
    #[serde(deserialize_with = "options")]
    pub config: Vec<String>,
    /// Options that must be neither.
    #[serde(deserialize_with = "options")]
    pub without: Vec<String>,
    /// USDT probes, as `PROVIDER:NAME`, that the guest program must have. Those
    /// of `libc` are there if the host's C library was built with them.
    #[serde(deserialize_with = "probes")]
    pub probes: Vec<String>,
    /// Programs of PyPI that the host's PATH must have, in this very version.
    pub pip: Vec<Pinned>,
}

/// Names of options of the kernel. A name that no kernel can have would be one that all lack.
fn options<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    match names.iter().find_map(|name| no_option(name)) {
        None => Ok(names),
        Some(why) => Err(serde::de::Error::custom(why)),
    }
}

/// Why it is no name of an option. Few have small letters, and none mostly (6.11): `FONT_10x18`.
fn no_option(name: &str) -> Option<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let count = |is: fn(&char) -> bool| name.chars().filter(is).count();
    let small = count(char::is_ascii_lowercase);
    let large = count(char::is_ascii_uppercase);
    if let Some(rest) = name.strip_prefix("CONFIG_") {
        return Some(format!("an option is written without `CONFIG_`: `{rest}`"));
    }
    let is_one = name.chars().all(is_plain) && large > 0 && large >= small;
    (!is_one).then(|| {
        format!(
            "`{name}` is no name of an option, which has capital letters, digits and `_`, such as \
             `BPF_JIT`"
        )
    })
}

/// Names of USDT probes.
fn probes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let probes = Vec::<String>::deserialize(from)?;
    let is_one = |probe: &&String| {
        let parts: Vec<&str> = probe.split(':').collect();
        matches!(parts[..], [provider, name] if !provider.is_empty() && !name.is_empty())
    };
    match probes.iter().find(|probe| !is_one(probe)) {
        None => Ok(probes),
        Some(probe) => Err(serde::de::Error::custom(format!(
            "`{probe}` is no USDT probe, which is `PROVIDER:NAME`"
        ))),
    }
}

/// A program of PyPI and its version, as pip spells them: `NAME==VERSION`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pinned {
    /// The package's name, and the program's.
    pub name: String,
    /// The version, as `NAME --version` says it.
    pub version: String,
}

impl TryFrom<String> for Pinned {
    type Error = String;

    fn try_from(text: String) -> Result<Pinned, String> {
        let is_plain = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(plain)
        };
        match text.split_once("==") {
            Some((name, version)) if is_plain(name) && is_plain(version) => Ok(Pinned {
                name: name.to_owned(),
                version: version.to_owned(),
            }),
            _ => Err(format!("`{text}` is not `NAME==VERSION`")),
        }
    }
}

impl std::fmt::Display for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=={}", self.name, self.version)
    }
}

/// Versions that will do: `>=MAJOR.MINOR`, `<MAJOR.MINOR`, or both with a comma.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Bound {
    text: String,
    at_least: Option<(u32, u32)>,
    below: Option<(u32, u32)>,
}

impl TryFrom<String> for Bound {
    type Error = String;

    fn try_from(text: String) -> Result<Bound, String> {
        let mut bound = Bound {
            text: text.clone(),
            at_least: None,
            below: None,
        };
        for part in text.split(',').map(str::trim) {
            let version = |digits: &str| {
                let (major, minor) = digits.trim().split_once('.')?;
                Some((major.parse().ok()?, minor.parse().ok()?))
            };
            let (slot, version) = match (part.strip_prefix(">="), part.strip_prefix('<')) {
                (Some(digits), _) => (&mut bound.at_least, version(digits)),
                (_, Some(digits)) => (&mut bound.below, version(digits)),
                _ => (&mut bound.at_least, None),
            };
            if version.is_none() {
                return Err(format!(
                    "`{part}` is not a version bound such as `>=6.10` or `<7.0`"
                ));
            }
            if slot.is_some() {
                return Err(format!("`{text}` has two bounds of one kind"));
            }
            *slot = version;
        }
        match bound.below {
            Some(below) if bound.at_least.unwrap_or_default() >= below => Err(format!(
                "no version is within `{text}`: what `<` names is not after what `>=` names"
            )),
            _ => Ok(bound),
        }
    }
}

impl Bound {
    /// Whether a version will do.
    pub fn holds(&self, version: (u32, u32)) -> bool {
        self.at_least.is_none_or(|least| version >= least)
            && self.below.is_none_or(|below| version < below)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let read = toml::from_str::<Requires>(text);
        read.map_or_else(|error| error.to_string(), |_| "read".to_owned())
    }

    #[test]
    fn an_option_is_one_that_a_kernel_can_have() {
        let names = "config = ['BPF_JIT', 'FONT_10x18', '9P_FS', 'MTD_NETtel']\nwithout = ['XEN']";
        assert_eq!(error(names), "read");
        let said = "an option is written without `CONFIG_`: `BPF`";
        assert!(error("config = ['BPF', 'CONFIG_BPF']").contains(said));
        for name in ["veth", "Veth", "BPF-JIT", "BPF=y", "", "_", "B\u{d6}"] {
            let error = error(&format!("without = [\"{name}\"]"));
            assert!(error.contains("is no name of an option"), "{name}: {error}");
        }
    }

    #[test]
    fn a_probe_has_a_provider_and_a_name() {
        assert_eq!(error("probes = ['libc:setjmp']"), "read");
        for probe in ["setjmp", "libc:", ":setjmp", "a:b:c"] {
            let error = error(&format!("probes = ['{probe}']"));
            assert!(error.contains("which is `PROVIDER:NAME`"), "{error}");
        }
    }

    #[test]
    fn a_bound_has_a_version() {
        for kernel in [">=6.10,<6.0", ">=6.10,<6.10", "<0.0"] {
            let error = error(&format!("kernel = '{kernel}'"));
            assert!(error.contains("no version is within"), "{error}");
        }
        let twice = error("kernel = '>=6.1, >=6.2'");
        assert!(twice.contains("two bounds of one kind"), "{twice}");
    }
}
