//! Whether the allocation that was to fail came at all.

use kassay_guest::Fact;

use super::{Fault, Verdict};
use crate::scenario::Scenario;

/// The fault of a scenario of which an allocation is to fail that its modules never asked for.
pub fn check(scenario: &Scenario, facts: &[Fact]) -> Option<Fault> {
    let nth = scenario.fail_allocation?;
    let count = facts.iter().find_map(|fact| match fact {
        Fact::Allocations { count, .. } => Some(*count),
        _ => None,
    })?;
    let title = format!("allocation {nth} did not come");
    let reason = format!("the modules caused {count}; `kassay faults` shows them");
    (nth > count).then(|| Fault::new(Verdict::Mismatch, title).because(reason))
}
