//! `kassay explain`: what verdicts and titles mean, as the book says it.

use clap::Args;

use super::error::{Error, Result};
use super::print;
use crate::nearest;

/// The book's chapter.
const CHAPTER: &str = include_str!("../explain.md");

/// What stands for any text in the heading of a section.
const ANY: char = '…';

/// The arguments of `kassay explain`.
#[derive(Args)]
pub struct ExplainArgs {
    /// A verdict, such as `leak`, or a title, such as `possible deadlock in f`, or how it begins
    #[arg(value_name = "VERDICT|TITLE", required = true)]
    words: Vec<String>,
}

/// A section of the chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Section {
    head: &'static str,
    text: &'static str,
}

/// Prints what the words mean.
///
/// # Errors
/// A slip where nothing is known of them.
pub fn run(args: &ExplainArgs) -> Result<u8> {
    let asked = args.words.join(" ");
    let sections: Vec<Section> = sections().collect();
    let found = of(&sections, &asked);
    if found.is_empty() {
        let heads = sections.iter().map(|section| section.head);
        let hint = nearest::hint(&asked, heads);
        return Err(Error::Slip(format!(
            "explain `{asked}`: it is neither a verdict of `kassay run` nor the beginning of a title \
             that has a word of its own{hint}"
        )));
    }
    for (place, section) in found.iter().enumerate() {
        let gap = if place == 0 { "" } else { "\n" };
        print(&format!("{gap}{}\n\n{}", section.head, section.text))?;
    }
    Ok(0)
}

fn sections() -> impl Iterator<Item = Section> {
    let parts = CHAPTER.split("\n## ").skip(1);
    parts.filter_map(|part| {
        let (head, text) = part.split_once('\n')?;
        // The heading of what follows is none of it.
        let text = text.split("\n# ").next().unwrap_or(text);
        Some(Section {
            head: head.trim_matches('`'),
            text: text.trim(),
        })
    })
}

/// The section that says most of what was asked, else all that begin so.
fn of(sections: &[Section], asked: &str) -> Vec<Section> {
    let fits = sections
        .iter()
        .filter(|section| matches(section.head, asked));
    if let Some(best) = fits.max_by_key(|section| section.head.replace(ANY, "").len()) {
        return vec![*best];
    }
    let small = asked.to_lowercase();
    let begins = |section: &&Section| section.head.to_lowercase().starts_with(&small);
    sections.iter().filter(begins).copied().collect()
}

/// Whether a heading is that of a title.
fn matches(head: &str, title: &str) -> bool {
    let mut parts = head.split(ANY);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = title.strip_prefix(first) else {
        return false;
    };
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || is_open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel_report;

    fn heads(asked: &str) -> Vec<&'static str> {
        let sections: Vec<Section> = sections().collect();
        let found = of(&sections, asked).into_iter();
        found.map(|section| section.head).collect()
    }

    #[test]
    fn a_title_has_the_section_that_says_most_of_it() {
        for (title, head) in [
            ("leak", "leak"),
            ("KASAN: double-free in f", "KASAN: …"),
            ("timer t stayed", "timer … stayed"),
            ("proc entry p stayed", "… stayed"),
            ("list_del corruption in f", "list_… corruption in …"),
            (
                "BUG c: Objects remaining on __kmem_cache_shutdown() in f",
                "BUG …: Objects remaining on __kmem_cache_shutdown() in …",
            ),
        ] {
            assert_eq!(heads(title), [head], "{title}");
        }
        assert!(heads("bug: ").len() > 3);
        assert!(heads("nonsense").is_empty());
    }

    #[test]
    fn rarer_titles_have_a_section_too() {
        for title in [
            "KFENCE: use-after-free read in f",
            "KCSAN: data-race in f / g",
            "BUG: hard lockup in f",
            "BUG: spinlock bad magic in f",
            "BUG: using smp_processor_id() in preemptible in f",
            "INFO: trying to register non-static key in f",
            "double fault in f",
            "invalid opcode in f",
            "Oops in f",
            "ODEBUG: free active in free_module",
        ] {
            assert_eq!(heads(title).len(), 1, "{title}");
        }
    }

    #[test]
    fn every_verdict_and_every_title_of_the_kernels_reports_has_a_section() {
        let verdicts = "pass skipped mismatch report panic hang oom leak lost infra";
        for verdict in verdicts.split(' ') {
            assert_eq!(heads(verdict), [verdict]);
        }
        let logs = concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernel_report/logs");
        for log in std::fs::read_dir(logs).unwrap() {
            let text = std::fs::read_to_string(log.unwrap().path()).unwrap();
            for report in kernel_report::find(&text) {
                let title = report.title;
                assert_eq!(heads(&title).len(), 1, "{title}");
            }
        }
    }
}
