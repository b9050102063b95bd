//! What goes on while somebody on the host looks on: a program whose streams go over a port,
//! the trace as it comes, or both.

mod program;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kassay_guest::stream::{Decoder, Frame, MOST, Size};
use kassay_guest::trace::Without;
use kassay_guest::{IO_PORT, Live};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::capture::Trace;
use crate::host_root::HostRoot;
use crate::{port, process};

/// How many bytes of input are on their way to the program at most.
const ROOM: u32 = MOST as u32;

/// Signals that end what is no program.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// How long to wait for what is there, and for what is to come.
const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
const BEAT: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// How long something that the program left running may go on printing behind its end, in seconds.
const GRACE: u64 = 5;

/// How long nothing is read of a trace that had nothing but what the guest program itself did:
/// where reading it is traced, there is always more.
const REST: Duration = Duration::from_millis(20);

/// Something that is read and sent on.
struct Source {
    file: File,
    frame: fn(Vec<u8>) -> Frame,
    /// Of the trace, what leaves out the lines of the guest program itself: what is traced may be
    /// the sending of the trace, which would feed itself.
    without: Option<Without>,
}

impl Source {
    fn new(file: File, frame: fn(Vec<u8>) -> Frame) -> Source {
        Source {
            file,
            frame,
            without: None,
        }
    }

    fn is_trace(&self) -> bool {
        self.without.is_some()
    }
}

/// The host's end of it all, and what is on its way there.
struct Session {
    port: File,
    decoder: Decoder,
    pending: Vec<u8>,
    sources: Vec<Source>,
    /// The program's stdin, as long as it is open.
    stdin: Option<File>,
    input: VecDeque<u8>,
    /// Whether all input is in `input`.
    is_last: bool,
    program: Option<Pid>,
    is_tty: bool,
    /// When the program has ended, and until when what it left running may print.
    patience: Option<Instant>,
    /// Whether nothing more is to come.
    is_over: bool,
    /// Whether the host has everything, or does not listen any more.
    is_heard: bool,
}

/// Runs the program, if there is one, to its end, else until the host says so. Returns the
/// program's exit status, as a shell counts.
///
/// # Errors
/// A stream cannot be made; the host sends garbage.
pub fn run(live: &Live, root: Option<&HostRoot>, trace: Option<&Trace>) -> Result<Option<i32>> {
    let port = port::find(IO_PORT)?.open()?;
    port::wait_for_host(&port).context("wait for the host")?;
    ioctl_fionbio(&port, true).context("set up the port")?;
    let mut session = Session::new(port);
    if let Some(trace) = trace {
        session.sources.push(Source {
            without: Some(Without::new(process::own().to_vec())),
            ..Source::new(trace.file()?, Frame::Output)
        });
    }
    let started = live
        .program
        .as_ref()
        .map(|program| program::start(program, root));
    let Some(started) = started.transpose()? else {
        session.attend(None)?;
        return Ok(None);
    };
    session.take(started.sources, started.stdin);
    (session.program, session.is_tty) = (Some(started.pid), started.is_tty);
    session.attend(Some(started.ended.as_fd()))?;
    Ok(Some(process::exit_code(process::wait(started.pid)?)))
}

impl Session {
    fn new(port: File) -> Session {
        Session {
            port,
            decoder: Decoder::default(),
            pending: Vec::new(),
            sources: Vec::new(),
            stdin: None,
            input: VecDeque::new(),
            is_last: false,
            program: None,
            is_tty: false,
            patience: None,
            is_over: false,
            is_heard: false,
        }
    }

    fn take(&mut self, sources: Vec<Source>, stdin: File) {
        self.sources.extend(sources);
        self.stdin = Some(stdin);
        Frame::Room(ROOM).encode(&mut self.pending);
    }

