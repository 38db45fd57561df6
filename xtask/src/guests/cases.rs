//! `expected.json`: what each guest must reveal on which input. In: a case, an ELF and a phalanx. Out: an error that shows
//! what was expected and what came.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command::{command, shown};

/// All cases.
pub struct Expected {
    /// For the committed guests.
    pub cases: Vec<Case>,
    /// For the template.
    pub template: Case,
}

/// One execution.
pub struct Case {
    /// Name of the ELF, without its ending.
    pub guest: String,
    inputs: Vec<Vec<u8>>,
    outcome: Outcome,
}

enum Outcome {
    /// The execution succeeds and reveals these bytes, in hexadecimal.
    Reveals(String),
    /// The execution fails with an error that contains this.
    Fails(String),
}

impl Expected {
    /// Reads the file and the inputs it names.
    pub fn read(guests: &Path) -> Result<Self> {
        let path = guests.join("expected.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, guests).with_context(|| format!("{} is not as oracle.py writes it", path.display()))
    }

    fn parse(text: &str, guests: &Path) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let mut cases = Vec::new();
        for case in value["cases"].as_array().context("no list `cases`")? {
            let guest = case["guest"].as_str().context("a case without `guest`")?;
            cases.push(Case::parse(guest, case, guests).with_context(|| format!("case {} ({guest})", cases.len()))?);
        }
        let template = Case::parse("template", &value["template"], guests).context("the template")?;
        Ok(Self { cases, template })
    }
}

impl Case {
    fn parse(guest: &str, case: &Value, guests: &Path) -> Result<Self> {
        let mut inputs = Vec::new();
        for item in case["inputs"].as_array().context("no list `inputs`")? {
            inputs.push(match (item["hex"].as_str(), item["file"].as_str()) {
                (Some(hex), None) => bytes_of_hex(hex)?,
                (None, Some(file)) => fs::read(guests.join(file)).with_context(|| format!("cannot read {file}"))?,
                _ => bail!("an input is either `hex` or `file`, not {item}"),
            });
        }
        let outcome = match (case["public_values"].as_str(), case["error_contains"].as_str()) {
            (Some(values), None) => Outcome::Reveals(values.to_owned()),
            (None, Some(error)) => Outcome::Fails(error.to_owned()),
            _ => bail!("a case has either `public_values` or `error_contains`"),
        };
        Ok(Self { guest: guest.to_owned(), inputs, outcome })
    }

    /// Executes the case and compares.
    pub fn check(&self, phalanx: &Path, elf: &Path) -> Result<()> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mut execute = command(phalanx, &["execute"]);
        execute.arg(elf).arg("--json");
        for (index, item) in self.inputs.iter().enumerate() {
            let file = folder.path().join(format!("{index}.bin"));
            fs::write(&file, item).with_context(|| format!("cannot write {}", file.display()))?;
            execute.arg("--input").arg(file);
        }
        let text = shown(&execute);
        let output = execute.output().with_context(|| format!("cannot run `{text}`"))?;
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        match &self.outcome {
            Outcome::Reveals(expected) => {
                ensure!(output.status.success(), "`{text}` failed, {}\n{stderr}{stdout}", output.status);
                let report: Value =
                    serde_json::from_str(&stdout).with_context(|| format!("`{text}` printed no JSON"))?;
                let revealed = report["public_values"].as_str();
                let revealed = revealed.with_context(|| format!("`{text}` printed no `public_values`"))?;
                let revealed = revealed.strip_prefix("0x").unwrap_or(revealed);
                ensure!(
                    revealed == expected,
                    "{} reveals another value than the oracle says\n  revealed {revealed}\n  expected {expected}\n  by `{text}`",
                    self.guest
                );
            }
            Outcome::Fails(expected) => {
                ensure!(!output.status.success(), "`{text}` should fail with {expected:?}, but it succeeds");
                ensure!(
                    stdout.contains(expected) || stderr.contains(expected),
                    "`{text}` should fail with {expected:?}, but it says\n{stderr}{stdout}"
                );
            }
        }
        Ok(())
    }
}

fn bytes_of_hex(hex: &str) -> Result<Vec<u8>> {
    ensure!(hex.len().is_multiple_of(2) && hex.is_ascii(), "{hex:?} is not whole bytes in hexadecimal");
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    digits.chunks(2).map(|pair| byte(pair).with_context(|| format!("{hex:?} is not hexadecimal"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(case: &str) -> Result<Expected> {
        let template = r#"{"inputs": [], "public_values": ""}"#;
        Expected::parse(&format!(r#"{{"cases": [{case}], "template": {template}}}"#), Path::new("."))
    }

    #[test]
    fn inline_input_is_decoded() {
        let expected = parse(r#"{"guest": "a", "inputs": [{"hex": "00ff"}], "public_values": "00"}"#).unwrap();
        assert_eq!(expected.cases[0].inputs, [[0x00, 0xff]]);
    }

    #[test]
    fn a_case_that_expects_nothing_is_refused_by_number() {
        let error = parse(r#"{"guest": "a", "inputs": []}"#).err().unwrap();
        assert!(format!("{error:#}").contains("case 0 (a)"), "{error:#}");
    }

    #[test]
    fn odd_or_foreign_digits_are_refused() {
        for hex in ["0", "0g", "é"] {
            assert!(bytes_of_hex(hex).is_err(), "{hex}");
        }
    }
}
