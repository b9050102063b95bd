//! Steps: what triggers the programs. One file a step.

use std::collections::BTreeSet;

use anyhow::Result;
use kassay_guest::{Outcome, Step, for_each_step};

use self::run::command::Commands;
use crate::bpf::Attached;
use crate::facts::Facts;
use crate::net::Lazy;
use crate::watch::Watch;

/// What a step may need of the plan that it is in.
pub struct Around<'a, 'root> {
    /// Its place in the plan.
    pub place: usize,
    /// The commands that go on.
    pub commands: &'a mut Commands<'root>,
    /// The network.
    pub net: &'a mut Lazy,
    /// The objects, loaded.
    pub attached: &'a mut [Attached],
    /// Modules of the plan that steps have removed.
    pub removed: &'a mut BTreeSet<String>,
    /// Who watches what modules have the kernel call later.
    pub watch: Option<&'a mut Watch>,
    /// Where facts go.
    pub facts: &'a mut Facts,
}

macro_rules! steps {
    ($($name:ident: $Step:ident => $Outcome:ident,)*) => {
        $(pub mod $name;)*

        /// Does one step.
        pub fn run(step: &Step, around: &mut Around) -> Result<Outcome> {
            match step {
                $(Step::$Step(step) => $name::run(step, around).map(Outcome::$Step),)*
            }
        }
    };
}

for_each_step!(steps);
