//! What differs between two kernels: outcomes and transcripts of a scenario, and kfuncs.

use std::collections::{BTreeMap, BTreeSet};

use crate::kfuncs::{Listing, Source};
use crate::outcome::Outcome;
use crate::snapshot;
use crate::verdict::Verdict;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing differs.
    Same,
    /// Something differs.
    Differs,
    /// One side at least could not be had, so that nothing can be said.
    Unjudged,
    /// Both kernels lack what the scenario requires.
    Skipped,
}

impl Judgement {
    /// Its name, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Same => "same",
            Judgement::Differs => "differs",
            Judgement::Unjudged => "unjudged",
            Judgement::Skipped => "skipped",
        }
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A scenario's name, or `kfuncs of` vmlinux or a module.
    pub name: String,
    /// What it comes to.
    pub judgement: Judgement,
    /// What differs, in a few words; empty where nothing does.
    pub title: String,
    /// Lines that begin with `-`, what the first kernel has, `+`, what the second has, or a space.
    pub diff: String,
}

impl Finding {
    /// A comparison that could not be made.
    pub fn unjudged(name: String, title: String) -> Finding {
        Finding {
            name,
            judgement: Judgement::Unjudged,
            title,
            diff: String::new(),
        }
    }
}

/// A scenario on two kernels. A snapshot plays no part: what is compared is what was seen.
pub fn outcomes(a: &Outcome, b: &Outcome) -> Finding {
    let finding = |judgement, title: String, diff| Finding {
        name: a.case.scenario.clone(),
        judgement,
        title,
        diff,
    };
    let unjudged: Vec<String> = [a, b].into_iter().filter_map(unjudged).collect();
    if !unjudged.is_empty() {
        return finding(Judgement::Unjudged, unjudged.join(", "), String::new());
    }
    if a.verdict() == Verdict::Skipped && b.verdict() == Verdict::Skipped {
        return finding(Judgement::Skipped, a.title().to_owned(), String::new());
    }
    let (had, has) = (standing(a), standing(b));
    let mut diff = match had == has {
        true => String::new(),
        false => format!("-{had}\n+{has}\n"),
    };
    diff.push_str(&transcripts(a, b));
    match diff.is_empty() {
        true => finding(Judgement::Same, String::new(), diff),
        false => finding(Judgement::Differs, title([(a, &had), (b, &has)]), diff),
    }
}

/// How the transcripts of two outcomes differ, where both have one.
fn transcripts(a: &Outcome, b: &Outcome) -> String {
    match [a, b].map(|outcome| Some(outcome.transcript()?.1.trim_end())) {
        [Some(one), Some(other)] if one != other => snapshot::diff(one, other),
        _ => String::new(),
    }
}

/// Why an outcome says nothing, if it does not.
fn unjudged(outcome: &Outcome) -> Option<String> {
    let (verdict, kernel) = (outcome.verdict(), &outcome.case.kernel);
    let says_nothing = matches!(verdict, Verdict::Infra | Verdict::Lost);
    says_nothing.then(|| format!("{verdict} on {kernel}: {}", outcome.title()))
}

/// What differs between two outcomes, by how they stand.
fn title(sides: [(&Outcome, &String); 2]) -> String {
    if sides[0].1 == sides[1].1 {
        return "the transcript".to_owned();
    }
    let told = sides.map(|(outcome, standing)| {
        let verdict = standing.split(':').next().unwrap_or_default();
        format!("{verdict} on {}", outcome.case.kernel)
    });
    told.join(", ")
}

/// The verdict and its title, as if whatever was seen were the reviewed transcript; what was refused
/// in the place of a pass.
fn standing(outcome: &Outcome) -> String {
    let refused = outcome.judged().and_then(|judged| judged.refused.as_ref());
    match (outcome.verdict(), refused) {
        (verdict, _) if verdict != Verdict::Pass && !outcome.is_comparison() => {
            format!("{verdict}: {}", outcome.title())
        }
        (_, Some(refused)) => refused.clone(),
        (_, None) => "pass".to_owned(),
    }
}

