//! The streams of a program in a machine: kassay's own stdin, stdout, stderr, signals and
//! terminal, passed on over a port (see [`kassay_guest::stream`]).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kassay_guest::stream::{Decoder, Frame};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};

use crate::interrupt::{self, Diverted, SAME};
use crate::outlet::{self, Outlet};
use crate::progress;
use crate::terminal::{self, Raw};

/// How long a program may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(10);

/// The key that ends the machine, whatever runs there, when it is pressed three times in a row:
/// Ctrl-].
const ESCAPE: u8 = 0x1d;

/// The most that is read of stdin at once, in bytes.
const PORTION: usize = 16 * 1024;

/// Both ends of the streams.
#[derive(Clone, Debug)]
pub struct Streams {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    is_tty: bool,
    word: Option<String>,
    state: Mutex<State>,
    changed: Condvar,
    stdout: Mutex<Outlet>,
    stderr: Mutex<Outlet>,
}

#[derive(Debug, Default)]
struct State {
    /// Where frames for the guest go.
    guest: Option<UnixStream>,
    /// How many bytes of stdin the guest has room for.
    room: u64,
    /// Whether stdin is being read.
    is_read: bool,
    /// When the program was told to end, or its time had passed.
    told: Option<Instant>,
    /// Whether what it printed was dropped, since nobody took it when it was told to end.
    is_cut: bool,
    /// Whether the program has ended.
    is_over: bool,
}

impl Streams {
    /// Streams that have not begun; with `is_tty` the program has a terminal. The `word` is for
    /// the user when they begin.
    pub fn new(is_tty: bool, word: Option<String>) -> Streams {
        Streams {
            shared: Arc::new(Shared {
                is_tty,
                word,
                state: Mutex::default(),
                changed: Condvar::new(),
                stdout: Mutex::new(Outlet::new(io::stdout())),
                stderr: Mutex::new(Outlet::new(io::stderr())),
            }),
        }
    }

    /// Writes to stdout, and returns whether anybody reads it.
    pub fn print(&self, bytes: Vec<u8>) -> bool {
        self.shared.write(&self.shared.stdout, bytes)
    }

    /// Whether something of what was printed was dropped, since nobody took it after the
    /// program was told to end.
    pub fn is_cut(&self) -> bool {
        self.shared.lock().is_cut
    }

    /// Tells that the program's time has passed: a reader that takes nothing is not waited for.
    pub(crate) fn hurry(&self) {
        self.shared.lock().told.get_or_insert_with(Instant::now);
    }

    /// Attends to the port until the guest hangs up.
    ///
    /// # Errors
    /// The guest sends garbage; the terminal or a signal cannot be taken.
    pub(crate) fn attend(&self, socket: UnixStream) -> Result<()> {
        let guest = socket.try_clone().context("share the port")?;
        self.shared.lock().guest = Some(guest);
        let attended = self.follow(socket);
        // A guest that is not understood hears that nobody listens.
        self.shared.lock().guest = None;
        attended
    }

