//! What the host has laid out in the share.

use std::fs;

use anyhow::{Context, Result};
use kassay_guest::{Plan, SHARE};

/// The plan of the share.
pub fn plan() -> Result<Plan> {
    let path = format!("{SHARE}/plan.json");
    let plan = fs::read(&path).with_context(|| format!("read `{path}`"))?;
    serde_json::from_slice(&plan).with_context(|| format!("parse `{path}`"))
}
