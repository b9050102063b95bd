//! `fault`: the guest program misbehaves.

use anyhow::Result;
use kassay_guest::{Fault, Unharmed};

use super::{Asked, Beside, Kind};

impl Kind for Fault {
    type File = Fault;
    type Outcome = Unharmed;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "fault = \"KIND\"",
        "the guest program misbehaves, for tests of kassay itself: `segv`, `kill`, `done_early`, \
         `done_twice`, `garbage`, `half_line`, `differ`, `link`, `pipe`, `truncate`, `fill`, \
         `flood`, `grow`, `silent`, `power_off` or `reboot`",
    )];

    fn asked(fault: Fault, _: Beside) -> Result<Asked> {
        Ok(fault.into())
    }

    fn tell(&self, _: &Unharmed, _: &[String]) -> String {
        ": the plan goes on".to_owned()
    }
}
