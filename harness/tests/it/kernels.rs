//! Getting kernels, seen from outside: what a user asks for, and what the command says.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use kassay::arch::HOST;
use kassay::cache::{self, Cache};
use kassay::kernel::build::{Config, make};
use tempfile::TempDir;

use crate::repository::repository;

tests! {
    plain:
        an_unknown_name_shows_the_nearest,
        a_wrong_digest_is_deleted_and_said,
        without_a_network_the_address_is_named,
        a_server_that_was_out_of_reach_is_so_until_it_answers,
        a_tarball_is_fetched_once_and_removed_whole,
        a_folder_that_is_no_kernel_says_what_was_looked_for,
        a_built_tree_without_what_the_guest_needs_names_all_of_it,
        a_configured_tree_is_left_alone_and_what_to_do_is_said,
        parts_of_a_name_that_are_mixed_up_are_set_right,
        a_cache_that_cannot_be_written_is_named;
    qemu:
        an_option_that_the_kernel_does_not_take_is_named,
        a_failed_build_shows_the_last_lines_and_keeps_the_log,
        an_edited_source_tree_is_built_anew,
        a_source_tree_is_built_for_another_processor,
        a_base_takes_tinyconfigs_place_and_its_modules_are_not_built;
}

/// A machine of its own: a cache and a catalog.
struct Host(TempDir);

impl Host {
    fn new(catalog: &str) -> Host {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kernels.toml"), catalog).unwrap();
        Host(dir)
    }

    /// A host whose catalog has the kernel `tiny` at `url`.
    fn tarball(url: &str, sha256: &str) -> Host {
        Host::new(&format!(
            "default = ['tiny']\n[tarball.tiny]\nurl = '{url}'\nsha256 = '{sha256}'\n"
        ))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn kernel(&self, args: &[&str]) -> Output {
        self.kassay(&[&["kernel"], args].concat())
    }

    fn kassay(&self, args: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap();
        Command::new(env!("CARGO_BIN_EXE_kassay"))
            .args(args)
            .current_dir(self.0.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("KASSAY_CACHE", self.path("cache"))
            .env("KASSAY_CATALOG", self.path("kernels.toml"))
            .env_remove("KASSAY_KERNELS")
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY")
            .env_remove("all_proxy")
            .env_remove("ALL_PROXY")
            .output()
            .unwrap()
    }

    /// What the command says when it fails, as it must.
    #[track_caller]
    fn fails(&self, args: &[&str]) -> String {
        let output = self.kernel(args);
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{output:?}"
        );
        String::from_utf8(output.stderr).unwrap()
    }

    #[track_caller]
    fn succeeds(&self, args: &[&str]) -> String {
        let output = self.kernel(args);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A source tree at `tree` with this Makefile, and a base.config that wants CONFIG_A.
    fn source_tree(&self, makefile: &str) {
        fs::write(self.path("base.config"), "CONFIG_A=y\n").unwrap();
        fs::create_dir_all(self.path("tree")).unwrap();
        fs::write(self.path("tree/Kconfig"), "").unwrap();
        fs::write(self.path("tree/Makefile"), makefile).unwrap();
    }

    /// A tree at `tree` that was built with this config.
    fn built_tree(&self, config: &str) {
        for folder in ["arch/x86/boot", "include/config"] {
            fs::create_dir_all(self.path("tree").join(folder)).unwrap();
        }
        for file in [
            "arch/x86/boot/bzImage",
            "include/config/kernel.release",
            "Module.symvers",
        ] {
            fs::write(self.path("tree").join(file), "").unwrap();
        }
        fs::write(self.path("tree/.config"), config).unwrap();
    }
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in: {text}");
}

/// Serves `body` once over HTTP, and returns the address of the file `tiny.tar.xz`.
fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream
            .write_all(&[head.as_bytes(), &body].concat())
            .unwrap();
    });
    format!("http://{address}/tiny.tar.xz")
}

/// A tar.xz file of one kernel source, and its digest.
fn tiny_kernel(dir: &Path) -> (Vec<u8>, String) {
    let path = dir.join("tiny.tar.xz");
    let xz = liblzma::write::XzEncoder::new(fs::File::create(&path).unwrap(), 0);
    let mut tar = tar::Builder::new(xz);
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o755);
    tar.append_data(&mut header, "linux-tiny/Makefile", &b"all"[..])
        .unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    (fs::read(&path).unwrap(), cache::digest(&path).unwrap())
}

