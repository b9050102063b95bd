//! Kernels of Debian's suites, seen from outside, with a mirror that the test makes: its own
//! `apt-get`, `apt-cache` and `dpkg-deb`, which read a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::checkout::edit;

tests! {
    plain:
        a_kernel_of_a_suite_is_unpacked_with_its_tools_and_locked,
        a_packed_kernel_of_a_suite_has_its_tools_with_it,
        a_packed_kernel_that_a_lock_has_another_for_is_refused,
        a_kernel_of_another_processor_has_the_programs_of_this_one,
        a_processor_that_nobody_has_is_named,
        a_list_tells_what_is_ready_for_other_processors,
        a_processor_that_lacks_something_is_told_and_is_no_failure,
        a_mirror_that_has_moved_is_said_and_the_lock_moves,
        a_locked_kernel_is_had_as_long_as_the_mirror_has_it,
        a_list_writes_no_lock,
        a_lock_that_must_stay_refuses_before_a_download,
        lists_that_are_past_their_day_are_used_and_that_is_said,
        a_machine_without_debians_archive_goes_to_that_of_kernel_org,
        a_kernel_as_ubuntu_packs_it_is_unpacked,
        a_suite_that_the_mirror_lacks_is_named_and_known_to_the_list,
        a_package_that_the_suite_lacks_is_named,
        an_image_without_btf_is_told_and_nothing_stays,
        an_image_without_modules_is_told_and_nothing_stays,
        a_kernel_that_cannot_be_reached_tells_its_options_and_why,
        a_full_disk_is_told_and_nothing_stays,
        a_lock_that_is_none_is_named;
}

/// apt-get, for which the folder `archive` is a mirror, and a folder in it that of arm64.
const APT_GET: &str = r#"#!/bin/sh
case "$*" in *Architecture=arm64*) ARCHIVE=$ARCHIVE/arm64 ;; esac
case "$*" in
*indextargets*) [ -e "$ARCHIVE/foreign" ] || echo "http://mirror.invalid/debian /etc/no-sources:1" ;;
*update*)
    case "$*" in *Check-Valid-Until=false*) rm -f "$ARCHIVE/expired" ;; esac
    cat "$ARCHIVE/expired" "$ARCHIVE/missing" >&2 2>/dev/null
    [ ! -e "$ARCHIVE/expired" ] && [ ! -e "$ARCHIVE/missing" ] || exit 100 ;;
*--print-uris*) echo "$*" >"$ARCHIVE/asked"; cat "$ARCHIVE/closure" ;;
*download*)
    for word; do
        case $word in -*|APT::*) ;; *=*) cp "$ARCHIVE/${word%%=*}.tar" . || exit 1 ;; esac
    done ;;
esac
"#;

/// apt-cache for the same folder, which has a file of fields for each package.
const APT_CACHE: &str = r#"#!/bin/sh
case "$*" in *Architecture=arm64*) ARCHIVE=$ARCHIVE/arm64 ;; esac
for last; do :; done
[ -e "$ARCHIVE/$last.fields" ] || { echo "E: No packages found" >&2; exit 100; }
case "$*" in
*depends*) sed -n 's/^Depends/  Depends/p' "$ARCHIVE/$last.fields" ;;
*) cat "$ARCHIVE/$last.fields" ;;
esac
"#;

/// dpkg-deb, of whose packages each is a tar file.
const DPKG_DEB: &str = r#"#!/bin/sh
for last; do :; done
[ ! -e "$ARCHIVE/full" ] || { echo "dpkg-deb: No space left on device" >&2; exit 2; }
cat "$last"
"#;

const HEADERS: &str = "usr/src/linux-headers-1.0-tiny";

/// A machine of its own, with a project, a cache and a mirror.
struct Host(TempDir);

