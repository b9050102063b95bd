//! Kernels that travel, seen from outside: in a file, and by a registry of others.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tar::EntryType;
use tempfile::TempDir;

use kassay::arch::HOST;
use kassay::size::Size;
use kassay::state::{self, Label};

use crate::checkout::Checkout;
use crate::remote::{Files, KERNEL, deb, serve, sha256};

tests! {
    plain:
        a_packed_kernel_is_the_same_one_elsewhere,
        a_place_that_cannot_be_written_is_told_before_anything_is_done,
        a_path_is_not_packed,
        a_file_that_is_damaged_is_refused_and_nothing_stays,
        a_header_that_tells_of_another_content_is_refused,
        what_would_lie_or_lead_elsewhere_is_refused_and_nothing_stays,
        a_kernel_for_other_machines_is_refused,
        a_kernel_that_is_another_one_here_is_refused,
        a_kernel_that_is_there_stays_when_its_tools_come,
        a_registry_that_does_not_have_it_is_quoted,
        an_image_that_is_no_kernel_is_told;
    qemu:
        saved_states_come_along_where_they_are_wanted,
        a_kernel_without_saved_states_is_not_packed_with_them,
        saved_states_of_another_host_stay_out,
        a_saved_state_that_is_not_what_was_saved_is_refused,
        a_saved_state_that_is_damaged_is_not_packed,
        saved_states_of_others_are_not_packed,
        a_saved_state_of_another_kernel_is_refused,
        a_run_elsewhere_boots_nothing,
        a_built_kernel_needs_neither_its_source_nor_its_cache,
        a_text_that_names_this_cache_is_not_packed;
    docker_registry:
        a_pushed_kernel_is_pulled_by_its_digest_once,
        saved_states_are_pushed_and_pulled,
        a_registry_lets_in_who_has_the_password,
        a_file_that_a_registry_has_damaged_is_refused_and_nothing_stays;
}

/// A machine of its own, with a cache, and a catalog in which `tiny` is a kernel.
struct Host(TempDir);

impl Host {
    fn new(table: &str) -> Host {
        let dir = tempfile::tempdir().unwrap();
        let catalog = format!("default = []\n{table}\n");
        fs::write(dir.path().join("kernels.toml"), catalog).unwrap();
        Host(dir)
    }

    /// One that has the kernel of a package in its cache.
    fn with_kernel() -> Host {
        let deb = deb(&KERNEL);
        let host = Host::of_deb(&sha256(&deb));
        let address = serve(|_| Files::from([("/tiny.deb".to_owned(), deb)]));
        let here = fs::read_to_string(host.path("kernels.toml")).unwrap();
        let there = here.replace("server.invalid", &address);
        fs::write(host.path("kernels.toml"), there).unwrap();
        host.succeeds(&["fetch", "tiny"]);
        host
    }

    /// One whose catalog has that kernel, which nobody serves.
    fn of_deb(digest: &str) -> Host {
        Host::new(&format!(
            "[deb.tiny]\nfiles = [{{ url = 'http://server.invalid/tiny.deb', sha256 = '{digest}' }}]\n\
             boot_modules = []"
        ))
    }

    /// Another machine with the same catalog and an empty cache, which has no network.
    fn elsewhere(&self) -> Host {
        let catalog = fs::read_to_string(self.path("kernels.toml")).unwrap();
        let (_, digest) = catalog.split_once("sha256 = '").unwrap();
        Host::of_deb(&digest[..64])
    }

    /// A machine, and another one.
    fn two() -> (Host, Host) {
        let here = Host::with_kernel();
        let there = here.elsewhere();
        (here, there)
    }

    /// One that has a pack to look at, whose kernel is of the catalog.
    fn with_pack() -> (Packed, Host) {
        let (here, there) = Host::two();
        (here.pack(), there)
    }

