//! Kernels at addresses and in registries, seen from outside, from a server that the test starts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use flate2::write::GzEncoder;
use serde_json::json;
use tempfile::TempDir;

tests! {
    plain:
        packages_at_addresses_are_a_kernel,
        a_package_with_another_digest_is_refused_and_nothing_stays,
        a_package_that_is_not_there_says_what_the_server_said,
        an_image_of_a_registry_is_a_kernel,
        an_image_by_a_tag_alone_is_a_slip,
        a_layer_with_another_digest_is_refused_and_nothing_stays,
        a_layer_leads_nowhere_out_of_the_image,
        a_link_out_of_a_package_is_cut_before_anything_is_written,
        folders_that_nobody_may_write_are_opened,
        an_image_without_a_kernel_is_told;
}

/// What a server has, by paths.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Serves files over HTTP, those under `/v2/` to whoever has a token; returns where.
pub fn serve(files: impl FnOnce(&str) -> Files) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (files, here) = (Arc::new(files(&address)), address.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (files, here) = (files.clone(), here.clone());
            std::thread::spawn(move || answer(stream, &files, &here));
        }
    });
    address
}

fn answer(mut stream: std::net::TcpStream, files: &Files, here: &str) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(request)) = lines.next() {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let headers = lines.by_ref().map_while(Result::ok);
        let headers: Vec<String> = headers.take_while(|line| !line.is_empty()).collect();
        let has_token = headers.iter().any(|line| line.ends_with("Bearer sesame"));
        let ask = format!(
            "WWW-Authenticate: Bearer realm=\"http://{here}/token\",service=\"a\",scope=\"b\"\r\n"
        );
        let (status, more, body) = match files.get(&path) {
            _ if path == "/token?service=a&scope=b" => {
                ("200 OK", "", &b"{\"token\":\"sesame\"}"[..])
            }
            _ if path.starts_with("/v2/") && !has_token => ("401 Unauthorized", &*ask, &b""[..]),
            Some(body) => ("200 OK", "", body.as_slice()),
            None => ("404 Not Found", "", &b""[..]),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\n\r\n");
        if stream.write_all(&[head.as_bytes(), body].concat()).is_err() {
            return;
        }
    }
}

/// What a kernel is packed of.
pub const KERNEL: [(&str, &[u8]); 6] = [
    ("boot/vmlinuz-1.0-tiny", b"image"),
    ("lib/modules/1.0-tiny/modules.builtin", b""),
    ("lib/modules/1.0-tiny/kernel/readme", b""),
    ("usr/src/linux-headers-1.0-tiny/Makefile", b""),
    (
        "usr/src/linux-headers-1.0-tiny/.config",
        b"CONFIG_GCC_VERSION=990100\n",
    ),
    ("usr/src/linux-headers-1.0-tiny/vmlinux", b"btf"),
];

/// A tar file, in which the kernel lies below a folder.
pub fn tar(below: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len().try_into().unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{below}{path}"), *content)
            .unwrap();
    }
    tar.into_inner().unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    kassay::cache::digest(file.path()).unwrap()
}

