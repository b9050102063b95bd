//! kassay run on a checkout of its own, as tests see it from outside.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kassay::cache::Cache;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tempfile::TempDir;

/// What a module does that never lets go of the CPU.
pub const LOOP: &str = "for (;;)\n\t\tcpu_relax();";

/// A copy of the repository, and a target directory in it.
pub struct Checkout(TempDir);

/// What a scenario says that only inserts modules.
pub const ALONE: &str = "allow = ['no_steps', 'no_programs', 'no_kfuncs']";

/// How long is waited for what comes sooner or later: what is built and booted before it takes
/// minutes where other tests do the same.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How a run of kassay ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A machine that runs.
pub struct Machine {
    pub directory: PathBuf,
    qemu: Pid,
}

impl Checkout {
    pub fn new() -> Checkout {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        fs::copy(root.join("kassay.toml"), dir.path().join("kassay.toml")).unwrap();
        for folder in ["bpf", "harness/tests", "kernel-config", "modules"] {
            copy(&root.join(folder), &dir.path().join(folder));
        }
        // Nobody changes these, and cargo need not build them for each checkout.
        symlink(root.join("drivers"), dir.path().join("drivers")).unwrap();
        let checkout = Checkout(dir);
        checkout.suit_every_kernel();
        checkout
    }

    /// Makes of the tutorials what newer kernels run, too: 7.x has no `do_unlinkat`, and a
    /// `bpf_strstr` of its own.
    fn suit_every_kernel(&self) {
        for (name, bound) in [("kfunc_sum", ", <7.0"), ("kfunc_strstr", ", <6.17")] {
            self.edit(&format!("harness/tests/scenarios/{name}.toml"), bound, "");
            for file in [
                format!("bpf/{name}.bpf.c"),
                format!("harness/tests/snapshots/{name}.snap"),
            ] {
                self.edit(&file, "kprobe/do_unlinkat", "kprobe/vfs_unlink");
            }
        }
        for file in [
            "modules/kfunc_strstr/kfunc_strstr.c",
            "bpf/kfunc_strstr.bpf.c",
            "harness/tests/snapshots/kfunc_strstr.snap",
        ] {
            self.edit(file, "bpf_strstr", "bpf_find_in");
        }
    }

    /// A checkout with a module `broken` that does this when it is inserted, and a
    /// scenario `broken` that inserts it.
    pub fn broken(provoke: &str) -> Checkout {
        let checkout = Checkout::new();
        checkout.write("modules/broken/Kbuild", "obj-m := broken.o\n");
        checkout.write(
            "modules/broken/broken.c",
            &format!(
                "#include <linux/module.h>\n\
                 #include <linux/random.h>\n\
                 #include <linux/timekeeping.h>\n\
                 static noinline int provoke(void)\n{{\n\t{provoke}\n\treturn 0;\n}}\n\
                 static int __init broken_init(void)\n{{\n\treturn provoke();\n}}\n\
                 module_init(broken_init);\n\
                 static void __exit broken_exit(void)\n{{\n}}\n\
                 module_exit(broken_exit);\n\
                 MODULE_DESCRIPTION(\"A module that misbehaves\");\n\
                 MODULE_LICENSE(\"GPL\");\n"
            ),
        );
        checkout.scenario("broken", &format!("modules = ['broken']\n{ALONE}"));
        checkout
    }

    /// A checkout whose scenario `kfunc_dropme_storm` has 5000 packets.
    pub fn drizzle() -> Checkout {
        let checkout = Checkout::new();
        for file in [
            "scenarios/kfunc_dropme_storm.toml",
            "snapshots/kfunc_dropme_storm.snap",
        ] {
            checkout.edit(&format!("harness/tests/{file}"), "100000", "5000");
        }
        checkout
    }

