//! `submit`: samples go into a user ring buffer.

use anyhow::{Context, Result};
use kassay_guest::{Submit, Submitted};
use libbpf_rs::UserRingBuffer;

use super::Around;
use crate::bpf;

/// Submits numbered samples until the buffer is full, at most this many.
pub fn run(step: &Submit, around: &mut Around) -> Result<Submitted> {
    let (_, map) = bpf::map(around.attached, &step.map)?;
    let buffer = UserRingBuffer::new(&map).context("open the user ring buffer")?;
    let mut submitted = 0;
    while submitted < step.samples {
        let number = u64::from(submitted).to_ne_bytes();
        // It fails only for want of room.
        let Ok(mut sample) = buffer.reserve(number.len()) else {
            break;
        };
        sample.copy_from_slice(&number);
        buffer.submit(sample)?;
        submitted += 1;
    }
    Ok(Submitted { submitted })
}
