//! Holds the dependencies between our crates against the architecture (docs/architecture.md): values flow one way, and
//! the control plane builds without the prover.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    process::Command,
};

use serde_json::Value;

/// `(crate, what it may depend on)`; what those depend on, it may depend on too.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("claim", &[]),
    ("receipt", &["claim"]),
    ("plan", &["claim"]),
    ("store", &["claim"]),
    ("swirl", &[]),
    ("engine", &["receipt", "plan", "swirl"]),
    ("api", &["plan"]),
    ("client", &["api"]),
    ("queue", &["api"]),
    ("worker", &["engine", "plan", "store", "client"]),
    ("gateway", &["queue", "store", "receipt"]),
    ("cli", &["worker", "gateway"]),
    ("python", &["engine", "plan", "store"]),
    ("xtask", &[]),
];

/// `(crate, what only its tests may use besides)`: other ends of what it speaks with.
const TESTED_WITH: [(&str, &[&str]); 2] = [("gateway", &["client"]), ("worker", &["gateway", "queue"])];

/// Crates that build and test without the prover.
const LIGHT: [&str; 8] = ["claim", "receipt", "plan", "store", "api", "client", "queue", "gateway"];
/// What makes up the prover.
const PROVER: [&str; 4] = ["openvm-sdk", "openvm-circuit", "openvm-continuations", "openvm-cpu-backend"];

fn cargo(args: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(args).current_dir(root).output().unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A package's name in the architecture, which is that of its folder.
fn crate_name(package: &str) -> &str {
    match package {
        "phalanx" => "cli",
        package => package.strip_prefix("phalanx-").unwrap_or(package),
    }
}

/// Every crate of the workspace with those of ours that its manifest names, and whether only for its tests.
fn edges() -> BTreeMap<String, BTreeSet<(String, bool)>> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| crate_name(value["name"].as_str().unwrap()).to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let dependencies = |package: &Value| -> BTreeSet<(String, bool)> {
        let edges = package["dependencies"].as_array().unwrap().iter().filter(|edge| edge["path"].is_string());
        edges.map(|edge| (name(edge), edge["kind"] == "dev")).collect()
    };
    assert!(ours.contains("claim") && ours.contains("cli"), "{ours:?}");
    packages.iter().map(|package| (name(package), dependencies(package))).collect()
}

/// What a crate may depend on, directly or through others.
fn allowed(from: &str) -> BTreeSet<&'static str> {
    let Some((_, direct)) = ALLOWED.iter().find(|(name, _)| *name == from) else {
        panic!("crate {from} has no place in docs/architecture.md")
    };
    direct.iter().flat_map(|to| allowed(to).into_iter().chain([*to])).collect()
}

#[test]
fn crates_depend_only_on_what_the_architecture_allows() {
    for (from, dependencies) in edges() {
        let allowed = allowed(&from);
        let tested_with = TESTED_WITH.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, with)| with);
        for (to, for_tests) in dependencies {
            if for_tests && tested_with.contains(&to.as_str()) {
                continue;
            }
            assert!(allowed.contains(to.as_str()), "{from} depends on {to}, but may only depend on {allowed:?}");
        }
    }
}

#[test]
fn the_control_plane_builds_and_tests_without_the_prover() {
    let members = edges();
    for light in LIGHT.iter().filter(|light| members.contains_key(**light)) {
        let package = format!("phalanx-{light}");
        // Features as they are when this crate is built by itself, with what its own tests need.
        let tree = cargo(&["tree", "--package", &package, "--edges", "normal,build,dev", "--prefix", "none"]);
        let dependencies: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        let prover: Vec<_> = PROVER.iter().filter(|part| dependencies.contains(**part)).collect();
        assert!(prover.is_empty(), "{package} depends on {prover:?}");
    }
}