    /// A checkout with a cache of its own, without saved states. All else that it needs for
    /// the kernel `distro` is linked to, entry by entry.
    pub fn with_cache() -> Checkout {
        let checkout = Checkout::new();
        checkout
            .run(&["kfunc_dropme", "kfunc_strstr", "kfunc_sum"])
            .with(0);
        let shared = Cache::open().unwrap();
        for kind in ["kernel", "guest", "initramfs", "modules", "bpf", "memo"] {
            let own = checkout.path("cache").join(kind);
            fs::create_dir_all(&own).unwrap();
            for entry in fs::read_dir(shared.dir(kind)).unwrap().flatten() {
                symlink(entry.path(), own.join(entry.file_name())).unwrap();
            }
        }
        checkout
    }

    /// A checkout with a cache of its own, in which a history begins, and with the saved states of
    /// the shared one.
    pub fn with_history() -> Checkout {
        let checkout = Checkout::with_cache();
        symlink(
            Cache::open().unwrap().dir("state"),
            checkout.path("cache/state"),
        )
        .unwrap();
        checkout
    }

    /// A checkout whose kernel `distro` has headers without vmlinux, and no module built for
    /// it; with the path where vmlinux belongs, and the vmlinux that was there.
    pub fn without_vmlinux() -> (Checkout, PathBuf, PathBuf) {
        let checkout = Checkout::with_cache();
        fs::remove_dir_all(checkout.path("cache/modules")).unwrap();
        let ended = checkout.kassay(&["kernel", "build", "distro"]);
        let image = Path::new(ended.stdout.trim_end().rsplit_once(", ").unwrap().1);
        let release = image.file_name().unwrap().to_str().unwrap().split_once('-');
        let headers = format!("usr/src/linux-headers-{}", release.unwrap().1);
        let entry = image.parent().unwrap().parent().unwrap();
        for folder in ["", "usr", "usr/src", &headers] {
            unlink(&entry.join(folder));
        }
        // kbuild of 7.2 writes to both where it comes by links, and the cache is others', too.
        for name in ["Makefile", "Module.symvers"] {
            let file = entry.join(&headers).join(name);
            let was = file.read_link().unwrap();
            fs::remove_file(&file).unwrap();
            fs::copy(was, file).unwrap();
        }
        let vmlinux = entry.join(headers).join("vmlinux");
        let was = vmlinux.read_link().unwrap();
        fs::remove_file(&vmlinux).unwrap();
        (checkout, vmlinux, was)
    }

    /// The folder of the one saved state in a cache of its own.
    pub fn state(&self) -> PathBuf {
        let states = fs::read_dir(self.path("cache/state")).unwrap();
        let states: Vec<PathBuf> = states.flatten().map(|state| state.path()).collect();
        assert_eq!(states.len(), 1, "{states:?}");
        states[0].clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        write(self.0.path(), name, text);
    }

    pub fn scenario(&self, name: &str, text: &str) {
        let path = format!("harness/tests/scenarios/{name}.toml");
        self.write(&path, &format!("about = 'a test of kassay'\n{text}\n"));
    }

    pub fn edit(&self, name: &str, from: &str, to: &str) {
        edit(self.0.path(), name, from, to);
    }

    /// Gives the checkout a `PATH` of its own: all that is in PATH, but for programs
    /// whose names begin like this.
    pub fn hide(&self, hidden: &str) {
        fs::create_dir(self.path("bin")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let programs = std::env::split_paths(&path).filter_map(|dir| fs::read_dir(dir).ok());
        for program in programs.flatten().flatten() {
            let name = program.file_name().into_string().unwrap();
            if !name.starts_with(hidden) {
                // The first of a name counts, as in PATH.
                let _ = symlink(program.path(), self.path("bin").join(name));
            }
        }
    }

    /// Puts a shell script into that `PATH`.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A kassay that works on this checkout.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env_remove("KASSAY_CATALOG")
            .env_remove("KASSAY_KERNELS");
        if self.path("bin").is_dir() {
            command.env("PATH", self.path("bin")).env_remove("CARGO");
        }
        match self.path("cache").is_dir() {
            true => command.env("KASSAY_CACHE", self.path("cache")),
            // A checkout that is soon gone is nothing to remember for the user.
            false => command.env("KASSAY_NO_HISTORY", "1"),
        };
        command
    }

