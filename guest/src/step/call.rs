//! `call`: a child process calls a function that uprobes and a USDT probe are
//! on, and passes the C library's own probes.

use anyhow::{Result, bail};
use kassay_guest::{Call, Done};

use super::Around;
use crate::process;

/// Has a child call [`kassay_add`] and, for `libc:mutex_acquired`,
/// `libc:mutex_release` and `libc:setjmp`, what they are in.
pub fn run(step: &Call, _: &mut Around) -> Result<Done> {
    let Call { a, b } = *step;
    let pid = process::spawn("call", || {
        lock();
        set_jump();
        i32::from(kassay_add(a, b) != a.wrapping_add(b))
    })?;
    match process::exit_code(process::wait(pid)?) {
        0 => Ok(Done {
            pid: pid.as_raw_nonzero().get(),
            text: format!("kassay_add({a}, {b}) called"),
        }),
        1 => bail!("kassay_add({a}, {b}) returned another number than the sum"),
        code => bail!("the child process ended with status {code}"),
    }
}

/// The sum, modulo 2^64. It is in the program's dynamic symbols (see `build.rs`),
/// where libbpf finds it; the USDT probe `kassay:add` has the arguments.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn kassay_add(a: u64, b: u64) -> u64 {
    probe::probe!(kassay, add, a, b);
    a.wrapping_add(b)
}

/// Locks a mutex of the C library and lets it go.
fn lock() {
    let mut mutex = libc::PTHREAD_MUTEX_INITIALIZER;
    // SAFETY: the mutex is initialised, does not move, and is this thread's alone.
    unsafe {
        libc::pthread_mutex_lock(&raw mut mutex);
        libc::pthread_mutex_unlock(&raw mut mutex);
    }
}

/// Calls setjmp(3) for its probe alone.
fn set_jump() {
    unsafe extern "C" {
        fn setjmp(buffer: *mut u8) -> libc::c_int;
    }
    /// A `jmp_buf` takes 200 bytes on x86-64 (glibc's bits/setjmp.h).
    #[repr(align(16))]
    struct Buffer([u8; 256]);
    let mut buffer = Buffer([0; 256]);
    // SAFETY: the buffer is large enough, and nobody jumps back, so that the
    // call returns once as every other does.
    unsafe { setjmp(buffer.0.as_mut_ptr()) };
}
