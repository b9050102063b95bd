//! What holds for texts: their links lead somewhere, the first one is short, the book has all of
//! its chapters, and the chapter on the command line says what the command line says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::{Arg, Command};
use kassay::{cli, step, template};
use kassay_guest::section::{ROWS, Row};

use super::{File, files, names};

use crate::repository::repository;

tests! {
    plain:
        links_lead_to_something,
        links_and_anchors_are_found,
        the_tutorial_shows_what_a_new_project_has,
        the_readme_is_short,
        every_chapter_is_in_the_summary,
        the_chapter_on_the_command_line_is_what_clap_says,
        the_chapter_on_titles_is_what_explain_says,
        the_table_of_steps_is_what_the_steps_say,
        the_table_of_sections_is_what_the_guest_does;
}

/// The most lines of the README: what a stranger reads to its end.
const README: usize = 120;

/// The chapter that is made from clap, and the variable that has it written.
const CHAPTER: &str = "docs/src/command-line.md";
const WRITE: &str = "KASSAY_WRITE";

fn texts() -> Vec<File> {
    files(|file| file.ends(&[".md"]))
}

/// A text's lines without what is shown as it is typed.
fn prose(text: &str) -> impl Iterator<Item = String> {
    let mut is_code = false;
    text.lines().filter_map(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        // Every second piece between backticks is code.
        let pieces = line.split('`').step_by(2).collect::<Vec<_>>();
        (!is_code && !is_fence).then(|| pieces.join("`"))
    })
}

/// What the links of a text lead to.
fn links(text: &str) -> Vec<String> {
    let of_line = |line: String| {
        let ends = line.split("](").skip(1);
        let targets = ends.filter_map(|end| Some(end.split_once(')')?.0.to_owned()));
        targets.collect::<Vec<_>>()
    };
    prose(text).flat_map(of_line).collect()
}

/// The anchors of a text's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let headings = text.lines().filter(|line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// A path without `..`, from the root of the repository.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
        plain
    })
}

