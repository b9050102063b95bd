//! The processors that kernels are made for, and what each is called by the tools that know it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::tool::{self, Tool};

/// A processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arch {
    /// x86-64, Debian's amd64.
    #[default]
    #[serde(rename = "x86_64")]
    X86,
    /// AArch64 with the least significant byte first.
    #[serde(rename = "arm64")]
    Arm64,
    /// IBM Z, with the most significant byte first.
    #[serde(rename = "s390x")]
    S390,
}

/// The processor of this machine.
pub const HOST: Arch = Arch::X86;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("kassay runs on x86-64, as `HOST` and the clock of its machines say");

impl Arch {
    /// All that there are.
    pub const ALL: [Arch; 3] = [Arch::X86, Arch::Arm64, Arch::S390];

    /// The processor that a kernel's spec names behind its last `/`.
    pub fn named(name: &str) -> Option<Arch> {
        Arch::ALL.into_iter().find(|arch| arch.name() == name)
    }

    /// The processor that somebody means, by whichever of its names: `aarch64`, `amd64`, `s390`.
    pub fn meant(name: &str) -> Option<Arch> {
        let name = name.to_lowercase().replace('-', "_");
        let names = |arch: &Arch| [arch.name(), arch.debian(), arch.machine(), arch.kernel()];
        let mut all = Arch::ALL.into_iter();
        all.find(|arch| names(arch).contains(&&*name))
    }

    /// As in a kernel's spec: `debian-13/arm64`.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86 => "x86_64",
            Arch::Arm64 => "arm64",
            Arch::S390 => "s390x",
        }
    }

    /// Debian's name of the architecture.
    pub fn debian(self) -> &'static str {
        match self {
            Arch::X86 => "amd64",
            Arch::Arm64 | Arch::S390 => self.name(),
        }
    }

    /// The processor in GNU's and Rust's triplets, and in the names of QEMU's programs.
    pub fn machine(self) -> &'static str {
        match self {
            Arch::Arm64 => "aarch64",
            Arch::X86 | Arch::S390 => self.name(),
        }
    }

    /// The folder of the kernel's `arch/`, which is also kbuild's `ARCH` and what libbpf's
    /// `__TARGET_ARCH_` ends in.
    pub fn kernel(self) -> &'static str {
        match self {
            Arch::X86 => "x86",
            Arch::Arm64 => "arm64",
            Arch::S390 => "s390",
        }
    }

    /// The image of a kernel in its build tree, whose name is kbuild's target, too.
    pub fn image(self) -> &'static str {
        match self {
            Arch::X86 => "arch/x86/boot/bzImage",
            Arch::Arm64 => "arch/arm64/boot/Image",
            Arch::S390 => "arch/s390/boot/bzImage",
        }
    }

    /// The option that a kernel for it is configured with, without `CONFIG_`.
    pub fn option(self) -> &'static str {
        match self {
            Arch::X86 => "X86_64",
            Arch::Arm64 => "ARM64",
            Arch::S390 => "S390",
        }
    }

    /// The file of the options that kernels are built with for it alone.
    pub fn fragment(self) -> Option<String> {
        self.is_foreign().then(|| format!("{self}.config"))
    }

    /// GNU's triplet: `aarch64-linux-gnu`, what cross compilers are named by.
    pub fn gnu(self) -> String {
        format!("{}-linux-gnu", self.machine())
    }

    /// Rust's target of programs for it.
    pub fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.machine())
    }

    /// QEMU's program.
    pub fn qemu(self) -> String {
        format!("qemu-system-{}", self.machine())
    }

    /// What the names of the functions of system calls begin with (SYSCALL_DEFINE of
    /// arch/*/include/asm/syscall_wrapper.h, 6.11).
    pub fn syscall(self) -> &'static str {
        match self {
            Arch::X86 => "__x64_sys_",
            Arch::Arm64 => "__arm64_sys_",
            Arch::S390 => "__s390x_sys_",
        }
    }

    /// Where this machine's compilers make programs for another processor.
    pub fn is_foreign(self) -> bool {
        self != HOST
    }

    /// What a tool of the compiler is called here: `gcc`, or `aarch64-linux-gnu-gcc`.
    pub fn tool(self, name: &str) -> String {
        match self.is_foreign() {
            true => format!("{}-{name}", self.gnu()),
            false => name.to_owned(),
        }
    }

    /// Where a program of this machine is that is for this processor.
    ///
    /// # Errors
    /// It is not installed.
    pub fn require(self, program: String) -> Result<PathBuf> {
        match self.is_foreign() {
            false => tool::require(program),
            true => tool::find(&program).with_context(|| {
                format!(
                    "`{program}` is not installed: install it with `kassay setup --arch {self}`"
                )
            }),
        }
    }

    /// Tells kbuild whom it builds for.
    pub fn kbuild(self, make: Tool) -> Tool {
        match self.is_foreign() {
            true => make
                .arg(format!("ARCH={}", self.kernel()))
                .arg(format!("CROSS_COMPILE={}-", self.gnu())),
            false => make,
        }
    }
}

impl FromStr for Arch {
    type Err = String;

    fn from_str(name: &str) -> Result<Arch, String> {
        Arch::named(name).ok_or_else(|| {
            let known = Arch::ALL.map(Arch::name).join(", ");
            let meant = Arch::meant(name).map(|arch| format!(", did you mean `{arch}`?"));
            let meant = meant.unwrap_or_default();
            format!("no processor is named so{meant} (known are {known})")
        })
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
