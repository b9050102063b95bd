//! How a file says where programs are attached.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use kassay_guest::{Attach, NONE};
use serde::Deserialize;

/// `"none"`, or what a section does not say.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a program is attached to `\"none\"` or by `{ hook, dev, order, priority, pf, period, \
                 target }`, where `dev` is `sender` or `receiver`, and `pf` is `ipv4` or `ipv6`"
)]
pub(super) enum FileAttach {
    Word(String),
    How(Attach),
}

/// The least time between two runs by a clock, in nanoseconds: more often, and the machine may do
/// nothing else.
const PERIOD: u64 = 10_000;

/// How the programs of a file are attached, by their names.
pub(super) fn read(asked: BTreeMap<String, FileAttach>) -> Result<BTreeMap<String, Attach>> {
    let one = |(program, how): (String, FileAttach)| {
        let how = how
            .checked()
            .with_context(|| format!("read `attach` of `{program}`"))?;
        Ok((program, how))
    };
    asked.into_iter().map(one).collect()
}

impl FileAttach {
    fn checked(self) -> Result<Attach> {
        let how = match self {
            FileAttach::Word(word) if word == NONE => Attach {
                hook: Some(word),
                ..Attach::default()
            },
            FileAttach::Word(word) => {
                bail!("`{word}`: a word here is `{NONE}`, and a hook is `{{ hook = \"{word}\" }}`")
            }
            FileAttach::How(how) => how,
        };
        if let Some(order) = &how.order
            && !matches!(order.split_once(':'), Some(("before" | "after", name)) if !name.is_empty())
        {
            bail!("`order` of `{order}`: it is `before:PROGRAM` or `after:PROGRAM`");
        }
        match how.period {
            Some(period) if period < PERIOD => {
                bail!("`period` of {period}: at least {PERIOD} nanoseconds")
            }
            _ => Ok(how),
        }
    }
}

/// The programs that are spoken of.
pub(crate) fn programs(attach: &BTreeMap<String, Attach>) -> Vec<String> {
    let others = attach.values().flat_map(|how| {
        let order = how.order.as_deref();
        let order = order.and_then(|order| order.split_once(':'));
        order
            .map(|(_, name)| name.to_owned())
            .into_iter()
            .chain(how.target.clone())
    });
    attach.keys().cloned().chain(others).collect()
}
