//! What a scenario needs of a kernel and of the host.

use std::fmt;

use serde::Deserialize;

/// What a scenario needs of a kernel. Where it is missing, the scenario is
/// skipped.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requires {
    /// A version bound such as `>=6.10`.
    pub kernel: Option<Bound>,
    /// Options that must be `y` or `m`, without `CONFIG_`.
    pub config: Vec<String>,
    /// Options that must be neither.
    pub without: Vec<String>,
    /// USDT probes, as `PROVIDER:NAME`, that the guest program must have. Those
    /// of `libc` are there if the host's C library was built with them.
    pub probes: Vec<String>,
    /// Programs of PyPI that the host's PATH must have, in this very version.
    pub pip: Vec<Pinned>,
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
            *slot = version;
            if version.is_none() {
                return Err(format!(
                    "`{part}` is not a version bound such as `>=6.10` or `<7.0`"
                ));
            }
        }
        Ok(bound)
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
