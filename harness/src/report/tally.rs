//! What many runs of a case came to.

use std::fmt::Write;

use serde_json::json;

use crate::case::Setting;
use crate::normalise::visible;
use crate::repeat::Tally;

/// The lines for people: how many runs were no pass, and in which ways.
pub fn text(tally: &Tally) -> String {
    let (rate, case) = (tally.rate(), &tally.case);
    if rate.of == 0 {
        return match tally.left {
            Some(verdict) => format!("{case}: no run, for it is {verdict}"),
            None => format!("{case}: no run has ended"),
        };
    }
    let (hits, of) = (rate.hits, rate.of);
    let mut text = format!("{case}: {hits} of {of} runs were no pass: {rate}");
    let width = of.to_string().len() + 4;
    if tally.passed > 0 {
        let _ = write!(text, "\n{:width$}  pass", tally.passed);
    }
    for group in &tally.groups {
        let (verdict, title) = (group.verdict, visible(&group.title));
        let _ = write!(text, "\n{:width$}  {verdict}: {title}", group.count);
        if let Some(folder) = &group.artifacts {
            let _ = write!(text, "\n{:width$}  the first: {}", "", folder.display());
        }
    }
    if tally.others > 0 {
        let _ = write!(text, "\n{:width$}  of yet other titles", tally.others);
    }
    if let Some(mark) = &tally.mark {
        let _ = write!(text, "\n    {}", visible(&mark.to_string()));
        if mark.is_over() {
            text += "; that is over: take it out, or set a new date";
        }
    }
    text
}

/// The line for programs. `rate`, `low` and `high` are shares of 1, null where nothing was run;
/// `others` counts runs of titles that are not in `groups` because there are too many.
pub fn line(setting: &Setting, tally: &Tally) -> String {
    let (rate, case) = (tally.rate(), &tally.case);
    let groups = tally.groups.iter().map(|group| {
        json!({
            "verdict": group.verdict.to_string(),
            "title": group.title,
            "count": group.count,
            "artifacts": group.artifacts,
        })
    });
    json!({
        "kernel": case.kernel,
        "release": tally.release,
        "accel": setting.accelerator_of(&case.kernel).to_string(),
        "scenario": case.scenario,
        "runs": rate.of,
        "passed": tally.passed,
        "failed": rate.hits,
        "rate": rate.share(),
        "low": rate.bounds().map(|(low, _)| low),
        "high": rate.bounds().map(|(_, high)| high),
        "groups": groups.collect::<Vec<_>>(),
        "others": tally.others,
    })
    .to_string()
}

/// The last line for people: how many runs there were of all cases.
pub fn summary(tallies: &[Tally]) -> String {
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (runs, failed) = (sum(|tally| tally.rate().of), sum(|tally| tally.rate().hits));
    let cases = match tallies.len() {
        1 => "1 case".to_owned(),
        count => format!("{count} cases"),
    };
    format!("{runs} runs of {cases}, {failed} no pass")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repeat::Group;
    use crate::verdict::Verdict;

    fn tally() -> Tally {
        let group = |verdict, title: &str, count| Group {
            verdict,
            title: title.to_owned(),
            count,
            artifacts: None,
        };
        let mut tally = Tally::new("6.1", "case", "6.1.1".to_owned(), None);
        tally.passed = 294;
        tally.groups = vec![
            group(Verdict::Leak, "a\x1b", 5),
            group(Verdict::Hang, "b", 1),
        ];
        tally.groups[0].artifacts = Some("target/1".into());
        tally
    }

    #[test]
    fn people_see_the_rate_and_what_it_is_made_of() {
        assert_eq!(
            text(&tally()),
            "6.1::case: 6 of 300 runs were no pass: 2.0 %, with 95 % confidence 0.92 % to 4.3 %\n\
             \x20   294  pass\n\
             \x20     5  leak: a\\u{1b}\n\
             \x20        the first: target/1\n\
             \x20     1  hang: b"
        );
        assert_eq!(
            summary(&[tally(), tally()]),
            "600 runs of 2 cases, 12 no pass"
        );
    }

    #[test]
    fn what_was_not_run_has_no_rate() {
        let mut tally = Tally::new("6.1", "case", String::new(), None);
        assert_eq!(text(&tally), "6.1::case: no run has ended");
        tally.left = Some(Verdict::Skipped);
        assert_eq!(text(&tally), "6.1::case: no run, for it is skipped");
    }
}
