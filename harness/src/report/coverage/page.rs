//! A page with the sources, on which each line that has code says how often it ran.

use super::summary::{Share, Shares, Summary, lines};
use crate::coverage::{File, Files, Line};

const STYLE: &str = "
:root { color-scheme: light dark; --ran: #d6f5d6; --missed: #ffd9d6; --some: #fff2b8; --dim: #666 }
@media (prefers-color-scheme: dark) {
  :root { --ran: #16391a; --missed: #4d1b18; --some: #453a09; --dim: #999 }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse }
.files td, .files th { padding: .2rem 1rem .2rem 0; text-align: left }
.files td + td { text-align: right; font-variant-numeric: tabular-nums }
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
    let mut body = String::from("<h1>Coverage of modules</h1>\n");
    body.push_str(&table(summary));
    for (head, of) in summary.lists() {
        body.push_str(&list(head, of.iter().map(|one| escaped(one))));
    }
    let errors = summary.errors.iter().map(|(path, line, text)| {
        let at = anchor(path, *line);
        format!(
            "<a href=\"#{at}\">{}:{line}</a>: <code>{}</code>",
            escaped(path),
            escaped(text)
        )
    });
    body.push_str(&list("error returns never seen", errors));
    let alone = summary.alone.iter();
    let alone =
        alone.map(|(name, of)| format!("<b>{}</b>: {}", escaped(name), escaped(&lines(of))));
    body.push_str(&list("lines that only one scenario reaches", alone));
    for (path, file) in files {
        let text = read(path).unwrap_or_default();
        body.push_str(&source(path, file, &text));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Coverage of modules</title>\n<style>{STYLE}</style>\n{body}</html>\n"
    )
}

fn table(summary: &Summary) -> String {
    let row = |name: String, of: &Shares| {
        let shares = [of.lines, of.branches, of.functions].map(Share::words);
        let cells = shares.map(|share| format!("<td>{share}"));
        format!("<tr><td>{name}{}\n", cells.concat())
    };
    let link = |path: &str| format!("<a href=\"#{}\">{0}</a>", escaped(path));
    let files = summary.files.iter().map(|(path, of)| row(link(path), of));
    let files: String = files.collect();
    let all = row("in all".to_owned(), &summary.all);
    format!(
        "<table class=\"files\"><tr><th>file<th>lines<th>branches<th>functions\n{files}{all}</table>\n"
    )
}

fn list(head: &str, items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("<li>{item}\n")).collect();
    match items.is_empty() {
        true => String::new(),
        false => format!("<h2>{}</h2>\n<ul>\n{items}</ul>\n", escaped(head)),
    }
}

fn source(path: &str, file: &File, text: &str) -> String {
    let row = |(number, text): (u32, &str)| {
        let line = file.lines.get(&number);
        let (class, runs) = line.map_or(("", String::new()), |line| {
            (class(line), line.runs.to_string())
        });
        let title = line.filter(|line| !line.branches.is_empty()).map(|line| {
            let taken = line.branches.iter().filter(|it| **it > 0).count();
            format!(
                " title=\"{taken} of {} branches were taken\"",
                line.branches.len()
            )
        });
        format!(
            "<tr id=\"{}\" class=\"{class}\"{}><td>{number}<td>{runs}<td>{}\n",
            anchor(path, number),
            title.unwrap_or_default(),
            escaped(text)
        )
    };
    let rows: String = (1..).zip(text.lines()).map(row).collect();
    format!(
        "<h2 id=\"{0}\">{0}</h2>\n<table class=\"code\">\n{rows}</table>\n",
        escaped(path)
    )
}

fn class(line: &Line) -> &'static str {
    match (line.runs, line.branches.contains(&0)) {
        (0, _) => "missed",
        (_, true) => "some",
        (_, false) => "ran",
    }
}

fn anchor(path: &str, line: u32) -> String {
    format!("{}:{line}", escaped(path))
}

/// A text as HTML has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
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
            "class=\"some\" title=\"1 of 2 branches were taken\"><td>1<td>3<td>if (a &lt; b)"
        ));
        assert!(
            page.contains("class=\"missed\"><td>2<td>0<td>\treturn &quot;&lt;script&gt;&quot;;")
        );
    }
}
