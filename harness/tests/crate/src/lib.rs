//! A crate whose tests need root and a kernel: they load a BPF program.

use std::io;

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn close(file: i32) -> i32;
}

/// `bpf(2)` on x86-64, and its command that loads a program.
const BPF: i64 = 321;
const PROG_LOAD: u32 = 5;

/// The first members of the command's attributes (include/uapi/linux/bpf.h, `union bpf_attr`).
#[repr(C)]
struct Attributes {
    kind: u32,
    instructions: u32,
    code: *const u64,
    license: *const u8,
    log: [u64; 2],
}

/// Loads a program of this kind, by its number in `enum bpf_prog_type`, and lets go of it.
///
/// # Errors
/// The kernel refuses it.
pub fn load(kind: u32, code: &[u64]) -> io::Result<()> {
    let attributes = Attributes {
        kind,
        instructions: code.len() as u32,
        code: code.as_ptr(),
        license: c"GPL".as_ptr().cast(),
        log: [0; 2],
    };
    // SAFETY: the kernel reads the attributes, the code and the license, which outlive the call.
    let file = unsafe { syscall(BPF, PROG_LOAD, &attributes, size_of::<Attributes>()) };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the file is this function's alone.
    unsafe { close(file as i32) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `BPF_PROG_TYPE_KPROBE`, which takes root.
    const KPROBE: u32 = 2;

    /// `r0 = 0; exit`.
    const NOTHING: [u64; 2] = [0xb7, 0x95];

    #[test]
    fn a_program_is_loaded_as_root() {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        println!("loaded on {release}");
        load(KPROBE, &NOTHING).unwrap();
    }

    #[test]
    fn what_does_not_end_is_refused() {
        load(KPROBE, &NOTHING[..1]).unwrap_err();
    }
}