    fn follow(&self, mut socket: UnixStream) -> Result<()> {
        let (mut decoder, mut bytes) = (Decoder::default(), vec![0; 64 * 1024]);
        let (mut taken, mut is_closed) = (None, false);
        loop {
            match socket.read(&mut bytes) {
                Ok(0) | Err(_) => return Ok(()),
                Ok(length) => decoder.feed(&bytes[..length]),
            }
            while let Some(frame) = decoder.next_frame().context("read the guest's port")? {
                match frame {
                    Frame::Room(bytes) => {
                        if taken.is_none() {
                            taken = Some(self.begin()?);
                        }
                        self.shared.lock().room += u64::from(bytes);
                        self.shared.changed.notify_all();
                    }
                    Frame::Output(bytes) if !is_closed => {
                        is_closed = !self.print(bytes);
                        if is_closed {
                            self.shared.send(&Frame::Closed);
                        }
                    }
                    // That nobody reads it is nobody's loss.
                    Frame::Error(bytes) => {
                        let _ = self.shared.write(&self.shared.stderr, bytes);
                    }
                    Frame::End => {
                        self.shared.lock().is_over = true;
                        self.shared.send(&Frame::End);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Takes the signals, and with a terminal that; has stdin read.
    fn begin(&self) -> Result<(Diverted, Option<Raw>)> {
        let shared = self.shared.clone();
        let others = [SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];
        let diverted = interrupt::divert(&others, move |signal| shared.pass(signal))?;
        if let Some(word) = &self.shared.word {
            progress::note(word);
        }
        let raw = self.shared.is_tty.then(Raw::enter).transpose()?.flatten();
        if !std::mem::replace(&mut self.shared.lock().is_read, true) {
            let shared = self.shared.clone();
            // It may wait for input that never comes, and ends with the process then.
            thread::spawn(move || shared.read());
        }
        Ok((diverted, raw))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the program printed. A reader that takes nothing is waited for as long as
    /// nobody has told the program to end.
    fn write(&self, outlet: &Mutex<Outlet>, bytes: Vec<u8>) -> bool {
        let mut outlet = outlet.lock().unwrap_or_else(PoisonError::into_inner);
        outlet.write(bytes, || {
            let mut state = self.lock();
            let is_told = |told: Instant| told.elapsed() >= outlet::PATIENCE;
            let gives_up = interrupt::requested() || state.told.is_some_and(is_told);
            state.is_cut |= gives_up;
            gives_up
        })
    }

    /// Sends a frame to the guest. One that does not listen any more is told of elsewhere.
    fn send(&self, frame: &Frame) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        if let Some(guest) = &mut self.lock().guest {
            let _ = guest.write_all(&bytes);
        }
    }

    /// Passes a signal on.
    fn pass(self: &Arc<Shared>, signal: i32) {
        if signal == SIGWINCH {
            if let Some(size) = terminal::size().filter(|_| self.is_tty) {
                self.send(&Frame::Size(size));
            }
            return;
        }
        if [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(&signal) && !self.is_first() {
            return;
        }
        self.send(&Frame::Signal(signal));
    }

    /// Whether the program was not yet told to end. If it was, and the user says it again, or it
    /// takes too long, the machine is ended.
    fn is_first(self: &Arc<Shared>) -> bool {
        match self.lock().told {
            Some(told) if told.elapsed() > SAME => {
                interrupt::request();
                return false;
            }
            Some(_) => return false,
            None => {}
        }
        self.lock().told = Some(Instant::now());
        let shared = self.clone();
        thread::spawn(move || {
            thread::sleep(GRACE);
            if !shared.lock().is_over {
                progress::note(format!(
                    "the program has not ended within {} s",
                    GRACE.as_secs()
                ));
                interrupt::request();
            }
        });
        true
    }

    /// Sends what comes over stdin, as far as there is room for it.
    fn read(&self) {
        let (mut bytes, mut escapes) = (vec![0; PORTION], 0);
        loop {
            let room = self.wait_for_room().min(PORTION);
            let length = match rustix::io::read(io::stdin(), &mut bytes[..room]) {
                Err(rustix::io::Errno::INTR) => continue,
                // A stdin that cannot be read, such as one that was closed, has nothing in it.
                Ok(0) | Err(_) => return self.send(&Frame::Input(Vec::new())),
                Ok(length) => length,
            };
            self.lock().room -= length as u64;
            self.send(&Frame::Input(bytes[..length].to_vec()));
            for byte in &bytes[..length] {
                escapes = if *byte == ESCAPE { escapes + 1 } else { 0 };
                if escapes == 3 && self.is_tty {
                    interrupt::request();
                }
            }
        }
    }

    fn wait_for_room(&self) -> usize {
        let is_full = |state: &mut State| state.room == 0;
        let state = self.changed.wait_while(self.lock(), is_full);
        state.unwrap_or_else(PoisonError::into_inner).room as usize
    }
}
