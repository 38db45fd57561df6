//! Receipt files: a path becomes a decoded receipt, or the reason why not.
//!
//! In: bytes from anyone. Out: a [`Receipt`] of which nothing is proven yet.

use std::{fs::File, io::Read, path::Path};

use phalanx_receipt::{DecodeError, RECEIPT_BYTES_MAX, Receipt};

use crate::error::{Error, Result};

/// A receipt and how many bytes it has.
pub struct ReceiptFile {
    /// What is in it.
    pub receipt: Receipt,
    /// Its length.
    pub bytes: u64,
}

/// Reads a receipt; `refuse` says whose turn it is when the bytes are none.
pub fn read(path: &Path, refuse: fn(String) -> Error) -> Result<ReceiptFile> {
    let unreadable = |cause: std::io::Error| Error::unreadable("receipt", path, &cause);
    let mut bytes = Vec::new();
    // One byte more than is accepted tells a file that is too long.
    let limit = RECEIPT_BYTES_MAX as u64 + 1;
    File::open(path).map_err(unreadable)?.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    let receipt = Receipt::decode(&bytes).map_err(|error| not_a_receipt(path, &error, refuse))?;
    Ok(ReceiptFile { receipt, bytes: bytes.len() as u64 })
}

fn not_a_receipt(path: &Path, error: &DecodeError, refuse: fn(String) -> Error) -> Error {
    let refused = refuse(format!("cannot read receipt {}: {error}", path.display()));
    match error {
        DecodeError::Version { .. } => refused.hint("use the version of phalanx that made it"),
        DecodeError::Magic => refused.hint("receipts are what `phalanx prove` writes"),
        _ => refused.hint("copy it again from where it was made, or prove again"),
    }
}
