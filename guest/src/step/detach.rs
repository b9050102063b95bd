//! `detach`: a structure of programs is detached before the end.

use anyhow::Result;
use kassay_guest::{Detach, Detached};

use super::Around;
use crate::bpf;

/// Detaches it: this process holds it, and no other could.
pub fn run(step: &Detach, around: &mut Around) -> Result<Detached> {
    bpf::detach(around.attached, &step.structure)?;
    Ok(Detached)
}
