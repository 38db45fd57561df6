//! stdout is data and stderr is talk, also when a command fails.

use std::process::{Command, Output};

fn phalanx(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/bad-input.in"));
    command.output().expect("phalanx runs")
}

#[test]
fn a_failed_command_prints_no_data() {
    let output = phalanx(&["verify", "cut.receipt"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    assert!(output.stderr.starts_with(b"error: "));
}

#[test]
fn a_failed_command_with_json_prints_one_object_that_says_why() {
    let output = phalanx(&["verify", "cut.receipt", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(object["error"]["exit_code"], 3);
    assert!(object["error"]["message"].as_str().is_some_and(|message| message.contains("cut.receipt")));
}

#[test]
fn quiet_silences_talk_but_not_errors() {
    let output = phalanx(&["--quiet", "verify", "missing.receipt"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.starts_with(b"error: "));
}

#[test]
fn colour_is_for_terminals() {
    let output = phalanx(&["verify", "missing.receipt"]);
    assert!(!output.stderr.contains(&0x1b));
}

#[test]
fn help_is_data() {
    let output = phalanx(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"Many machines, one proof"));
    assert!(output.stderr.is_empty());
}
