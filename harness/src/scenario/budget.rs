//! What the programs of a scenario may take.

use kassay_guest::Cost;
use serde::Deserialize;

/// The most that each program may take.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a table such as `{ insns = 5000, states = \"+10%\" }`"
)]
pub struct Budget {
    /// Instructions that the verifier goes through.
    insns: Option<Most>,
    /// States that it keeps.
    states: Option<Most>,
    /// States at once.
    peak_states: Option<Most>,
    /// Bytes of stack, of all functions.
    stack: Option<Most>,
    /// Bytes of machine code.
    jited: Option<Most>,
}

/// A number, or by how much one may exceed that of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "toml::Value")]
enum Most {
    Number(u64),
    Percent(f64),
}

impl TryFrom<toml::Value> for Most {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Most, String> {
        let most = match &value {
            toml::Value::Integer(number) => (*number).try_into().ok().map(Most::Number),
            toml::Value::String(text) => percent(text).map(Most::Percent),
            _ => None,
        };
        most.ok_or_else(|| format!("`{value}` is no number such as 5000, and not `\"+10%\"`"))
    }
}

/// What `+10%` says.
fn percent(text: &str) -> Option<f64> {
    number(text.strip_prefix('+')?.strip_suffix('%')?)
}

/// A number of percent, at least 0.
pub fn number(text: &str) -> Option<f64> {
    let is_plain = text.starts_with(|letter: char| letter.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.filter(|number: &f64| number.is_finite())
}

/// Whether a number is larger than another by more than so many percent.
pub fn is_over(before: u64, now: u64, percent: f64) -> bool {
    now > before && (now - before) as f64 * 100.0 > before as f64 * percent
}

impl Budget {
    /// Its numbers, by their names, with what a program takes.
    fn numbers(&self, cost: &Cost) -> impl Iterator<Item = (&'static str, Most, u64)> {
        let numbers = [
            ("insns", self.insns, cost.insns),
            ("states", self.states, cost.states),
            ("peak_states", self.peak_states, cost.peak_states),
            ("stack", self.stack, cost.stack.iter().sum()),
            ("jited", self.jited, cost.jited),
        ];
        let asked = numbers.into_iter();
        asked.filter_map(|(name, most, number)| Some((name, most?, number)))
    }

    /// Whether nothing is said.
    pub fn is_none(&self) -> bool {
        *self == Budget::default()
    }

    /// Why a program takes too much, whatever the snapshot has.
    pub fn exceeded(&self, cost: &Cost) -> Option<String> {
        let over = self
            .numbers(cost)
            .filter_map(|(name, most, number)| match most {
                Most::Number(most) if number > most => {
                    Some(format!("{name}: {number}, and the budget is {most}"))
                }
                _ => None,
            });
        let over: Vec<String> = over.collect();
        (!over.is_empty()).then(|| over.join("\n"))
    }

    /// A line of the transcript: the numbers whose budget is from the snapshot on. `name` is the
    /// program's there.
    pub fn line(&self, name: &str, cost: &Cost) -> Option<String> {
        let numbers = self
            .numbers(cost)
            .filter_map(|(name, most, number)| match most {
                Most::Percent(_) => Some(format!("{name} {number}")),
                Most::Number(_) => None,
            });
        let numbers: Vec<String> = numbers.collect();
        let is_told = !numbers.is_empty() && cost.is_counted();
        is_told.then(|| format!("{name}: {}", numbers.join(", ")))
    }

    /// A transcript that has the numbers of the reviewed one wherever they are within the budget.
    pub fn settle(&self, reviewed: &str, seen: &str) -> String {
        let mut is_inside = false;
        let lines = seen.lines().map(|line| {
            is_inside = match line.starts_with(' ') {
                true => is_inside,
                false => line == TITLE,
            };
            let known = is_inside.then(|| self.within(reviewed, line)).flatten();
            known.unwrap_or(line).to_owned() + "\n"
        });
        lines.collect()
    }

    /// What is over the budget that is from the snapshot's numbers on, a line each.
    pub fn over(&self, reviewed: &str, seen: &str) -> Vec<String> {
        let lines = section(seen).filter_map(|line| {
            let (program, _) = line.trim().split_once(": ")?;
            let (_, all) = self.beside(reviewed, line)?;
            let over = all.iter().filter(|it| it.is_over());
            let told = over.map(|it| format!("{program}: {}", it.told()));
            Some(told.collect::<Vec<_>>())
        });
        lines.flatten().collect()
    }

    /// The reviewed line of the same program, where the numbers of this one are within the budget.
    fn within<'a>(&self, reviewed: &'a str, line: &str) -> Option<&'a str> {
        let (known, all) = self.beside(reviewed, line)?;
        (!all.iter().any(Beside::is_over)).then_some(known)
    }

    /// The reviewed line of the same program and the same kinds of numbers, and each number beside it.
    fn beside<'a>(&self, reviewed: &'a str, line: &str) -> Option<(&'a str, Vec<Beside>)> {
        let (program, numbers) = line.split_once(": ")?;
        let same = |known: &&str| {
            known
                .split_once(": ")
                .is_some_and(|(name, _)| name == program)
        };
        let known = section(reviewed).find(same)?;
        let (_, old) = known.split_once(": ")?;
        let beside = |(old, new): (&str, &str)| {
            let (name, old) = old.split_once(' ')?;
            let new = new.strip_prefix(name)?.trim_start().parse().ok()?;
            Some(Beside {
                name: name.to_owned(),
                old: old.parse().ok()?,
                new,
                percent: self.percent_of(name)?,
            })
        };
        let is_same_kind = old.split(", ").count() == numbers.split(", ").count();
        let pairs = old.split(", ").zip(numbers.split(", "));
        let all = pairs.map(beside).collect::<Option<Vec<_>>>()?;
        is_same_kind.then_some((known, all))
    }

    fn percent_of(&self, name: &str) -> Option<f64> {
        let none = Cost::default();
        let mut numbers = self.numbers(&none);
        let (_, most, _) = numbers.find(|(known, ..)| *known == name)?;
        match most {
            Most::Percent(percent) => Some(percent),
            Most::Number(_) => None,
        }
    }
}

