//! How the program ends that is started wrongly.

use std::process::{Command, Stdio};

/// The status of the program and what it says, with these arguments and one variable of the
/// four that it takes.
fn ended(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_storm"))
        .args(arguments)
        .env_clear()
        .env("KASSAY_SEED", "7")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn wrong_arguments_and_a_missing_environment_are_errors() {
    let (status, said) = ended(&[]);
    assert_eq!(status, Some(2));
    assert!(said.contains("`storm PACKETS [prost|pbtools]`"), "{said}");
    let (status, said) = ended(&["5"]);
    assert_eq!(status, Some(2));
    assert!(said.contains("`KASSAY_RECEIVER` is not set"), "{said}");
}
