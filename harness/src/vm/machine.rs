//! One kind of virtual machine, in vmtest's terms.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kassay_guest::{GATE_PORT, HOST_ROOT, IO_PORT, SAVE};
use rustix::fs::{CWD, FallocateFlags, FileType, Mode, fallocate};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use serde_json::json;
use vmtest::{Config, Target, VMConfig};

use super::accelerator::Accelerator;
use super::state::{self, State};
use super::{Terms, debugger};

/// Guest memory, in MiB, unless the user says otherwise.
pub const MEMORY_MIB: u32 = 256;

/// The least guest memory that the user may say, in MiB. Debian's kernel needs 112 to boot as far
/// as a state is saved; one with KASAN needs more.
pub const LEAST_MIB: u32 = 128;

/// What is started in QEMU's place, in the run's directory.
pub(super) const QEMU: &str = "qemu";

/// The pipes behind the gate, as QEMU's `-chardev pipe,path=gate` names them:
/// what goes into the guest, and what comes out.
pub(super) const GATE_IN: &str = "gate.in";
/// See [`GATE_IN`].
pub(super) const GATE_OUT: &str = "gate.out";

/// The monitor that is listened to.
pub(super) const EVENTS: &str = "qmp.sock";

/// The monitor that is talked to.
pub(super) const ORDERS: &str = "orders.sock";

/// The socket behind the port of a program's streams.
pub(super) const IO: &str = "io.sock";

/// What is shared in the place of the host's root.
const NO_ROOT: &str = "no-root";

/// QEMU's `-machine`: no keyboard and no mouse, whose probing takes a while
/// and ends when it likes.
const MACHINE: &str = "pc,i8042=off";

/// The pipes behind the monitor by which QEMU is told to go on from a state.
const RESTORE: &str = "restore";

/// The guest's memory, in the run's directory, where it is a file.
pub(super) const MEMORY: &str = "ram";

/// The most CPUs that a guest can have: as many as the kernels are built for.
pub const MOST_CPUS: u8 = 64;

/// How large a guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Size {
    /// Its CPUs.
    pub cpus: u8,
    /// Its memory, in MiB.
    pub memory_mib: u32,
}

impl Default for Size {
    fn default() -> Size {
        Size {
            cpus: 1,
            memory_mib: MEMORY_MIB,
        }
    }
}

/// What a virtual machine is made of.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel to start.
    pub image: PathBuf,
    /// The archive whose `/init` is PID 1.
    pub initramfs: PathBuf,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// How large the guest is.
    pub size: Size,
    /// The frequency of the counter that it takes for its clock, in kHz, where it is to be told.
    pub tsc_khz: Option<u32>,
}

/// How a machine comes up.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// It boots.
    Boot,
    /// It boots and then waits at the gate, for its state to be saved.
    Wait,
    /// It goes on from a saved state.
    Restore(&'a State),
}

/// The kernel's arguments over and above vmtest's; the last one of a kind wins.
/// Messages below warnings stay out of the emulated serial port, which is slow;
/// the guest reports the whole log. Interrupts are routed by the firmware's MP
/// table, since evaluating ACPI's is a third of an emulated boot, and RCU does
/// not wait for a quiet moment. Addresses are those of the kernel's own files, for
/// debuggers. A kernel that panicked resets the machine by a triple fault: it would
/// look for a keyboard controller for up to 20 seconds. Five levels of page tables
/// are not needed, and with them KASAN reports a wild access early in some boots.
/// RCU Tasks gathers the callbacks of a quarter of a second before it begins (kernel/rcu/tasks.h
/// since 6.6), and the freeing of a sleepable program is such a callback.
const KERNEL_ARGS: &str = "loglevel=5 oops=panic nokaslr acpi=noirq rcupdate.rcu_expedited=1 \
                           rcupdate.rcu_tasks_lazy_ms=0 rcupdate.rcu_tasks_trace_lazy_ms=0 \
                           random.trust_cpu=on no_timer_check tsc=reliable reboot=triple no5lvl";

