//! `call`: a function of the guest program is called, and probes are passed.

use anyhow::Result;
use kassay_guest::{Call, Done};
use serde::Deserialize;

use super::{Asked, Beside, Kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    a: u64,
    b: u64,
}

impl Kind for Call {
    type File = File;
    type Outcome = Done;
    const FORMS: &'static [(&'static str, &'static str)] = &[(
        "call = { a = N, b = N }",
        "a child process locks a mutex, calls setjmp(3), and calls `kassay_add(a, b)` of the guest \
         program, which has the USDT probe `kassay:add`",
    )];

    fn asked(File { a, b }: File, _: Beside) -> Result<Asked> {
        Ok(Call { a, b }.into())
    }

    fn tell(&self, came: &Done, _: &[String]) -> String {
        format!(": {}", came.text)
    }
}