    pub fn run_on(&self, kernel: &str, args: &[&str]) -> Ended {
        self.kassay(&[&["run", "--kernel", kernel], args].concat())
    }

    /// Runs a kassay to its end.
    pub fn kassay(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.run_on("distro", args)
    }

    /// Starts a run, which may take as long as a test does, and waits for its QEMU.
    pub fn start(&self, scenario: &str) -> (Child, Machine) {
        let run = ["run", "--kernel", "distro", "--jobs", "3"];
        let mut command = self.command(&[&run[..], &["--timeout", "600", scenario]].concat());
        let mut kassay = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(machine) = Machine::of(&kassay) {
                return (kassay, machine);
            }
            assert_eq!(kassay.try_wait().unwrap(), None, "kassay ended by itself");
            assert!(Instant::now() < deadline, "no QEMU was started");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a failure of a scenario left for a look afterwards.
    pub fn artifact(&self, scenario: &str, name: &str) -> String {
        let folder = self.path("target/kassay/distro").join(scenario);
        fs::read_to_string(folder.join(name)).unwrap()
    }
}

impl Ended {
    pub fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn with(&self, code: i32) -> &Ended {
        assert_eq!(self.code, Some(code), "{self:?}");
        // Whatever the input, kassay says it in its own words.
        assert!(!self.stderr.contains("panicked at"), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub fn says(&self, part: &str) -> &Ended {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(said.contains(part), "no {part:?} in: {said}");
        self
    }

    /// The lines of `--format json`.
    pub fn objects(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Machine {
    /// The machine that a kassay has started, once the stand-in wrote its process id down.
    pub fn of(kassay: &Child) -> Option<Machine> {
        let runs = fs::read_dir(Cache::open().unwrap().dir("runs")).ok()?;
        let parent = format!("PPid:\t{}\n", kassay.id());
        runs.flatten().find_map(|run| {
            let pid = fs::read_to_string(run.path().join("pid")).ok()?;
            let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).ok()?;
            let qemu = Pid::from_raw(pid.trim().parse().ok()?)?;
            // The command line is written before the console.
            let is_whole = run.path().join("console").exists();
            (is_whole && status.contains(&parent)).then(|| Machine {
                directory: run.path(),
                qemu,
            })
        })
    }

    /// The sockets that vmtest had QEMU make.
    pub fn sockets(&self) -> Vec<PathBuf> {
        let command = fs::read_to_string(self.directory.join("command")).unwrap();
        let words = command.split([':', '=', ',', '\0']);
        words
            .filter(|word| word.starts_with("/tmp/") && word.ends_with(".sock"))
            .map(PathBuf::from)
            .collect()
    }

    /// Sends QEMU a signal.
    #[allow(dead_code, reason = "the zoo does it")]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.qemu, signal).unwrap();
    }

    /// Waits for QEMU to end.
    #[track_caller]
    pub fn ends(&self) {
        // No process of this id: it has ended and was waited for.
        let Ok(process) = pidfd_open(self.qemu, PidfdFlags::empty()) else {
            return;
        };
        let ended = wait(&process);
        assert_eq!(ended, Ok(1), "QEMU still runs in {:?}", self.directory);
    }
}

/// Waits until there is something to read, or a process has ended; returns how many there are.
pub fn wait(file: &impl AsFd) -> rustix::io::Result<usize> {
    let limit = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&limit))
}

/// Makes a link to a folder a folder of links to what is in there.
fn unlink(link: &Path) {
    let link = Path::new(link.to_str().unwrap().trim_end_matches('/'));
    let folder = link.read_link().unwrap();
    fs::remove_file(link).unwrap();
    fs::create_dir(link).unwrap();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        symlink(entry.path(), link.join(entry.file_name())).unwrap();
    }
}

/// Writes a file of a folder, and the folders on the way to it.
pub fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Changes what a file of a folder must have.
#[track_caller]
pub fn edit(folder: &Path, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.join(name)).unwrap();
    assert!(text.contains(from), "no {from:?} in {name}");
    write(folder, name, &text.replace(from, to));
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
