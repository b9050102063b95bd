//! The software clock of each CPU, on which programs of `perf_event` run.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use anyhow::{Context, Result};
use libbpf_rs::{Link, ProgramMut, libbpf_sys};

/// How often a program runs unless the scenario says so, in nanoseconds of its CPU's clock.
const PERIOD: u64 = 1_000_000;

/// Attaches a program to the clock of each CPU, which runs it once in so many nanoseconds.
pub fn attach(program: &ProgramMut<'_>, period: Option<u64>) -> Result<Vec<Link>> {
    let period = period.unwrap_or(PERIOD);
    let links = (0..cpus()).map(|cpu| {
        let event = open(cpu, period).with_context(|| format!("open the clock of CPU {cpu}"))?;
        // The link closes it.
        Ok(program.attach_perf_event(event.into_raw_fd())?)
    });
    links.collect()
}

fn cpus() -> i32 {
    // SAFETY: it takes no pointer.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    i32::try_from(count).unwrap_or(1).max(1)
}

/// Opens a clock of `perf_event_open(2)`.
fn open(cpu: i32, period: u64) -> io::Result<OwnedFd> {
    let mut event = libbpf_sys::perf_event_attr {
        type_: libbpf_sys::PERF_TYPE_SOFTWARE,
        size: size_of::<libbpf_sys::perf_event_attr>() as u32,
        config: u64::from(libbpf_sys::PERF_COUNT_SW_CPU_CLOCK),
        ..libbpf_sys::perf_event_attr::default()
    };
    event.__bindgen_anon_1.sample_period = period;
    // SAFETY: the attributes are whole and their size is in them.
    let event = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const event,
            -1,
            cpu,
            -1,
            u64::from(libbpf_sys::PERF_FLAG_FD_CLOEXEC),
        )
    };
    match i32::try_from(event) {
        // SAFETY: the kernel made it, and nobody else has it.
        Ok(event) if event >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(event) }),
        _ => Err(io::Error::last_os_error()),
    }
}