fn an_unknown_name_shows_the_nearest() {
    let host = Host::tarball("http://127.0.0.1/tiny.tar.xz", "00");
    assert_has(&host.fails(&["build", "tyni"]), "did you mean `tiny`?");
}

fn a_wrong_digest_is_deleted_and_said() {
    let url = serve(b"not a kernel".to_vec());
    let host = Host::tarball(&url, &"0".repeat(64));
    let error = host.fails(&["fetch", "tiny"]);
    assert_has(&error, "wrong digest, and what was downloaded is deleted");
    assert_has(&error, "found    ca5e3e91");
    assert_eq!(
        fs::read_dir(host.path("cache/download")).unwrap().count(),
        0
    );
    assert_eq!(fs::read_dir(host.path("cache/source")).unwrap().count(), 0);
}

fn without_a_network_the_address_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let host = Host::tarball(&format!("http://{closed}/tiny.tar.xz"), "00");
    let error = host.fails(&["fetch", "tiny"]);
    assert_has(
        &error,
        &format!("download `http://{closed}/tiny.tar.xz`: is there a network?"),
    );
}

fn a_server_that_was_out_of_reach_is_so_until_it_answers() {
    let host = Host::tarball("http://127.0.0.1:1/linux.tar.xz", "00");
    host.kassay(&["kfuncs"]);
    let memo = fs::read_dir(host.path("cache/memo")).unwrap().next();
    let file = fs::File::open(memo.unwrap().unwrap().path()).unwrap();
    let hours = std::time::Duration::from_secs(5 * 3600 + 60);
    file.set_modified(std::time::SystemTime::now() - hours)
        .unwrap();
    let list = String::from_utf8(host.kassay(&["list"]).stdout).unwrap();
    assert_has(&list, "not obtainable");
    assert_has(&list, "cannot be reached, as of 5 hours ago");
}

fn a_tarball_is_fetched_once_and_removed_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (body, digest) = tiny_kernel(dir.path());
    let host = Host::tarball(&serve(body), &digest);
    host.succeeds(&["fetch", "tiny"]);
    // The server is gone by now.
    host.succeeds(&["fetch", "tiny"]);
    let entry = fs::read_dir(host.path("cache/source"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        fs::read(entry.path().join("linux-tiny/Makefile")).unwrap(),
        b"all"
    );
    let removed = host.succeeds(&["remove", "tiny"]);
    assert_has(&removed, "tiny: removed\n  source ");
    assert_eq!(host.succeeds(&["remove", "tiny"]), "tiny: was not cached\n");
}

fn a_folder_that_is_no_kernel_says_what_was_looked_for() {
    let host = Host::new("default = []");
    let error = host.fails(&["build", "."]);
    assert_has(
        &error,
        "neither a source tree (`Kconfig`, `Makefile`) nor a built one",
    );
}

fn an_option_that_the_kernel_does_not_take_is_named() {
    let host = Host::new("default = []");
    host.source_tree("%config:\n\techo '# CONFIG_A is not set' > $(O)/.config\n");
    assert_has(
        &host.fails(&["build", "./tree"]),
        "this kernel does not take CONFIG_A=y",
    );
}

fn a_failed_build_shows_the_last_lines_and_keeps_the_log() {
    let host = Host::new("default = []");
    host.source_tree("%config:\n\techo CONFIG_A=y > $(O)/.config\nbzImage:\n\techo oh no; false\n");
    let error = host.fails(&["build", "./tree"]);
    assert_has(&error, "    oh no\n");
    let (_, log) = error.trim_end().rsplit_once("the whole log: `").unwrap();
    assert_has(
        &fs::read_to_string(log.trim_end_matches('`')).unwrap(),
        "oh no",
    );
}

fn an_edited_source_tree_is_built_anew() {
    let host = Host::new("default = []");
    let config = repository().join("kernel-config/base.config");
    let makefile = |release: &str| {
        format!(
            "%config:\n\tcp {config} $(O)/.config && echo CONFIG_A=y >> $(O)/.config\nmodules:\n\
             bzImage:\n\tcd $(O) && mkdir -p arch/x86/boot include/config\n\
             \tcd $(O) && echo {release} | tee arch/x86/boot/bzImage include/config/kernel.release\n\
             \tcd $(O) && touch vmlinux Module.symvers\n",
            config = config.display()
        )
    };
    for release in ["6.11.0-first", "6.11.0-second"] {
        host.source_tree(&makefile(release));
        assert_has(&host.succeeds(&["build", "./tree"]), release);
    }
}

