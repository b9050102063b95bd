//! kassay's stdout or stderr as the outlet of somebody else's bytes. Who writes there waits for
//! the reader, but can give it up.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long a reader may take nothing before it is asked whether to wait on.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A stream that a thread of its own writes to: a write that waits cannot be taken back.
#[derive(Debug)]
pub struct Outlet {
    portions: Sender<Vec<u8>>,
    written: Receiver<bool>,
    is_closed: bool,
}

impl Outlet {
    /// The outlet of a stream. Its thread ends with it, or where it waits, with the process.
    pub fn new(mut stream: impl Write + Send + 'static) -> Outlet {
        let (portions, taken) = channel::<Vec<u8>>();
        let (said, written) = channel();
        thread::spawn(move || {
            for portion in taken {
                let done = stream.write_all(&portion).and_then(|()| stream.flush());
                // Who has given it up does not want to know.
                let _ = said.send(done.is_ok());
            }
        });
        Outlet {
            portions,
            written,
            is_closed: false,
        }
    }

    /// Writes bytes and waits until they are written. Where that takes longer than [`PATIENCE`],
    /// `gives_up` says whether to wait no longer. False once they are not: nobody reads any
    /// more, or is waited for.
    pub fn write(&mut self, bytes: Vec<u8>, gives_up: impl Fn() -> bool) -> bool {
        self.is_closed = self.is_closed || self.portions.send(bytes).is_err();
        while !self.is_closed {
            match self.written.recv_timeout(PATIENCE) {
                Ok(true) => return true,
                Err(RecvTimeoutError::Timeout) if !gives_up() => {}
                Ok(false) | Err(_) => self.is_closed = true,
            }
        }
        false
    }
}
