//! What came of it all.

use std::collections::BTreeMap;
use std::time::Duration;

use super::callee::{Callee, Gives, Role};
use super::finding::Finding;
use super::way::WAYS;

/// What came of it.
#[derive(Default)]
pub struct Summary {
    /// How many machines ran programs, and how many made findings smaller.
    pub machines: (u32, u32),
    /// How many programs were made, and how many of them kernels took.
    pub programs: (u64, u64),
    /// The kfuncs, and whether a program that was taken calls them.
    pub kfuncs: BTreeMap<String, bool>,
    /// How many places in the code of the modules were reached, and how many there are; nothing
    /// where the kernel does not tell.
    pub code: Option<(usize, usize)>,
    /// Why kfuncs are called by no program.
    pub unreached: BTreeMap<String, String>,
    /// What was said of programs that were refused, and how often.
    pub refusals: BTreeMap<String, u64>,
    /// What went wrong.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub took: Duration,
    /// Why it ended before its time, if that is not the user's wish.
    pub trouble: Option<anyhow::Error>,
}

impl Summary {
    /// The share of programs that were taken, in percent.
    pub fn accepted(&self) -> u64 {
        let (made, taken) = self.programs;
        100 * taken / made.max(1)
    }

    /// How many kfuncs were called.
    pub fn reached(&self) -> usize {
        self.kfuncs
            .values()
            .filter(|is_reached| **is_reached)
            .count()
    }

    /// A line on it, of numbers.
    pub fn line(&self) -> String {
        format!("{} {}", self.programs.0, self.counted())
    }

    /// The same behind the number of programs.
    pub fn counted(&self) -> String {
        let minutes = self.took.as_secs_f64().max(0.001) / 60.0;
        let (made, _) = self.programs;
        let machines = self.machines.0 + self.machines.1;
        format!(
            "programs, {:.0} a second, {}% accepted, {} of {} kfuncs reached, {}, {}, \
             {machines} machines, {:.0} a minute",
            made as f64 / minutes / 60.0,
            self.accepted(),
            self.reached(),
            self.kfuncs.len(),
            match self.code {
                Some((reached, all)) => format!("{reached} of {all} places of code"),
                None => "blind to code".to_owned(),
            },
            match self.findings.len() {
                1 => "1 finding".to_owned(),
                count => format!("{count} findings"),
            },
            f64::from(machines) / minutes,
        )
    }
}

/// Why no program calls a kfunc.
pub(super) fn why_not(callee: &Callee, callees: &[Callee]) -> String {
    if callee.types.is_empty() {
        return "no type of programs may call it".to_owned();
    }
    let given = |name: &String| {
        let gives = |other: &Callee| other.gives == Gives::Object(name.clone());
        callees.iter().any(gives)
    };
    for role in &callee.roles {
        match role {
            Role::Unknown(what) => return format!("it takes {what}"),
            Role::Object(name, None) if !given(name) => {
                return format!("no kfunc of the modules gives a `struct {name}`");
            }
            _ => {}
        }
    }
    let is_run = |kind: &&&'static str| WAYS.iter().any(|way| way.kind == **kind);
    match callee.types.iter().find(is_run) {
        Some(_) => "no program with it was accepted, or none was made yet".to_owned(),
        None => format!(
            "only programs of types that fuzz runs none of may call it: {}",
            callee.types.join(", ")
        ),
    }
}
