//! `submit`: samples go into a user ring buffer.

use anyhow::{Context, Result};
use kassay_guest::Outcome;
use libbpf_rs::UserRingBuffer;

use crate::bpf::{self, Attached};

/// Submits numbered samples until the buffer is full, at most this many.
pub fn run(map: &str, samples: u32, attached: &[Attached]) -> Result<Outcome> {
    let (_, map) = bpf::map(attached, map)?;
    let buffer = UserRingBuffer::new(&map).context("open the user ring buffer")?;
    let mut submitted = 0;
    while submitted < samples {
        let number = u64::from(submitted).to_ne_bytes();
        // It fails only for want of room.
        let Ok(mut sample) = buffer.reserve(number.len()) else {
            break;
        };
        sample.copy_from_slice(&number);
        buffer.submit(sample)?;
        submitted += 1;
    }
    Ok(Outcome::Submit { submitted })
}
