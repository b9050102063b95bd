//! A page with the sources, on which each line that has code says how often it ran.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::summary::{ALONE, ERRORS, Shares, Summary, lines};
use crate::coverage::{File, Files, Line};

/// What the page is called.
const TITLE: &str = "Coverage of modules";

const STYLE: &str = "
:root { color-scheme: light dark; --ran: #d6f5d6; --missed: #ffd9d6; --some: #fff2b8; --dim: #666 }
@media (prefers-color-scheme: dark) {
  :root { --ran: #16391a; --missed: #4d1b18; --some: #453a09; --dim: #999 }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse }
.files td, .files th { font-weight: 400; padding: .2rem 1rem .2rem 0; text-align: left }
.files td { text-align: right; font-variant-numeric: tabular-nums }
.code { font: 13px/1.45 ui-monospace, monospace; width: 100%; tab-size: 8 }
.code td { padding: 0 .5rem; white-space: pre-wrap; overflow-wrap: anywhere; vertical-align: top }
.code td:nth-child(-n+2) { text-align: right; color: var(--dim); white-space: nowrap; width: 1% }
.ran td:last-child { background: var(--ran) }
.missed td:last-child { background: var(--missed) }
.some td:last-child { background: var(--some) }
li { overflow-wrap: anywhere }
";

/// The page of these files; `read` gives the text of one.
pub(super) fn html(
    files: &Files,
    summary: &Summary,
    read: impl Fn(&str) -> Option<String>,
) -> String {
    let sources = files.iter().map(|(path, file)| {
        let text = read(path).unwrap_or_default();
        source(path, file, &text)
    });
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (TITLE) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (TITLE) }
                (table(summary))
                (lists(summary))
                @for source in sources { (source) }
            }
        }
    };
    page.into_string() + "\n"
}

fn table(summary: &Summary) -> Markup {
    let row = |name: Markup, of: &Shares| {
        html! {
            tr {
                th scope="row" { (name) }
                @for share in [of.lines, of.branches, of.functions] { td { (share.words()) } }
            }
        }
    };
    html! {
        table.files {
            thead { tr { @for head in ["file", "lines", "branches", "functions"] {
                th scope="col" { (head) }
            } } }
            tbody {
                @for (path, of) in &summary.files {
                    (row(html! { a href=(format!("#{path}")) { (path) } }, of))
                }
                (row(html! { "in all" }, &summary.all))
            }
        }
    }
}

/// What no scenario does.
fn lists(summary: &Summary) -> Markup {
    html! {
        @for (head, of) in summary.lists() {
            @if !of.is_empty() {
                h2 { (head) }
                ul { @for one in of { li { (one) } } }
            }
        }
        @if !summary.errors.is_empty() {
            h2 { (ERRORS) }
            ul {
                @for (path, line, text) in &summary.errors {
                    li { a href=(format!("#{path}:{line}")) { (path) ":" (line) } ": " code { (text) } }
                }
            }
        }
        @if !summary.alone.is_empty() {
            h2 { (ALONE) }
            ul { @for (scenario, of) in &summary.alone { li { b { (scenario) } ": " (lines(of)) } } }
        }
    }
}

fn source(path: &str, file: &File, text: &str) -> Markup {
    html! {
        h2 id=(path) { (path) }
        table.code {
            @for (number, text) in (1..).zip(text.lines()) {
                @let line = file.lines.get(&number);
                tr id=(format!("{path}:{number}")) class=[line.map(class)] title=[line.and_then(taken)] {
                    td { (number) }
                    td { @if let Some(line) = line { (line.runs) } }
                    td { (text) }
                }
            }
        }
    }
}

fn class(line: &Line) -> &'static str {
    match (line.runs, line.branches.contains(&0)) {
        (0, _) => "missed",
        (_, true) => "some",
        (_, false) => "ran",
    }
}

/// How many of a line's branches were taken.
fn taken(line: &Line) -> Option<String> {
    let taken = line.branches.iter().filter(|it| **it > 0).count();
    let all = line.branches.len();
    (all > 0).then(|| format!("{taken} of {all} branches were taken"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::Total;

    #[test]
    fn a_page_shows_the_source_and_never_runs_it() {
        let line = |runs, branches: &[u64]| Line {
            runs,
            branches: branches.to_vec(),
        };
        let file = File {
            lines: [(1, line(3, &[3, 0])), (2, line(0, &[]))].into(),
            ..File::default()
        };
        let files = Files::from([("m.c".to_owned(), file)]);
        let read = |_: &str| Some("if (a < b)\n\treturn \"<script>\";\n".to_owned());
        let page = html(&files, &Summary::of(&Total::default(), &files, read), read);
        assert!(page.contains(
            "title=\"1 of 2 branches were taken\"><td>1</td><td>3</td><td>if (a &lt; b)</td>"
        ));
        assert!(page.contains("class=\"some\"") && page.contains("class=\"missed\""));
        assert!(page.contains("<td>2</td><td>0</td><td>\treturn &quot;&lt;script&gt;&quot;;</td>"));
    }
}