    /// Passes everything on, both ways, until `ended` is readable or the host ends it, then what
    /// is left, and waits until the host has it.
    fn attend(&mut self, ended: Option<BorrowedFd<'_>>) -> Result<()> {
        if ended.is_none() {
            // The host hears that it may begin.
            Frame::Room(0).encode(&mut self.pending);
        }
        let mut says_end = true;
        while !self.is_heard {
            if self.is_over && self.sources.is_empty() && says_end {
                Frame::End.encode(&mut self.pending);
                says_end = false;
            }
            let ready = self.wait(ended)?;
            if ready.ended {
                self.patience = Some(Instant::now() + Duration::from_secs(GRACE));
                self.stdin = None;
                self.input.clear();
            }
            if !self.is_over {
                self.part();
            }
            if ready.port {
                self.hear()?;
            }
            self.send()?;
            if self.pending.len() < MOST {
                self.read_sources();
            }
            self.write_input();
        }
        Ok(())
    }

    /// Ends it all behind the program's end: once nobody is left who could print, or has taken too
    /// long. What waits for the host's reader takes as long as that.
    fn part(&mut self) {
        let Some(patience) = self.patience else {
            return;
        };
        if self.sources.iter().all(Source::is_trace) {
            self.end();
        } else if self.pending.len() < MOST && Instant::now() >= patience {
            let said = format!(
                "kassay: what the program left running was ended {GRACE} s behind it; until then \
                 it had stdout or stderr open\n"
            );
            Frame::Error(said.into()).encode(&mut self.pending);
            self.end();
        }
    }

    /// Waits for something to do.
    fn wait(&self, ended: Option<BorrowedFd<'_>>) -> Result<Ready> {
        let mut port = PollFlags::IN;
        port.set(PollFlags::OUT, !self.pending.is_empty());
        let mut all = vec![PollFd::new(&self.port, port)];
        let ended = ended.filter(|_| !self.is_over && self.patience.is_none());
        if let Some(ended) = ended {
            all.push(PollFd::from_borrowed_fd(ended, PollFlags::IN));
        }
        if self.pending.len() < MOST {
            let sources = self.sources.iter();
            all.extend(sources.map(|source| PollFd::new(&source.file, PollFlags::IN)));
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| !self.input.is_empty()) {
            all.push(PollFd::new(stdin, PollFlags::OUT));
        }
        // What is over has nothing more to wait for but the host.
        let is_draining = self.is_over && !self.sources.is_empty() && self.pending.len() < MOST;
        let patience = if is_draining { NOW } else { BEAT };
        match poll(&mut all, Some(&patience)) {
            Ok(0) if !is_draining => take_memory(),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("wait for a stream"),
        }
        let heard = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        Ok(Ready {
            port: all[0].revents().intersects(heard),
            ended: ended.is_some() && all[1].revents().contains(PollFlags::IN),
        })
    }