/// Whether a link of the file at `from` leads to a file or a folder and, in a text, to a heading.
fn leads(from: &File, link: &str) -> bool {
    if link.starts_with("https://") || link.starts_with("http://") {
        return true;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = Path::new(&from.path).parent().unwrap_or(Path::new(""));
    let path = match path {
        "" => PathBuf::from(&from.path),
        path => plain(&folder.join(path)),
    };
    let path = repository().join(path);
    let has = |text: String| anchors(&text).contains(anchor);
    path.exists() && (anchor.is_empty() || fs::read_to_string(path).is_ok_and(has))
}

fn links_lead_to_something() {
    let mut dead = Vec::new();
    for file in texts() {
        let links = links(&file.text).into_iter();
        let lost = links.filter(|link| !leads(&file, link));
        dead.extend(lost.map(|link| format!("{}: {link}", file.path)));
    }
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

fn links_and_anchors_are_found() {
    let text = "# A `b`, c\n[x](a.md#b) `[y](c)` ![z](d.svg)\n```\n# no\n[n](e)\n```\n";
    assert_eq!(links(text), ["a.md#b", "d.svg"]);
    assert_eq!(anchors(text), BTreeSet::from(["a-b-c".to_owned()]));
    let from = File {
        path: "docs/src/x.md".to_owned(),
        text: String::new(),
    };
    assert!(leads(&from, "../../README.md") && leads(&from, "../../bpf/"));
    assert!(!leads(&from, "../../README.md#no-such-heading") && !leads(&from, "no.md"));
}

fn the_tutorial_shows_what_a_new_project_has() {
    let tutorial = files(|file| file.path == "docs/src/tutorial.md");
    for (path, text) in template::example("gcd") {
        let is_shown = tutorial[0].text.contains(&text) || path.starts_with("snapshots");
        assert!(is_shown, "{}", path.display());
    }
}

fn the_readme_is_short() {
    let readme = files(|file| file.path == "README.md");
    let lines = readme[0].text.lines().count();
    assert!(lines <= README, "{lines} lines, of which {README} are read");
}

fn every_chapter_is_in_the_summary() {
    let summary = files(|file| file.path == "docs/src/SUMMARY.md");
    let linked = links(&summary[0].text).into_iter();
    let mut listed: BTreeSet<String> = linked.map(|link| link.replace(".md", "")).collect();
    listed.insert("SUMMARY".to_owned());
    assert_eq!(names("docs/src/", ".md"), listed);
}

fn the_chapter_on_the_command_line_is_what_clap_says() {
    is_written(CHAPTER, |_| chapter(cli::command()));
}

fn the_chapter_on_titles_is_what_explain_says() {
    is_written("docs/src/explain.md", |_| {
        fs::read_to_string(repository().join("harness/src/explain.md")).unwrap()
    });
}

fn the_table_of_steps_is_what_the_steps_say() {
    let row = |(form, does): &(&str, &str)| format!("| `{form}` | {does} |\n");
    has_table(
        "| step | what happens |",
        &step::forms().map(row).collect::<String>(),
    );
}

fn the_table_of_sections_is_what_the_guest_does() {
    let name = |section: &&str| format!("`{}`", section.replace('+', "/…"));
    let names = |row: &Row| row.sections.iter().map(name).collect::<Vec<_>>().join(", ");
    let row = |row: &Row| format!("| {} | {} |\n", names(row), row.words);
    has_table(
        "| section | where |",
        &ROWS.iter().map(row).collect::<String>(),
    );
}

/// The chapter on scenarios has a table of this head and these rows.
fn has_table(head: &str, rows: &str) {
    is_written("docs/src/scenarios.md", |written| {
        let head = format!("{head}\n| --- | --- |\n");
        let (before, after) = written.split_once(&head).unwrap();
        let (_, after) = after.split_once("\n\n").unwrap();
        format!("{before}{head}{rows}\n{after}")
    });
}

/// A chapter is what is made of it, and is written anew where that is wanted.
fn is_written(chapter: &str, made: impl Fn(&str) -> String) {
    let path = repository().join(chapter);
    let written = fs::read_to_string(&path).unwrap_or_default();
    let made = made(&written);
    if std::env::var_os(WRITE).is_some() {
        return fs::write(path, made).unwrap();
    }
    let mut lines = made.lines().zip(written.lines());
    let differs = lines.find(|(said, written)| said != written);
    assert!(
        made == written,
        "{chapter} is old, first in {differs:?}; `{WRITE}=1 cargo test --test it tidy::` writes it"
    );
}

/// The chapter: a table of the subcommands, and for each one a table of its arguments.
fn chapter(mut command: Command) -> String {
    command.build();
    let mut text = format!(
        "<!-- Made from clap by `{WRITE}=1 cargo test --test it tidy::`. -->\n\n\
         # Command line\n\n\
         `kassay COMMAND --help` prints what this chapter says of a command. In kassay's own \
         repository, `cargo kassay` builds it and runs it. Each command also takes `--locked`: it \
         fails where `kassay.lock` would have to [change](kernels.md#what-a-name-stands-for).\n\n\
         | command | what it does |\n| --- | --- |\n"
    );
    for sub in shown(&command) {
        let (name, about) = (sub.get_name(), about(sub));
        text += &format!("| [`kassay {name}`](#kassay-{name}) | {about} |\n");
    }
    for sub in shown(&command) {
        text += &section(sub, "kassay", 2);
    }
    text + &closing(&command, 2)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    let subs = command.get_subcommands();
    subs.filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
}

fn about(command: &Command) -> String {
    cell(
        &command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default(),
    )
}

/// What there is to say of a command, and of those below it.
fn section(command: &Command, parent: &str, level: usize) -> String {
    let name = format!("{parent} {}", command.get_name());
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let marks = "#".repeat(level);
    let mut text = format!(
        "\n{marks} {name}\n\n{}.\n\n```text\n{usage}\n```\n",
        about(command)
    );
    let arguments = command.get_arguments().filter(|argument| {
        let id = argument.get_id();
        let is_everywhere = id == "help" || id == "version" || argument.is_global_set();
        !is_everywhere && !argument.is_hide_set()
    });
    let rows: Vec<String> = arguments.map(row).collect();
    if !rows.is_empty() {
        text += &format!("\n| argument | meaning |\n| --- | --- |\n{}", rows.concat());
    }
    text += &closing(command, level + 1);
    let subs = shown(command).map(|sub| section(sub, &name, level + 1));
    text + &subs.collect::<String>()
}

/// What `--help` has at its end, by the headings that it has there.
fn closing(command: &Command, level: usize) -> String {
    let Some(after) = command.get_after_help() else {
        return String::new();
    };
    let after = after.to_string();
    format!("\n```text\n{}\n```\n", after.trim_end()).replacen(
        "\n```text\nEnvironment:",
        &format!(
            "\n{} Environment and exit codes\n\n```text\nEnvironment:",
            "#".repeat(level)
        ),
        1,
    )
}

/// A line of a table: how an argument is written, and what it means.
fn row(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let mut written = match argument.get_long() {
        Some(long) => format!("--{long}"),
        None => names.join(" "),
    };
    if argument.get_long().is_some() && argument.get_action().takes_values() {
        written += &format!(" {}", names.join(" "));
    }
    let is_many = argument
        .get_num_args()
        .is_some_and(|count| count.max_values() > 1);
    if argument.is_positional() && is_many {
        written += "…";
    }
    let help = argument.get_help().map(ToString::to_string);
    let mut meaning = help.unwrap_or_default();
    let choices = argument.get_possible_values();
    if argument.get_action().takes_values() && !choices.is_empty() {
        let choices = choices.iter().map(|choice| {
            let help = choice.get_help().map(|help| format!(" ({help})"));
            format!("`{}`{}", choice.get_name(), help.unwrap_or_default())
        });
        meaning += &format!(": {}", choices.collect::<Vec<_>>().join(", "));
    }
    let defaults = argument.get_default_values().iter();
    let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        meaning += &format!(" [default: {}]", defaults.join(" "));
    }
    format!("| `{}` | {} |\n", cell(&written), cell(&meaning))
}

/// Text for a cell of a table, which ends with the line or with a bar.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
