//! One kind of virtual machine, in vmtest's terms.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vmtest::{Config, Target, VMConfig};

use super::accelerator::Accelerator;

/// Guest memory, in MiB.
pub const MEMORY_MIB: u32 = 256;

/// What a virtual machine is made of.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel to start.
    pub image: PathBuf,
    /// The archive whose `/init` is PID 1.
    pub initramfs: PathBuf,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
}

impl Machine {
    /// vmtest's configuration for a run in `directory`, which has been prepared
    /// by [`prepare`].
    pub(super) fn config(&self, directory: &Path) -> Config {
        let mut extra_args: Vec<String> = vec![
            // No keyboard and no mouse, whose probing takes a while and ends
            // when it likes.
            "-machine".to_owned(),
            "pc,i8042=off".to_owned(),
            "-initrd".to_owned(),
            self.initramfs.display().to_string(),
            // Relative to the run's directory: the path of a socket has at
            // most 107 bytes.
            "-qmp".to_owned(),
            "unix:qmp.sock,server=on,wait=off".to_owned(),
        ];
        extra_args.extend(
            self.accelerator
                .arguments()
                .iter()
                .map(|argument| (*argument).to_owned()),
        );
        Config {
            target: vec![Target {
                name: "kassay".to_owned(),
                kernel: Some(self.image.clone()),
                kernel_args: Some(KERNEL_ARGS.to_owned()),
                // vmtest exports this as the guest's root, writable. The
                // guest never mounts it, and there is nothing in it.
                rootfs: directory.join("root"),
                // An architecture that vmtest does not know keeps it from
                // choosing KVM by the mere existence of /dev/kvm.
                arch: "kassay".to_owned(),
                qemu_command: Some(directory.join("qemu").display().to_string()),
                command: "kassay-plan".to_owned(),
                vm: VMConfig {
                    num_cpus: 1,
                    memory: format!("{MEMORY_MIB}M"),
                    extra_args,
                    ..VMConfig::default()
                },
                ..Target::default()
            }],
        }
    }
}

/// The kernel's arguments over and above vmtest's; the last one of a kind wins.
/// Messages below warnings stay out of the emulated serial port, which is slow;
/// the guest reports the whole log.
const KERNEL_ARGS: &str = "loglevel=5 oops=panic random.trust_cpu=on no_timer_check tsc=reliable";

/// Makes a run's directory: the share, the empty root and QEMU's stand-in.
pub fn prepare(directory: &Path) -> Result<()> {
    // vmtest writes an init script, which nothing runs, into the guest's root
    // under the host's name for temporary files.
    let temporary = std::env::temp_dir();
    let temporary = temporary.strip_prefix("/").unwrap_or(&temporary);
    for path in [
        directory.join("share"),
        directory.join("root").join(temporary),
    ] {
        fs::create_dir_all(&path)
            .with_context(|| format!("make directory `{}`", path.display()))?;
    }
    Ok(())
}
