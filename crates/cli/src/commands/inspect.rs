//! `phalanx inspect`: what a receipt says, how strong it is, how large, how it was made.
//!
//! In: a receipt. Out: its facts, with what is proven apart from what is only written there. Verifies too, so that nobody
//! reads claims that do not hold; a receipt that does not verify is shown, and the exit code is 3.

use std::path::PathBuf;

use phalanx_receipt::Receipt;
use serde::Serialize;

use crate::{
    error::{Error, Result},
    printer::Printer,
    receipt_file::{self, ReceiptFile},
    size,
    text::{harmless, thousands},
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The receipt
    receipt: PathBuf,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Inspected<'a> {
    verified: bool,
    /// Why not, if not.
    reason: Option<&'a str>,
    program_id: String,
    exit_code: u32,
    public_values: String,
    security_bits: u32,
    receipt_bytes: u64,
    proof_bytes: u64,
    engine: Engine<'a>,
    /// Not proven.
    provenance: Made<'a>,
}

#[derive(Serialize)]
struct Engine<'a> {
    name: &'a str,
    version: &'a str,
    verifying_key: String,
}

#[derive(Serialize)]
struct Made<'a> {
    made_by: &'a str,
    cycles: u64,
    segments: u32,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let ReceiptFile { receipt, bytes } = receipt_file::read(&args.receipt, Error::input)?;
    let reason = phalanx_receipt::verify(&receipt).err().map(|error| error.to_string());
    if printer.is_json() {
        printer.object(&inspected(&receipt, bytes, reason.as_deref()))?;
    } else {
        for line in lines(&receipt, bytes, reason.as_deref()) {
            printer.line(line)?;
        }
    }
    match reason {
        None => Ok(()),
        Some(reason) => Err(Error::rejected(format!("receipt {} is no proof: {reason}", args.receipt.display()))
            .hint("do not rely on what it says; prove again")),
    }
}

fn inspected<'a>(receipt: &'a Receipt, bytes: u64, reason: Option<&'a str>) -> Inspected<'a> {
    Inspected {
        verified: reason.is_none(),
        reason,
        program_id: receipt.claim.program.to_string(),
        exit_code: receipt.claim.exit_code,
        public_values: hex::encode(&receipt.claim.public_values),
        security_bits: receipt.security_bits,
        receipt_bytes: bytes,
        proof_bytes: receipt.proof.len() as u64,
        engine: Engine {
            name: &receipt.engine.name,
            version: &receipt.engine.version,
            verifying_key: receipt.engine.verifying_key.to_string(),
        },
        provenance: Made {
            made_by: &receipt.provenance.made_by,
            cycles: receipt.provenance.cycles,
            segments: receipt.provenance.segments,
        },
    }
}

fn lines(receipt: &Receipt, bytes: u64, reason: Option<&str>) -> Vec<String> {
    let claim = &receipt.claim;
    let plain = |text: &str| harmless(text.as_bytes()).replace('\n', " ");
    let heading = match reason {
        None => "proven: some input makes this program end so".to_owned(),
        Some(reason) => format!("claimed, but NOT proven: {reason}"),
    };
    let public_values = match hex::encode(&claim.public_values) {
        empty if empty.is_empty() => "none".to_owned(),
        hex => hex,
    };
    let engine = &receipt.engine;
    let made = &receipt.provenance;
    vec![
        heading,
        format!("  program        {}", claim.program),
        format!("  exit code      {}", claim.exit_code),
        format!("  public values  {public_values}"),
        "checked by".to_owned(),
        format!("  engine         {} {}", plain(&engine.name), plain(&engine.version)),
        format!("  verifying key  {}", engine.verifying_key),
        format!("  security       {} bits", receipt.security_bits),
        "size".to_owned(),
        format!("  receipt        {} ({} bytes)", size::show(bytes), thousands(bytes)),
        format!("  proof          {} before compression", size::show(receipt.proof.len() as u64)),
        "how it was made (as its maker says; not proven)".to_owned(),
        format!("  made by        {}", plain(&made.made_by)),
        format!("  cycles         {}", thousands(made.cycles)),
        format!("  segments       {}", thousands(made.segments.into())),
    ]
}

#[cfg(test)]
mod tests {
    use phalanx_claim::{Claim, ProgramId};
    use phalanx_receipt::Provenance;

    use super::*;

    fn receipt() -> Receipt {
        let claim = Claim { program: ProgramId::new([7; 32]), exit_code: 0, public_values: vec![1, 0xff] };
        let provenance = Provenance { cycles: 4_129_521, segments: 5, made_by: "phalanx\x1b[2J 0.1.0\nproven".into() };
        Receipt::new(claim, provenance, vec![0; 2048])
    }

    #[test]
    fn what_is_not_proven_is_said_to_be_so() {
        let lines = lines(&receipt(), 1_234_567, None);
        let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
        assert!(at("not proven") < at("4,129,521"));
        assert!(at("proven:") < at("01ff") && at("01ff") < at("not proven"));
    }

    #[test]
    fn a_receipt_that_fails_does_not_claim_to_be_proven() {
        let lines = lines(&receipt(), 1, Some("a sum is wrong"));
        assert_eq!(lines[0], "claimed, but NOT proven: a sum is wrong");
    }

    #[test]
    fn a_makers_words_cannot_forge_lines() {
        let lines = lines(&receipt(), 1, None);
        assert!(lines.iter().all(|line| !line.contains(['\x1b', '\n'])));
    }
}
