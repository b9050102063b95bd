//! What it takes a kernel to prove programs, each by itself, and what it makes of them.

use std::collections::BTreeMap;

use anyhow::Result;
use kassay_guest::{Cost, Fact, Show};

use super::facts;
use crate::case::Setting;
use crate::compile::Artifacts;
use crate::kernel::Kernel;
use crate::refusal::{self, Refusal};
use crate::scenario::{Allow, Scenario};

/// A program that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The object's name.
    pub object: String,
    /// The program's function; none where the whole object was refused.
    pub program: Option<String>,
    /// What it took, where it was counted.
    pub cost: Option<Cost>,
    /// Why it was refused, if it was.
    pub refusal: Option<String>,
}

/// Loads the programs of a scenario on a machine that runs the kernel, and attaches none. Returns what
/// was seen: see [`tried`] and [`left_out`].
///
/// # Errors
/// The machine does not come to an orderly end.
pub fn run(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
    artifacts: &Artifacts,
) -> Result<Vec<Fact>> {
    facts(setting, kernel, &loads_only(scenario), artifacts)
}

/// Why programs may lack what a module has.
pub fn left_out(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Inserted {
            module,
            error: Some(error),
            ..
        } => Some(format!(
            "without module {module}, which was refused: {error}"
        )),
        _ => None,
    }
}

/// A scenario that only loads what this one has, each program by itself.
fn loads_only(scenario: &Scenario) -> Scenario {
    Scenario {
        each: true,
        steps: Vec::new(),
        show: Show::default(),
        attach: BTreeMap::new(),
        may_not_run: Vec::new(),
        expect: None,
        allow: vec![Allow::NoSteps, Allow::NoPrograms, Allow::NoKfuncs],
        ..scenario.clone()
    }
}

/// What a fact tells of a program, or of an object that was not even opened.
pub fn tried(fact: &Fact) -> Option<Tried> {
    let Fact::Loaded {
        object,
        program,
        error,
        costs,
        ..
    } = fact
    else {
        return None;
    };
    if program.is_none() && error.is_none() {
        return None;
    }
    let refusal = refusal::of(fact).map(|Refusal { message, .. }| message);
    Some(Tried {
        object: object.clone(),
        program: program.clone(),
        cost: costs.first().cloned(),
        refusal,
    })
}
