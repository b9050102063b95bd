//! Runs the host's tools, and says what they said when they fail.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};

use crate::normalise::visible;
use crate::{complaint, interrupt};

/// How many lines of what something printed at last are shown.
const TAIL_LINES: usize = 20;
/// How much of a failed tool's output is read for what an error shows of it, in bytes.
const MOST_READ: u64 = 16 << 20;
/// How long a tool may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(5);
/// How often a wait looks whether the user wants to stop.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// What a build sees of the user's environment: where programs, their libraries, the user's files
/// and temporary ones are.
const PLACES: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "HOME", "TMPDIR"];

/// A command of the host, in the making.
///
/// Its standard input is empty, it speaks English, and it is told to end (SIGTERM) when kassay dies.
pub struct Tool {
    command: Command,
    /// A folder, and what its paths begin with in logs.
    shown: Option<(String, String)>,
}

impl Tool {
    /// A command that runs `program`, found by `PATH` unless it is a path.
    pub fn new(program: impl AsRef<OsStr>) -> Tool {
        let mut command = Command::new(program);
        // What tools print is shown and, in places, read: it must not be in the user's language.
        command.stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        end_with_parent(&mut command);
        Tool {
            command,
            shown: None,
        }
    }

    /// As [`Tool::new`], for make and compilers: of the environment they see only where things
    /// are. kbuild, gcc and clang take flags from dozens of variables, a Makefile from any, and a
    /// make that started kassay would hand down its own and its jobserver. What is built would
    /// be of all that, and a cache key knows nothing of it.
    pub fn hermetic(program: impl AsRef<OsStr>) -> Tool {
        let mut tool = Tool::new(program);
        tool.command.env_clear();
        PLACES
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)))
            .fold(tool, |tool, (name, value)| tool.env(name, value))
            // kbuild takes LC_ALL away from compilers.
            .env("LANG", "C.UTF-8")
            .env("LC_ALL", "C.UTF-8")
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Tool {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Tool {
        self.command.args(args);
        self
    }

    /// Sets a variable of the command's environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Tool {
        self.command.env(name, value);
        self
    }

    /// Removes a variable from the command's environment.
    pub fn without(mut self, name: impl AsRef<OsStr>) -> Tool {
        self.command.env_remove(name);
        self
    }

    /// Sets the folder to run in.
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Tool {
        self.command.current_dir(dir);
        self
    }

    /// Has [`Tool::run_logged`] show the files of a folder as those of another.
    pub fn showing(mut self, dir: &Path, as_in: impl AsRef<Path>) -> Tool {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        self.shown = Some((path(dir), path(as_in.as_ref())));
        self
    }

    /// Runs the command to its end and returns what it printed to stdout.
    ///
    /// # Errors
    /// The command cannot be started or fails (the error has what it complained of on stderr), or
    /// the user interrupted.
    pub fn output(self) -> Result<String> {
        self.read(|stdout| {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
    }

    /// Runs the command to its end while `take` reads what it prints to stdout.
    ///
    /// # Errors
    /// As [`Tool::output`], and those of `take`, which end the command.
    pub fn read<T>(mut self, take: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let mut errors = tempfile::tempfile().context("make a temporary file")?;
        self.command
            .stdout(Stdio::piped())
            .stderr(errors.try_clone()?);
        let mut child = self.spawn()?;
        let mut stdout = child.stdout.take().expect("stdout was asked for");
        let taken = take(&mut stdout);
        match taken {
            // A command whose output is not read to its end would die of SIGPIPE.
            Ok(_) => drop(std::io::copy(&mut stdout, &mut std::io::sink())),
            Err(_) => drop(child.kill()),
        }
        let status = child.wait()?;
        interrupt::check()?;
        let taken = taken.with_context(|| format!("read the output of `{self}`"))?;
        if !status.success() {
            bail!("run `{self}`: {status}{}", complaint(&mut errors)?);
        }
        Ok(taken)
    }

    /// Runs the command to its end; all it prints goes to the end of `log` as it comes, and
    /// line by line to `on_line`.
    ///
    /// The command gets a process group of its own, which is ended as a whole when the user
    /// interrupts: by SIGTERM, so that make and gcc delete what is half written, and five
    /// seconds later by SIGKILL.
    ///
    /// # Errors
    /// The command cannot be started or fails (the error has what it complained of), the log
    /// cannot be written, or the user interrupted.
    pub fn run_logged(mut self, log: &Path, mut on_line: impl FnMut(&str)) -> Result<()> {
        let open = || {
            File::options()
                .create(true)
                .read(true)
                .append(true)
                .open(log)
        };
        let mut out = open().with_context(|| format!("open `{}`", log.display()))?;
        let (reader, writer) = std::io::pipe().context("make a pipe")?;
        self.command
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        let child = self.spawn();
        // The command holds the pipe's writing end; as long as it does, the pipe has no end.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child?;
        let group = Pid::from_child(&child);

        let copied = copy_lines(reader, group, |line| {
            let mut line = String::from_utf8_lossy(line);
            if let Some((dir, as_in)) = &self.shown {
                line = line.replace(dir, as_in).into();
            }
            out.write_all(line.as_bytes())?;
            on_line(line.trim_end());
            Ok(())
        });
        if copied.is_err() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let status = child.wait()?;
        interrupt::check()?;
        copied.with_context(|| format!("write `{}`", log.display()))?;
        if !status.success() {
            bail!(
                "run `{self}`: {status}{}\nthe whole log: `{}`",
                complaint(&mut out)?,
                log.display()
            );
        }
        Ok(())
    }

    fn spawn(&mut self) -> Result<Child> {
        interrupt::check()?;
        let program = self.command.get_program().to_owned();
        self.command.spawn().or_else(|error| {
            if error.kind() == ErrorKind::NotFound {
                require(&program)?;
            }
            Err(error).with_context(|| format!("run `{self}`"))
        })
    }
}

/// The command line as a user would type it, as far as no argument needs quotes.
impl std::fmt::Display for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.command.get_program().display())?;
        self.command
            .get_args()
            .try_for_each(|arg| write!(f, " {}", arg.display()))
    }
}

