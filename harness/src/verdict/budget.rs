//! Whether programs take no more than they may.

use kassay_guest::{Cost, Fact};

use super::{Fault, Verdict};
use crate::scenario::Scenario;

/// Faults of programs that take more than the scenario's budget, or of which nobody counted it.
pub fn check(scenario: &Scenario, facts: &[Fact]) -> Vec<Fault> {
    if scenario.budget.is_none() {
        return Vec::new();
    }
    let over = costs(facts).filter_map(|(_, cost)| {
        let why = scenario.budget.exceeded(cost)?;
        Some((cost.program.as_str(), why))
    });
    let standing = facts.iter().flat_map(|fact| match fact {
        Fact::Standing { programs } => programs.as_slice(),
        _ => &[],
    });
    let is_counted = |object: &str, program: &str| {
        let mut all = costs(facts).filter(|(_, cost)| cost.is_counted());
        all.any(|(known, cost)| known == object && cost.program == program)
    };
    let uncounted = standing.filter(|it| !is_counted(&it.object, &it.program));
    let uncounted = uncounted.map(|it| {
        let title = format!("what program {} takes was not counted", it.program);
        Fault::new(Verdict::Mismatch, title)
            .because("the scenario has a budget, and the kernel did not say")
    });
    over_budget(&over.collect::<Vec<_>>())
        .into_iter()
        .chain(uncounted)
        .collect()
}

/// The fault of these programs, each with why.
fn over_budget(over: &[(&str, String)]) -> Option<Fault> {
    let (title, why) = match over {
        [] => return None,
        [(program, why)] => (format!("program {program} is over its budget"), why.clone()),
        [(first, _), rest @ ..] => {
            let told = over.iter().map(|(program, why)| {
                let lines = why.lines().map(|line| format!("{program}: {line}"));
                lines.collect::<Vec<_>>().join("\n")
            });
            let told: Vec<String> = told.collect();
            let more = rest.len();
            (
                format!("program {first} and {more} more are over their budget"),
                told.join("\n"),
            )
        }
    };
    Some(Fault::new(Verdict::Mismatch, title).because(why))
}

/// What programs take, with the names of their objects.
fn costs(facts: &[Fact]) -> impl Iterator<Item = (&str, &Cost)> {
    facts.iter().flat_map(|fact| {
        let (object, costs) = match fact {
            Fact::Loaded {
                object,
                costs,
                error: None,
                ..
            } => (object.as_str(), costs.as_slice()),
            _ => ("", &[][..]),
        };
        costs.iter().map(move |cost| (object, cost))
    })
}
