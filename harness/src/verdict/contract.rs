//! The kfuncs that a module promises, and those that the kernel shows.

use std::ops::Bound;

use kassay_guest::Fact;

use super::expectation::NO_BTF;
use super::{Case, Fault, Verdict};
use crate::btf;
use crate::compile::module::Module;
use crate::flaw::Flaw;
use crate::transcript::Offered;

/// The kfuncs that the kernel shows of each module that was inserted: those of
/// the module that both its BTF and kallsyms name. One that registers nothing has none.
pub fn offered(case: &Case, facts: &[Fact]) -> Offered {
    let mut offered = Offered::new();
    for fact in facts {
        let Fact::Inserted {
            module: name,
            error: None,
            btf: Ok(btf),
            symbols,
            ..
        } = fact
        else {
            continue;
        };
        let Some(module) = case.modules.iter().find(|module| module.name == *name) else {
            continue;
        };
        if case.flaws_of(name).contains(&Flaw::Unregistered) {
            offered.insert(name.clone(), Vec::new());
            continue;
        }
        let functions = btf::functions(btf, &case.base_strings).unwrap_or_default();
        let shown = module
            .kfuncs
            .iter()
            .filter(|kfunc| functions.contains(kfunc) && symbols.contains(kfunc));
        offered.insert(name.clone(), shown.cloned().collect());
    }
    offered
}

/// Two modules that offer a kfunc of one name. 6.12 takes both: libbpf finds the kfunc in the BTF of
/// the first, and the verifier has its address from kallsyms, where the module inserted last comes
/// first (add_kfunc_call in kernel/bpf/verifier.c, 6.12). 7.2 refuses the second: its
/// btf_check_kfunc_name (kernel/bpf/btf.c) was sent in June 2026, too late for 7.1.
pub fn twins(offered: &Offered) -> Result<(), Fault> {
    for (module, kfuncs) in offered {
        let others = offered.range::<String, _>((Bound::Excluded(module), Bound::Unbounded));
        for (other, theirs) in others {
            if let Some(kfunc) = kfuncs.iter().find(|kfunc| theirs.contains(kfunc)) {
                let title = format!("kfunc {kfunc} is offered by both {module} and {other}");
                let reason = "a program is checked against one of them and calls the one that was \
                              inserted last: give each a name of its own";
                return Err(Fault::new(Verdict::Mismatch, title).because(reason));
            }
        }
    }
    Ok(())
}

/// A module has sets that the kernel takes, and one that is in shows its BTF, and its kfuncs there
/// and in kallsyms.
pub fn check(case: &Case, module: &Module, facts: &[Fact], offered: &Offered) -> Result<(), Fault> {
    let inserted = facts.iter().find_map(|fact| match fact {
        Fact::Inserted {
            module: name,
            error,
            btf,
            ..
        } if *name == module.name => Some((error, btf)),
        _ => None,
    });
    let Some((error, btf)) = inserted else {
        return Ok(());
    };
    let flaws = case.flaws_of(&module.name);
    // A name that is taken is only a fault where the kernel does not say so.
    let counts = |flaw: &&Flaw| match flaw {
        Flaw::Unmarked(_) => true,
        Flaw::Taken(_) => error.is_none(),
        Flaw::Unregistered => false,
    };
    if let Some(flaw) = flaws.iter().find(counts) {
        let fault = Fault::new(Verdict::Mismatch, flaw.title(&module.name));
        return Err(fault.because(flaw.to_string()));
    }
    if error.is_some() || flaws.contains(&Flaw::Unregistered) {
        return Ok(());
    }
    if let Err(error) = btf {
        let reason = format!("read `/sys/kernel/btf/{}`: {error}", module.name);
        return Err(
            Fault::new(Verdict::Mismatch, format!("{}{NO_BTF}", module.name)).because(reason),
        );
    }
    let shown = offered
        .get(&module.name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    match module.kfuncs.iter().find(|kfunc| !shown.contains(kfunc)) {
        None => Ok(()),
        Some(kfunc) => {
            let title = format!("{} does not offer {kfunc}", module.name);
            let reason = "the module defines it, but its BTF or kallsyms does not name it";
            Err(Fault::new(Verdict::Mismatch, title).because(reason))
        }
    }
}