/// A number beside that of the snapshot.
struct Beside {
    name: String,
    old: u64,
    new: u64,
    percent: f64,
}

impl Beside {
    fn is_over(&self) -> bool {
        is_over(self.old, self.new, self.percent)
    }

    fn told(&self) -> String {
        let Beside {
            name,
            old,
            new,
            percent,
        } = self;
        let most = (*old as f64 + *old as f64 * percent / 100.0).floor();
        format!("{name}: {new}, and the budget is {most}, {percent}% more than {old}")
    }
}

/// The title of the transcript's section with such numbers.
pub const TITLE: &str = "verifier";

/// The lines of that section.
fn section(transcript: &str) -> impl Iterator<Item = &str> {
    let lines = transcript.lines().skip_while(|line| *line != TITLE).skip(1);
    lines.take_while(|line| line.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(text: &str) -> Budget {
        toml::from_str(text).unwrap()
    }

    fn cost(insns: u64, states: u64) -> Cost {
        Cost {
            program: "p".to_owned(),
            insns,
            states,
            ..Cost::default()
        }
    }

    #[test]
    fn a_number_is_the_most() {
        let budget = budget("insns = 10\nstates = '+10%'");
        assert_eq!(budget.exceeded(&cost(10, 99)), None);
        let why = "insns: 11, and the budget is 10";
        assert_eq!(budget.exceeded(&cost(11, 0)).unwrap(), why);
        assert_eq!(budget.line("p", &cost(11, 3)).unwrap(), "p: states 3");
    }

    #[test]
    fn fifteen_of_a_hundred_are_fifteen_percent() {
        assert!(!is_over(100, 115, 15.0) && is_over(100, 116, 15.0));
        assert!(!is_over(0, 0, 0.0) && is_over(0, 1, 50.0));
    }

    #[test]
    fn what_is_within_the_budget_is_told_as_it_was_reviewed() {
        let budget = budget("insns = '+10%'\nstates = '+0%'");
        let text = |insns, states| {
            format!("steps\n  p: x\nverifier\n  p: insns {insns}, states {states}\n")
        };
        let settled = |insns, states| budget.settle(&text(100, 3), &text(insns, states));
        assert_eq!(settled(110, 3), text(100, 3));
        assert_eq!(settled(50, 0), text(100, 3));
        assert_eq!(settled(111, 3), text(111, 3));
        assert_eq!(settled(100, 4), text(100, 4));
        let over = budget.over(&text(100, 3), &text(111, 4));
        assert_eq!(
            over,
            [
                "p: insns: 111, and the budget is 110, 10% more than 100",
                "p: states: 4, and the budget is 3, 0% more than 3"
            ]
        );
        let other = text(100, 3).replace("p: insns", "q: insns");
        assert_eq!(budget.settle(&other, &text(100, 3)), text(100, 3));
        assert_eq!(budget.settle("steps\n", &text(100, 3)), text(100, 3));
    }

    #[test]
    fn what_is_no_budget_is_said() {
        for text in [
            "insns = -1",
            "insns = '10%'",
            "insns = '+x%'",
            "insns = '++1%'",
            "insns = '+-0%'",
            "insns = 1.5",
        ] {
            let error = toml::from_str::<Budget>(text).unwrap_err().to_string();
            assert!(error.contains("is no number such as 5000"), "{error}");
        }
        let error = Budget::deserialize(toml::Value::Integer(5000)).unwrap_err();
        assert!(error.to_string().contains("expected a table such as"));
    }
}
