//! `phalanx receipt`: fetches the receipt of a done job, and writes it if it is a proof.

use std::path::PathBuf;

use phalanx_api::JobId;
use serde::Serialize;

use crate::{error::Result, fetched::fetch, printer::Printer, progress::row, server::ServerArgs, size, write::Target};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    /// Where to write the receipt
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    server: ServerArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Written {
    job: JobId,
    program_id: String,
    exit_code: u32,
    public_values: String,
    receipt: String,
    receipt_bytes: u64,
    security_bits: u32,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let target = Target::prepare("receipt", &args.output)?;
    let fetched = fetch(&args.server.client()?, args.job)?;
    target.write(&fetched.bytes)?;
    let path = target.path().display().to_string();
    let receipt_bytes = fetched.bytes.len() as u64;
    let security_bits = fetched.receipt.security_bits;
    let note = format!("{}, {security_bits}-bit security", size::show(receipt_bytes));
    printer.talk().line(&row("wrote", &path, None, &note));
    if !printer.is_json() {
        return Ok(());
    }
    let claim = &fetched.receipt.claim;
    printer.object(&Written {
        job: args.job,
        program_id: claim.program.to_string(),
        exit_code: claim.exit_code,
        public_values: hex::encode(&claim.public_values),
        receipt: path,
        receipt_bytes,
        security_bits,
    })
}