/// Copies a command's output line by line until its end; ends `group` on an interrupt.
fn copy_lines(
    mut from: std::io::PipeReader,
    group: Pid,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (mut line, mut chunk) = (Vec::new(), [0; 8192]);
    let mut stopping: Option<Instant> = None;
    loop {
        if interrupt::requested() {
            let since = stopping.get_or_insert_with(|| {
                let _ = kill_process_group(group, Signal::TERM);
                Instant::now()
            });
            if since.elapsed() > GRACE {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        if poll(
            &mut [PollFd::from_borrowed_fd(from.as_fd(), PollFlags::IN)],
            Some(&TICK),
        ) == Ok(0)
        {
            continue;
        }
        let n = match from.read(&mut chunk) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if n == 0 {
            return if line.is_empty() { Ok(()) } else { take(&line) };
        }
        for part in chunk[..n].split_inclusive(|&byte| byte == b'\n') {
            line.extend_from_slice(part);
            if line.ends_with(b"\n") {
                take(&line)?;
                line.clear();
            }
        }
    }
}

/// What a log has of a failure, each line after a line break; empty when the log is.
fn complaint(log: &mut File) -> Result<String> {
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(MOST_READ)))?;
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)?;
    Ok(complaint::shown(&String::from_utf8_lossy(&bytes)))
}

/// The last 20 lines of an output, indented, each after a line break.
pub fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.trim_end().lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines[first..]
        .iter()
        .map(|line| format!("\n    {}", visible(line)))
        .collect()
}

/// Asks the kernel to send SIGTERM to the command when the thread that starts it ends,
/// which covers a kassay that is killed; see prctl(2), `PR_SET_PDEATHSIG`.
pub fn end_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes one system call and touches no
    // memory that another thread could have left locked.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
    }
}

