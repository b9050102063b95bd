//! The table of sections has each that libbpf knows, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use kassay_guest::section::ROWS;
use serde_json::Value;

use crate::repository::repository;

tests! {
    plain:
        every_section_of_libbpf_has_a_place;
}

fn every_section_of_libbpf_has_a_place() {
    let ours: Vec<&str> = ROWS.iter().flat_map(|row| row.sections).copied().collect();
    let once: BTreeSet<String> = ours.iter().map(ToString::to_string).collect();
    assert_eq!(once.len(), ours.len(), "a section has two places");
    let theirs = sections(&libbpf());
    let lacking: Vec<_> = theirs.difference(&once).collect();
    let strays: Vec<_> = once.difference(&theirs).collect();
    assert!(
        lacking.is_empty() && strays.is_empty(),
        "libbpf alone knows {lacking:?}, guest/src/section.rs alone {strays:?}"
    );
}

/// The file of libbpf that has the sections, from the package that the guest is built of.
fn libbpf() -> String {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let package = packages.find(|package| package["name"] == "libbpf-sys");
    let manifest = package.unwrap()["manifest_path"].as_str().unwrap();
    let file = manifest.replace("Cargo.toml", "libbpf/src/libbpf.c");
    fs::read_to_string(file).unwrap()
}

/// What `SEC_DEF("…"` says in the array of sections.
fn sections(source: &str) -> BTreeSet<String> {
    let (_, table) = source.split_once("section_defs[] = {").unwrap();
    let (table, _) = table.split_once("\n};").unwrap();
    let rows = table.split("SEC_DEF(\"").skip(1);
    let names = rows.map(|row| row.split('"').next().unwrap().to_owned());
    names.collect()
}