impl Host {
    /// One whose mirror has the kernel `tiny`, in its first version.
    fn new() -> Host {
        let host = Host(tempfile::tempdir().unwrap());
        for folder in ["bin", "archive", "scenarios"] {
            fs::create_dir(host.path(folder)).unwrap();
        }
        for (name, script) in [
            ("apt-get", APT_GET),
            ("apt-cache", APT_CACHE),
            ("dpkg-deb", DPKG_DEB),
        ] {
            let file = host.path("bin").join(name);
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let catalog = "default = []\n[prebuilt.tiny]\nsuites = ['slim']\n\
                       packages = ['linux-image-tiny']\nboot_modules = []\n\
                       [prebuilt.board]\nsuites = ['slim']\n\
                       packages = ['linux-image-amd64']\nboot_modules = []\n\
                       [prebuilt.own]\npackages = ['linux-image-amd64']\n";
        fs::write(host.path("kernels.toml"), catalog).unwrap();
        fs::write(host.path("kassay.toml"), "").unwrap();
        host.publish("1");
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Has the mirror offer the kernel in this version.
    fn publish(&self, version: &str) {
        let program = fs::read("/bin/echo").unwrap();
        let [makefile, config, btf] =
            ["Makefile", ".config", "vmlinux"].map(|file| format!("{HEADERS}/{file}"));
        self.package("linux-image-tiny", version, "linux-image-1.0-tiny", &[]);
        let image: [(&str, &[u8]); 2] = [
            ("boot/vmlinuz-1.0-tiny", b"image"),
            ("lib/modules/1.0-tiny/modules.builtin", b""),
        ];
        let modules = [("lib/modules/1.0-tiny/kernel/readme", &b""[..])];
        self.package(
            "linux-image-1.0-tiny",
            version,
            "",
            &[&image[..], &modules].concat(),
        );
        let headers: [(&str, &[u8]); 3] =
            [(&makefile, b""), (&config, b"CONFIG_A=y\n"), (&btf, b"btf")];
        let needs = "linux-kbuild-1.0 gcc-9";
        self.package("linux-headers-1.0-tiny", version, needs, &headers);
        let kbuild = [("usr/lib/linux-kbuild-1.0/fixdep", &*program)];
        self.package("linux-kbuild-1.0", version, "", &kbuild);
        self.package("gcc-9", "9", "", &[("usr/bin/gcc", &*program)]);
        let loader = loader(&program);
        let loader = format!("usr/lib/x86_64-linux-gnu/{loader}");
        self.package("libc6", "2", "", &[(&loader, b"loader")]);
        let line = |name: &str| format!("'x' {name}_9_amd64.deb 1 SHA256:{name}\n");
        let closure = ["gcc-9", "libc6", "linux-kbuild-1.0"].map(line).concat();
        fs::write(self.path("archive/closure"), closure).unwrap();
    }

    /// Has the mirror offer a kernel for arm64, whose kbuild is the one of this machine.
    fn publish_arm64(&self) {
        fs::create_dir(self.path("archive/arm64")).unwrap();
        let config = "usr/src/linux-headers-1.0-arm64/.config";
        let vmlinux = "usr/src/linux-headers-1.0-arm64/vmlinux";
        let makefile = "usr/src/linux-headers-1.0-arm64/Makefile";
        let image: [(&str, &[u8]); 3] = [
            ("boot/vmlinuz-1.0-arm64", b"image"),
            ("lib/modules/1.0-arm64/modules.builtin", b""),
            ("lib/modules/1.0-arm64/kernel/readme", b""),
        ];
        let headers: [(&str, &[u8]); 3] = [
            (makefile, b""),
            (config, b"CONFIG_ARM64=y\n"),
            (vmlinux, b"btf"),
        ];
        self.package("arm64/linux-image-arm64", "1", "linux-image-1.0-arm64", &[]);
        self.package("arm64/linux-image-1.0-arm64", "1", "", &image);
        let needs = "linux-kbuild-1.0 gcc-9-for-host";
        self.package("arm64/linux-headers-1.0-arm64", "1", needs, &headers);
    }

    fn package(&self, name: &str, version: &str, needs: &str, files: &[(&str, &[u8])]) {
        let needs = needs.split_whitespace();
        let needs: String = needs.map(|need| format!("Depends: {need}\n")).collect();
        let digest = format!("{name}-{version}");
        let fields = format!("Version: {version}\nSHA256: {digest}\n{needs}");
        fs::write(self.path(&format!("archive/{name}.fields")), fields).unwrap();
        let tar = fs::File::create(self.path(&format!("archive/{name}.tar"))).unwrap();
        let mut tar = tar::Builder::new(tar);
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len().try_into().unwrap());
            header.set_mode(0o755);
            tar.append_data(&mut header, path, *content).unwrap();
        }
        tar.finish().unwrap();
    }

