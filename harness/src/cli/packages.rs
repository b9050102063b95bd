//! The packages that kassay needs of a host, by what they are for and who installs them.

use std::fs;

use crate::arch::Arch;
use crate::tool::find;

/// What packages are for.
pub struct Need {
    /// To do what.
    pub purpose: &'static str,
    /// Debian's packages. `a|b` is one of them: whichever is installed, else the first that apt
    /// knows.
    pub apt: &'static [&'static str],
    dnf: &'static str,
    pacman: &'static str,
    zypper: &'static str,
    apk: &'static str,
}

/// What each command but `kassay bench` needs.
pub const NEEDS: [Need; 4] = [
    Need {
        purpose: "run virtual machines",
        apt: &["qemu-system-x86"],
        dnf: "qemu-system-x86-core",
        pacman: "qemu-system-x86",
        zypper: "qemu-x86",
        apk: "qemu-system-x86_64 setpriv util-linux-misc",
    },
    Need {
        purpose: "build modules and kernels",
        apt: &[
            "make",
            "gcc",
            "libc6-dev",
            "bc",
            "bison",
            "cpio",
            // On Debian it is there. Elsewhere it has the keys of Debian's suites.
            "debian-archive-keyring",
            "flex",
            "libelf-dev",
            "libssl-dev",
            "lz4",
            "pahole|dwarves",
            "perl",
            "xz-utils",
        ],
        dnf: "make gcc glibc-devel glibc-static bc bison cpio flex elfutils-libelf-devel \
              openssl-devel lz4 dwarves perl-interpreter xz",
        pacman: "make gcc bc bison cpio flex libelf openssl lz4 pahole perl xz",
        zypper: "make gcc glibc-devel glibc-devel-static bc bison cpio flex libelf-devel \
                 libopenssl-devel lz4 dwarves perl xz",
        apk: "make gcc musl-dev bash bc bison cpio flex elfutils-dev openssl-dev lz4 pahole perl xz",
    },
    Need {
        purpose: "compile BPF programs",
        // Ubuntu has had a package of that name since 25.04.
        apt: &[
            "bpftool|linux-tools-generic",
            "clang-19|clang",
            "libbpf-dev",
            "linux-libc-dev",
        ],
        dnf: "bpftool clang libbpf-devel kernel-headers",
        pacman: "bpf clang libbpf linux-api-headers",
        zypper: "bpftool clang libbpf-devel linux-glibc-devel",
        apk: "bpftool clang libbpf-dev linux-headers",
    },
    Need {
        purpose: "search a history",
        apt: &["git"],
        dnf: "git",
        pacman: "git",
        zypper: "git",
        apk: "git",
    },
];

/// What `kassay bench` needs on top: the agent of the guest that it compares with.
pub const BENCH: Need = Need {
    purpose: "compare with vmtest's own guest",
    apt: &["qemu-guest-agent"],
    dnf: "qemu-guest-agent",
    pacman: "qemu-guest-agent",
    zypper: "qemu-guest-agent",
    apk: "qemu-guest-agent",
};

/// What `kassay selftests` needs on top.
pub const SELFTESTS: Need = Need {
    purpose: "build the kernel's selftests, and run them",
    apt: &[
        "lld-19|lld",
        "llvm-19|llvm",
        "zlib1g-dev",
        "ethtool",
        "iproute2",
        "iptables",
        "iputils-ping",
    ],
    dnf: "lld llvm zlib-devel ethtool iproute iproute-tc iptables-legacy iputils",
    pacman: "lld llvm zlib ethtool iproute2 iptables iputils",
    zypper: "lld llvm zlib-devel ethtool iproute2 iptables iputils",
    apk: "lld llvm zlib-dev ethtool iproute2 iptables iputils",
};

/// What kernels for another processor need on top.
pub fn of(arch: Arch) -> Option<&'static Need> {
    match arch {
        Arch::X86 => None,
        Arch::Arm64 => Some(&Need {
            purpose: "run arm64",
            apt: &[
                "qemu-system-arm",
                "gcc-aarch64-linux-gnu",
                "libc6-dev-arm64-cross",
            ],
            dnf: "qemu-system-aarch64-core gcc-aarch64-linux-gnu",
            pacman: "qemu-system-aarch64 aarch64-linux-gnu-gcc",
            zypper: "qemu-arm cross-aarch64-gcc14",
            apk: "qemu-system-aarch64",
        }),
        Arch::S390 => Some(&Need {
            purpose: "run s390x",
            apt: &[
                "qemu-system-s390x|qemu-system-misc",
                "gcc-s390x-linux-gnu",
                "libc6-dev-s390x-cross",
            ],
            dnf: "qemu-system-s390x-core gcc-s390x-linux-gnu",
            pacman: "qemu-system-s390x s390x-linux-gnu-gcc",
            zypper: "qemu-s390x cross-s390x-gcc14",
            apk: "qemu-system-s390x",
        }),
    }
}

