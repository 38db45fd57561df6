//! What the committed guests must do: `guests/expected.json`, whose values come from programs of their own.

use std::{fs, path::PathBuf};

use phalanx_engine::stdin::Stdin;
use serde_json::Value;

/// One guest on one input.
pub struct Case {
    pub guest: String,
    pub stdin: Stdin,
    pub expected: Expected,
}

/// What it must end with.
pub enum Expected {
    PublicValues(Vec<u8>),
    ErrorContains(String),
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let text = fs::read(guests().join("expected.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let case = |case: &Value| Case {
        guest: case["guest"].as_str().unwrap().to_owned(),
        stdin: Stdin { items: case["inputs"].as_array().unwrap().iter().map(item).collect() },
        expected: match (case["public_values"].as_str(), case["error_contains"].as_str()) {
            (Some(hex), None) => Expected::PublicValues(bytes(hex)),
            (None, Some(text)) => Expected::ErrorContains(text.to_owned()),
            _ => panic!("a case has either public_values or error_contains: {case}"),
        },
    };
    file["cases"].as_array().unwrap().iter().map(case).collect()
}

fn item(input: &Value) -> Vec<u8> {
    match (input["hex"].as_str(), input["file"].as_str()) {
        (Some(hex), None) => bytes(hex),
        (None, Some(file)) => fs::read(guests().join(file)).unwrap(),
        _ => panic!("an input is either hex or a file: {input}"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn guests() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests").into()
}
