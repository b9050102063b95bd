//! What a guest sends over the port for a program's streams: the same frames
//! whatever the portions, and the same bytes again.
#![no_main]

use kassay_guest::stream::{Decoder, Frame, Garbage};
use libfuzzer_sys::fuzz_target;

fn decode(bytes: &[u8], portion: usize) -> (Vec<Frame>, Result<(), Garbage>) {
    let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
    for portion in bytes.chunks(portion) {
        decoder.feed(portion);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(garbage) => return (frames, Err(garbage)),
            }
        }
    }
    (frames, Ok(()))
}

fuzz_target!(|input: (&[u8], u8)| {
    let (bytes, portion) = input;
    let (frames, end) = decode(bytes, bytes.len().max(1));
    assert_eq!(
        decode(bytes, usize::from(portion).max(1)),
        (frames.clone(), end)
    );
    let mut again = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut again));
    assert!(bytes.starts_with(&again));
});
