//! Programs of `freplace`, and the functions that they replace.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use kassay_guest::Plan;
use libbpf_rs::btf::{Btf, TypeId, types::Func};
use libbpf_rs::query::{ProgInfoIter, ProgInfoQueryOptions};
use libbpf_rs::{OpenObject, Program};

use super::Attached;

/// A program that is loaded, and its functions.
struct Target {
    name: String,
    /// Of the object that holds it: libbpf uses it once more when it loads.
    descriptor: RawFd,
    functions: Vec<String>,
}

/// Has programs of an object find their functions among the programs before them.
pub fn aim(object: &mut OpenObject, plan: &Plan, before: &[Attached]) -> libbpf_rs::Result<()> {
    let mut targets = None;
    for mut program in object.progs_mut().filter(|program| program.autoload()) {
        let section = program.section().to_string_lossy().into_owned();
        let Some(function) = section.strip_prefix("freplace/") else {
            continue;
        };
        let targets = match &targets {
            Some(targets) => targets,
            None => targets.insert(those_of(before)?),
        };
        let wanted = plan.attach_of(&program.name().to_string_lossy()).target;
        let target = only(targets, function, wanted.as_deref()).map_err(io::Error::other)?;
        program.set_attach_target(target.descriptor, Some(function.to_owned()))?;
    }
    Ok(())
}

/// The program that has a function. libbpf asks the BTF alone, which all programs of an object
/// share (bpf_program__set_attach_target of 1.7); the kernel wants the very program.
fn only<'a>(
    targets: &'a [Target],
    function: &str,
    wanted: Option<&str>,
) -> Result<&'a Target, String> {
    let has = |target: &&Target| {
        target.functions.iter().any(|own| own == function)
            && wanted.is_none_or(|wanted| wanted == target.name)
    };
    let having: Vec<&Target> = targets.iter().filter(has).collect();
    match having.as_slice() {
        [target] => Ok(target),
        [] => {
            let which = wanted.map_or("no program".to_owned(), |wanted| {
                format!("no program `{wanted}`")
            });
            Err(format!(
                "{which} before it in the scenario has a function `{function}`"
            ))
        }
        several => {
            let names: BTreeSet<&str> = several.iter().map(|target| &*target.name).collect();
            let names: Vec<&str> = names.into_iter().collect();
            let names = names.join("`, `");
            Err(format!(
                "several programs before it have a function `{function}`: `{names}`; `attach = {{ \
                 … = {{ target = \"{}\" }} }}` says which",
                having[0].name
            ))
        }
    }
}

/// The programs of these objects.
fn those_of(before: &[Attached]) -> libbpf_rs::Result<Vec<Target>> {
    let options = ProgInfoQueryOptions::default().include_func_info(true);
    let infos: Vec<_> = ProgInfoIter::with_query_opts(options).collect();
    let mut targets = Vec::new();
    for program in before.iter().flat_map(Attached::programs) {
        let id = Program::id_from_fd(program.as_fd())?;
        let info = infos.iter().find(|info| info.id == id);
        let types = info.map(|info| info.func_info.iter().map(|function| function.type_id));
        let btf = Btf::from_prog_id(id)?;
        let name = |id: u32| {
            let function = btf.type_by_id::<Func<'_>>(TypeId::from(id))?;
            Some(function.name()?.to_string_lossy().into_owned())
        };
        targets.push(Target {
            name: program.name().to_string_lossy().into_owned(),
            descriptor: program.as_fd().as_raw_fd(),
            functions: types.into_iter().flatten().filter_map(name).collect(),
        });
    }
    Ok(targets)
}