/// A Debian package of these files.
pub fn deb(files: &[(&str, &[u8])]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let control = "Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n\
                   Description: a kernel\n";
    for (path, content) in files
        .iter()
        .chain(&[("DEBIAN/control", control.as_bytes())])
    {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let out = dir.path().join("tiny.deb");
    let built = Command::new("dpkg-deb")
        .arg("-b")
        .args([&tree, &out])
        .output();
    assert!(built.unwrap().status.success());
    fs::read(out).unwrap()
}

/// A registry with an index of one image of this layer; returns its address and digest.
fn registry(layer: Vec<u8>, sent: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let digest = |bytes: &[u8]| format!("sha256:{}", sha256(bytes));
    let kind = |name: &str| format!("application/vnd.oci.image.{name}.v1+json");
    let config = json!({ "mediaType": kind("config"), "digest": digest(b"{}"), "size": 2 });
    let of_layer = json!({
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": digest(&layer), "size": layer.len()
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind("manifest"), "config": config, "layers": [of_layer]
    });
    let manifest = manifest.to_string().into_bytes();
    let of_manifest = json!({
        "mediaType": kind("manifest"), "digest": digest(&manifest), "size": manifest.len(),
        "platform": { "architecture": "amd64", "os": "linux" }
    });
    let index = json!({
        "schemaVersion": 2, "mediaType": kind("index"), "manifests": [of_manifest]
    });
    let index = index.to_string().into_bytes();
    let name = digest(&index);
    let address = serve(|_| {
        Files::from([
            (format!("/v2/a/kernel/manifests/{name}"), index),
            (
                format!("/v2/a/kernel/manifests/{}", digest(&manifest)),
                manifest,
            ),
            (
                format!("/v2/a/kernel/blobs/{}", digest(&layer)),
                sent(layer),
            ),
        ])
    });
    format!("{address}/a/kernel@{name}")
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// A machine of its own, with a cache and the kernel `tiny` of a table.
struct Host(TempDir);

impl Host {
    fn new(table: &str) -> Host {
        let dir = tempfile::tempdir().unwrap();
        let catalog = format!("default = []\n{table}\nboot_modules = []\n");
        fs::write(dir.path().join("kernels.toml"), catalog).unwrap();
        Host(dir)
    }

    fn of_deb(address: &str, digest: &str) -> Host {
        let url = format!("http://{address}/tiny.deb");
        Host::new(&format!(
            "[deb.tiny]\nfiles = [{{ url = '{url}', sha256 = '{digest}' }}]"
        ))
    }

    fn of_image(image: &str) -> Host {
        Host::new(&format!("[oci.tiny]\nimage = '{image}'"))
    }

    fn kassay(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(self.0.path())
            .env("KASSAY_CACHE", self.0.path().join("cache"))
            .env("KASSAY_CATALOG", self.0.path().join("kernels.toml"))
            .output()
            .unwrap()
    }

    /// What `kassay kernel fetch` says, which succeeds or not.
    #[track_caller]
    fn fetch(&self, success: bool) -> String {
        let output = self.kassay(&["kernel", "fetch", "tiny"]);
        assert_eq!(output.status.success(), success, "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The kernel's entries in the cache, and parts of them.
    fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path().join("cache/kernel"));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

#[track_caller]
fn assert_has(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in: {text}");
}

fn packages_at_addresses_are_a_kernel() {
    let deb = deb(&KERNEL);
    let digest = sha256(&deb);
    let address = serve(|_| Files::from([("/tiny.deb".to_owned(), deb)]));
    let host = Host::of_deb(&address, &digest);
    assert_has(
        &host.fetch(true),
        "it was built by gcc 99, and this machine has gcc",
    );
    let built = host.kassay(&["kernel", "build", "tiny"]);
    assert_has(
        &String::from_utf8_lossy(&built.stdout),
        "tiny: 1.0-tiny is ready",
    );
    let list = String::from_utf8(host.kassay(&["list"]).stdout).unwrap();
    assert_has(&list, "tiny ready");
    host.kassay(&["kernel", "remove", "tiny"]);
    assert!(host.entries().is_empty());
}

fn a_package_with_another_digest_is_refused_and_nothing_stays() {
    let address = serve(|_| Files::from([("/tiny.deb".to_owned(), b"no package".to_vec())]));
    let host = Host::of_deb(&address, &"0".repeat(64));
    assert_has(
        &host.fetch(false),
        "wrong digest, and what was downloaded is deleted",
    );
    assert!(host.entries().is_empty());
}

fn a_package_that_is_not_there_says_what_the_server_said() {
    let host = Host::of_deb(&serve(|_| Files::new()), "00");
    assert_has(&host.fetch(false), "the server says 404 Not Found");
}

fn an_image_of_a_registry_is_a_kernel() {
    let layer = gz(&tar("data/kernels/tiny/", &KERNEL));
    let host = Host::of_image(&registry(layer, |layer| layer));
    host.fetch(true);
    let [entry] = &host.entries()[..] else {
        panic!()
    };
    assert_eq!(
        fs::read(entry.join("boot/vmlinuz-1.0-tiny")).unwrap(),
        b"image"
    );
    assert!(entry.join("all-modules/kernel/readme").exists() && !entry.join("image").exists());
}

fn an_image_by_a_tag_alone_is_a_slip() {
    let host = Host::of_image("registry.invalid/a/kernel:latest");
    let output = host.kassay(&["kernel", "fetch", "tiny"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_has(&said, "has no digest, and a tag moves");
}

fn a_layer_with_another_digest_is_refused_and_nothing_stays() {
    let layer = gz(&tar("", &KERNEL));
    let host = Host::of_image(&registry(layer, |mut layer| {
        layer.push(0);
        layer
    }));
    assert_has(&host.fetch(false), "wrong digest");
    assert!(host.entries().is_empty());
}

fn a_layer_leads_nowhere_out_of_the_image() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "").unwrap();
    let mut tar = tar::Builder::new(tar("", &KERNEL));
    // What ends the first is taken away, so that more can follow.
    let mut tar = {
        let bytes = tar.get_mut();
        bytes.truncate(bytes.len() - 1024);
        tar
    };
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "link", outside.path()).unwrap();
    let mut gone = tar::Header::new_gnu();
    gone.set_size(0);
    tar.append_data(&mut gone, "link/.wh.file", &b""[..])
        .unwrap();
    let host = Host::of_image(&registry(gz(&tar.into_inner().unwrap()), |layer| layer));
    assert_has(&host.fetch(false), "`link/.wh.file` leads out of the image");
    assert!(outside.path().join("file").exists() && host.entries().is_empty());
}

fn a_link_out_of_a_package_is_cut_before_anything_is_written() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("file");
    let files: Vec<_> = KERNEL
        .into_iter()
        .filter(|(path, _)| !path.ends_with(".config"))
        .collect();
    let mut packed = tar("", &files);
    packed.truncate(packed.len() - 1024);
    let mut more = tar::Builder::new(packed);
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    let config = "usr/src/linux-headers-1.0-tiny/.config";
    more.append_link(&mut link, config, &target).unwrap();
    let mut plain = tar::Header::new_gnu();
    plain.set_size(0);
    plain.set_mode(0o644);
    more.append_data(&mut plain, "boot/config-1.0-tiny", &b""[..])
        .unwrap();
    let layer = gz(&more.into_inner().unwrap());
    let host = Host::of_image(&registry(layer, |layer| layer));
    host.fetch(true);
    let [entry] = &host.entries()[..] else {
        panic!()
    };
    assert!(entry.join(config).symlink_metadata().unwrap().is_file() && !target.exists());
}

fn folders_that_nobody_may_write_are_opened() {
    use std::os::unix::fs::PermissionsExt;
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_size(0);
    folder.set_mode(0o555);
    let mut all = tar::Builder::new(Vec::new());
    all.append_data(&mut folder, "boot", &b""[..]).unwrap();
    let layer = [all.get_ref().clone(), tar("", &KERNEL)].concat();
    let host = Host::of_image(&registry(gz(&layer), |layer| layer));
    host.fetch(true);
    let boot = host.entries()[0].join("boot").metadata().unwrap();
    assert_eq!(boot.permissions().mode() & 0o777, 0o755);
}

fn an_image_without_a_kernel_is_told() {
    let layer = gz(&tar("", &[("etc/hosts", b"")]));
    let host = Host::of_image(&registry(layer, |layer| layer));
    assert_has(
        &host.fetch(false),
        "find `boot/vmlinuz-RELEASE` in the image",
    );
    assert!(host.entries().is_empty());
}
