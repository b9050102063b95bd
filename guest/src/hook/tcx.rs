//! Links of tcx and of netkit, of which a hook has several in an order.

use std::os::fd::{BorrowedFd, RawFd};
use std::ptr::NonNull;

use anyhow::{Context, Result, bail};
use kassay_guest::section::End;
use libbpf_rs::{AsRawLibbpf, Link, ProgramAttachType, ProgramMut, libbpf_sys};

use crate::net::Net;

use super::at;

/// How many programs of a hook are looked at.
const MOST: usize = 64;

/// A program's turn among those of a hook.
#[derive(Clone, Copy)]
pub struct Order {
    pub turn: Turn,
    /// The other program.
    pub other: RawFd,
}

impl Order {
    /// The other program, of an object that is loaded as long as anything is attached.
    pub fn other(&self) -> BorrowedFd<'_> {
        // SAFETY: the object that has the program is open.
        unsafe { BorrowedFd::borrow_raw(self.other) }
    }
}

/// Whether it is before the other one or after it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Before,
    After,
}

/// The turn that a word such as `before:NAME` says, and the other program's name.
pub fn turn(order: &str) -> Option<(Turn, &str)> {
    let (turn, other) = order.split_once(':')?;
    match turn {
        "before" => Some((Turn::Before, other)),
        "after" => Some((Turn::After, other)),
        _ => None,
    }
}

/// Attaches a program by a link: after those that are there, or in its order.
pub fn attach(program: &ProgramMut<'_>, end: End, order: Option<Order>, net: &Net) -> Result<Link> {
    let index = net.index(end) as i32;
    let is_netkit = matches!(
        program.attach_type(),
        ProgramAttachType::NetkitPrimary | ProgramAttachType::NetkitPeer
    );
    let (flag, other) = match order {
        None => (0, 0),
        Some(Order { turn, other }) => {
            let flag = match turn {
                Turn::Before => libbpf_sys::BPF_F_BEFORE,
                Turn::After => libbpf_sys::BPF_F_AFTER,
            };
            (flag, other as u32)
        }
    };
    let program = program.as_libbpf_object().as_ptr();
    at(end, net, || {
        let link = if is_netkit {
            let mut options = libbpf_sys::bpf_netkit_opts {
                sz: size_of::<libbpf_sys::bpf_netkit_opts>() as _,
                flags: flag,
                ..Default::default()
            };
            options.relative_fd = other;
            // SAFETY: the program is loaded, and the options are whole.
            unsafe { libbpf_sys::bpf_program__attach_netkit(program, index, &raw const options) }
        } else {
            let mut options = libbpf_sys::bpf_tcx_opts {
                sz: size_of::<libbpf_sys::bpf_tcx_opts>() as _,
                flags: flag,
                ..Default::default()
            };
            options.relative_fd = other;
            // SAFETY: likewise.
            unsafe { libbpf_sys::bpf_program__attach_tcx(program, index, &raw const options) }
        };
        match NonNull::new(link) {
            // SAFETY: libbpf made the link, and nobody else has it.
            Some(link) => Ok(unsafe { Link::from_ptr(link) }),
            None => Err(std::io::Error::last_os_error()).context("attach by a link"),
        }
    })
}

/// The programs of a hook, by their ids in the order in which they run: of a device by its index, of
/// a file by its descriptor.
pub fn programs(of: i32, attach_type: ProgramAttachType) -> Result<Vec<u32>> {
    let mut ids = [0; MOST];
    let mut query = libbpf_sys::bpf_prog_query_opts {
        sz: size_of::<libbpf_sys::bpf_prog_query_opts>() as _,
        prog_ids: ids.as_mut_ptr(),
        ..Default::default()
    };
    query.__bindgen_anon_1.count = ids.len() as u32;
    // SAFETY: there is room for as many ids as `count` says.
    let status = unsafe { libbpf_sys::bpf_prog_query_opts(of, attach_type as u32, &raw mut query) };
    if status != 0 {
        return Err(std::io::Error::from_raw_os_error(-status))
            .context("ask for a hook's programs");
    }
    // SAFETY: the kernel wrote how many there are.
    let count = unsafe { query.__bindgen_anon_1.count } as usize;
    match ids.get(..count) {
        Some(ids) => Ok(ids.to_vec()),
        None => bail!("a hook has {count} programs, of which {MOST} are looked at"),
    }
}
