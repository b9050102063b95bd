//! Capabilities (capabilities(7)), which the plan runs with all of.

use anyhow::{Context, Result};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Does `work` without the capabilities of these names, such as `CAP_SYS_BOOT`, in the
/// effective set.
pub fn without<T>(names: &[String], work: impl FnOnce() -> T) -> Result<T> {
    if names.is_empty() {
        return Ok(work());
    }
    let flag = |name: &String| {
        let flag = name.strip_prefix("CAP_").and_then(CapabilitySet::from_name);
        flag.with_context(|| format!("find capability `{name}`"))
    };
    let dropped = names.iter().map(flag).collect::<Result<CapabilitySet>>()?;
    let all = capabilities(None).context("get capabilities")?;
    let mut some = all;
    some.effective.remove(dropped);
    set_capabilities(None, some).context("drop capabilities")?;
    let done = work();
    set_capabilities(None, all).context("take capabilities back")?;
    Ok(done)
}
