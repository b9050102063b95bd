//! `kassay matrix`: what each kernel takes of modules and programs.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::chosen::{kernels, obtain};
use super::error::Result;
use super::objects::{Objects, is_object};
use super::print;
use super::session::Session;
use crate::case::Setting;
use crate::kernel::Kernel;
use crate::normalise::visible;
use crate::report::table::{aligned, markdown};
use crate::report::{REGRESSION, UNJUDGED};
use crate::scenario::Scenario;
use crate::trial::takes::{self, Answer, Item};
use crate::{interrupt, pool, progress};

const HELP: &str = "\
Steps and snapshots of scenarios do not count: each module is inserted, and each program is loaded
by itself and attached where its section says, as is each structure of struct_ops. A cell is what
came of it: the module's kfuncs, `attached`, or `loaded` for what is attached nowhere by itself, or
where kassay has no hook; else `unbuilt`, `refused`, `unattached`, or a verdict, with the reason
below the table.

Examples:
  kassay matrix --kernel all                        all that the project's scenarios have
  kassay matrix ./my_module my.bpf.c --module ./my_module --kernel 6.1,6.12,7.2
  kassay matrix kfunc --kernel all --format markdown

Exit codes:
  0    every kernel takes all, or need not
  1    a kernel does not take something
  2    wrong usage
  125  a kernel could not be had, or nothing was tried
  130  interrupted";

/// The arguments of `kassay matrix`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct MatrixArgs {
    #[command(flatten)]
    objects: Objects,
    /// How results are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Pretty,
    /// A table in Markdown.
    Markdown,
    /// One JSON object a cell.
    Json,
}

/// A kernel and its answers, by the scenarios' names.
struct Column {
    name: String,
    version: (u32, u32),
    answers: Answers,
}

type Answers = BTreeMap<(String, Item), Answer>;

/// All objects that the command line names, which have their modules in common.
const OBJECTS: &str = "/";

/// Tries all on each kernel, and prints what each says.
///
/// # Errors
/// A slip; an interrupt.
pub fn run(args: &MatrixArgs) -> Result<u8> {
    let session = Session::open()?;
    let has_some = |it: &Scenario| !(it.bpf.is_empty() && it.modules.is_empty());
    let scenarios = args.objects.scenarios(&session, has_some)?;
    let setting = args.objects.how.setting(&session.store, false)?;
    let (mut columns, mut is_whole) = (Vec::new(), true);
    for name in kernels(&session, &args.objects.kernel)? {
        let (cache, catalog) = (&session.store.cache, &session.catalog);
        match obtain(cache, catalog, &name)? {
            Ok(kernel) => columns.push(column(&setting, &scenarios, &kernel)?),
            Err(why) => {
                is_whole = false;
                progress::note(format!("without {name}: {why}"));
            }
        }
    }
    args.show(&columns)?;
    let answers = || columns.iter().flat_map(|column| column.answers.values());
    Ok(match answers().all(Answer::is_good) {
        false => REGRESSION,
        true if is_whole && answers().next().is_some() => 0,
        true => UNJUDGED,
    })
}

/// What one kernel says.
fn column(setting: &Setting, scenarios: &[Scenario], kernel: &Kernel) -> Result<Column> {
    let mut answers = BTreeMap::new();
    let work = |scenario: &Scenario| {
        let said = takes::run(setting, kernel, scenario);
        interrupt::check()?;
        let failed = |error: anyhow::Error| {
            let why = format!("{error:#}");
            BTreeMap::from([(Item::All, Answer::Not("infra", why))])
        };
        Ok((scenario.name.clone(), said.unwrap_or_else(failed)))
    };
    pool::each(scenarios, setting.jobs, work, |(scenario, said)| {
        said.into_iter()
            .for_each(|(item, answer)| note(&mut answers, &scenario, item, answer));
        Ok(())
    })?;
    let (major, minor, _) = kernel.version();
    Ok(Column {
        name: kernel.name.clone(),
        version: (major, minor),
        answers,
    })
}

/// Adds an answer. A module that goes in before each of several objects is one, and what was wrong
/// with it once is its answer.
fn note(answers: &mut Answers, scenario: &str, item: Item, answer: Answer) {
    let of = match item {
        Item::Module(_) if is_object(scenario) => OBJECTS,
        _ => scenario,
    };
    let key = (of.to_owned(), item);
    if answers.get(&key).is_none_or(Answer::is_good) {
        answers.insert(key, answer);
    }
}