    /// One that cannot get the kernel of its catalog.
    fn without_network() -> Host {
        Host::of_deb(&"0".repeat(64))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn kernel(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command
            .arg("kernel")
            .args(args)
            .current_dir(self.0.path())
            .env("KASSAY_CACHE", self.path("cache"))
            .env("KASSAY_CATALOG", self.path("kernels.toml"))
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("REGISTRY_AUTH_FILE", self.path("docker/none"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn succeeds(&self, args: &[&str]) -> String {
        let output = self.kernel(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the command says when it fails, as it must, with nothing of a pack left.
    #[track_caller]
    fn fails(&self, args: &[&str]) -> String {
        let output = self.kernel(args);
        assert!(!output.status.success(), "{output:?}");
        for kind in ["kernel", "tools", "state"] {
            let left = fs::read_dir(self.path("cache").join(kind)).into_iter();
            assert_eq!(left.flatten().count(), 0, "{kind}");
        }
        let locks = fs::read_dir(self.path("cache/locks")).into_iter().flatten();
        let mut names = locks.map(|entry| entry.unwrap().file_name());
        assert!(!names.any(|name| name.to_string_lossy().starts_with(".tmp")));
        String::from_utf8(output.stderr).unwrap()
    }

    /// The pack of its kernel.
    fn pack(&self) -> Packed {
        self.succeeds(&["pack", "tiny", "pack"]);
        Packed::read(&self.path("pack"))
    }

    fn pack_with_states(&self) -> Packed {
        self.succeeds(&["pack", "tiny", "pack", "--states"]);
        Packed::read(&self.path("pack"))
    }

    /// Sees what it says when it unpacks a pack.
    #[track_caller]
    fn unpacks(&self, pack: &Packed, is: &str) {
        fs::write(self.path("pack"), pack.bytes()).unwrap();
        let said = self.succeeds(&["unpack", "pack"]);
        assert_eq!(said, format!("tiny: 1.0-tiny is {is}\n"));
    }

    /// Where a saved state of its cache lies.
    fn state(&self, key: &str) -> PathBuf {
        self.path("cache/state").join(key)
    }

    /// The key of the kernel in its cache.
    fn key(&self) -> String {
        self.entry()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// Puts into its cache what a machine of the kernel, with so many MiB, would have saved.
    fn save(&self, key: &str, memory: u32) {
        self.save_of(key, memory, &self.key(), &state::host(HOST).unwrap());
    }

    fn save_of(&self, key: &str, memory_mib: u32, kernel_key: &str, host: &str) {
        let (dir, ram) = (self.state(key), vec![7; (memory_mib as usize) << 20]);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("state"), "saved").unwrap();
        fs::write(dir.join("ram"), &ram).unwrap();
        let label = Label {
            key: key.to_owned(),
            kernel: "tiny".to_owned(),
            kernel_key: kernel_key.to_owned(),
            host: host.to_owned(),
            accelerator: "tcg".to_owned(),
            size: Size {
                cpus: 1,
                memory_mib,
            },
            bytes: [5, ram.len() as u64],
            digests: [sha256(b"saved"), sha256(&ram)],
            incoming: state::FROM_FILE.to_owned(),
        };
        fs::write(dir.join("label.json"), json!(label).to_string()).unwrap();
    }

    /// What it says of a pack that is refused.
    #[track_caller]
    fn refuses(&self, pack: &Packed) -> String {
        fs::write(self.path("pack"), pack.bytes()).unwrap();
        self.fails(&["unpack", "pack"])
    }

    /// The one entry of its cache that is a kernel.
    fn entry(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.path("cache/kernel")).unwrap();
        entries.next().unwrap().unwrap().path()
    }
}

/// A pack, to be changed.
struct Packed {
    header: Value,
    content: Vec<u8>,
}

impl Packed {
    fn read(path: &Path) -> Packed {
        let bytes = fs::read(path).unwrap();
        let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap());
        let (header, content) = bytes[8..].split_at(length as usize);
        Packed {
            header: serde_json::from_slice(header).unwrap(),
            content: content.to_vec(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let header = self.header.to_string();
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        let magic = &b"\x50\x2a\x4d\x18"[..];
        [magic, &length, header.as_bytes(), &self.content].concat()
    }

    /// With an entry after all others, and a header that tells of it.
    fn with(&self, path: &str, kind: EntryType, leads_to: &str) -> Packed {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o644);
        // What the crate would not write.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().unwrap().linkname[..leads_to.len()]
            .copy_from_slice(leads_to.as_bytes());
        header.set_cksum();
        let mut tar = zstd::decode_all(&*self.content).unwrap();
        tar.truncate(tar.len() - 1024);
        tar.extend(header.as_bytes());
        tar.extend([0; 1024]);
        self.of(&tar)
    }

    /// With another text, as long, in the place where a text comes last.
    fn with_instead(&self, was: &str, is: &str) -> Packed {
        let mut tar = zstd::decode_all(&*self.content).unwrap();
        let mut places = tar.windows(was.len());
        let place = places.rposition(|text| text == was.as_bytes()).unwrap();
        tar[place..place + was.len()].copy_from_slice(is.as_bytes());
        self.of(&tar)
    }

    /// With other content, and a header that tells of it.
    fn of(&self, tar: &[u8]) -> Packed {
        let content = zstd::encode_all(tar, 1).unwrap();
        let mut header = self.header.clone();
        header["content"] = json!({
            "bytes": content.len(), "sha256": sha256(&content), "unpacked": tar.len()
        });
        Packed { header, content }
    }

    fn saying(&self, name: &str, value: Value) -> Packed {
        let mut header = self.header.clone();
        header[name] = value;
        Packed {
            header,
            content: self.content.clone(),
        }
    }
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in: {text}");
}

fn a_packed_kernel_is_the_same_one_elsewhere() {
    let (here, there) = Host::two();
    let file = there.path("tiny.tar.zst");
    let said = here.succeeds(&["pack", "tiny", file.to_str().unwrap()]);
    assert_has(&said, &sha256(&fs::read(&file).unwrap()));
    let said = there.succeeds(&["unpack", "tiny.tar.zst"]);
    assert_eq!(said, "tiny: 1.0-tiny is unpacked\n");
    assert_has(&there.succeeds(&["build", "tiny"]), "1.0-tiny is ready");
    assert_eq!(there.entry().file_name(), here.entry().file_name());
    let again = there.succeeds(&["unpack", "tiny.tar.zst"]);
    assert_eq!(again, "tiny: 1.0-tiny is there already\n");
    // Whoever packs it, and wherever: it is the same file.
    there.succeeds(&["pack", "tiny"]);
    there.succeeds(&["pack", "tiny", "other"]);
    assert_eq!(
        fs::read(there.path("other")).unwrap(),
        fs::read(&file).unwrap()
    );
}

fn a_place_that_cannot_be_written_is_told_before_anything_is_done() {
    let host = Host::without_network();
    for place in ["nowhere/pack", "."] {
        // Nobody serves the kernel, which would be told otherwise.
        assert_has(&host.fails(&["pack", "tiny", place]), "kassay: write `");
        let output = host.kernel(&["pack", "tiny", place]);
        assert_eq!(output.status.code(), Some(2));
    }
}

fn a_path_is_not_packed() {
    let host = Host::without_network();
    fs::create_dir(host.path("tree")).unwrap();
    let said = host.fails(&["pack", "./tree"]);
    assert_has(&said, "it is a path, which means another kernel elsewhere");
}

fn a_file_that_is_damaged_is_refused_and_nothing_stays() {
    let (pack, there) = Host::with_pack();
    let whole = pack.bytes();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    let longer = [&whole[..], b"more"].concat();
    for (bytes, why) in [
        (
            &b"an archive of something else"[..],
            "it is no packed kernel",
        ),
        (b"", "it is no packed kernel"),
        (&whole[..6], "it is cut short"),
        (&whole[..100], "it is cut short"),
        (&whole[..whole.len() - 1], "it is cut short"),
        (&other, "its content has the wrong digest\n"),
        (&longer, "there are 4 bytes in it that its header does not"),
    ] {
        fs::write(there.path("pack"), bytes).unwrap();
        assert_has(&there.fails(&["unpack", "pack"]), why);
    }
}

fn a_header_that_tells_of_another_content_is_refused() {
    let (pack, there) = Host::with_pack();
    for (more, why) in [
        (512, "there are 512 bytes less in it than its header says"),
        (-512, "there is more in it than its header says"),
    ] {
        let mut content = pack.header["content"].clone();
        content["unpacked"] = json!(content["unpacked"].as_i64().unwrap() + more);
        let said = there.refuses(&pack.saying("content", content));
        assert_has(&said, why);
    }
    let said = there.refuses(&pack.saying("format", json!(2)));
    assert_has(&said, "it has format 2, of kassay 0.1.0, and this kassay");
    let said = there.refuses(&pack.saying("tools", json!("../../tools")));
    assert_has(&said, "have a name that is none: `../../tools`");
}

fn what_would_lie_or_lead_elsewhere_is_refused_and_nothing_stays() {
    use EntryType::{Block, Fifo, Link, Regular, Symlink};
    let (pack, there) = Host::with_pack();
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("target");
    fs::write(&target, "as it was").unwrap();
    let target = target.to_str().unwrap();
    for (path, kind, leads_to, why) in [
        ("kernel/../../a", Regular, "", "is no path in the folders"),
        (target, Regular, "", "is no path in the folders"),
        ("other/a", Regular, "", "is no path in the folders"),
        (
            "kernel/link",
            Symlink,
            target,
            "leads out of it, or nowhere",
        ),
        (
            "kernel/link",
            Symlink,
            "../../../..",
            "`kernel/link` leads out of it",
        ),
        (
            "kernel/link",
            Symlink,
            "nothing",
            "leads out of it, or nowhere",
        ),
        ("kernel/link", Link, target, "but Link"),
        ("kernel/sda", Block, "", "but Block"),
        ("kernel/pipe", Fifo, "", "but Fifo"),
        ("kernel/new/a", Regular, "", "is in no folder of it"),
        ("kernel/boot/vmlinuz-1.0-tiny", Regular, "", "File exists"),
    ] {
        assert_has(&there.refuses(&pack.with(path, kind, leads_to)), why);
    }
    // Where a folder is a link, what is said to be in it is not.
    let inside = pack.with("kernel/link", Symlink, "boot");
    let said = there.refuses(&inside.with("kernel/link/a", Regular, ""));
    assert_has(&said, "`kernel/link/a` in it is in no folder of it");
    assert_eq!(fs::read_to_string(target).unwrap(), "as it was");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

fn a_kernel_for_other_machines_is_refused() {
    let (pack, there) = Host::with_pack();
    let said = there.refuses(&pack.saying("host", json!("arm64")));
    assert_has(&said, "run on arm64, and this machine is x86_64");
    let said = there.refuses(&pack.saying("compilers", json!({ "gcc": "gcc 99" })));
    assert_has(&said, "built by `gcc` as in `gcc 99`, and here it is `gcc");
    let said = there.refuses(&pack.saying("compilers", json!({ "gcc-none": "1" })));
    assert_has(
        &said,
        "it is not installed here: install that version, or make the kernel",
    );
}

fn a_kernel_that_is_another_one_here_is_refused() {
    let (pack, there) = Host::with_pack();
    let other = Host::without_network();
    assert_has(&other.refuses(&pack), "`tiny` is another kernel here");
    let unknown = Host::new("");
    assert_has(&unknown.refuses(&pack), "no kernel is named `tiny`");
    // The key is a path in the cache.
    let elsewhere = pack.saying("key", json!("../../tiny"));
    assert_has(&there.refuses(&elsewhere), "another kernel here");
}

fn saved_states_come_along_where_they_are_wanted() {
    let (here, there) = Host::two();
    here.save("a1", 1);
    here.save("a2", 2);
    assert!(here.pack().header["states"].is_null());
    let file = there.path("pack");
    there.unpacks(&here.pack_with_states(), "unpacked, 2 saved states are new");
    for key in ["a1", "a2"] {
        let [was, is] = [&here, &there].map(|host| fs::read(host.state(key).join("ram")).unwrap());
        assert_eq!(was, is);
    }
    fs::remove_dir_all(there.state("a1")).unwrap();
    let again = there.succeeds(&["unpack", file.to_str().unwrap()]);
    assert_eq!(
        again,
        "tiny: 1.0-tiny is there already, 1 saved state is new\n"
    );
}

fn a_kernel_without_saved_states_is_not_packed_with_them() {
    let host = Host::with_kernel();
    let output = host.kernel(&["pack", "tiny", "pack", "--states"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_has(
        &said,
        "it has no saved state here: `kassay run --kernel tiny` makes",
    );
    assert!(!host.path("pack").exists());
}

fn saved_states_of_another_host_stay_out() {
    let (here, there) = Host::two();
    here.save("a1", 1);
    let mut pack = here.pack_with_states();
    pack.header["states"]["host"] = json!("QEMU of long ago");
    there.unpacks(&pack, "unpacked");
    assert!(!there.state("a1").exists());
}

fn a_saved_state_that_is_not_what_was_saved_is_refused() {
    let (here, there) = Host::two();
    here.save("a1", 1);
    let pack = here.pack_with_states();
    let host = &pack.header["states"]["host"];
    let with = |keys: [&str; 2]| pack.saying("states", json!({ "host": host, "keys": keys }));
    let said = there.refuses(&with(["a1", "a2"]));
    assert_has(&said, "the saved state `a2` is missing");
    assert!(!there.state("a1").exists());
    let said = there.refuses(&with(["a1", "../a1"]));
    assert_has(&said, "have a name that is none: `../a1`");
    for (was, is) in [("saved", "other"), ("file:state", "elsewhere!")] {
        let said = there.refuses(&pack.with_instead(was, is));
        assert_has(&said, "the saved state `a1` is missing, not what was saved");
    }
}

fn a_saved_state_that_is_damaged_is_not_packed() {
    let (here, there) = Host::two();
    here.save("a1", 1);
    here.save("a2", 2);
    fs::write(here.state("a1").join("state"), "other").unwrap();
    there.unpacks(&here.pack_with_states(), "unpacked, 1 saved state is new");
    assert!(there.state("a2").exists());
}

fn saved_states_of_others_are_not_packed() {
    let (here, there) = Host::two();
    let (host, kernel) = (state::host(HOST).unwrap(), here.key());
    for (key, memory, kernel, host) in [
        ("old", 1, &*kernel, &*host),
        ("kernel", 2, "another", &host),
        ("host", 3, &kernel, "another"),
        ("used", 1, &kernel, &host),
    ] {
        here.save_of(key, memory, kernel, host);
    }
    there.unpacks(&here.pack_with_states(), "unpacked, 1 saved state is new");
    assert!(there.state("used").exists());
}

fn a_saved_state_of_another_kernel_is_refused() {
    let (here, there) = Host::two();
    here.save("a1", 1);
    let (pack, key) = (here.pack_with_states(), here.key());
    let other = key.replace(|_: char| true, "0");
    let said = there.refuses(&pack.with_instead(&key, &other));
    assert_has(&said, "or not of this kernel");
}

fn a_kernel_that_is_there_stays_when_its_tools_come() {
    use EntryType::Directory;
    let (pack, there) = Host::with_pack();
    there.unpacks(&pack, "unpacked");
    let made = || there.entry().metadata().unwrap().ino();
    let before = made();
    let mut pack = pack.with("tools/", Directory, "");
    pack.header["tools"] = json!("a1");
    there.unpacks(&pack, "unpacked");
    assert_eq!(made(), before);
    assert!(there.path("cache/tools/a1").is_dir());
}

fn a_run_elsewhere_boots_nothing() {
    let [here, there] = [(); 2].map(|()| Checkout::with_cache());
    here.run(&["kfunc_sum"]).with(0).says("save its state");
    let pack = there.path("pack").display().to_string();
    here.kassay(&["kernel", "pack", "distro", &pack, "--states"])
        .with(0);
    fs::remove_dir_all(there.path("cache/kernel")).unwrap();
    there
        .kassay(&["kernel", "unpack", &pack])
        .with(0)
        .says("1 saved state is new");
    let ended = there.run(&["kfunc_sum"]);
    ended.with(0).says("pass      distro::kfunc_sum");
    assert!(!ended.stderr.contains("save its state"), "{ended:?}");
}

fn a_built_kernel_needs_neither_its_source_nor_its_cache() {
    let here = Builder::new("");
    here.host.succeeds(&["build", "tiny"]);
    let there = here.elsewhere();
    let pack = there.path("pack");
    here.host
        .succeeds(&["pack", "tiny", pack.to_str().unwrap()]);
    let key = here.host.entry().file_name().unwrap().to_owned();
    drop(here);
    there.succeeds(&["unpack", "pack"]);
    assert_has(&there.succeeds(&["build", "tiny"]), "1.0-tiny is ready");
    let entry = there.entry();
    assert_eq!(entry.file_name().unwrap(), key);
    let made = Command::new("make")
        .arg("-sC")
        .arg(entry.join("build"))
        .arg("M=module")
        .output();
    assert_eq!(String::from_utf8_lossy(&made.unwrap().stdout), "a header\n");
    let has = |path: &str| entry.join(path).symlink_metadata().is_ok();
    assert!(has("source/scripts/b.sh") && has("build/scripts"));
    assert!(!has("build/scripts/a.o") && !has("source/kernel") && !has("source/scripts/c"));
    // It may travel on from here.
    there.succeeds(&["pack", "tiny", "other"]);
    let read = |name: &str| fs::read(there.path(name)).unwrap();
    assert!(read("pack") == read("other"));
}

fn a_text_that_names_this_cache_is_not_packed() {
    let here = Builder::new("\techo $(CURDIR) > $(O)/include/place.h\n");
    here.host.succeeds(&["build", "tiny"]);
    let output = here.host.kernel(&["pack", "tiny"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_has(&said, "include/place.h` names `");
    assert!(!output.status.success() && !here.host.path("tiny.tar.zst").exists());
}

/// A machine that builds the kernel `tiny` from a tarball.
struct Builder {
    host: Host,
    table: String,
}

impl Builder {
    /// The build does something more.
    fn new(more: &str) -> Builder {
        let makefile = format!(
            "ifdef M\nall:\n\t@cat $(dir $(realpath $(firstword $(MAKEFILE_LIST))))\
             source/include/header.h\nendif\n\
             %config:\n\techo CONFIG_A=y > $(O)/.config\nmodules:\n\
             bzImage:\n\tmkdir -p $(addprefix $(O)/,arch/x86/boot include/config scripts)\n\
             \tfor file in arch/x86/boot/bzImage vmlinux Module.symvers scripts/a.o; do \
             echo 1 > $(O)/$$file; done\n\
             \techo 1.0-tiny > $(O)/include/config/kernel.release\n\
             \tcp $(CURDIR)/base.config $(O)/.config\n\
             \tln -s $(CURDIR) $(O)/source\n\
             \tcd $(CURDIR)/scripts && ln -sf a.sh b.sh && ln -sf ../kernel c\n\
             \techo 'export KBUILD_OUTPUT = '$(O) > $(O)/Makefile\n\
             \techo 'include $(CURDIR)/Makefile' >> $(O)/Makefile\n{more}"
        );
        let base = crate::repository::repository().join("kernel-config/base.config");
        let base = fs::read(base).unwrap();
        let files = [
            ("Makefile", makefile.as_bytes()),
            ("Kconfig", b""),
            ("base.config", &base),
            ("include/header.h", b"a header\n"),
            ("kernel/fork.c", b""),
            ("scripts/a.sh", b""),
        ];
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(&crate::remote::tar("linux-tiny/", &files))
            .unwrap();
        let tarball = xz.finish().unwrap();
        let digest = sha256(&tarball);
        let address = serve(|_| Files::from([("/tiny.tar.xz".to_owned(), tarball)]));
        let table = |address: &str| {
            format!("[tarball.tiny]\nurl = 'http://{address}/tiny.tar.xz'\nsha256 = '{digest}'")
        };
        let builder = Builder {
            host: Host::new(&table(&address)),
            table: table("server.invalid"),
        };
        builder.fragment(&builder.host);
        builder
    }

    fn fragment(&self, host: &Host) {
        fs::write(host.path("base.config"), "CONFIG_A=y\n").unwrap();
    }

    /// Another machine, whose catalog has the kernel, which nobody serves.
    fn elsewhere(&self) -> Host {
        let host = Host::new(&self.table);
        self.fragment(&host);
        host
    }
}

/// A registry that Debian has, with a folder of its own.
struct Registry {
    server: Child,
    folder: TempDir,
    address: String,
}

impl Registry {
    fn new(auth: &str) -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "version": "0.1",
            "storage": { "filesystem": { "rootdirectory": folder.path().join("store") } },
            "http": { "addr": "127.0.0.1:0" },
            "auth": match auth {
                "" => json!({}),
                users => {
                    fs::write(folder.path().join("users"), users).unwrap();
                    json!({ "htpasswd": { "realm": "kernels", "path": folder.path().join("users") } })
                }
            }
        });
        let file = folder.path().join("config.yml");
        fs::write(&file, config.to_string()).unwrap();
        let mut server = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let said = lines.by_ref().find(|line| line.contains("listening on"));
        let said = said.unwrap();
        let (_, address) = said.split_once("listening on ").unwrap();
        let address = address.split('"').next().unwrap().to_owned();
        // A server whose log nobody reads would wait.
        std::thread::spawn(move || lines.for_each(drop));
        Registry {
            server,
            folder,
            address,
        }
    }

    fn reference(&self) -> String {
        format!("{}/team/kernels:tiny", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn a_pushed_kernel_is_pulled_by_its_digest_once() {
    let ((here, there), registry) = (Host::two(), Registry::new(""));
    let said = here.succeeds(&["push", "tiny", &registry.reference()]);
    let by_digest = said.trim().strip_prefix("tiny: ").unwrap();
    assert_has(by_digest, "/team/kernels:tiny@sha256:");
    let said = there.succeeds(&["pull", by_digest]);
    assert_has(&said, "tiny: 1.0-tiny is unpacked, sha256:");
    assert_has(&there.succeeds(&["build", "tiny"]), "1.0-tiny is ready");
    let again = there.succeeds(&["pull", &registry.reference()]);
    assert_has(&again, "tiny: 1.0-tiny is there already, sha256:");
    // It has it, and takes it all the same.
    assert_eq!(
        here.succeeds(&["push", "tiny", &registry.reference()]),
        said_of(by_digest)
    );
    let said = here.kernel(&["push", "tiny", by_digest]);
    assert_eq!(said.status.code(), Some(2));
}

fn saved_states_are_pushed_and_pulled() {
    let ((here, there), registry) = (Host::two(), Registry::new(""));
    here.save("a1", 1);
    here.succeeds(&["push", "tiny", &registry.reference(), "--states"]);
    let pull = || there.succeeds(&["pull", &registry.reference()]);
    assert_has(
        &pull(),
        "tiny: 1.0-tiny is unpacked, 1 saved state is new, sha256:",
    );
    assert_has(&pull(), "tiny: 1.0-tiny is there already, sha256:");
    fs::remove_dir_all(there.state("a1")).unwrap();
    assert_has(&pull(), "there already, 1 saved state is new, sha256:");
}

fn said_of(reference: &str) -> String {
    format!("tiny: {reference}\n")
}

fn a_registry_lets_in_who_has_the_password() {
    // The password is `sesame`.
    let user = "user:$2b$04$u/L1gOcSybRLxvJscwXhc.qo3BFqE8R/UXIAGA/IuT9mVgB19XNXu\n";
    let (here, registry) = (Host::with_kernel(), Registry::new(user));
    let push = ["push", "tiny", &registry.reference()];
    let refused = |host: &Host| String::from_utf8(host.kernel(&push).stderr).unwrap();
    let log_in = format!("docker login {}`", registry.address);
    assert_has(&refused(&here), &log_in);
    fs::create_dir(here.path("docker")).unwrap();
    // `user:wrong` and `user:sesame` in base64.
    let log_in_with = |auth: &str| {
        let config = json!({ "auths": { &registry.address: { "auth": auth } } });
        fs::write(here.path("docker/config.json"), config.to_string()).unwrap();
    };
    log_in_with("dXNlcjp3cm9uZw==");
    let said = refused(&here);
    assert_has(&said, "the registry says 401 Unauthorized; log in");
    assert_has(&said, "\"code\":\"UNAUTHORIZED\"");
    log_in_with("dXNlcjpzZXNhbWU=");
    here.succeeds(&push);
    assert_has(
        &here.succeeds(&["pull", &registry.reference()]),
        "there already",
    );
}

fn a_file_that_a_registry_has_damaged_is_refused_and_nothing_stays() {
    let ((here, there), registry) = (Host::two(), Registry::new(""));
    here.succeeds(&["push", "tiny", &registry.reference()]);
    let blobs = walkdir::WalkDir::new(registry.folder.path().join("store"));
    let blobs = blobs
        .into_iter()
        .flatten()
        .filter(|it| it.file_name() == "data");
    let magic = &b"\x50\x2a\x4d\x18"[..];
    let mut packs = blobs.filter(|it| fs::read(it.path()).unwrap().starts_with(magic));
    let pack = packs.next().unwrap();
    let mut pack = File::options().append(true).open(pack.path()).unwrap();
    pack.write_all(b"more").unwrap();
    let said = there.fails(&["pull", &registry.reference()]);
    assert_has(&said, "has the wrong digest");
}

fn a_registry_that_does_not_have_it_is_quoted() {
    let address = serve(|_| Files::new());
    let said = Host::without_network().fails(&["pull", &format!("{address}/kernels:tiny")]);
    assert_has(
        &said,
        "the registry says 404 Not Found; is that the right name?",
    );
}

fn an_image_that_is_no_kernel_is_told() {
    let config = json!({
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256_of(b"{}"), "size": 2
    });
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [] });
    let manifest = manifest.to_string().into_bytes();
    let path = "/v2/kernels/manifests/tiny".to_owned();
    let address = serve(|_| Files::from([(path, manifest)]));
    let said = Host::without_network().fails(&["pull", &format!("{address}/kernels:tiny")]);
    assert_has(&said, "it is no packed kernel; `kassay kernel push NAME");
    let said = Host::without_network().fails(&["pull", "Not A Name"]);
    assert_has(&said, "`Not A Name` is no name in a registry");
}

fn sha256_of(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}