    /// Reads what the host says.
    fn hear(&mut self) -> Result<()> {
        let mut bytes = [0; 16 * 1024];
        match self.port.read(&mut bytes) {
            // The host has hung up.
            Ok(0) => {
                self.end();
                self.is_heard = true;
            }
            Ok(length) => self.decoder.feed(&bytes[..length]),
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error).context("read the port"),
        }
        while let Some(frame) = self.decoder.next_frame()? {
            match frame {
                Frame::Input(bytes) if bytes.is_empty() => self.is_last = true,
                Frame::Input(bytes) => self.input.extend(bytes),
                Frame::Signal(number) => self.signal(number),
                Frame::Size(size) => self.resize(size),
                Frame::Closed => self.close(),
                Frame::End => self.is_heard = true,
                Frame::Room(_) | Frame::Output(_) | Frame::Error(_) => {}
            }
        }
        Ok(())
    }

    fn signal(&mut self, number: i32) {
        // Who is told to end is not there to hear it any more.
        if self.patience.is_some() && ENDING.contains(&number) {
            return self.end();
        }
        match (self.program, Signal::from_named_raw(number)) {
            // It may have ended meanwhile.
            (Some(program), Some(signal)) => drop(kill_process_group(program, signal)),
            (None, _) if ENDING.contains(&number) => self.end(),
            _ => {}
        }
    }

    fn resize(&mut self, size: Size) {
        if let Some(terminal) = self.stdin.as_ref().filter(|_| self.is_tty) {
            let _ = tcsetwinsize(terminal, winsize(size));
        }
    }

    /// Lets the program know that nobody reads what it writes.
    fn close(&mut self) {
        match self.program {
            Some(_) if !self.is_tty => {
                let is_stdout =
                    |source: &Source| matches!((source.frame)(Vec::new()), Frame::Output(_));
                self.sources.retain(|source| !is_stdout(source));
            }
            Some(_) => self.signal(libc::SIGHUP),
            None => self.end(),
        }
    }

    /// Ends all that the program has left running, so that what is to be read has an end. What is
    /// still in the trace is taken once the programs are gone: as long as they are there, sending
    /// it may be traced itself.
    fn end(&mut self) {
        self.is_over = true;
        self.sources.retain(|source| !source.is_trace());
        self.stdin = None;
        self.input.clear();
        if self.program.is_some() {
            // SAFETY: the call has no memory to do with. It spares this process and PID 1.
            unsafe { libc::kill(-1, libc::SIGKILL) };
        }
    }

    fn send(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            match self.port.write(&self.pending) {
                Ok(length) => drop(self.pending.drain(..length)),
                Err(error) if is_temporary(&error) => return Ok(()),
                Err(error) => return Err(error).context("write to the port"),
            }
        }
        Ok(())
    }

    /// Takes a portion of each source that has one; one that has come to its end is gone then.
    fn read_sources(&mut self) {
        let (is_over, pending) = (self.is_over, &mut self.pending);
        self.sources.retain_mut(|source| {
            let mut bytes = vec![0; 16 * 1024];
            match source.file.read(&mut bytes) {
                Ok(0) => false,
                Ok(length) => {
                    bytes.truncate(length);
                    if let Some(without) = &mut source.without {
                        bytes = without.feed(&bytes);
                    }
                    if bytes.is_empty() {
                        std::thread::sleep(REST);
                    } else {
                        (source.frame)(bytes).encode(pending);
                    }
                    true
                }
                Err(error) if is_temporary(&error) => !is_over,
                // A terminal that nobody has open any more answers EIO.
                Err(_) => false,
            }
        });
    }

    /// Writes to the program's stdin as much as it takes, and tells the host of the room.
    fn write_input(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        while !self.input.is_empty() {
            match stdin.write(self.input.as_slices().0) {
                Ok(length) => {
                    self.input.drain(..length);
                    Frame::Room(length as u32).encode(&mut self.pending);
                }
                Err(error) if is_temporary(&error) => return,
                // The program does not read any more: neither does anybody for it.
                Err(_) => return self.stdin = None,
            }
        }
        if self.is_last && !self.is_tty {
            self.stdin = None;
        } else if self.is_last {
            self.is_last = false;
            self.input.push_back(END_OF_TRANSMISSION);
        }
    }
}

/// What a terminal takes for the end of its input.
const END_OF_TRANSMISSION: u8 = 4;

/// What there is to do.
struct Ready {
    port: bool,
    ended: bool,
}

/// Takes some memory and gives it back. Where there is none, the kernel kills a program for it,
/// which it does not do for a program that waits for a page of the host's root: 9p's requests are
/// allocated without `__GFP_FS`, and then it tries for ever (net/9p/client.c and out_of_memory in
/// mm/oom_kill.c, 6.1 to 7.2). It is a file's, since malloc(3) would keep it.
fn take_memory() {
    // That it cannot be had has been dealt with.
    let _ = memfd_create("kassay", MemfdFlags::CLOEXEC)
        .and_then(|file| fallocate(file, FallocateFlags::empty(), 0, 1 << 20));
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn winsize(size: Size) -> Winsize {
    Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
