//! What lies in a run's directory before QEMU starts.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{CWD, FallocateFlags, FileType, Mode, fallocate};
use rustix::io::Errno;
use serde_json::json;

use super::Start;
use super::Terms;
use crate::state::{self, MEMORY, State};

/// What is started in QEMU's place.
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
pub(super) const NO_ROOT: &str = "no-root";

/// The pipes behind the monitor by which QEMU is told to go on from a state.
pub(super) const RESTORE: &str = "restore";

/// The socket of QEMU's gdb stub, in the run's directory.
pub const SOCKET: &str = "gdb.sock";

/// Fills a run's directory: the share, the open gate and the state to go on from.
pub(super) fn prepare(
    directory: &Path,
    start: Start,
    terms: &Terms,
    memory_mib: u32,
) -> Result<()> {
    for path in [directory.join("share"), directory.join(NO_ROOT)] {
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

/// Links the state, and writes what is said on the monitor as soon as QEMU is there. QEMU offers
/// `x-ignore-shared` by its monitor alone, so that it waits for its state (`-incoming defer`).
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
