//! `phalanx verify`: is this receipt a proof, and of the program that was expected?
//!
//! In: a receipt and, optionally, a program. Out: the public values, or exit code 3 with the reason.

use std::path::PathBuf;

use phalanx_claim::ProgramId;
use serde::Serialize;

use super::job::read_program;
use crate::{
    engine::Prover,
    error::{Error, Result},
    paths,
    printer::Printer,
    receipt_file::{self, ReceiptFile},
    text::short,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The receipt
    receipt: PathBuf,

    /// The program that it must be of: an ELF, or a program id of 64 hexadecimal digits
    #[arg(long, value_name = "ELF|ID")]
    program: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Verified {
    verified: bool,
    program_id: String,
    exit_code: u32,
    public_values: String,
    security_bits: u32,
    receipt_bytes: u64,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let ReceiptFile { receipt, bytes } = receipt_file::read(&args.receipt, Error::rejected)?;
    if let Some(expected) = &args.program {
        let (expected, name) = program(expected)?;
        if receipt.claim.program != expected {
            return Err(another_program(args, receipt.claim.program, expected, name.as_deref()));
        }
    }
    let claim = phalanx_receipt::verify(&receipt).map_err(|error| {
        Error::rejected(format!("receipt {} is no proof: {error}", args.receipt.display()))
            .hint("copy it again from where it was made, or prove again")
    })?;
    let public_values = hex::encode(&claim.public_values);
    if printer.is_json() {
        return printer.object(&Verified {
            verified: true,
            program_id: claim.program.to_string(),
            exit_code: claim.exit_code,
            public_values,
            security_bits: receipt.security_bits,
            receipt_bytes: bytes,
        });
    }
    if args.program.is_none() {
        printer.talk().line(&format!("verified  a run of program {}", claim.program));
        printer.talk().line("          give --program to check that this is the program you mean");
    }
    printer.line(public_values)
}

/// The program to expect: an id as it is, anything else is a path. Says the file's name, if it is one.
fn program(text: &std::path::Path) -> Result<(ProgramId, Option<String>)> {
    if let Some(id) = text.to_str().and_then(|text| text.parse().ok()) {
        return Ok((id, None));
    }
    if !text.exists() {
        return Err(Error::input(format!("--program {} is neither a file nor a program id", text.display()))
            .hint("a program id has 64 hexadecimal digits; `phalanx inspect` shows that of a receipt"));
    }
    let elf = read_program(text)?;
    let id = Prover::open(&paths::keys_directory()?)?.program_id(&elf).map_err(|fault| Error::from(&fault))?;
    Ok((id, text.file_name().map(|name| name.to_string_lossy().into_owned())))
}

fn another_program(args: &Args, got: ProgramId, expected: ProgramId, name: Option<&str>) -> Error {
    let (mut got, mut expected) = (got.to_string(), expected.to_string());
    // Ids that agree at both ends, by chance or by effort, are shown whole.
    if short(&got) != short(&expected) {
        (got, expected) = (short(&got), short(&expected));
    }
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    Error::rejected("this receipt proves another program")
        .fact("receipt", got)
        .fact("expected", expected + &name)
        .hint(format!("`phalanx inspect {}` shows what it proves", args.receipt.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8) -> ProgramId {
        let mut bytes = [0xaa; 32];
        bytes[0] = first;
        ProgramId::new(bytes)
    }

    #[test]
    fn another_program_reads_as_in_the_style_guide() {
        let args = Args { receipt: "sorted.receipt".into(), program: None };
        let expected = "error: this receipt proves another program
  receipt  7baa…aaaa
  expected 09aa…aaaa (fib.elf)
  hint: `phalanx inspect sorted.receipt` shows what it proves";
        assert_eq!(another_program(&args, id(0x7b), id(0x09), Some("fib.elf")).to_string(), expected);
    }

    #[test]
    fn ids_that_look_alike_when_shortened_are_shown_whole() {
        let mut bytes = *id(0x09).as_bytes();
        bytes[16] = 1;
        let args = Args { receipt: "a.receipt".into(), program: None };
        let error = another_program(&args, id(0x09), ProgramId::new(bytes), None);
        assert!(error.facts.iter().all(|(_, value)| value.len() == 64), "{error}");
    }
}
