//! `remove`: a child process tries to remove a module.

use anyhow::Result;
use kassay_guest::{Removal, Remove};

use super::Around;
use crate::{module, process};

/// Has a child try once. Where the module is must be known before, to those who watch it.
pub fn run(step: &Remove, around: &mut Around) -> Result<Removal> {
    let name = &step.module;
    if let Some(watch) = &mut around.watch {
        watch.place(name);
    }
    let asked = process::ask("remove", || {
        Ok(module::delete(name).map_err(|error| error.to_string()))
    })?;
    let (pid, removed): (i32, Result<(), String>) = asked.hear()?;
    if removed.is_ok() {
        around.removed.insert(name.clone());
    }
    Ok(Removal { pid, removed })
}
