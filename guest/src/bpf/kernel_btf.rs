//! The kernel's BTF, parsed before there is an object. libbpf parses it anew for each object that
//! needs it, and has no way to be handed one; so the linker puts [`load`] in the place of libbpf's
//! function of that name (`--wrap` in build.rs).

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libbpf_sys::btf;

unsafe extern "C" {
    #[link_name = "__real_btf__load_vmlinux_btf"]
    fn real() -> *mut btf;
}

/// What was parsed ahead, until an object has it.
static PARSED: AtomicPtr<btf> = AtomicPtr::new(ptr::null_mut());

/// Parses it for the first object that needs it. Where that fails, it fails again for the object,
/// which says so.
pub fn parse_ahead() {
    // SAFETY: libbpf's function asks for nothing, and this process has a single thread.
    PARSED.store(unsafe { real() }, Ordering::Relaxed);
}

/// What libbpf calls for the kernel's BTF. The caller owns what it gets, as of libbpf's own.
#[unsafe(export_name = "__wrap_btf__load_vmlinux_btf")]
extern "C" fn load() -> *mut btf {
    match PARSED.swap(ptr::null_mut(), Ordering::Relaxed) {
        // SAFETY: see `parse_ahead`.
        parsed if parsed.is_null() => unsafe { real() },
        parsed => parsed,
    }
}
