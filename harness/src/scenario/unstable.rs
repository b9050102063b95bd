//! The mark of a scenario that sometimes fails although nothing that it is about has changed.

use std::fmt;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;

use super::requires::Bound;
use crate::kernel::Kernel;

/// What a scenario's file says of its being unstable: where, why and how long that is put up with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "File")]
pub struct Unstable {
    /// The kernels on which it is; all of them where there is none here.
    kernels: Vec<Which>,
    /// Why.
    pub reason: String,
    /// Where that is followed up, such as an address.
    pub issue: Option<String>,
    /// The last day on which it is put up with, by UTC.
    pub until: Date,
}

/// Kernels, as a scenario's file names them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    /// By a version bound.
    Bound(Bound),
    /// By a name that a snapshot of its own would have.
    Name(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kernels: Option<Vec<String>>,
    reason: String,
    issue: Option<String>,
    until: toml::Value,
}

impl TryFrom<File> for Unstable {
    type Error = String;

    fn try_from(file: File) -> Result<Unstable, String> {
        let kernels = file.kernels.as_deref().map(kernels).transpose()?;
        let said = |key: &str, text: String| match text.trim() {
            "" => Err(format!("`unstable` has an empty `{key}`")),
            text => Ok(text.to_owned()),
        };
        Ok(Unstable {
            kernels: kernels.unwrap_or_default(),
            reason: said("reason", file.reason)?,
            issue: file.issue.map(|text| said("issue", text)).transpose()?,
            until: date(&file.until)?,
        })
    }
}

fn kernels(names: &[String]) -> Result<Vec<Which>, String> {
    if names.is_empty() {
        return Err("`unstable` names no kernel; without `kernels`, it is of all".to_owned());
    }
    let which = |name: &String| match name.trim() {
        "" => Err("`unstable` names a kernel without a name".to_owned()),
        text if text.starts_with(['<', '>', '=']) => {
            Bound::try_from(text.to_owned()).map(Which::Bound)
        }
        text => Ok(Which::Name(text.to_owned())),
    };
    names.iter().map(which).collect()
}

/// A day, in quotes or as TOML has days.
fn date(value: &toml::Value) -> Result<Date, String> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // What has more in it than a day is none.
    let day = text.parse::<Date>().ok();
    day.filter(|day| day.to_string() == text)
        .ok_or_else(|| format!("`{text}` is no day such as `2027-03-01`"))
}

impl Unstable {
    /// Whether it is meant of a kernel.
    pub fn is_of(&self, kernel: &Kernel) -> bool {
        let (major, minor, _) = kernel.version();
        let names = kernel.names();
        let is = |which: &Which| match which {
            Which::Bound(bound) => bound.holds((major, minor)),
            Which::Name(name) => names.iter().any(|its| its == name),
        };
        self.kernels.is_empty() || self.kernels.iter().any(is)
    }

    /// Whether its last day is over.
    pub fn is_over(&self) -> bool {
        TimeZone::UTC.to_datetime(Timestamp::now()).date() > self.until
    }
}

impl fmt::Display for Unstable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "marked unstable until {}: {}", self.until, self.reason)?;
        match &self.issue {
            Some(issue) => write!(f, " ({issue})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Unstable, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_mark_says_why_and_how_long() {
        let mark = read("reason = 'a race'\nissue = '#7'\nuntil = '2027-03-01'").unwrap();
        let told = "marked unstable until 2027-03-01: a race (#7)";
        assert_eq!(mark.to_string(), told);
        let day = read("reason = 'a race'\nissue = '#7'\nuntil = 2027-03-01");
        assert_eq!(day, Ok(mark));
    }

    #[test]
    fn what_is_no_mark_is_said() {
        for (text, why) in [
            ("reason = ' '\nuntil = '2027-03-01'", "an empty `reason`"),
            (
                "reason = 'x'\nissue = ''\nuntil = '2027-03-01'",
                "an empty `issue`",
            ),
            (
                "reason = 'x'\nuntil = '2027-02-29'",
                "`2027-02-29` is no day",
            ),
            (
                "reason = 'x'\nuntil = '2027-03-01T00:00'",
                "is no day such as",
            ),
            ("reason = 'x'\nuntil = 7", "`7` is no day"),
            ("reason = 'x'", "missing field `until`"),
            ("until = '2027-03-01'", "missing field `reason`"),
            (
                "kernels = []\nreason = 'x'\nuntil = '2027-03-01'",
                "names no kernel",
            ),
            (
                "kernels = ['>6.1']\nreason = 'x'\nuntil = '2027-03-01'",
                "`>6.1` is not a version bound",
            ),
            (
                "kernel = '7.2'\nreason = 'x'\nuntil = '2027-03-01'",
                "unknown field `kernel`",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_kernel_is_named_as_elsewhere() {
        let file = std::path::PathBuf::from("/dev/null");
        let kernel = Kernel {
            name: "6.12+kasan".into(),
            release: "6.12.85".into(),
            image: file.clone(),
            build: file.clone(),
            btf: file.clone(),
            config: file,
            modules: Vec::new(),
            unreachable: None,
            tools: None,
            arch: Default::default(),
            key: "test".into(),
        };
        let is_of = |kernels: &str| {
            let text = format!("kernels = [{kernels}]\nreason = 'x'\nuntil = '2027-03-01'");
            read(&text).unwrap().is_of(&kernel)
        };
        for kernels in ["'6.12'", "'6.12+kasan'", "'7.2', '>=6.12'", "'>=6.1,<6.13'"] {
            assert!(is_of(kernels), "{kernels}");
        }
        for kernels in ["'6.1'", "'<6.12'", "'rt'", "'6.12+lockdep'"] {
            assert!(!is_of(kernels), "{kernels}");
        }
    }

    #[test]
    fn a_day_is_over_when_it_has_passed() {
        let over = |day: &str| {
            read(&format!("reason = 'x'\nuntil = '{day}'"))
                .unwrap()
                .is_over()
        };
        assert!(over("2020-01-01"));
        assert!(!over("9000-01-01"));
    }
}