/// Where `program` is: looked up in `PATH`, or the path itself when it has a slash.
pub fn find(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    which::which(program).ok()
}

/// What tells the file that `program` stands for from any other, as [`find`] finds it: its path
/// behind all links, its size in bytes and when it was modified. That is known without a start of
/// the program, which takes twenty times as long. Empty where there is none.
pub fn identity(program: impl AsRef<OsStr>) -> String {
    let identity = || {
        let file = find(program)?.canonicalize().ok()?;
        let meta = file.metadata().ok()?;
        let modified = meta.modified().ok()?;
        Some(format!("{} {} {modified:?}", file.display(), meta.len()))
    };
    identity().unwrap_or_default()
}

/// Where `program` is.
///
/// # Errors
/// It is not installed.
pub fn require(program: impl AsRef<OsStr>) -> Result<PathBuf> {
    let program = program.as_ref();
    find(program).with_context(|| {
        format!(
            "`{}` is not installed: install it with `kassay setup`",
            program.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn logged(script: &str) -> (Result<()>, Vec<String>, String) {
        let dir = tempfile::tempdir().unwrap();
        let (log, mut lines) = (dir.path().join("log"), Vec::new());
        let result = Tool::new("sh")
            .args(["-c", script])
            .run_logged(&log, |line| lines.push(line.to_owned()));
        (result, lines, std::fs::read_to_string(log).unwrap())
    }

    #[test]
    fn the_log_has_both_streams_and_the_caller_sees_lines() {
        let (result, lines, log) = logged("echo out; echo err >&2; printf end");
        result.unwrap();
        assert_eq!(lines, ["out", "err", "end"]);
        assert_eq!(log, "out\nerr\nend");
    }

    #[test]
    fn a_copy_is_shown_as_what_it_is_a_copy_of() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let tool = Tool::new("echo").arg("/copies/a/a.c:1: error");
        tool.showing(Path::new("/copies"), "modules")
            .run_logged(&log, |_| ())
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(log).unwrap(),
            "modules/a/a.c:1: error\n"
        );
    }

    #[test]
    fn a_failure_shows_the_last_lines_only() {
        let (result, ..) = logged("seq 100; exit 3");
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("    100\n"),
            "{error}"
        );
        assert!(
            error.contains("    81\n") && !error.contains("    80\n"),
            "{error}"
        );
    }

    #[test]
    fn output_fails_with_what_the_tool_said() {
        let error = Tool::new("sh")
            .args(["-c", "echo why >&2; exit 1"])
            .output()
            .unwrap_err();
        assert!(error.to_string().ends_with("\n    why"), "{error}");
    }

    #[test]
    fn a_hermetic_tool_sees_where_things_are_and_no_more() {
        let seen = Tool::hermetic("env").env("OWN", "1").output().unwrap();
        let names = seen.lines().filter_map(|line| line.split_once('='));
        let mut names: Vec<&str> = names.map(|(name, _)| name).collect();
        names.retain(|name| !PLACES.contains(name));
        names.sort_unstable();
        assert_eq!(names, ["LANG", "LC_ALL", "OWN"]);
        assert!(seen.contains("PATH="), "{seen}");
    }

    #[test]
    fn a_program_is_another_when_its_file_is() {
        let dir = tempfile::tempdir().unwrap();
        let (program, link) = (dir.path().join("cc"), dir.path().join("link"));
        let write = |text: &str| {
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            identity(&program)
        };
        let first = write("one");
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert_eq!(identity(&link), first);
        assert_ne!(write("another"), first);
        assert_eq!(identity("no-such-tool"), "");
    }

    #[test]
    fn a_missing_program_names_setup() {
        let error = Tool::new("no-such-tool").output().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`no-such-tool` is not installed"),
            "{error}"
        );
    }
}
