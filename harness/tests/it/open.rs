//! `kassay open`: the page of the last run, as a browser is given it.

use std::fs;
use std::path::Path;

use crate::checkout::{Checkout, Ended};

tests! {
    plain:
        what_was_not_run_has_no_page,
        a_page_that_is_there_is_only_printed_where_nothing_can_show_it;
    qemu:
        a_run_leaves_a_page_that_opens_at_a_case;
}

/// A browser that writes down what it is given.
const BROWSER: &str = "#!/bin/sh\nfor last; do :; done\necho \"$#: $last\" >>browsed\n";

/// Runs `kassay open` in a checkout, with this `BROWSER` and no display.
fn open(checkout: &Checkout, browser: &str, args: &[&str]) -> Ended {
    let mut command = checkout.command(&[&["open"], args].concat());
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    Ended::of(command.env("BROWSER", browser).output().unwrap())
}

fn browsed(checkout: &Checkout) -> String {
    fs::read_to_string(checkout.path("browsed")).unwrap_or_default()
}

fn what_was_not_run_has_no_page() {
    let checkout = Checkout::new();
    let ended = open(&checkout, "true", &[]);
    ended.with(2).says("run `kassay run` first");
}

fn a_page_that_is_there_is_only_printed_where_nothing_can_show_it() {
    let checkout = Checkout::new();
    checkout.write("target/kassay/report/index.html", "");
    let path = checkout.path("target/kassay/report/index.html");
    let ended = open(&checkout, "", &[]);
    ended.with(0).says("there is no display");
    assert_eq!(Path::new(ended.stdout.trim_end()), path);
    let ended = open(&checkout, "/no/such:/neither", &[]);
    ended.with(125).says("no such program is here");
    let ended = open(&checkout, "false", &[]);
    ended.with(125).says("show the page by `false /");
    open(&checkout, "false", &["--print"]).with(0);
    let ended = open(&checkout, "false", &["sum"]);
    ended
        .with(2)
        .says("find `sum`: the page of the last run has no such case");
}

fn a_run_leaves_a_page_that_opens_at_a_case() {
    let checkout = Checkout::new();
    checkout.write("browser", BROWSER);
    checkout.run(&["kfunc_sum", "kfunc_strstr"]).with(0);
    let folder = checkout.path("target/kassay/report");
    let page = folder.join("index.html");
    open(&checkout, "/no/such:sh browser", &[]).with(0);
    assert_eq!(browsed(&checkout), format!("1: {}\n", page.display()));
    fs::remove_file(checkout.path("browsed")).unwrap();
    let ended = open(&checkout, "sh browser --at %s", &["strstr"]);
    let address = ended.with(0).stdout.trim_end();
    let case = address.strip_prefix(page.to_str().unwrap()).unwrap();
    let lead = folder.join("open.html");
    assert_eq!(browsed(&checkout), format!("2: {}\n", lead.display()));
    let lead = fs::read_to_string(lead).unwrap();
    assert!(lead.contains(&format!("content=\"0; url=index.html{case}\"")));
    let text = fs::read_to_string(page).unwrap();
    let section = text
        .split(&format!("id=\"{}\"", &case[1..]))
        .nth(1)
        .unwrap();
    assert!(
        section
            .split("</b>")
            .next()
            .unwrap()
            .ends_with("::kfunc_strstr")
    );
}