fn a_source_tree_is_built_for_another_processor() {
    let host = Host::new("default = []");
    host.source_tree(
        "%config:\n\techo CONFIG_A=y >> $(O)/.config\n\techo $(ARCH) $(CROSS_COMPILE) > $(O)/asked\n\
         modules:\nImage:\n\tcat $(O)/asked && false\n",
    );
    let compiler = host.path("bin/aarch64-linux-gnu-gcc");
    fs::create_dir(host.path("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/true", compiler).unwrap();
    let error = host.fails(&["build", "./tree/arm64"]);
    assert_has(&error, "build the kernel `./tree/arm64`");
    let log = fs::read_to_string(host.path("cache/logs/kernel-._tree_arm64.log")).unwrap();
    assert_has(&log, "arm64 aarch64-linux-gnu-");
}

fn parts_of_a_name_that_are_mixed_up_are_set_right() {
    let host = Host::tarball("http://localhost/tiny.tar.xz", "0");
    host.source_tree("");
    for (name, meant) in [
        ("tiny+arm64", "tiny/arm64"),
        ("tiny/aarch64", "tiny/arm64"),
        ("tiny/kasan", "tiny+kasan"),
        ("tiny/s390x+kasan", "tiny+kasan/s390x"),
        ("./tree+kasan+arm64", "./tree+kasan/arm64"),
        ("./tree/kasan", "./tree+kasan"),
    ] {
        let error = host.fails(&["fetch", name]);
        assert_has(&error, &format!("did you mean `{meant}`?"));
    }
}

fn a_built_tree_without_what_the_guest_needs_names_all_of_it() {
    let host = Host::new("default = []");
    let config = repository().join("kernel-config/base.config");
    let config = fs::read_to_string(config).unwrap();
    let config = config.replace("CONFIG_9P_FS=y", "CONFIG_9P_FS=m");
    host.built_tree(&config.replace("CONFIG_MODULE_UNLOAD=y", ""));
    let error = host.fails(&["build", "./tree"]);
    assert_has(
        &error,
        "needs CONFIG_9P_FS=y, CONFIG_MODULE_UNLOAD=y; build it in",
    );
}

fn a_configured_tree_is_left_alone_and_what_to_do_is_said() {
    let host = Host::new("default = []");
    host.source_tree("%config:\n\tfalse\n");
    fs::write(host.path("tree/.config"), "CONFIG_A=y\n").unwrap();
    let error = host.fails(&["build", "./tree"]);
    assert_has(&error, "`./tree` has `.config`. Build it there with `make`");
    assert_has(&error, "`git -C ./tree worktree add --detach DIR`");
    assert!(host.path("tree/.config").exists() && !error.contains("mrproper"));
    fs::remove_file(host.path("tree/.config")).unwrap();
    // Where kbuild would put what it makes for that processor.
    fs::create_dir_all(host.path("tree/arch/arm64/include/generated")).unwrap();
    let error = host.fails(&["build", "./tree/arm64"]);
    assert_has(&error, "`./tree` has `arch/arm64/include/generated`");
}

fn a_cache_that_cannot_be_written_is_named() {
    let host = Host::new("default = []");
    fs::write(host.path("cache"), "a file").unwrap();
    let error = host.fails(&["build", "."]);
    assert_has(&error, "/cache`: make it writable, or set KASSAY_CACHE");
}

fn a_base_takes_tinyconfigs_place_and_its_modules_are_not_built() {
    let host = Host::new("default = []");
    // There is no rule for tinyconfig nor for modules.
    host.source_tree(
        "olddefconfig modules_prepare:\nbzImage:\n\techo symbols > $(O)/vmlinux.symvers\n",
    );
    fs::write(host.path("distro.config"), "CONFIG_A=m\n").unwrap();
    let [base, fragment] = ["distro.config", "base.config"].map(|name| host.path(name));
    let config = Config::read(HOST, Some(&base), &[fragment]).unwrap();
    let (cache, build) = (Cache::at(&host.path("cache")).unwrap(), host.path("build"));
    make(&cache, "tiny", &host.path("tree"), &build, &config).unwrap();
    let made = |file: &str| fs::read_to_string(build.join(file)).unwrap();
    assert_eq!(made(".config"), "CONFIG_A=m\nCONFIG_A=y\n");
    assert_eq!(made("Module.symvers"), "symbols\n");
}
