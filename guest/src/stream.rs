//! Frames on the port for a program's streams (see [`crate::IO_PORT`]): a byte of the kind, the
//! length of the body as a little-endian u32, and the body.

use serde::{Deserialize, Serialize};

/// The longest body of a frame, in bytes.
pub const MOST: usize = 64 * 1024;

/// One thing that is said over the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// To the guest: bytes for the program's stdin; none are its end.
    Input(Vec<u8>),
    /// To the guest: a signal for the program's process group, by its number.
    Signal(i32),
    /// To the guest: the terminal has this size now.
    Size(Size),
    /// To the guest: nobody reads the program's stdout any more.
    Closed,
    /// From the guest: there is room for so many more bytes of input. Without it the host sends
    /// none, so that a program which does not read keeps no signal back.
    Room(u32),
    /// From the guest: what the program wrote to its stdout, or to its terminal.
    Output(Vec<u8>),
    /// From the guest: what the program wrote to its stderr.
    Error(Vec<u8>),
    /// From the guest: nothing follows. To the guest: everything before it has arrived.
    End,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

impl Frame {
    /// Adds the frame's bytes to others. What is longer than [`MOST`] becomes several frames.
    pub fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Frame::Input(bytes) => parts(1, bytes, into),
            Frame::Signal(number) => part(2, &number.to_le_bytes(), into),
            Frame::Size(Size { rows, columns }) => {
                let body = [rows.to_le_bytes(), columns.to_le_bytes()].concat();
                part(3, &body, into);
            }
            Frame::Closed => part(4, &[], into),
            Frame::Room(bytes) => part(5, &bytes.to_le_bytes(), into),
            Frame::Output(bytes) => parts(6, bytes, into),
            Frame::Error(bytes) => parts(7, bytes, into),
            Frame::End => part(8, &[], into),
        }
    }

    fn decode(kind: u8, body: &[u8]) -> Option<Frame> {
        let number = || body.try_into().ok().map(u32::from_le_bytes);
        Some(match kind {
            1 => Frame::Input(body.to_vec()),
            2 => Frame::Signal(number()?.cast_signed()),
            3 => {
                let [a, b, c, d] = body.try_into().ok()?;
                Frame::Size(Size {
                    rows: u16::from_le_bytes([a, b]),
                    columns: u16::from_le_bytes([c, d]),
                })
            }
            4 if body.is_empty() => Frame::Closed,
            5 => Frame::Room(number()?),
            6 => Frame::Output(body.to_vec()),
            7 => Frame::Error(body.to_vec()),
            8 if body.is_empty() => Frame::End,
            _ => return None,
        })
    }
}

fn parts(kind: u8, bytes: &[u8], into: &mut Vec<u8>) {
    if bytes.is_empty() {
        part(kind, bytes, into);
    }
    for bytes in bytes.chunks(MOST) {
        part(kind, bytes, into);
    }
}

fn part(kind: u8, body: &[u8], into: &mut Vec<u8>) {
    into.push(kind);
    into.extend((body.len() as u32).to_le_bytes());
    into.extend(body);
}

/// Frames out of bytes that arrive in any portions. It holds no more than a frame and a portion.
#[derive(Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    taken: usize,
}

/// Bytes that are no frame; what follows them cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Garbage;

impl std::fmt::Display for Garbage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes that are no frame")
    }
}

impl std::error::Error for Garbage {}

impl Decoder {
    /// Takes what has arrived. All frames of earlier portions have been taken out.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend(bytes);
    }

    /// The next frame that is whole.
    ///
    /// # Errors
    /// [`Garbage`], then and ever after.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Garbage> {
        let rest = &self.bytes[self.taken..];
        let Some((&[kind, a, b, c, d], rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MOST {
            return Err(Garbage);
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Frame::decode(kind, body).ok_or(Garbage)?;
        self.taken += 5 + length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Frame> {
        vec![
            Frame::Input(b"in".to_vec()),
            Frame::Input(Vec::new()),
            Frame::Signal(15),
            Frame::Size(Size {
                rows: 24,
                columns: 300,
            }),
            Frame::Closed,
            Frame::Room(70_000),
            Frame::Output(vec![b'a'; MOST]),
            Frame::Error(b"\xff\0".to_vec()),
            Frame::End,
        ]
    }

    fn decode(bytes: &[u8], portion: usize) -> Vec<Frame> {
        let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
        for portion in bytes.chunks(portion) {
            decoder.feed(portion);
            frames.extend(std::iter::from_fn(|| decoder.next_frame().unwrap()));
        }
        frames
    }

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_portions() {
        let mut bytes = Vec::new();
        all().iter().for_each(|frame| frame.encode(&mut bytes));
        for portion in [1, 7, 4096, bytes.len()] {
            assert_eq!(decode(&bytes, portion), all(), "portions of {portion}");
        }
    }

    #[test]
    fn what_is_too_long_becomes_several_frames() {
        let mut bytes = Vec::new();
        Frame::Output(vec![b'a'; MOST + 1]).encode(&mut bytes);
        let [Frame::Output(first), Frame::Output(second)] = &decode(&bytes, 4096)[..] else {
            panic!("not two frames of output");
        };
        assert_eq!((first.len(), second.len()), (MOST, 1));
    }

    #[test]
    fn what_is_no_frame_is_garbage() {
        for bytes in [
            &[0, 0, 0, 0, 0][..],
            &[9, 0, 0, 0, 0],
            &[2, 1, 0, 0, 0, 1],
            &[4, 1, 0, 0, 0, 1],
            &[6, 1, 0, 1, 0],
        ] {
            let mut decoder = Decoder::default();
            decoder.feed(bytes);
            assert_eq!(decoder.next_frame(), Err(Garbage), "{bytes:?}");
        }
    }
}
