//! What a kernel takes of modules and programs: whether modules go in, and programs load and attach.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use kassay_guest::{Attach, Fact, NONE, Show, Why};

use super::faulted;
use crate::case::{Setting, lacks, lacks_probe};
use crate::compile::{self, Artifacts, module};
use crate::kernel::Kernel;
use crate::scenario::{Allow, Scenario, attach};
use crate::verdict::Verdict;
use crate::{absent, interrupt, kfuncs, refusal};

/// A module, or a program of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A module, by its name.
    Module(String),
    /// A program, by its object's name and its function.
    Program(String, String),
    /// A structure of callbacks, by its object's name and its variable.
    Structure(String, String),
    /// An object that was not even opened.
    Object(String),
    /// All of a scenario, where nothing of it was tried.
    All,
}

/// What a kernel says to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The module is in, with so many kfuncs.
    Inserted(usize),
    /// The program is attached where its section says.
    Attached,
    /// The program is loaded, and is one that is attached nowhere by itself.
    Loaded,
    /// It is loaded, and kassay has no place for it.
    NoHook(String),
    /// The kernel is none that the scenario wants.
    Skipped(String),
    /// What it cannot be had for.
    Not(&'static str, String),
}

impl Answer {
    /// Whether the kernel takes it, or need not.
    pub fn is_good(&self) -> bool {
        !matches!(self, Answer::Not(..))
    }

    /// Why not, on one line.
    pub fn why(&self) -> Option<&str> {
        match self {
            Answer::Skipped(why) | Answer::NoHook(why) | Answer::Not(_, why) => Some(why),
            _ => None,
        }
    }

    /// A word or two.
    pub fn word(&self) -> String {
        match self {
            Answer::Inserted(0) => "inserted".to_owned(),
            Answer::Inserted(1) => "1 kfunc".to_owned(),
            Answer::Inserted(count) => format!("{count} kfuncs"),
            Answer::Attached => "attached".to_owned(),
            Answer::Loaded | Answer::NoHook(_) => "loaded".to_owned(),
            Answer::Skipped(_) => "skipped".to_owned(),
            Answer::Not(word, _) => (*word).to_owned(),
        }
    }
}

/// What a kernel says to all that a scenario has. That something cannot be built is an answer, too.
///
/// # Errors
/// The machine cannot be set up; an interruption by the user.
pub fn run(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
) -> Result<BTreeMap<Item, Answer>> {
    let all = |answer| Ok(BTreeMap::from([(Item::All, answer)]));
    if let Some(reason) = lacks(&setting.cache, kernel, scenario)? {
        return all(Answer::Skipped(reason));
    }
    let artifacts = match compile::build(&setting.cache, kernel, scenario) {
        Ok(artifacts) => artifacts,
        Err(error) => {
            interrupt::check()?;
            return all(Answer::Not("unbuilt", of_build(&format!("{error:#}"))));
        }
    };
    if let Some(reason) = lacks_probe(&artifacts.guest, scenario)? {
        return all(Answer::Skipped(reason));
    }
    let mapless = mapless(scenario, &artifacts)?;
    let tried = tries_only(scenario, &mapless);
    let (facts, fault) = faulted(setting, kernel, &tried, &artifacts)?;
    let mut answers = match fault {
        Some(fault) => {
            let first = fault.reason.lines().next();
            let first = first.filter(|_| fault.verdict == Verdict::Infra);
            let first = first.map(|line| format!(": {line}"));
            let why = fault.title + &first.unwrap_or_default();
            let mut answers = match fault.verdict {
                // The machine came to its end, so that what was seen before holds.
                Verdict::Leak | Verdict::Report => answers(kernel, &artifacts, &facts)?,
                _ => BTreeMap::new(),
            };
            answers.insert(Item::All, Answer::Not(fault.verdict.name(), why));
            answers
        }
        None => answers(kernel, &artifacts, &facts)?,
    };
    for (item, answer) in &mut answers {
        if *answer == Answer::Loaded && mapless.contains(item) {
            *answer = Answer::NoHook(NO_MAP.to_owned());
        }
    }
    Ok(answers)
}

/// Why an iterator over a map is not attached.
const NO_MAP: &str = "it iterates over a map, and only `attach` of a scenario says which one";

/// The programs that nobody can attach, since nothing says over which map they iterate.
fn mapless(scenario: &Scenario, artifacts: &Artifacts) -> Result<Vec<Item>> {
    let mut mapless = Vec::new();
    for (object, file) in &artifacts.objects {
        let programs = compile::bpf::programs(file)?.into_iter();
        let lacking = programs
            .filter(|(name, section)| attach::lacks_map(scenario.attach.get(name), section));
        mapless.extend(lacking.map(|(name, _)| Item::Program(object.clone(), name)));
    }
    Ok(mapless)
}

