//! The test of the API's document: schemathesis asks a real gateway what the document allows, and what it does not.
//!
//! In: nothing. Out: what schemathesis says. The same requests every time: their seed is fixed.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::{
    build::example,
    command::{command, root, run as run_shown, target_dir},
    tools::SCHEMATHESIS,
};

/// Whose token is shown, and how many random requests each operation gets, beside those at the bounds of its parameters. An
/// admin reaches everything; the others are there for what they are refused.
const PASSES: [(Option<&str>, &str); 4] =
    [(Some("admin"), "25"), (Some("client"), "5"), (Some("worker"), "5"), (None, "2")];

/// They never end, or not before their job; `crates/gateway/tests/events.rs` tests them.
const STREAMS: [&str; 2] = ["/v1/events", "/v1/jobs/{job}/events"];

/// What is missing to run it, if anything is.
pub fn missing() -> Option<&'static str> {
    let venv = Command::new("python3").args(["-c", "import venv, ensurepip"]).stderr(Stdio::null()).status();
    if venv.is_ok_and(|status| status.success()) { None } else { Some("no Python 3 with venv: install python3-venv") }
}

/// Runs it.
pub fn run() -> Result<()> {
    let gateway = example("schema")?;
    let schemathesis = SCHEMATHESIS.path()?;
    let folder = target_dir().join("schema");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (scope, examples) in PASSES {
        // One for each, so that none finds what another left.
        let mut server = Command::new(&gateway).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
        let told: Map<String, Value> = serde_json::from_str(&line).context("the gateway did not start")?;
        let told = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default();
        let config = folder.join("schemathesis.toml");
        fs::write(&config, filled(&fs::read_to_string(root().join("xtask/schemathesis.toml"))?, told))?;
        let mut test = command(&schemathesis, &["--config-file"]);
        test.arg(config).args(["run", &format!("{}/openapi.json", told("url"))]).current_dir(&folder);
        test.args(["--seed", "1", "--max-examples", examples]);
        STREAMS.iter().for_each(|path| _ = test.args(["--exclude-path", path]));
        match scope {
            Some("admin") => {}
            // They say that next to everything was refused.
            _ => _ = test.args(["--warnings", "off"]),
        }
        if let Some(scope) = scope {
            test.args(["--header", &format!("Authorization: Bearer {}", told(scope))]);
        }
        let tested = run_shown(&mut test);
        // It ends with its standard input.
        drop(server.stdin.take());
        server.wait()?;
        tested.with_context(|| {
            format!("with {}", scope.map_or("no token".to_owned(), |scope| format!("scope {scope}")))
        })?;
    }
    Ok(())
}

/// A configuration with each `${name}` replaced: by a path of this repository, or by what the gateway told.
fn filled<'a>(template: &str, told: impl Fn(&str) -> &'a str) -> String {
    let mut parts = template.split("${");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        match name {
            "root" => text += &root().display().to_string(),
            name => text += told(name),
        }
        text += rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        assert_eq!(filled("a = \"${a}\", b = ${b}.", |name| if name == "a" { "1" } else { "2" }), "a = \"1\", b = 2.");
    }
}