/// The kfuncs of vmlinux or a module, of which only those count whose names hold.
pub fn listings(
    whose: &str,
    a: (&str, &Listing),
    b: (&str, &Listing),
    counts: impl Fn(&str) -> bool,
) -> Finding {
    // Flags of one side say nothing of the other's that cannot be told.
    let have_flags = [a.1, b.1]
        .iter()
        .all(|listing| listing.source == Source::Sets);
    let (had, has) = (lines(a.1, have_flags), lines(b.1, have_flags));
    let Changes {
        gone,
        new,
        changed,
        diff,
    } = changes(&had, &has, counts);
    let counts = [
        (gone, format!("only on {}", a.0)),
        (new, format!("only on {}", b.0)),
        (changed, "changed".to_owned()),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let mut title: Vec<String> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !have_flags {
        title.push("flags and sets cannot be told of both".to_owned());
    }
    let judgement = match (diff.is_empty(), have_flags) {
        (false, _) => Judgement::Differs,
        (true, true) => Judgement::Same,
        (true, false) => Judgement::Unjudged,
    };
    Finding {
        name: format!("kfuncs of {whose}"),
        judgement,
        title: title.join(", "),
        diff,
    }
}

/// How two lists of kfuncs differ: how many went, came and changed, and their lines.
#[derive(Default)]
struct Changes {
    gone: usize,
    new: usize,
    changed: usize,
    diff: String,
}

fn changes(had: &Lines, has: &Lines, counts: impl Fn(&str) -> bool) -> Changes {
    let mut changes = Changes::default();
    let names: BTreeSet<&&str> = had.keys().chain(has.keys()).collect();
    for name in names.into_iter().filter(|name| counts(name)) {
        let (one, other) = (had.get(*name), has.get(*name));
        match (one, other) {
            (one, other) if one == other => continue,
            (Some(_), Some(_)) => changes.changed += 1,
            (Some(_), None) => changes.gone += 1,
            (None, _) => changes.new += 1,
        }
        for (sign, lines) in [('-', one), ('+', other)] {
            for line in lines.into_iter().flatten() {
                changes.diff.push_str(&format!("{sign}{line}\n"));
            }
        }
    }
    changes
}

/// The lines of each kfunc: prototype, flags and sets.
type Lines<'a> = BTreeMap<&'a str, Vec<String>>;

fn lines(listing: &Listing, have_flags: bool) -> Lines<'_> {
    let mut lines = Lines::new();
    for kfunc in &listing.kfuncs {
        let [flags, sets, c] = kfunc.words();
        let line = match have_flags {
            true => format!("{c}  {flags}  {sets}"),
            false => c,
        };
        lines.entry(&kfunc.name).or_default().push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kfuncs::Kfunc;
    use crate::report::tests::{outcome, ran};
    use crate::snapshot::Snapshot;

    fn seen(kernel: &str, verdict: Verdict, transcript: &str) -> Outcome {
        let snapshot = Snapshot {
            name: "case".to_owned(),
            directory: "nowhere".into(),
        };
        let mut outcome = outcome(kernel, "case", verdict);
        ran(&mut outcome).transcript = Some((snapshot, transcript.to_owned()));
        outcome
    }

    fn compared(a: &Outcome, b: &Outcome) -> (Judgement, String, String) {
        let finding = outcomes(a, b);
        (finding.judgement, finding.title, finding.diff)
    }

    #[test]
    fn snapshots_play_no_part() {
        let pass = seen("a", Verdict::Pass, "trace\n  10\n");
        let mut other = seen("b", Verdict::Mismatch, "trace\n  10\n");
        ran(&mut other).is_comparison = true;
        let same = (Judgement::Same, String::new(), String::new());
        assert_eq!(compared(&pass, &other), same);
        ran(&mut other).transcript = seen("b", Verdict::Pass, "trace\n  11\n")
            .transcript()
            .cloned();
        let diff = " trace\n-  10\n+  11\n".to_owned();
        let differs = (Judgement::Differs, "the transcript".to_owned(), diff);
        assert_eq!(compared(&pass, &other), differs);
    }

    #[test]
    fn another_verdict_or_title_is_a_difference() {
        let pass = seen("a", Verdict::Pass, "trace\n");
        let mut report = seen("b", Verdict::Report, "trace\n");
        ran(&mut report).title = "WARNING in f".to_owned();
        let (judgement, title, diff) = compared(&pass, &report);
        assert_eq!(judgement, Judgement::Differs);
        assert_eq!(title, "pass on a, report on b");
        assert_eq!(diff, "-pass\n+report: WARNING in f\n");
        let other = seen("c", Verdict::Report, "trace\n");
        assert_eq!(compared(&report, &other).0, Judgement::Differs);
        assert_eq!(compared(&report, &report).0, Judgement::Same);
    }

    #[test]
    fn what_was_refused_is_told_whether_it_was_reviewed_or_not() {
        let pass = seen("a", Verdict::Pass, "trace\n");
        let mut refused = seen("b", Verdict::Mismatch, "trace\n");
        ran(&mut refused).is_comparison = true;
        ran(&mut refused).refused = Some("program p was refused".to_owned());
        let (_, title, diff) = compared(&pass, &refused);
        assert_eq!(title, "pass on a, program p was refused on b");
        assert_eq!(diff, "-pass\n+program p was refused\n");
        let mut reviewed = refused.clone();
        ran(&mut reviewed).verdict = Verdict::Pass;
        assert_eq!(compared(&reviewed, &refused).0, Judgement::Same);
    }

    #[test]
    fn what_was_not_seen_is_never_the_same() {
        let pass = seen("a", Verdict::Pass, "");
        for verdict in [Verdict::Infra, Verdict::Lost] {
            let none = outcome("b", "case", verdict);
            assert_eq!(compared(&pass, &none).0, Judgement::Unjudged);
            assert_eq!(compared(&none, &none).0, Judgement::Unjudged);
        }
        let skipped = outcome("b", "case", Verdict::Skipped);
        assert_eq!(compared(&pass, &skipped).0, Judgement::Differs);
        assert_eq!(compared(&skipped, &skipped).0, Judgement::Skipped);
    }

    fn listing(kfuncs: &[(&str, u32)], source: Source) -> Listing {
        let kfunc = |(name, flags): &(&str, u32)| Kfunc {
            name: name.to_string(),
            prototype: Some(format!("void {name}(void)")),
            shape: None,
            signature: None,
            flags: Some(*flags),
            sets: vec!["set".to_owned()],
        };
        let kfuncs = kfuncs.iter().map(kfunc).collect();
        Listing {
            kfuncs,
            source,
            is_distilled: false,
        }
    }

    #[test]
    fn kfuncs_come_go_and_change() {
        let a = listing(&[("f", 1), ("g", 0), ("h", 0), ("x", 0)], Source::Sets);
        let b = listing(&[("f", 2), ("h", 0), ("i", 0)], Source::Sets);
        let finding = listings("vmlinux", ("a", &a), ("b", &b), |name| name != "x");
        assert_eq!(finding.name, "kfuncs of vmlinux");
        assert_eq!(finding.title, "1 only on a, 1 only on b, 1 changed");
        let lines = [
            "-void f(void)  KF_ACQUIRE  set",
            "+void f(void)  KF_RELEASE  set",
            "-void g(void)  -  set",
            "+void i(void)  -  set\n",
        ];
        assert_eq!(finding.diff, lines.join("\n"));
    }

    #[test]
    fn flags_that_cannot_be_told_are_not_the_same() {
        let sets = listing(&[("f", 1)], Source::Sets);
        let judge = |other: &Listing| listings("m", ("a", &sets), ("b", other), |_| true).judgement;
        assert_eq!(judge(&sets), Judgement::Same);
        assert_eq!(
            judge(&listing(&[("f", 1)], Source::Tags)),
            Judgement::Unjudged
        );
        assert_eq!(
            judge(&listing(&[("g", 1)], Source::Tags)),
            Judgement::Differs
        );
    }
}