/// What is wrong in a tool's output: its first error, else its first line.
fn of_build(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let error = lines.clone().find(|line| line.contains("error: "));
    let line = error.or_else(|| lines.next());
    line.unwrap_or_default().to_owned()
}

/// A scenario that tries what this one has, each program by itself: none has a turn beside another,
/// and these are attached nowhere.
fn tries_only(scenario: &Scenario, unattached: &[Item]) -> Scenario {
    let mut attach = scenario.attach.clone();
    attach.values_mut().for_each(|how| how.order = None);
    let names = unattached.iter().filter_map(|item| match item {
        Item::Program(_, name) => Some(name.clone()),
        _ => None,
    });
    let nowhere = Attach {
        hook: Some(NONE.to_owned()),
        ..Attach::default()
    };
    attach.extend(names.map(|name| (name, nowhere.clone())));
    Scenario {
        attach,
        each: true,
        attaches: true,
        counts: false,
        steps: Vec::new(),
        show: Show::default(),
        expect: None,
        allow: vec![Allow::NoSteps, Allow::NoPrograms, Allow::NoKfuncs],
        ..scenario.clone()
    }
}

fn answers(
    kernel: &Kernel,
    artifacts: &Artifacts,
    facts: &[Fact],
) -> Result<BTreeMap<Item, Answer>> {
    let mut answers = BTreeMap::new();
    let count = |name: &str| {
        let module = artifacts.modules.iter().find(|it| it.name == name);
        let file = module.map(|module| Path::new(&module.file));
        anyhow::Ok(kfuncs::of_modules(kernel, file)?.kfuncs.len())
    };
    for fact in facts {
        let (item, answer) = match fact {
            Fact::Inserted { module, error, .. } => (
                Item::Module(module.clone()),
                match error {
                    None => Answer::Inserted(count(module)?),
                    Some(error) => Answer::Not("refused", error.clone()),
                },
            ),
            Fact::Loaded {
                program: None,
                error: None,
                ..
            } => continue,
            Fact::Loaded {
                object, program, ..
            } => (
                program.as_ref().map_or_else(
                    || Item::Object(object.clone()),
                    |program| Item::Program(object.clone(), program.clone()),
                ),
                match refusal::of(fact) {
                    None => Answer::Loaded,
                    Some(refusal) => Answer::Not("refused", refusal.message),
                },
            ),
            Fact::Attached {
                object, program, ..
            } => (
                Item::Program(object.clone(), program.clone()),
                match refusal::of_attach(fact) {
                    None => Answer::Attached,
                    Some(why) => Answer::Not("unattached", why),
                },
            ),
            Fact::Structure {
                object,
                structure,
                error,
                log,
            } => (
                Item::Structure(object.clone(), structure.clone()),
                match error {
                    None => Answer::Attached,
                    Some(error) => Answer::Not("refused", refusal::message(error, log)),
                },
            ),
            Fact::Unattached {
                object,
                program,
                section,
                why: Why::NoHook,
            } => (
                Item::Program(object.clone(), program.clone()),
                Answer::NoHook(format!(
                    "kassay has no hook for `{section}` to attach it to"
                )),
            ),
            _ => continue,
        };
        answers.insert(item, answer);
    }
    name_targets(&mut answers, kernel, artifacts, facts);
    Ok(answers)
}

/// Adds to why programs are not taken which target the kernel does not have.
fn name_targets(
    answers: &mut BTreeMap<Item, Answer>,
    kernel: &Kernel,
    artifacts: &Artifacts,
    facts: &[Fact],
) {
    let own = module::all_kfuncs(&artifacts.modules);
    let absent = absent::targets(kernel, &own, facts);
    for (item, answer) in answers {
        if let (
            Item::Program(object, program) | Item::Structure(object, program),
            Answer::Not(_, why),
        ) = (item, answer)
            && let mut own = absent.iter().filter(|it| it.object == *object)
            && let Some(absent) = own.find(|it| it.program == *program)
        {
            why.push_str(&format!("; {}", absent.why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iterator_without_a_map_is_attached_nowhere_and_the_rest_is_tried() {
        let order = Attach {
            order: Some("before:q".to_owned()),
            ..Attach::default()
        };
        let scenario = Scenario {
            attach: BTreeMap::from([("p".to_owned(), order)]),
            ..Scenario::new("./o.bpf.c")
        };
        let elements = Item::Program("o".to_owned(), "elements".to_owned());
        let tried = tries_only(&scenario, &[elements]);
        assert!(tried.attach["elements"].is_none());
        assert_eq!(tried.attach["p"], Attach::default());
    }
}