/// What a host is installed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    Apt,
    Dnf,
    Pacman,
    Zypper,
    Apk,
}

/// The names of distributions in ID and ID_LIKE of os-release(5), and what installs there.
const FAMILIES: [(&str, Manager); 9] = [
    ("debian", Manager::Apt),
    ("ubuntu", Manager::Apt),
    ("fedora", Manager::Dnf),
    ("rhel", Manager::Dnf),
    ("centos", Manager::Dnf),
    ("arch", Manager::Pacman),
    ("suse", Manager::Zypper),
    ("opensuse", Manager::Zypper),
    ("alpine", Manager::Apk),
];

impl Manager {
    /// What this host is installed by: as its os-release says, else apt where it is.
    pub fn here() -> Option<Manager> {
        let text = ["/etc/os-release", "/usr/lib/os-release"].iter();
        let text = text.filter_map(|path| fs::read_to_string(path).ok()).next();
        let told = text.and_then(|text| Manager::of(&text));
        told.or_else(|| find("apt-get").map(|_| Manager::Apt))
    }

    /// What the host of an os-release file is installed by.
    fn of(release: &str) -> Option<Manager> {
        let value = |key: &str| {
            let mut lines = release.lines();
            let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches(['"', '\''])
        };
        let words = value("ID").split(' ').chain(value("ID_LIKE").split(' '));
        let known = |word: &str| {
            let mut families = FAMILIES.iter();
            families.find(|(name, _)| word == *name || word.starts_with(&format!("{name}-")))
        };
        words.filter_map(known).map(|(_, manager)| *manager).next()
    }

    /// The command that installs what some needs are met by.
    pub fn command<'a>(self, needs: impl Iterator<Item = &'a Need>) -> String {
        let (command, of): (_, fn(&Need) -> String) = match self {
            Manager::Apt => ("apt-get install", |need| {
                need.apt
                    .join(" ")
                    .replace("clang-19|", "")
                    .replace("lld-19|", "")
                    .replace("llvm-19|", "")
                    .replace("|dwarves", "")
                    .replace("|linux-tools-generic", "")
            }),
            Manager::Dnf => ("dnf install", |need| need.dnf.to_owned()),
            Manager::Pacman => ("pacman -S --needed", |need| need.pacman.to_owned()),
            Manager::Zypper => ("zypper install", |need| need.zypper.to_owned()),
            Manager::Apk => ("apk add", |need| need.apk.to_owned()),
        };
        let packages: Vec<String> = needs.map(of).collect();
        format!("{command} {}", packages.join(" "))
    }

    /// What else there is to know.
    pub fn remark(self) -> &'static str {
        match self {
            Manager::Apt => "",
            Manager::Apk => {
                "\nthe guest program is linked with glibc, for which Rust has no target here; run \
                 kassay in a container of Debian (.github/Containerfile of its repository)"
            }
            _ => {
                "\nthe kernel `distro` and those of Debian's packages come by apt; name a kernel that \
                 is built from its tarball, such as `6.11`, or the path of a kernel's tree"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_its_name_or_by_what_it_is_like() {
        let of = |text: &str| Manager::of(text);
        assert_eq!(of("NAME=x\nID=fedora\n"), Some(Manager::Dnf));
        assert_eq!(
            of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            Some(Manager::Dnf)
        );
        assert_eq!(
            of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            Some(Manager::Apt)
        );
        assert_eq!(of("ID=\"opensuse-tumbleweed\"\n"), Some(Manager::Zypper));
        assert_eq!(of("ID=nixos\n"), None);
    }

    #[test]
    fn the_command_names_what_is_for_all_needs() {
        let command = Manager::Pacman.command(NEEDS.iter());
        assert!(command.starts_with("pacman -S --needed qemu-system-x86 make gcc "));
        assert!(Manager::Apt.command(NEEDS.iter()).contains(" pahole perl "));
    }
}
