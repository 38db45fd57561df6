//! Variables that the files in `deploy/` set are those of options: an unknown one would do nothing, and nobody would be told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// Read by the program without being an option.
const OTHERS: [&str; 2] = ["PHALANX_KEYS", "PHALANX_LOG"];

/// Every file under a directory that people wrote, with its path.
fn files(directory: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if ["secrets", "node_modules", "__pycache__"].iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path.display().to_string(), fs::read_to_string(&path).unwrap());
        }
    }
}

/// The variable of every option of every command.
fn variables() -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
    let said = command.args(["config", "show", "--json"]).env_clear().env("HOME", "/nowhere").output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let shown: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let options = shown["options"].as_array().unwrap().iter();
    options.filter_map(|option| option["variable"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_variable_in_deploy_is_that_of_an_option() {
    let known = variables();
    assert!(known.contains("PHALANX_DATABASE_URL"), "{known:?}");
    let mut written = BTreeMap::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy"), &mut written);
    let mut seen = BTreeSet::new();
    for (path, text) in &written {
        for (at, _) in text.match_indices("PHALANX_") {
            let word = &text[at..];
            let end = word.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
            let variable = &word[..end.unwrap_or(word.len())];
            // Prose speaks of `PHALANX_` and a name.
            if variable != "PHALANX_" {
                assert!(known.contains(variable) || OTHERS.contains(&variable), "{path}: no option is {variable}");
                seen.insert(variable);
            }
        }
    }
    assert!(seen.len() > 15, "{seen:?}");
}