impl Machine {
    /// The kernel's arguments. Without the counter's frequency a kernel measures it, and where the
    /// host is busy under TCG may be wrong twentyfold: its clock then runs ahead, and it reports
    /// stalls that are none.
    fn kernel_args(&self) -> String {
        let khz = self.tsc_khz.map(|khz| format!(" tsc_early_khz={khz}"));
        format!("{KERNEL_ARGS}{}", khz.unwrap_or_default())
    }

    /// QEMU's arguments over and above vmtest's that shape the machine, and so
    /// its saved states.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "-initrd".to_owned(),
            self.initramfs.display().to_string(),
            "-machine".to_owned(),
            format!("{MACHINE},memory-backend=ram"),
            "-device".to_owned(),
            format!("virtserialport,chardev=gate,name={GATE_PORT}"),
            "-device".to_owned(),
            format!("virtserialport,chardev=io,name={IO_PORT}"),
            "-device".to_owned(),
            format!("virtio-9p-pci,fsdev=host,mount_tag={HOST_ROOT}"),
        ];
        arguments.extend(
            self.accelerator
                .arguments()
                .iter()
                .map(|argument| (*argument).to_owned()),
        );
        arguments
    }

    /// Everything about the machine that is not its kernel, for cache keys.
    pub(super) fn identity(&self) -> String {
        let (arguments, kernel_args) = (self.arguments(), self.kernel_args());
        format!("{arguments:?} {kernel_args} {:?}", self.size)
    }

    /// QEMU's arguments for the machine without vmtest, with `init_args` for
    /// the guest program.
    pub fn bare_arguments(&self, init_args: &str) -> Vec<String> {
        let console = "earlyprintk=serial,0,115200 console=0,115200 panic=-1";
        let own = [
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-machine",
            MACHINE,
            "-kernel",
            &self.image.display().to_string(),
            "-initrd",
            &self.initramfs.display().to_string(),
            "-smp",
            &self.size.cpus.to_string(),
            "-m",
            &format!("{}M", self.size.memory_mib),
            "-append",
            &format!("{console} {} {init_args}", self.kernel_args()),
        ]
        .map(str::to_owned);
        own.into_iter()
            .chain(self.accelerator.arguments().iter().map(|a| (*a).to_owned()))
            .collect()
    }

    /// QEMU's arguments over and above vmtest's for one run. Paths are relative to its directory,
    /// in which QEMU runs: the path of a socket has at most 107 bytes.
    fn run_arguments(&self, start: Start, terms: &Terms) -> Vec<String> {
        let mut arguments = self.arguments();
        let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        // A monitor serves one at a time: one tells events, one takes orders.
        for socket in [EVENTS, ORDERS] {
            add("-qmp", format!("unix:{socket},server=on,wait=off"));
        }
        add("-chardev", "pipe,id=gate,path=gate".to_owned());
        let io = format!("socket,id=io,path={IO},server=on,wait=off");
        add("-chardev", io);
        // The device is always there, so that a state is of any run's machine.
        let host = if terms.host_root { "/" } else { NO_ROOT };
        add(
            "-fsdev",
            format!("local,id=host,path={host},security_model=none,multidevs=remap,readonly=on"),
        );
        add("-object", self.memory(start));
        if let Start::Restore(_) = start {
            add("-incoming", "defer".to_owned());
            add("-chardev", format!("pipe,id={RESTORE},path={RESTORE}"));
            add("-mon", format!("chardev={RESTORE},mode=control"));
        }
        if terms.dump {
            // What the guest leaves in its memory is there as long as QEMU is.
            arguments.push("-no-shutdown".to_owned());
        }
        if terms.debugger.is_some() {
            arguments.extend(debugger::ARGUMENTS.map(str::to_owned));
        }
        arguments
    }

    /// The guest's memory: where a state is saved, a file that is a part of it; where one is gone
    /// on from, that file, of which the machine changes a copy of its own.
    fn memory(&self, start: Start) -> String {
        let size = self.size.memory_mib;
        match start {
            Start::Boot => format!("memory-backend-ram,id=ram,size={size}M"),
            Start::Wait => {
                format!("memory-backend-file,id=ram,size={size}M,mem-path={MEMORY},share=on")
            }
            Start::Restore(_) => {
                format!("memory-backend-file,id=ram,size={size}M,mem-path={MEMORY},share=off")
            }
        }
    }

    /// vmtest's configuration for a run in `directory`, which has been prepared
    /// by [`prepare`].
    pub(super) fn config(&self, directory: &Path, start: Start, terms: &Terms) -> Config {
        let kernel_args = match start {
            Start::Wait => format!("{} -- {SAVE}", self.kernel_args()),
            _ => self.kernel_args(),
        };
        Config {
            target: vec![Target {
                name: "kassay".to_owned(),
                kernel: Some(self.image.clone()),
                kernel_args: Some(kernel_args),
                // vmtest exports this as the guest's root, writable. The
                // guest never mounts it, and there is nothing in it.
                rootfs: directory.join("root"),
                // An architecture that vmtest does not know keeps it from
                // choosing KVM by the mere existence of /dev/kvm.
                arch: "kassay".to_owned(),
                qemu_command: Some(directory.join(QEMU).display().to_string()),
                command: "kassay-plan".to_owned(),
                vm: VMConfig {
                    num_cpus: self.size.cpus,
                    memory: format!("{}M", self.size.memory_mib),
                    extra_args: self.run_arguments(start, terms),
                    ..VMConfig::default()
                },
                ..Target::default()
            }],
        }
    }
}

