//! Whether KVM works here, and what is used instead.
//!
//! That `/dev/kvm` exists says little: in a container or a virtual machine it
//! may be there without hardware behind it, and QEMU then hangs rather than
//! fails. So three things are looked at, and KVM is taken when all hold.

use std::fmt;
use std::fs;
use std::io;

use anyhow::{Result, bail};
use kvm_ioctls::Kvm;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The host's CPU.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Wish {
    /// KVM where it works, else TCG.
    #[default]
    Auto,
    /// KVM or nothing.
    Kvm,
    /// TCG.
    Tcg,
}

/// What was seen of KVM on this host: the reason why each part does not hold.
#[derive(Clone, Debug)]
pub struct Probe {
    /// `/dev/kvm` opens for reading and writing.
    pub device: Result<(), String>,
    /// The CPU has `svm` or `vmx`.
    pub flag: Result<(), String>,
    /// The kernel makes a virtual machine.
    pub machine: Result<(), String>,
}

impl Accelerator {
    /// QEMU's arguments. They come after vmtest's own `-cpu`; the last one wins. Of arm64's CPUs this
    /// one is as new as can be without pointer authentication, which takes TCG long.
    pub fn arguments(self, arch: Arch) -> &'static [&'static str] {
        match (self, arch) {
            (Accelerator::Kvm, _) => &["-accel", "kvm", "-cpu", "host"],
            (Accelerator::Tcg, Arch::Arm64) => {
                &["-accel", "tcg,thread=multi", "-cpu", "cortex-a76"]
            }
            // QEMU 7.2 computes vectors of checksums wrong, so that TCP loses what it refuses.
            (Accelerator::Tcg, Arch::S390) => {
                &["-accel", "tcg,thread=multi", "-cpu", "max,vx=off,vxeh=off"]
            }
            (Accelerator::Tcg, Arch::X86) => &["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }

    /// What is used where this one was chosen for this machine's own processor: no hardware executes
    /// another's instructions.
    pub fn for_arch(self, arch: Arch) -> Accelerator {
        match arch.is_foreign() {
            true => Accelerator::Tcg,
            false => self,
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        })
    }
}

/// Chooses, and says why.
///
/// # Errors
/// KVM was asked for and does not work.
pub fn choose(wish: Wish, probe: impl FnOnce() -> Probe) -> Result<(Accelerator, String)> {
    if wish == Wish::Tcg {
        return Ok((Accelerator::Tcg, "asked for".to_owned()));
    }
    match (probe().verdict(), wish) {
        (Ok(()), _) => Ok((
            Accelerator::Kvm,
            "/dev/kvm opens and makes a virtual machine".to_owned(),
        )),
        (Err(why), Wish::Kvm) => bail!("use KVM: {why}; `--accel tcg` runs without it"),
        (Err(why), _) => Ok((Accelerator::Tcg, why)),
    }
}

impl Probe {
    /// Looks at this host.
    pub fn here() -> Probe {
        let device = Kvm::new().map_err(io::Error::from);
        let machine = match &device {
            Ok(device) => make_machine(device),
            Err(_) => Err("no device to ask".to_owned()),
        };
        Probe {
            device: device.map(drop).map_err(|error| error.to_string()),
            flag: cpu_flag(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            machine,
        }
    }

    /// The first thing that does not hold.
    pub fn verdict(self) -> Result<(), String> {
        self.device
            .map_err(|why| format!("/dev/kvm does not open: {why}"))?;
        self.flag?;
        self.machine
            .map_err(|why| format!("/dev/kvm makes no virtual machine: {why}"))
    }
}

fn cpu_flag(cpuinfo: &str) -> Result<(), String> {
    let flags = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags"))
        .unwrap_or_default();
    if flags
        .split_whitespace()
        .any(|flag| flag == "svm" || flag == "vmx")
    {
        return Ok(());
    }
    Err("/dev/kvm exists, but the CPU has neither svm nor vmx".to_owned())
}

fn make_machine(device: &Kvm) -> Result<(), String> {
    let version = device.get_api_version();
    if version != 12 {
        return Err(format!("its API has version {version}, not 12"));
    }
    let machine = device.create_vm().map_err(io::Error::from);
    machine.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working() -> Probe {
        Probe {
            device: Ok(()),
            flag: Ok(()),
            machine: Ok(()),
        }
    }

    fn chosen(wish: Wish, probe: Probe) -> Option<Accelerator> {
        choose(wish, || probe)
            .ok()
            .map(|(accelerator, _)| accelerator)
    }

    #[test]
    fn kvm_is_used_where_all_three_hold() {
        assert_eq!(chosen(Wish::Auto, working()), Some(Accelerator::Kvm));
        assert_eq!(chosen(Wish::Tcg, working()), Some(Accelerator::Tcg));
    }

    #[test]
    fn a_device_without_hardware_is_seen_through() {
        let flag = cpu_flag("processor : 0\nflags\t\t: fpu vme sse2\n");
        assert_eq!(
            chosen(Wish::Auto, Probe { flag, ..working() }),
            Some(Accelerator::Tcg)
        );
    }

    #[test]
    fn a_device_that_makes_no_machine_is_seen_through() {
        let machine = Err("Device or resource busy".to_owned());
        assert_eq!(
            chosen(
                Wish::Auto,
                Probe {
                    machine,
                    ..working()
                }
            ),
            Some(Accelerator::Tcg)
        );
    }

    #[test]
    fn kvm_that_was_asked_for_is_never_replaced() {
        let device = Err("Permission denied".to_owned());
        let error = choose(Wish::Kvm, || Probe {
            device,
            ..working()
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("Permission denied") && error.contains("--accel tcg"),
            "{error}"
        );
    }

    #[test]
    fn no_hardware_executes_another_processors_instructions() {
        assert_eq!(Accelerator::Kvm.for_arch(Arch::X86), Accelerator::Kvm);
        assert_eq!(Accelerator::Kvm.for_arch(Arch::Arm64), Accelerator::Tcg);
    }

    #[test]
    fn the_flags_of_both_makers_count() {
        assert!(cpu_flag("flags\t\t: fpu svm sse").is_ok());
        assert!(cpu_flag("flags\t\t: fpu vmx sse").is_ok());
        assert!(cpu_flag("flags\t\t: fpu svmx sse").is_err());
    }
}