impl MatrixArgs {
    fn show(&self, columns: &[Column]) -> anyhow::Result<()> {
        if self.format == Format::Json {
            let mut lines = columns.iter().flat_map(objects);
            return lines.try_for_each(|line| print(&line));
        }
        let mut rows = vec![vec![String::new()]];
        rows[0].extend(columns.iter().map(|column| column.name.clone()));
        let names: BTreeSet<_> = columns
            .iter()
            .flat_map(|column| column.answers.keys())
            .collect();
        for name in &names {
            let cell = |column: &Column| column.answers.get(name).map(Answer::word);
            let mut row = vec![title(name)];
            row.extend(
                columns
                    .iter()
                    .map(|column| cell(column).unwrap_or_else(|| "-".to_owned())),
            );
            rows.push(row);
        }
        match self.format {
            Format::Markdown => markdown(&rows),
            _ => aligned(&rows),
        }
        .iter()
        .try_for_each(|line| print(line))?;
        reasons(columns).iter().try_for_each(|line| print(line))?;
        print(&oldest(columns))
    }
}

/// What a row is called.
fn title((scenario, item): &(String, Item)) -> String {
    let what = match item {
        Item::Module(name) => format!("module {name}"),
        Item::Program(object, program) => format!("{object}.bpf.o {program}"),
        Item::Structure(object, name) => format!("{object}.bpf.o structure {name}"),
        Item::Object(object) => format!("{object}.bpf.o"),
        Item::All => format!("{scenario}: all"),
    };
    match *item == Item::All || is_object(scenario) {
        true => what,
        false => format!("{scenario}: {what}"),
    }
}

/// Why kernels do not take something, each reason once for the kernels that have it.
fn reasons(columns: &[Column]) -> Vec<String> {
    let mut found: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for column in columns {
        for (name, answer) in &column.answers {
            if let Some(why) = answer.why() {
                let key = (title(name), visible(why));
                found.entry(key).or_default().push(&column.name);
            }
        }
    }
    let lines = found
        .iter()
        .map(|((title, why), kernels)| format!("{title}, on {}: {why}", kernels.join(", ")));
    let lines: Vec<String> = lines.collect();
    match lines.is_empty() {
        true => lines,
        false => [vec![String::new()], lines].concat(),
    }
}

/// The last line: the oldest kernel from which on each takes all.
fn oldest(columns: &[Column]) -> String {
    let mut sorted: Vec<&Column> = columns.iter().collect();
    sorted.sort_by_key(|column| column.version);
    let is_tried = |answer: &Answer| !matches!(answer, Answer::Skipped(_));
    if !columns
        .iter()
        .any(|column| column.answers.values().any(is_tried))
    {
        return "\nnothing was tried".to_owned();
    }
    let takes_all = |column: &&&Column| column.answers.values().all(Answer::is_good);
    let newest = sorted.iter().rev().take_while(takes_all);
    match newest.last() {
        None => "\nno kernel takes all".to_owned(),
        Some(column) => format!("\nthe oldest that takes all: {}", column.name),
    }
}

fn objects(column: &Column) -> Vec<String> {
    let object = |((scenario, item), answer): (&(String, Item), &Answer)| {
        let (object, program, structure) = match item {
            Item::Program(object, program) => (Some(object), Some(program), None),
            Item::Structure(object, name) => (Some(object), None, Some(name)),
            Item::Object(object) => (Some(object), None, None),
            Item::Module(_) | Item::All => (None, None, None),
        };
        let module = match item {
            Item::Module(module) => Some(module),
            _ => None,
        };
        json!({
            "kernel": column.name,
            "scenario": Some(scenario).filter(|name| !is_object(name)),
            "module": module,
            "object": object,
            "program": program,
            "structure": structure,
            "answer": answer.word(),
            "taken": answer.is_good(),
            "reason": answer.why(),
        })
        .to_string()
    };
    column.answers.iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_before_several_objects_is_one_row() {
        let mut answers = Answers::new();
        let module = || Item::Module("m".to_owned());
        let refused = Answer::Not("refused", "EBUSY".to_owned());
        for (scenario, answer) in [
            ("./m", Answer::Inserted(1)),
            ("a.bpf.c", refused.clone()),
            ("b.bpf.c", Answer::Inserted(1)),
        ] {
            note(&mut answers, scenario, module(), answer);
        }
        note(&mut answers, "case", module(), Answer::Inserted(1));
        let titles: Vec<String> = answers.keys().map(title).collect();
        assert_eq!(titles, ["module m", "case: module m"]);
        assert_eq!(answers[&(OBJECTS.to_owned(), module())], refused);
    }
}
