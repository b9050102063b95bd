//! Which cases belong to which shard, as a file that all machines share.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::split::{self, Case, split};
use super::{MOST, Part, Shard};
use crate::outcome::Name;
use crate::plain;
use crate::size::Size;

/// How long a case takes where no time of any is known.
const TYPICAL: Duration = Duration::from_secs(2);

/// Which cases belong to which shard. As JSON, it is a matrix of GitHub Actions.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The shards, in their order.
    pub include: Vec<Entry>,
}

/// A shard of a plan.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which one, `K/N`.
    pub shard: String,
    /// Its kernels, with commas between them.
    pub kernels: String,
    /// How long its cases take one after the other, with what boots cost.
    pub seconds: f64,
    /// Its cases.
    pub cases: Vec<Planned>,
}

/// A case of a plan.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Its place in the whole run, from 1.
    pub number: usize,
    /// Its kernel.
    pub kernel: String,
    /// Its scenario.
    pub scenario: String,
    /// How long it takes.
    pub seconds: f64,
}

/// A case that is to be planned.
#[derive(Clone)]
pub struct Weighed {
    /// Which one.
    pub name: Name,
    /// How large its guest is.
    pub size: Size,
    /// How long it takes, as far as that is known: nothing, where it was skipped.
    pub took: Option<Duration>,
}

impl Weighed {
    fn case(&self, usual: Duration) -> Case<'_> {
        Case {
            kernel: &self.name.kernel,
            // What is skipped needs no guest.
            size: match self.took {
                Some(Duration::ZERO) => Size::default(),
                _ => self.size,
            },
            took: self.took.unwrap_or(usual),
        }
    }
}

impl Plan {
    /// A plan for cases. One whose time is not known counts as the median of the others.
    pub fn make(cases: &[Weighed], of: usize) -> Plan {
        let took: Vec<Option<Duration>> = cases.iter().map(|case| case.took).collect();
        let usual = median(&took).unwrap_or(TYPICAL);
        let weighed: Vec<Case> = cases.iter().map(|case| case.case(usual)).collect();
        let planned = |place: &usize| Planned {
            number: place + 1,
            kernel: cases[*place].name.kernel.clone(),
            scenario: cases[*place].name.scenario.clone(),
            seconds: seconds(weighed[*place].took),
        };
        let entry = |(shard, places): (Shard, Vec<usize>)| {
            let cases: Vec<Case> = places.iter().map(|place| weighed[*place]).collect();
            let mut kernels: Vec<&str> = cases.iter().map(|case| case.kernel).collect();
            kernels.dedup();
            Entry {
                shard: shard.to_string(),
                kernels: kernels.join(","),
                seconds: seconds(split::time(&cases)),
                cases: places.iter().map(planned).collect(),
            }
        };
        let shards = Shard::all(of).zip(split(&weighed, of));
        Plan {
            include: shards.map(entry).collect(),
        }
    }

    /// Reads a plan, which is one for so many shards.
    ///
    /// # Errors
    /// The file cannot be read, or is no such plan.
    pub fn read(path: &Path, shard: Shard) -> Result<Plan> {
        let read = || {
            let text = plain::text(path, plain::MADE)?;
            let plan: Plan = serde_json::from_str(&text)
                .context("it is no plan that `kassay shards N --format github` prints")?;
            plan.check()?;
            let of = plan.include.len();
            ensure!(
                of == shard.of,
                "it is for {of} shards, and not for {}",
                shard.of
            );
            Ok(plan)
        };
        read().with_context(|| format!("read the plan `{}`", path.display()))
    }

    /// Sees that it has each of its shards and each of its cases once.
    fn check(&self) -> Result<()> {
        let of = self.include.len();
        if of == 0 || of > MOST {
            bail!("it has {of} shards");
        }
        for (shard, entry) in Shard::all(of).zip(&self.include) {
            let name = &entry.shard;
            ensure!(
                *name == shard.to_string(),
                "`{name}` stands for shard {shard}"
            );
        }
        let mut known = BTreeSet::new();
        for (number, case) in (1..).zip(self.sorted()) {
            ensure!(
                case.number == number,
                "case {number} is missing or there twice"
            );
            ensure!(
                known.insert((&case.kernel, &case.scenario)),
                "`{}::{}` is there twice",
                case.kernel,
                case.scenario
            );
        }
        Ok(())
    }

