//! `kassay bench` seen from outside.

use serde_json::json;

use crate::checkout::{Checkout, Ended};

tests! {
    plain:
        facts_are_those_of_a_scenario_and_have_no_picture,
        an_option_of_another_measurement_is_a_slip;
    qemu:
        each_number_that_a_driver_reports_is_a_row,
        a_scenario_whose_drivers_report_no_numbers_says_how_they_do,
        a_run_that_does_not_pass_measures_nothing,
        phases_are_all_of_one_run,
        growth_has_a_row_for_each_number_of_machines;
}

/// Measures the facts of a scenario.
fn facts(checkout: &Checkout, scenario: &str, more: &[&str]) -> Ended {
    let args = ["bench", "facts", "--kernel", "distro", "--scenario"];
    checkout.kassay(&[&args[..], &[scenario], more].concat())
}

fn facts_are_those_of_a_scenario_and_have_no_picture() {
    let checkout = Checkout::new();
    let ended = checkout.kassay(&["bench", "facts"]);
    ended.with(2).says("name it by `--scenario NAME`");
    let ended = facts(&checkout, "bloom_bench", &["--svg", "bloom.svg"]);
    ended.with(2).says("`--svg` is for `bench speed` and");
    let ended = facts(&checkout, "nobodys", &[]);
    ended.with(2).says("there is no scenario `nobodys`");
}

fn each_number_that_a_driver_reports_is_a_row() {
    let checkout = Checkout::drizzle();
    let storm = "kfunc_dropme_storm";
    let ended = facts(&checkout, storm, &["--runs", "2", "--format", "json"]);
    let rows = ended.with(0).objects();
    let packets = json!({
        "fact": "packets", "median": 5000.0, "min": 5000.0, "max": 5000.0, "runs": 2
    });
    assert_eq!(rows[0], packets);
    assert!(rows.iter().all(|row| row["fact"] != "decoder"), "{rows:?}");
    let ended = facts(&checkout, storm, &["--runs", "1"]);
    ended.with(0).says("\ndisagreements ");
}

fn a_scenario_whose_drivers_report_no_numbers_says_how_they_do() {
    let ended = facts(&Checkout::new(), "kfunc_sum", &[]);
    ended.with(125).says("by a line `fact NAME NUMBER`");
}

fn a_run_that_does_not_pass_measures_nothing() {
    let checkout = Checkout::new();
    checkout.edit(
        "bpf/bloom_bench.bpf.c",
        "return lookups.found;",
        "return 1;",
    );
    let ended = facts(&checkout, "bloom_bench", &["--format", "json"]);
    ended.with(125).says("measure `bloom_bench`: mismatch: ");
    ended.says("`measure_50000` returned 1, not 0");
    assert_eq!(ended.stdout, "");
}

fn an_option_of_another_measurement_is_a_slip() {
    let checkout = Checkout::new();
    let ended = checkout.kassay(&["bench", "growth", "--against", "kassay"]);
    ended.with(2).says("`--against` is for `bench speed`");
    let ended = checkout.kassay(&["bench", "--against", "harness"]);
    ended
        .with(2)
        .says("wants another kassay, and `harness` is no program");
    let ended = checkout.kassay(&["bench", "growth", "--runs", "2"]);
    ended.with(2).says("leave `--runs` out");
    let ended = checkout.kassay(&["bench", "--cold"]);
    ended.with(2).says("`--cold` is for `bench phases`");
}

fn phases_are_all_of_one_run() {
    let args = ["bench", "phases", "--kernel", "distro", "--runs", "1"];
    let ended = Checkout::new().kassay(&[&args[..], &["--format", "json"]].concat());
    let phases = ended.with(0).objects();
    let named = |name: &str| phases.iter().any(|phase| phase["phase"] == name);
    let wanted = [
        "host: all is built",
        "qemu: it listens",
        "guest: fact `left`",
    ];
    assert!(wanted.into_iter().all(named), "{phases:?}");
    let shares = phases.iter().filter_map(|phase| phase["share"].as_f64());
    assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9, "{phases:?}");
    ended.says("the same as a picture: ");
}

fn growth_has_a_row_for_each_number_of_machines() {
    let args = ["bench", "growth", "--kernel", "distro", "--cases", "2"];
    let ended = Checkout::new().kassay(&[&args[..], &["--format", "json"]].concat());
    let rows = ended.with(0).objects();
    let jobs: Vec<_> = rows.iter().map(|row| row["jobs"].as_u64()).collect();
    assert_eq!(jobs, [1, 2, 4, 8].map(Some));
    assert!(
        rows.iter().all(|row| row["own_mib"].as_u64() > Some(10)),
        "{rows:?}"
    );
}
