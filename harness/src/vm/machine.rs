//! One kind of virtual machine, in QEMU's terms.

use std::path::PathBuf;

use kassay_guest::{GATE_PORT, HOST_ROOT, IO_PORT};

use super::Start;
use super::Terms;
use super::accelerator::Accelerator;
use super::directory::{EVENTS, IO, NO_ROOT, ORDERS, RESTORE, SOCKET};
use crate::arch::Arch;
use crate::cache::Cache;
use crate::size::Size;
use crate::state::MEMORY;

/// QEMU's `-machine`. A PC has no keyboard and no mouse, whose probing takes a while and ends when
/// it likes.
fn board(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "pc,i8042=off",
        Arch::Arm64 => "virt,gic-version=3",
        Arch::S390 => "s390-ccw-virtio",
    }
}

/// The bus that virtio's devices are on.
fn bus(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 | Arch::Arm64 => "pci",
        Arch::S390 => "ccw",
    }
}

/// What a virtual machine is made of.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor.
    pub arch: Arch,
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

/// The kernel's arguments over and above vmtest's; the last one of a kind wins.
/// Messages below warnings stay out of the emulated serial port, which is slow;
/// the guest reports the whole log. RCU does not wait for a quiet moment.
/// Addresses are those of the kernel's own files, for debuggers.
/// RCU Tasks gathers the callbacks of a quarter of a second before it begins (kernel/rcu/tasks.h
/// since 6.6), and the freeing of a sleepable program is such a callback.
const KERNEL_ARGS: &str = "loglevel=5 oops=panic nokaslr rcupdate.rcu_expedited=1 \
                           rcupdate.rcu_tasks_lazy_ms=0 rcupdate.rcu_tasks_trace_lazy_ms=0 \
                           random.trust_cpu=on";

/// Those of one processor. On x86 interrupts are routed by the firmware's MP table, since
/// evaluating ACPI's is a third of an emulated boot, and so slow under KASAN that the kernel
/// reports a soft lockup. A kernel that panicked resets the machine by a triple fault: it would
/// look for a keyboard controller for up to 20 seconds. Five levels of page tables are not needed,
/// and with them KASAN reports a wild access early in some boots. Elsewhere the console is not the
/// one that vmtest names.
fn args_of(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "acpi=noirq no_timer_check tsc=reliable reboot=triple no5lvl",
        Arch::Arm64 => "console=ttyAMA0",
        Arch::S390 => "console=ttysclp0",
    }
}

impl Machine {
    /// The kernel's arguments. Without the counter's frequency a kernel measures it, and where the
    /// host is busy under TCG may be wrong twentyfold: its clock then runs ahead, and it reports
    /// stalls that are none.
    pub(super) fn kernel_args(&self) -> String {
        let khz = self.tsc_khz.map(|khz| format!(" tsc_early_khz={khz}"));
        let own = args_of(self.arch);
        format!("{KERNEL_ARGS} {own}{}", khz.unwrap_or_default())
    }

    /// QEMU's arguments over and above vmtest's that shape the machine, and so
    /// its saved states.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "-initrd".to_owned(),
            self.initramfs.display().to_string(),
            "-machine".to_owned(),
            format!("{},memory-backend=ram", board(self.arch)),
            "-device".to_owned(),
            format!("virtserialport,chardev=gate,name={GATE_PORT}"),
            "-device".to_owned(),
            format!("virtserialport,chardev=io,name={IO_PORT}"),
            "-device".to_owned(),
            format!(
                "virtio-9p-{},fsdev=host,mount_tag={HOST_ROOT}",
                bus(self.arch)
            ),
        ];
        arguments.extend(
            self.accelerator
                .arguments(self.arch)
                .iter()
                .map(|argument| (*argument).to_owned()),
        );
        arguments
    }

    /// Everything about the machine that is not its kernel, for cache keys: the same in whichever
    /// folder the cache is.
    pub(super) fn identity(&self, cache: &Cache) -> String {
        let initramfs = &self.initramfs;
        let inside = initramfs.strip_prefix(cache.root()).unwrap_or(initramfs);
        let machine = Machine {
            initramfs: inside.to_owned(),
            ..self.clone()
        };
        let (arguments, kernel_args) = (machine.arguments(), machine.kernel_args());
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
            board(self.arch),
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
        let accelerator = self.accelerator.arguments(self.arch).iter();
        own.into_iter()
            .chain(accelerator.map(|a| (*a).to_owned()))
            .collect()
    }

    /// QEMU's arguments over and above vmtest's for one run. Paths are relative to its directory,
    /// in which QEMU runs: the path of a socket has at most 107 bytes.
    pub(super) fn run_arguments(&self, start: Start, terms: &Terms) -> Vec<String> {
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
            let gdb = format!("unix:{SOCKET},server=on,wait=off");
            arguments.extend(["-S".to_owned(), "-gdb".to_owned(), gdb]);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_the_same_in_whichever_folder_its_cache_is() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [one, other] = folders.each_ref().map(|folder| {
            let cache = Cache::at(folder.path()).unwrap();
            let machine = Machine {
                arch: Arch::X86,
                image: cache.root().join("image"),
                initramfs: cache.root().join("initramfs/1/initramfs.cpio"),
                accelerator: Accelerator::Tcg,
                size: Size::default(),
                tsc_khz: None,
            };
            machine.identity(&cache)
        });
        assert_eq!(one, other);
        assert!(one.contains("initramfs/1/initramfs.cpio"), "{one}");
    }
}
