//! How to run.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::arch::Arch;
use crate::cache::Cache;
use crate::kernel;
use crate::size::Size;
use crate::vm::{Accelerator, slot};

/// How to run, for every case alike.
#[derive(Clone)]
pub struct Setting {
    /// Where everything that is built is kept.
    pub cache: Cache,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// Whether the user wants it and no other.
    pub insists: bool,
    /// How large a guest is, where its scenario does not say.
    pub size: Size,
    /// How long a virtual machine may take, from its start to its end, whatever its scenario says.
    pub timeout: Option<Duration>,
    /// Whether to boot rather than restore.
    pub cold: bool,
    /// Whether to leave out what passed last time and has not changed since.
    pub changed: bool,
    /// How many virtual machines may run at once, here and in other processes.
    pub jobs: usize,
    /// Whether to keep of a pass what is kept of a failure.
    pub keep: bool,
    /// Whether to keep a dump of the guest's memory with a failure.
    pub keep_dump: bool,
    /// Whether the machine stands still until a debugger lets it go.
    pub gdb: bool,
    /// Whether nothing passes on a kernel that lacks a detector.
    pub strict: bool,
    /// Whether transcripts become snapshots as they are, numbers within a budget too.
    pub accept: bool,
}

/// How long a virtual machine may take unless the user or its scenario says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(60);

impl Setting {
    /// Nothing but what every run has.
    pub fn new(cache: Cache, accelerator: Accelerator) -> Setting {
        Setting {
            cache,
            accelerator,
            insists: false,
            size: Size::default(),
            timeout: None,
            cold: false,
            changed: false,
            jobs: slot::default_jobs(),
            keep: false,
            keep_dump: false,
            gdb: false,
            strict: false,
            accept: false,
        }
    }

    /// What executes the instructions of a kernel for a processor.
    ///
    /// # Errors
    /// The user wants the one that executes this machine's own instructions alone.
    pub fn accelerator_for(&self, arch: Arch) -> Result<Accelerator> {
        let accelerator = self.accelerator.for_arch(arch);
        if self.insists && accelerator != self.accelerator {
            bail!(
                "use {}: it executes this machine's own instructions, and not those of {arch}; \
                 `--accel auto` does without",
                self.accelerator
            );
        }
        Ok(accelerator)
    }

    /// What executed the instructions of a kernel of this spec.
    pub fn accelerator_of(&self, spec: &str) -> Accelerator {
        self.accelerator.for_arch(kernel::processor(spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvm_that_is_insisted_on_is_not_replaced_for_another_processor() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let mut setting = Setting::new(cache, Accelerator::Kvm);
        let arm64 = |setting: &Setting| setting.accelerator_for(Arch::Arm64);
        assert_eq!(arm64(&setting).unwrap(), Accelerator::Tcg);
        setting.insists = true;
        assert!(
            arm64(&setting)
                .unwrap_err()
                .to_string()
                .starts_with("use kvm: ")
        );
        let own = setting.accelerator_for(Arch::X86);
        assert_eq!(own.unwrap(), Accelerator::Kvm);
    }
}
