//! What of a kernel sees faults that leave no trace by themselves: a use after free, locks in a
//! wrong order, memory that nothing points to. Without it they pass.

use anyhow::Result;

use crate::kernel::Kernel;

/// Whether the kernel looks for memory that nothing points to.
///
/// # Errors
/// The kernel's config cannot be read.
pub fn has_kmemleak(kernel: &Kernel) -> Result<bool> {
    Ok(kernel.config_has("DEBUG_KMEMLEAK")? && !kernel.config_has("DEBUG_KMEMLEAK_DEFAULT_OFF")?)
}

/// Which detectors a kernel has, as in `distro: KASAN no, lockdep no, kmemleak no`.
///
/// # Errors
/// As [`has_kmemleak`].
pub fn told(kernel: &Kernel) -> Result<String> {
    let word = |has| if has { "yes" } else { "no" };
    let all = each(kernel)?.map(|(name, has)| format!("{name} {}", word(has)));
    Ok(format!("{}: {}", kernel.name, all.join(", ")))
}

/// Why a pass on the kernel is none for who wants every detector to have looked.
///
/// # Errors
/// As [`has_kmemleak`].
pub fn missing(kernel: &Kernel) -> Result<Option<String>> {
    let missing = each(kernel)?.into_iter().filter(|(_, has)| !has);
    let missing: Vec<&str> = missing.map(|(name, _)| name).collect();
    Ok((!missing.is_empty()).then(|| {
        format!(
            "judge with `--strict`: {} has no {}; take a kernel that is built with \
             `+kasan+lockdep`, such as `6.12+kasan+lockdep`",
            kernel.name,
            missing.join(", no ")
        )
    }))
}

fn each(kernel: &Kernel) -> Result<[(&'static str, bool); 3]> {
    Ok([
        ("KASAN", kernel.config_has("KASAN")?),
        ("lockdep", kernel.config_has("PROVE_LOCKING")?),
        ("kmemleak", has_kmemleak(kernel)?),
    ])
}