    /// The plan as a line of JSON.
    ///
    /// # Errors
    /// None is expected.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string(self).context("write the plan")
    }

    /// The kernels of the whole run, in their order.
    pub fn kernels(&self) -> Vec<String> {
        let cases = self.sorted().into_iter();
        let mut kernels: Vec<String> = cases.map(|case| case.kernel.clone()).collect();
        let mut known = BTreeSet::new();
        kernels.retain(|kernel| known.insert(kernel.clone()));
        kernels
    }

    /// A shard with its cases.
    pub fn part(&self, shard: Shard) -> Part {
        let name = |case: &Planned| Name {
            kernel: case.kernel.clone(),
            scenario: case.scenario.clone(),
        };
        let own = self.include.get(shard.index - 1);
        let own = own.map_or(&[][..], |entry| &entry.cases);
        Part {
            shard,
            own: own.iter().map(name).collect(),
            all: self.sorted().into_iter().map(name).collect(),
        }
    }

    /// The cases of the whole run, in their order.
    fn sorted(&self) -> Vec<&Planned> {
        let mut cases: Vec<&Planned> = self.include.iter().flat_map(|it| &it.cases).collect();
        cases.sort_by_key(|case| case.number);
        cases
    }
}

/// The median of the times that are known, without what was skipped; of an even number, the higher one
/// in the middle.
pub fn median(took: &[Option<Duration>]) -> Option<Duration> {
    let known = took.iter().copied().flatten();
    let mut known: Vec<Duration> = known.filter(|took| !took.is_zero()).collect();
    known.sort_unstable();
    known.get(known.len() / 2).copied()
}

/// Seconds to the millisecond.
fn seconds(took: Duration) -> f64 {
    took.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of kernels, each of which takes that long, in seconds, if it is known.
    fn cases(kernels: &[&str], took: &[Option<u64>]) -> Vec<Weighed> {
        let of = |kernel: &&str| -> Vec<Weighed> {
            let case = |(at, took): (usize, &Option<u64>)| Weighed {
                name: Name {
                    kernel: (*kernel).to_owned(),
                    scenario: format!("s{at}"),
                },
                size: Size::default(),
                took: took.map(Duration::from_secs),
            };
            took.iter().enumerate().map(case).collect()
        };
        kernels.iter().flat_map(of).collect()
    }

    #[test]
    fn a_plan_is_the_same_when_it_is_read_and_has_each_case_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        let cases = cases(&["b", "a"], &[None; 7]);
        let plan = Plan::make(&cases, 3);
        let cases: Vec<Name> = cases.into_iter().map(|case| case.name).collect();
        std::fs::write(&path, serde_json::to_string(&plan).unwrap()).unwrap();
        let read = Plan::read(&path, Shard { index: 1, of: 3 }).unwrap();
        assert_eq!(read, plan);
        let parts: Vec<Part> = Shard::all(3).map(|shard| read.part(shard)).collect();
        let mut own: Vec<Name> = parts.iter().flat_map(|part| part.own.clone()).collect();
        assert!(parts.iter().all(|part| part.all == cases));
        own.sort_by_key(|name| cases.iter().position(|case| case == name));
        assert_eq!(own, cases);
    }

    #[test]
    fn a_kernel_is_one_wherever_its_cases_are() {
        let cases = [cases(&["b", "a"], &[None; 2]), cases(&["b"], &[None])].concat();
        let kernels = Plan::make(&cases, 2).kernels();
        assert_eq!(kernels, ["b", "a"]);
    }

    #[test]
    fn what_is_no_plan_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan");
        let plan = Plan::make(&cases(&["a"], &[None; 4]), 2);
        let whole = serde_json::to_string(&plan).unwrap();
        for (text, why) in [
            (whole[..whole.len() / 2].to_owned(), "it is no plan that"),
            (whole.replace("1/2", "2/2"), "`2/2` stands for shard 1/2"),
            (
                whole.replace("\"number\":3", "\"number\":2"),
                "case 3 is missing",
            ),
            (whole.replace("\"s3\"", "\"s2\""), "`a::s2` is there twice"),
            (whole.clone(), "it is for 2 shards, and not for 3"),
            ("{\"include\":[]}".to_owned(), "it has 0 shards"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Plan::read(&path, Shard { index: 1, of: 3 }).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }

    #[test]
    fn a_shard_takes_as_long_as_its_cases_and_its_boots() {
        let mut cases = cases(&["b", "a"], &[Some(3), Some(4)]);
        let took = |cases: &[Weighed]| {
            let plan = Plan::make(cases, 1);
            (plan.include[0].kernels.clone(), plan.include[0].seconds)
        };
        assert_eq!(took(&cases), ("b,a".to_owned(), 26.0));
        cases[1].size.cpus = 2;
        assert_eq!(took(&cases), ("b,a".to_owned(), 32.0));
        cases[1].took = Some(Duration::ZERO);
        assert_eq!(took(&cases), ("b,a".to_owned(), 22.0));
    }

    #[test]
    fn what_is_not_known_counts_as_the_median() {
        let took = [Some(9), Some(5), Some(1), Some(0), Some(0), None];
        let plan = Plan::make(&cases(&["a"], &took), 1);
        let told: Vec<f64> = plan.include[0].cases.iter().map(|it| it.seconds).collect();
        assert_eq!(told, [9.0, 5.0, 1.0, 0.0, 0.0, 5.0]);
        assert_eq!(plan.include[0].seconds, 26.0);
    }
}
