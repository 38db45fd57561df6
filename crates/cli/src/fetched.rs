//! A receipt as a gateway gave it: read, verified here, and held against the program that was meant.
//!
//! In: bytes from a gateway, which is not trusted. Out: a receipt that is a proof, or exit code 3 with the reason.

use phalanx_api::JobId;
use phalanx_claim::ProgramId;
use phalanx_client::Client;
use phalanx_receipt::Receipt;

use crate::{
    error::{Error, Result},
    server::patiently,
    text::short,
};

/// A receipt that the verifier accepts.
pub struct Fetched {
    /// What is in it.
    pub receipt: Receipt,
    /// As it came.
    pub bytes: Vec<u8>,
}

/// Fetches the receipt of a done job.
pub fn fetch(client: &Client, job: JobId) -> Result<Fetched> {
    let bytes = patiently(client, || client.receipt(job))?;
    let refused = |reason: String| {
        Error::rejected(format!("the receipt of job {job} is no proof: {reason}"))
            .fact("from", client.server())
            .hint("do not rely on it; prove again, elsewhere if you can")
    };
    let receipt = Receipt::decode(&bytes).map_err(|error| refused(error.to_string()))?;
    phalanx_receipt::verify(&receipt).map_err(|error| refused(error.to_string()))?;
    Ok(Fetched { receipt, bytes })
}

impl Fetched {
    /// Refuses a receipt of another program.
    pub fn check_program(&self, expected: ProgramId, name: &str) -> Result<()> {
        let got = self.receipt.claim.program;
        if got == expected {
            return Ok(());
        }
        Err(Error::rejected("this receipt proves another program")
            .fact("receipt", short(&got.to_string()))
            .fact("expected", format!("{} ({name})", short(&expected.to_string()))))
    }
}
