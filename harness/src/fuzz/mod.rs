//! Programs that call the kfuncs of modules in sequences that nobody thought of, and what goes wrong
//! with them. Where the kernel tells which code of a module was reached, that guides it; elsewhere it
//! runs blind.

mod argument;
mod batch;
mod callee;
mod corpus;
mod declaration;
mod finding;
mod guide;
mod hunt;
mod learn;
mod minimise;
mod program;
mod source;
mod summary;
mod value;
mod way;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::case::Setting;
use crate::compile::module::{self, Module};
use crate::kernel::Kernel;
use crate::kfuncs;
use crate::project::Project;
use crate::scenario::{self, Part};
use crate::trial::types;

use batch::Target;
use callee::Callee;
pub use corpus::check as check_corpus;
pub use finding::Finding;
use guide::TELLING;
pub use guide::guides as is_guided;
use hunt::Hunt;
pub use minimise::Smallest;
pub use summary::Summary;
use way::{WAYS, Way};

/// What is fuzzed, and where.
pub struct Subject<'a> {
    /// How machines are run.
    pub setting: &'a Setting,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The modules, in the order in which they are inserted.
    pub parts: &'a [Part],
    /// The project that findings are kept in.
    pub project: &'a Project,
    /// The folder of programs that went further than others, where they outlive it.
    pub corpus: Option<&'a Path>,
}

/// When it ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// What all programs follow from.
    pub seed: u64,
    /// How long it goes on.
    pub time: Option<Duration>,
    /// How many machines run programs, but for those that make findings smaller.
    pub machines: Option<u32>,
}

/// Makes programs and runs them until time, machines or the user's patience are over. Each finding is
/// told when it is as small as it gets, and may end it.
///
/// # Errors
/// A module cannot be built, has no kfuncs, or none that programs of a type that is known may call.
pub fn run(
    subject: &Subject,
    terms: Terms,
    tell: impl FnMut(&Finding) -> ControlFlow<()>,
) -> Result<Summary> {
    let mut parts = subject.parts.to_vec();
    let is_guided = guide::guides(subject.kernel)?;
    if is_guided {
        let parts = parts.iter_mut();
        parts.for_each(|part| part.make.push(TELLING.to_owned()));
    }
    let modules = module::build(&subject.setting.cache, subject.kernel, &parts)?.concat();
    let mut callees = callees(subject, &parts, &modules)?;
    if is_guided {
        let numbers = guide::numbers(&modules)?;
        callees.iter_mut().for_each(|callee| callee.know(&numbers));
    }
    let of_types = |way: &&Way| callees.iter().any(|it| it.types.contains(&way.kind));
    let ways: Vec<&'static Way> = WAYS.iter().filter(of_types).collect();
    if ways.is_empty() {
        let types: BTreeSet<&str> = callees.iter().flat_map(|it| it.types.clone()).collect();
        let types: Vec<&str> = types.into_iter().collect();
        bail!(
            "fuzz on {}: programs that may call these kfuncs are of types that fuzz runs none of: {}",
            subject.kernel.name,
            match types.is_empty() {
                true => "none at all".to_owned(),
                false => types.join(", "),
            }
        );
    }
    let target = Target {
        setting: subject.setting,
        kernel: subject.kernel,
        parts: &parts,
        callees: &callees,
        is_guided,
    };
    let places = is_guided.then(|| guide::places(&modules)).transpose()?;
    Hunt::new(subject, &target, ways, places, terms).run(tell)
}

/// The kfuncs of the modules, with the types of programs that may call them.
fn callees(subject: &Subject, parts: &[Part], modules: &[Module]) -> Result<Vec<Callee>> {
    let Subject {
        setting, kernel, ..
    } = subject;
    let files = modules.iter().map(|module| module.file.as_path());
    let listing = kfuncs::of_modules(kernel, files)?;
    let names = scenario::names(parts).join(", ");
    if listing.kfuncs.is_empty() {
        bail!("fuzz {names} on {}: there is no kfunc in it", kernel.name);
    }
    let tried = types::run(setting, kernel, parts, &listing)
        .with_context(|| format!("ask {} which programs may call its kfuncs", kernel.name))?;
    let callee = |kfunc| Callee::of(kfunc, tried.types(kfunc).unwrap_or_default());
    Ok(listing.kfuncs.iter().filter_map(callee).collect())
}
