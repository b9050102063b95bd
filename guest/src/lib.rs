//! The wire types: what the harness asks of the guest program ([`Plan`]) and
//! what the guest program reports ([`Fact`]).
//!
//! A plan is `plan.json` in the shared directory. Facts are JSON lines, one
//! [`Line`] each, written to vmtest's command port and, byte for byte the same,
//! to `facts.jsonl` in the shared directory. The guest reports facts and never
//! a verdict: whether a fact is good news is for the harness to say.

pub mod section;
#[cfg(feature = "sources")]
pub mod sources;
pub mod stream;
pub mod trace;
mod wire;

pub use wire::*;

/// The version of these types. A guest program that speaks another one is
/// built anew; the field exists so that a mix-up has a name.
pub const PROTOCOL: u32 = 17;

/// By which a module offers kfuncs to programs of a type (kernel/bpf/btf.c since 5.18).
pub const REGISTER: &str = "register_btf_kfunc_id_set";

/// Where the guest mounts the shared directory; vmtest asks for this path.
pub const SHARE: &str = "/mnt/vmtest";

/// The tag by which it does, which is vmtest's.
pub const SHARE_TAG: &str = "vmtest-shared";

/// The tag by which the guest mounts the host's root, read-only; where a machine was not asked
/// for it there is nothing in it.
pub const HOST_ROOT: &str = "kassay.root";

/// The port for the streams of a program that runs for somebody on the host.
pub const IO_PORT: &str = "kassay.io";

/// The name in the share of a program that was copied there.
pub const PROGRAM: &str = "program";

/// The port over which vmtest streams the output of its command.
pub const COMMAND_PORT: &str = "org.qemu.virtio_serial.0";

/// The port on which the guest says with a byte that it is up, and waits for a
/// byte before it opens the agent's: a state of the machine that is saved while it waits holds nothing of vmtest's.
pub const GATE_PORT: &str = "kassay.gate";

/// The byte that opens the gate to a machine which is to wait there once more when its plan has
/// ended, and with which the guest then says that it does: its memory can be looked at. It also has
/// the kernel stand still, not restart, when it panics.
pub const HOLD: u8 = b'h';

/// The argument with which the guest program ends the machine at once, to see
/// how long the bare machine takes.
pub const POWER_OFF: &str = "power-off";

/// The argument that tells the guest program that its machine's state will be
/// saved at the gate.
pub const SAVE: &str = "save";

/// The argument with which the guest program inserts the modules that it
/// carries and makes way for the init of the host's root, as a distribution's
/// initramfs does.
pub const SWITCH_ROOT: &str = "switch-root";

/// The argument with which the guest program is not PID 1 but an ordinary
/// program that follows the share's plan, to see what another guest takes.
pub const FOLLOW: &str = "follow";

/// The name in the share of the object that fails allocations.
pub const FAILING: &str = "failing.bpf.o";

/// The path by which an `exec` step executes the guest program, which then only
/// ends, with status 0.
pub const EXEC: &str = "/tmp/exec";

/// The line that closes the kernel log that [`Fact::Log`] reports, and is not
/// part of it: a console without it does not show what the guest does. It has the
/// plan's mark in it, so that nothing under test can print it and cut off what follows.
pub fn done(mark: &str) -> String {
    format!("kassay-guest: the plan is done {mark}")
}

/// What the guest program writes into the trace buffer before the plan's first program and behind
/// its last one: lines without the first were cleared, or read by somebody else, and without the
/// last one tracing was off. The kernel counts neither what is cleared nor what is not traced.
pub fn trace_marks(mark: &str) -> [String; 2] {
    ["begins", "ends"].map(|place| format!("kassay {mark} {place}"))
}

/// Why a module that has an init and no exit function is not removed ([`Fact::Removed`]).
pub const PERMANENT: &str = "it has no exit function (module_exit), so the kernel keeps it";

/// The name of the closing datagram of every `udp` step (see [`Step::Udp`]).
pub const SENTINEL_PORT: u16 = 65000;

/// The source port of packet 0 of a `udp` step; packet *n* has this plus *n*.
pub const FIRST_PORT: u16 = 40000;