/// Fills a run's directory: the share, the empty root, the open gate and the
/// state to go on from.
pub(super) fn prepare(
    directory: &Path,
    start: Start,
    terms: &Terms,
    memory_mib: u32,
) -> Result<()> {
    // vmtest writes an init script, which nothing runs, into the guest's root
    // under the host's name for temporary files.
    let temporary = std::env::temp_dir();
    let temporary = temporary.strip_prefix("/").unwrap_or(&temporary);
    for path in [
        directory.join("share"),
        directory.join(NO_ROOT),
        directory.join("root").join(temporary),
    ] {
        fs::create_dir_all(&path)
            .with_context(|| format!("make directory `{}`", path.display()))?;
    }
    for name in [GATE_IN, GATE_OUT] {
        pipe(directory, name)?;
    }
    if terms.dump {
        fs::write(directory.join("hold"), "").context("have the machine wait at its end")?;
    }
    match start {
        Start::Boot => Ok(()),
        Start::Wait => {
            make_memory(&directory.join(MEMORY), u64::from(memory_mib) << 20)?;
            fs::write(directory.join("shut"), "").context("shut the gate")
        }
        Start::Restore(state) => prepare_restore(directory, state),
    }
}

/// Makes the file of a guest's memory. QEMU may write no file as long as that may be, and on a disk
/// that is full it would be killed.
fn make_memory(path: &Path, bytes: u64) -> Result<()> {
    let file = File::create(path).with_context(|| format!("make `{}`", path.display()))?;
    let made = match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP) => file.set_len(bytes),
        made => made.map_err(Into::into),
    };
    made.with_context(|| format!("make room for {} MiB in `{}`", bytes >> 20, path.display()))
}

/// Links the state, and writes what is said on the monitor as soon as QEMU is there.
fn prepare_restore(directory: &Path, state: &State) -> Result<()> {
    for file in state::FILES {
        let (file, link) = (state.folder.join(file), directory.join(file));
        // Of what is removed meanwhile a hard link keeps the file.
        fs::hard_link(&file, &link)
            .or_else(|_| symlink(&file, &link))
            .context("link the saved state")?;
    }
    for end in ["in", "out"] {
        pipe(directory, &format!("{RESTORE}.{end}"))?;
    }
    let orders = [
        json!({ "execute": "qmp_capabilities" }),
        json!({ "execute": "migrate-set-capabilities", "arguments": state::capabilities() }),
        json!({ "execute": "migrate-incoming", "arguments": { "uri": state.incoming } }),
    ];
    let orders = orders.map(|order| format!("{order}\n")).concat();
    fs::write(directory.join(RESTORE), orders).context("write how the state is restored")
}

fn pipe(directory: &Path, name: &str) -> Result<()> {
    rustix::fs::mknodat(CWD, directory.join(name), FileType::Fifo, Mode::RWXU, 0)
        .with_context(|| format!("make pipe `{name}`"))
}
