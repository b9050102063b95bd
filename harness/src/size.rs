//! How large a guest is, and may be.

use serde::{Deserialize, Serialize};

/// Guest memory, in MiB, unless the user says otherwise.
pub const MEMORY_MIB: u32 = 256;

/// The least guest memory that the user may say, in MiB. Debian's kernel needs 112 to boot as far
/// as a state is saved; one with KASAN needs more.
pub const LEAST_MIB: u32 = 128;

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