    fn kassay(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("ARCHIVE", self.path("archive"))
            .env("KASSAY_CACHE", self.path("cache"))
            .env("KASSAY_CATALOG", self.path("kernels.toml"))
            .env_remove("KASSAY_LOCKED");
        command
    }

    /// What the command says on stderr, and whether it succeeds.
    #[track_caller]
    fn says(&self, args: &[&str], success: bool) -> String {
        let output = self.kassay(args);
        assert_eq!(output.status.success(), success, "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.path("kassay.lock")).unwrap_or_default()
    }

    /// What the list says of the kernel.
    fn state(&self) -> String {
        let list = String::from_utf8(self.kassay(&["list"]).stdout).unwrap();
        let line = list.lines().find(|line| line.contains("tiny")).unwrap();
        let state = line.trim_start().trim_start_matches("tiny ");
        state.trim_start().to_owned()
    }

    /// Whether the cache has a kernel, or a part of one.
    fn has_any(&self) -> bool {
        let entries = fs::read_dir(self.path("cache/kernel"));
        entries.is_ok_and(|entries| entries.count() > 0)
    }
}

/// The file name of the loader that a program of this machine wants.
fn loader(program: &[u8]) -> String {
    let text = String::from_utf8_lossy(program);
    let at = text.find("/ld-").unwrap();
    text[at + 1..].split('\0').next().unwrap().to_owned()
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in: {text}");
}

fn a_kernel_of_a_suite_is_unpacked_with_its_tools_and_locked() {
    let host = Host::new();
    assert_eq!(host.state(), "not looked up");
    host.says(&["kernel", "fetch", "tiny"], true);
    assert_eq!(host.state(), "ready");
    assert_has(&host.lock(), "compiler = \"gcc-9\"");
    let script = |kind: &str, file: &str| {
        let entry = fs::read_dir(host.path("cache").join(kind)).unwrap().next();
        fs::read_to_string(entry.unwrap().unwrap().path().join(file)).unwrap()
    };
    assert_has(&script("tools", "usr/bin/gcc"), "$tools/loader");
    assert_has(
        &script("kernel", "usr/lib/linux-kbuild-1.0/fixdep"),
        "$tools/loader",
    );
    assert_eq!(script("tools", "loader"), "loader");
    host.says(&["kernel", "remove", "tiny"], true);
    let tools = fs::read_dir(host.path("cache/tools")).unwrap();
    assert!(!host.has_any() && tools.count() == 0);
}

fn a_packed_kernel_of_a_suite_has_its_tools_with_it() {
    let (host, other) = (Host::new(), Host::new());
    let pack = other.path("pack");
    host.says(&["kernel", "pack", "tiny", pack.to_str().unwrap()], true);
    // The other one has a mirror that lacks it.
    fs::remove_dir_all(other.path("archive")).unwrap();
    other.says(&["kernel", "unpack", "pack"], true);
    assert_eq!(other.state(), "ready");
    other.says(&["kernel", "build", "tiny"], true);
    assert_eq!(other.lock(), host.lock());
    let tools = fs::read_dir(other.path("cache/tools")).unwrap().next();
    let tools = tools.unwrap().unwrap().path();
    assert!(tools.join("loader").is_file() && tools.join("usr/bin/gcc.elf").is_file());
    // One that has lost its tools gets them again.
    fs::remove_dir_all(tools).unwrap();
    other.says(&["kernel", "unpack", "pack"], true);
    assert_eq!(other.state(), "ready");
}

fn a_packed_kernel_that_a_lock_has_another_for_is_refused() {
    let (host, other) = (Host::new(), Host::new());
    let pack = other.path("pack");
    host.says(&["kernel", "pack", "tiny", pack.to_str().unwrap()], true);
    other.publish("2");
    other.says(&["kernel", "fetch", "tiny"], true);
    other.says(&["kernel", "remove", "tiny"], true);
    let said = other.says(&["kernel", "unpack", "pack"], false);
    let why = "kassay.lock has `tiny` stand for 1.0-tiny (2), and this is 1.0-tiny (1)";
    assert_has(&said, why);
    assert!(!other.has_any());
}

fn a_kernel_of_another_processor_has_the_programs_of_this_one() {
    let host = Host::new();
    host.publish_arm64();
    host.says(&["kernel", "fetch", "board/arm64"], true);
    let asked = fs::read_to_string(host.path("archive/asked")).unwrap();
    assert_has(&asked, " gcc-9-aarch64-linux-gnu linux-kbuild-1.0 ");
    assert_has(&host.lock(), "name = \"board/arm64\"");
    assert_has(
        &host.lock(),
        "[[kernel.programs]]\nname = \"linux-kbuild-1.0\"",
    );
    host.says(&["kernel", "fetch", "board/arm64", "--locked"], true);
    host.says(&["kernel", "remove", "board/arm64"], true);
    assert!(!host.has_any());
}

fn a_processor_that_nobody_has_is_named() {
    let host = Host::new();
    let said = host.says(&["kernel", "fetch", "board/amr64"], false);
    let known = "no processor is named `amr64` (known are x86_64, arm64, s390x";
    assert_has(&said, known);
    let said = host.says(&["kernel", "fetch", "own/arm64"], false);
    assert_has(&said, "it comes for this machine's processor alone");
    let said = host.says(&["kernel", "fetch", "own/s390x"], false);
    assert_has(&said, "and `6.12/s390x` and `debian-13/s390x` for s390x");
}

fn a_list_tells_what_is_ready_for_other_processors() {
    let host = Host::new();
    host.publish_arm64();
    host.says(&["kernel", "fetch", "board/arm64"], true);
    let list = |args: &[&str]| String::from_utf8(host.kassay(args).stdout).unwrap();
    let lines = list(&["list"]);
    assert_has(&lines, "other processors: all but own, by names such as");
    assert_has(&lines, "\n  arm64  ready: board\n  s390x  none is ready\n");
    let objects = list(&["list", "--format", "json"]);
    let arm64 = r#"{"kernel":"board","processors":{"arm64":{"state":"ready","why":""},"#;
    assert_has(&objects, arm64);
    assert_has(&objects, r#"{"kernel":"own","processors":{},"#);
}

fn a_processor_that_lacks_something_is_told_and_is_no_failure() {
    let host = Host::new();
    let programs = ["qemu-system-s390x", "s390x-linux-gnu-gcc"].map(|it| host.path("bin").join(it));
    let write = |file: &PathBuf, prints: &str| {
        fs::write(file, format!("#!/bin/sh\necho {prints}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let doctor = |library: &str, target: &str| {
        let rustc = host.path("rustc");
        write(&programs[0], "");
        write(&programs[1], library);
        write(&rustc, target);
        let output = host.command(&["doctor"]).env("RUSTC", rustc).output();
        let output = output.unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status)
    };
    let (ready, code) = doctor("/libc.a", "/");
    assert_has(&ready, "ok      s390x ");
    let (lacking, same) = doctor("libc.a", "/nowhere");
    let needs = "absent  s390x                kernels such as `6.12/s390x` need the C library of \
                 `s390x-linux-gnu-gcc`, Rust's library for `s390x-unknown-linux-gnu`: `kassay \
                 setup --arch s390x` and `rustup target add s390x-unknown-linux-gnu`";
    assert_has(&lacking, needs);
    assert_eq!(code, same);
}

fn a_mirror_that_has_moved_is_said_and_the_lock_moves() {
    let host = Host::new();
    host.says(&["kernel", "fetch", "tiny"], true);
    host.publish("2");
    // What is cached stays what the name stands for.
    host.says(&["kernel", "fetch", "tiny"], true);
    assert_has(&host.lock(), "version = \"1\"");
    host.says(&["kernel", "remove", "tiny"], true);
    let said = host.says(&["kernel", "fetch", "tiny"], true);
    assert_has(
        &said,
        "1.0-tiny (1) has moved to 1.0-tiny (2), and so has kassay.lock",
    );
    assert!(!host.lock().contains("\"1\""));
    host.publish("3");
    let updated = host.kassay(&["kernel", "update"]);
    assert_eq!(
        String::from_utf8(updated.stdout).unwrap(),
        "tiny: 1.0-tiny (2) has moved to 1.0-tiny (3)\n"
    );
}

fn a_locked_kernel_is_had_as_long_as_the_mirror_has_it() {
    let host = Host::new();
    host.says(&["kernel", "fetch", "tiny"], true);
    let before = host.lock();
    host.says(&["kernel", "remove", "tiny"], true);
    // The old versions are there by their names and versions.
    for file in fs::read_dir(host.path("archive")).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".fields") {
            fs::copy(file.path(), host.path(&format!("archive/{name}=1.fields"))).unwrap();
        }
    }
    host.publish("2");
    host.says(&["--locked", "kernel", "build", "tiny"], true);
    assert_eq!(host.lock(), before);
}

fn a_list_writes_no_lock() {
    let host = Host::new();
    host.says(&["kernel", "fetch", "tiny"], true);
    fs::remove_file(host.path("kassay.lock")).unwrap();
    assert_eq!((host.state().as_str(), host.lock().as_str()), ("ready", ""));
    host.says(&["kernel", "build", "tiny"], true);
    assert_has(&host.lock(), "version = \"1\"");
}

fn a_lock_that_must_stay_refuses_before_a_download() {
    let host = Host::new();
    let fetch = ["--locked", "kernel", "fetch", "tiny"];
    assert_has(
        &host.says(&fetch, false),
        "it has no `tiny` yet, which is 1.0-tiny (1)",
    );
    host.says(&["kernel", "fetch", "tiny"], true);
    let before = host.lock();
    host.says(&fetch, true);
    host.says(&["kernel", "remove", "tiny"], true);
    host.publish("2");
    let said = host.says(&fetch, false);
    assert_has(
        &said,
        "is to stay as it is, and 1.0-tiny (1) has moved to 1.0-tiny (2)",
    );
    assert_has(&said, "`kassay kernel update tiny` changes it");
    assert!(host.lock() == before && !host.has_any());
}

fn lists_that_are_past_their_day_are_used_and_that_is_said() {
    let host = Host::new();
    let expired = "E: Release file for http://mirror.invalid/InRelease is expired (invalid since \
                   3d). Updates for this repository will not be applied.\n";
    fs::write(host.path("archive/expired"), expired).unwrap();
    let said = host.says(&["kernel", "fetch", "tiny"], true);
    assert_has(
        &said,
        "InRelease is expired (invalid since 3d), so there may be newer versions",
    );
}

fn a_machine_without_debians_archive_goes_to_that_of_kernel_org() {
    let host = Host::new();
    fs::write(host.path("archive/foreign"), "").unwrap();
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let has_keys = Path::new(keys).is_file();
    let said = host.says(&["kernel", "fetch", "tiny"], has_keys);
    if !has_keys {
        assert_has(&said, "install the package `debian-archive-keyring`");
        return;
    }
    let sources = fs::read_to_string(host.path("cache/apt/slim/sources.list")).unwrap();
    let expected = format!("deb [signed-by={keys}] http://mirrors.kernel.org/debian slim main\n");
    assert_eq!(sources, expected);
}

fn a_kernel_as_ubuntu_packs_it_is_unpacked() {
    let host = Host::new();
    // A name that others provide, and headers that are in a package of another kind.
    fs::write(host.path("archive/linux-image-virtual.fields"), "").unwrap();
    let virtually = "['linux-image-virtual', 'linux-image-tiny']";
    edit(
        host.0.path(),
        "kernels.toml",
        "['linux-image-tiny']",
        virtually,
    );
    let headers = host.path("archive/linux-headers-1.0-tiny.fields");
    let fields = fs::read_to_string(&headers).unwrap();
    fs::write(&headers, fields + "Depends: linux-hwe-1.0-headers-1.0\n").unwrap();
    let file = ("usr/src/linux-hwe-1.0-headers-1.0/Kbuild", &b""[..]);
    host.package("linux-hwe-1.0-headers-1.0", "1", "", &[file]);
    host.says(&["kernel", "fetch", "tiny"], true);
    let mut kernels = fs::read_dir(host.path("cache/kernel")).unwrap();
    let kernel = kernels.next().unwrap().unwrap().path();
    assert!(kernel.join(file.0).is_file());
}

fn a_suite_that_the_mirror_lacks_is_named_and_known_to_the_list() {
    let host = Host::new();
    fs::write(
        host.path("archive/missing"),
        "E: does not have a Release file.\n",
    )
    .unwrap();
    let said = host.says(&["kernel", "fetch", "tiny"], false);
    assert_has(&said, "read the lists of Debian's slim");
    assert_has(&said, "does not have a Release file");
    assert_eq!(
        host.state(),
        "not obtainable: the lists of its suites could not be read"
    );
    fs::remove_file(host.path("archive/missing")).unwrap();
    host.says(&["kernel", "fetch", "tiny"], true);
}

fn a_package_that_the_suite_lacks_is_named() {
    let host = Host::new();
    fs::remove_file(host.path("archive/linux-image-tiny.fields")).unwrap();
    let said = host.says(&["kernel", "fetch", "tiny"], false);
    assert_has(&said, "none of linux-image-tiny is known to Debian's slim");
}

fn an_image_without_btf_is_told_and_nothing_stays() {
    let host = Host::new();
    let makefile = format!("{HEADERS}/Makefile");
    let needs = "linux-kbuild-1.0 gcc-9";
    let config = format!("{HEADERS}/.config");
    let files: [(&str, &[u8]); 2] = [(&makefile, b""), (&config, b"")];
    host.package("linux-headers-1.0-tiny", "1", needs, &files);
    let said = host.says(&["kernel", "fetch", "tiny"], false);
    assert_has(&said, "/boot/vmlinuz-1.0-tiny`: it is no bzImage");
    assert!(!host.has_any());
}

fn an_image_without_modules_is_told_and_nothing_stays() {
    let host = Host::new();
    host.package(
        "linux-image-1.0-tiny",
        "1",
        "",
        &[("boot/vmlinuz-1.0-tiny", b"image")],
    );
    let said = host.says(&["kernel", "fetch", "tiny"], false);
    assert_has(&said, "find the modules of `1.0-tiny`");
    assert!(!host.has_any());
    assert_eq!(
        host.state(),
        "not obtainable: find the modules of `1.0-tiny`"
    );
}

fn a_kernel_that_cannot_be_reached_tells_its_options_and_why() {
    let host = Host::new();
    let catalog = fs::read_to_string(host.path("kernels.toml")).unwrap();
    let wants = catalog.replace("boot_modules = []", "boot_modules = ['9p']");
    fs::write(host.path("kernels.toml"), wants).unwrap();
    let asked = ["kernel", "options", "tiny", "--option", "A,CONFIG_B"];
    let table = String::from_utf8(host.kassay(&asked).stdout).unwrap();
    let rows =
        "| CONFIG_… | tiny |\n| --- | --- |\n| release | 1.0-tiny |\n| A | y |\n| B | no |\n";
    assert_eq!(table, rows);
    let why = "not obtainable: it has neither built in nor as modules 9p";
    assert_eq!(host.state(), why);
}

fn a_full_disk_is_told_and_nothing_stays() {
    let host = Host::new();
    fs::write(host.path("archive/full"), "").unwrap();
    let said = host.says(&["kernel", "fetch", "tiny"], false);
    assert_has(&said, "is full: free some with `kassay kernel remove NAME`");
    assert!(!host.has_any());
}

fn a_lock_that_is_none_is_named() {
    let host = Host::new();
    fs::write(host.path("kassay.lock"), "kernel = 1\n").unwrap();
    let said = host.says(&["kernel", "fetch", "tiny"], false);
    assert_has(&said, "/kassay.lock`");
    assert!(!host.has_any());
}
